"""Every unroll is new episodes, and goes on where a saved one was."""

from __future__ import annotations

import numpy as np

from organisms.families.bandits.world import HORIZON, BanditWorld, draw_bandits
from organisms.training.whole_episodes import WholeEpisodes


def practice(seed: int = 0) -> WholeEpisodes:
    return WholeEpisodes(lambda drawn: BanditWorld(draw_bandits("train", 4, drawn)), seed)


def pays(episodes: WholeEpisodes) -> list[list[float]]:
    """Play one unroll, always to the left."""
    steps = [episodes.step(np.zeros(4, int)) for _ in range(HORIZON)]
    assert [bool(ended.all()) for _, ended, _ in steps] == [False] * (HORIZON - 1) + [True]
    assert not any(solved.any() for *_, solved in steps)
    return [reward.tolist() for reward, *_ in steps]


def test_every_unroll_has_new_tasks():
    episodes = practice()
    first = pays(episodes)
    assert episodes.renew() and (episodes.observation == 0).all()
    assert pays(episodes) != first
    assert pays(practice()) == first != pays(practice(seed=1))


def test_a_saved_practice_goes_on_with_the_tasks_it_would_have_had():
    episodes, again = practice(), practice(seed=5)
    again.set_state(*episodes.get_state())
    episodes.renew(), again.renew()
    assert pays(episodes) == pays(again)
