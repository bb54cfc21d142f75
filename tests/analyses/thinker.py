"""An organism whose skill, and what thinking does for it, are given."""

import numpy as np
import xarray as xr


class Thinker:
    """Solves task i if its skill plus `gain` × thinking steps reaches i."""

    name = "thinker"

    def __init__(self, skill: int, gain: int):
        self.skill, self.gain = skill, gain

    def untrained(self, seed):
        return Thinker(0, 0)

    def world(self, tasks):
        return type("World", (), {"max_steps": 8})

    def run(self, tasks, seed=0, thinking_steps=0, batch_size=128):
        solved = np.arange(len(tasks)) < self.skill + self.gain * thinking_steps
        return xr.Dataset(
            {
                "solved": ("episode", solved),
                "length": ("episode", np.where(solved, 2, 8)),
                "reward": (("episode", "step"), np.where(solved, 5.0, -1.0)[:, None]),
            }
        )
