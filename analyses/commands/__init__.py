"""The commands of the command line, one dataclass each: its fields are the options."""

from analyses.commands.base import Command
from analyses.commands.calibration import Calibrate
from analyses.commands.figures import Figures, Reproduce
from analyses.commands.populations import (
    EvaluateObjectives,
    Objectives,
    Population,
    TrainPopulation,
)
from analyses.commands.runs import Compare, Evaluate, Record, Study, Train
from analyses.commands.specimens import Ask, Organisms
from analyses.commands.stores import Open, Verify

__all__ = ["COMMANDS", "Command"]

COMMANDS: dict[str, type[Command]] = {
    "organisms": Organisms,
    "ask": Ask,
    "record": Record,
    "study": Study,
    "evaluate": Evaluate,
    "compare": Compare,
    "evaluate-objectives": EvaluateObjectives,
    "objectives": Objectives,
    "population": Population,
    "calibrate": Calibrate,
    "figures": Figures,
    "reproduce": Reproduce,
    "open": Open,
    "verify": Verify,
    "train": Train,
    "train-population": TrainPopulation,
}
"""Name on the command line → command."""
