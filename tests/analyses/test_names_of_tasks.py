"""Misspelt names of tasks, wherever they can be given: the nearest that there is, and no crash."""

import pytest

import analyses
import organisms
from analyses.cli import main
from analyses.papers import figures
from interp.errors import InputError, UnknownNameError
from tests.organisms.tiny import save_tiny
from tests.organisms.tiny_mazes import tiny_maze_organism


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("tiny")))


COMMANDS = {
    "record": "record NAME OUT --split tets",
    "evaluate": "evaluate NAME --split tets --n 2",
    "study": "study NAME --out OUT --split tets --n 40",
    "compare": "compare NAME NAME --out OUT --split tets --n 2",
    "reproduce": "reproduce guez2019-thinking-time --organism NAME --out OUT --split tets --n 2",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_name_the_nearest_set(command, folder, tmp_path, capsys):
    figure = next(name for name in figures() if name.startswith("guez2019"))
    line = COMMANDS[command].replace("guez2019-thinking-time", figure)
    words = [{"NAME": folder, "OUT": str(tmp_path / "out")}.get(w, w) for w in line.split()]
    if command == "compare":
        words[2] = "sokoban-drc-tiny-v1"
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "named 'tets'. Nearest: 'test'" in said and "Traceback" not in said


def test_analyses_say_that_a_name_is_no_set_of_tasks(folder):
    organism, maze = organisms.load(folder), tiny_maze_organism()
    calls = [
        lambda: organism.run("test"),
        lambda: analyses.thinking_time(organism, "test", progress=False),
        lambda: analyses.plan_probes(organism, "test", progress=False),
        lambda: analyses.pacing(organism, "test", progress=False),
        lambda: analyses.time_to_milestone(organism, "test", progress=False),
        lambda: analyses.generalisation(organism, {"own": "test"}, progress=False),
        lambda: analyses.training_curve({1: organism}, {"own": "test"}, progress=False),
        lambda: analyses.goal_sensitivity(maze, "test"),
        lambda: analyses.behavioural_objective(maze, {"own": "test"}, progress=False),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"'test' is text.*organism\.tasks\('test'\)"):
            call()
    with pytest.raises(InputError, match="mapping of names to tasks"):
        analyses.training_curve({1: organism}, "test")
    [violation, *_] = organisms.check(organism, "test")
    assert "organism.tasks('test')" in violation.words


def test_kinds_of_tasks_name_the_nearest(folder):
    organism, maze = organisms.load(folder), tiny_maze_organism()
    calls = {
        "agent-shortcut": lambda: analyses.plan_steering(organism, "agent-shortcutt"),
        "swap-objects": lambda: analyses.objective_swap(maze, kind="swap-object"),
        "doors-blue-door-far": lambda: analyses.agent_choices(maze, "doors-blue-door-fra"),
        "doors-training": lambda: maze.tasks("door-training", 2),
        "test": lambda: organism.tasks("tests", 2),
    }
    for nearest, call in calls.items():
        with pytest.raises(UnknownNameError, match=f"Nearest: .*'{nearest}'"):
            call()
