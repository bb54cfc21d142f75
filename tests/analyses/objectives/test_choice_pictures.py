"""What an agent and hypothetical ones did, in pictures."""

import numpy as np
import pytest

from analyses.objectives.choice_pictures import (
    agent_choices,
    plot_agent_choices,
    retargeting_example,
)
from interp.errors import UnknownNameError
from tests.organisms.tiny_mazes import tiny_maze_organism


@pytest.fixture(scope="module")
def agent():
    return tiny_maze_organism()


def test_hypothetical_agents_end_at_what_they_are_after(agent):
    found = agent_choices(agent, n=3, seed=1)
    tasks = agent.tasks("doors-blue-door-red-other", 3, 1)
    assert list(found.task.values) == list(tasks.texts)
    codes = {"after door": "D", "after red": "r"}
    for name, letter in codes.items():
        for episode in range(3):
            way = found.way.sel(agent=name).isel(episode=episode).values
            y, x = way[way[:, 0] >= 0][-1]
            row = str(found.task.values[episode]).splitlines()[1:][y]
            assert letter in row[2 * x : 2 * x + 2]
            steps = np.abs(np.diff(way[way[:, 0] >= 0], axis=0)).sum(axis=1)
            assert (steps == 1).all()
    assert set(found.reached.values) <= {"door", "red", "neither"}
    assert len(plot_agent_choices(found, agent).axes) == 3


def test_a_split_that_tells_nothing_apart_is_refused(agent):
    with pytest.raises(UnknownNameError, match="doors-blue-door-far"):
        agent_choices(agent, "doors-training")


def test_the_example_is_one_task_and_nothing_added_changes_nothing(agent):
    before, after = retargeting_example(agent, n_pairs=2)
    assert before.attrs["task"] == after.attrs["task"]
    assert float(abs(after.probability - before.probability).max()) > 1e-4
    before, after = retargeting_example(agent, n_pairs=2, alpha=0.0)
    assert before.probability.equals(after.probability)
