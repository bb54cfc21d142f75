"""Compiled planners: recurrent convolutional networks whose weights are written: the truth is known."""
