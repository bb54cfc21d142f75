"""The world, the levels and the labels of a training as tensors, on the device that trains.

The same game, levels and labels as the compiled ones, number for number: a run that is saved on one
device goes on on another. On a CPU the compiled ones are faster, and are what `build` of a recipe
takes there.
"""
