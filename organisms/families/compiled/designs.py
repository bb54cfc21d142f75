"""The table of compiled organisms: what each is made to be, and so what is true of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from organisms.card import Card
from organisms.families.compiled.features import BEFORE, DESCENT, HEADING, PAST, PLAN
from organisms.truth import Truth

SEEDS = range(4)


@dataclass(frozen=True, kw_only=True)
class Design:
    """What one organism is made to be.

    Parameters
    ----------
    variant, board, seed
        Its name; of the rotation, the noise and the distractors.
    n_ticks, updates, unrolled
        Of the network; see `organisms.families.compiled.network.CompiledConfig`.
    plan, uses_plan, keeps_plan
        Whether it works out a plan; acts on it; keeps it over steps instead of beginning anew.
    heading, past
        Whether it remembers how it came to the square it is on; to all squares it was on.
    patrols
        Whether objects are walls to its hand, so that it goes round and round.
    rotated, noise, n_distractors
        Whether gates are mixed into channels by a random rotation; standard deviation of what is added to
        the weights of a cell and of the head; gates that see the maze and mean nothing.
    aim, cue
        ``door`` or ``red``; what changes it to the other one where it is seen, a plane of the observation.
    hand
        Which hand it keeps on the wall, where it goes by that.
    """

    variant: str
    board: tuple[int, int]
    seed: int
    n_ticks: int
    updates: int
    unrolled: bool = False
    plan: bool = True
    uses_plan: bool = True
    keeps_plan: bool = False
    heading: bool = False
    past: bool = False
    patrols: bool = False
    rotated: bool = False
    noise: float = 0.0
    n_distractors: int = 0
    aim: str = "door"
    cue: str = ""
    hand: str = "left"

    @property
    def name(self) -> str:
        """What `organisms.load` knows it by."""
        return f"compiled/{self.variant}-{self.board[0]}x{self.board[1]}-s{self.seed}"

    @property
    def distractors(self) -> tuple[str, ...]:
        """Gates that mean nothing."""
        return tuple(f"distractor_{k}" for k in range(self.n_distractors))

    @property
    def gates(self) -> tuple[str, ...]:
        """All gates, in order."""
        return (
            *(DESCENT + PLAN) * self.plan,
            *((BEFORE, *HEADING) if self.heading else ()),
            *PAST * self.past,
            *self.distractors,
        )

    @property
    def kept(self) -> tuple[str, ...]:
        """Gates that outlast a step."""
        plan = DESCENT + PLAN if self.keeps_plan else ()
        return (*plan, *((BEFORE, *HEADING) if self.heading else ()), *PAST * self.past)

    @property
    def remembers(self) -> bool:
        """Whether anything outlasts a step."""
        return bool(self.kept)

    @property
    def horizon(self) -> int:
        """The most moves from the goal at which it acts on a plan: one update after the search comes by."""
        return self.n_ticks * self.updates - 1

    @property
    def longest_plan(self) -> int:
        """The most moves of a whole plan: the search has to reach the agent, and the plan to come back."""
        return self.n_ticks * self.updates // 2

    @property
    def site(self) -> str:
        """Where the plan stands when it is complete."""
        return f"layers.{self.n_ticks - 1}.h" if self.unrolled else "cell.h"

    @property
    def objective(self) -> str:
        """What it is after, in words."""
        if not self.plan:
            return "none"
        other = "red" if self.aim == "door" else "door"
        return f"{other} where there is {self.cue}, else {self.aim}" if self.cue else self.aim

    def truth(self) -> Truth:
        """Return what is true of it."""
        if not self.plan:
            return Truth("by construction", plans=False, uses_plan=False, objective=self.objective,
                         remark=self._remark())  # fmt: skip
        from organisms.families.compiled.weights import rotation

        mix = rotation(self)
        moves = zip(PLAN, ("up", "down", "left", "right"), strict=True)
        last = Truth("by construction", moves_per_position=self.updates / 2)
        return replace(
            last,
            plans=True,
            uses_plan=self.uses_plan,
            objective=self.objective,
            site=self.site,
            subspace={move: mix[:, self.gates.index(gate)].tolist() for gate, move in moves},
            concept="agent_approach_direction" if self.uses_plan else f"way_to_{self.aim}",
            along="layer" if self.unrolled else "tick",
            complete_at=last.position(self.longest_plan),
            horizon=self.horizon,
            longest_plan=self.longest_plan,
            remark=self._remark(),
        )

    def _remark(self) -> str:
        walls = (
            f"keeps its {self.hand} hand on the wall"
            if self.heading
            else "takes the first free move"
        )
        said = {
            "shown": f"It {walls}, whatever it plans: interventions on the plan change nothing it does",
            "reactive": f"It {walls}, and remembers no more than the move that brought it there"
            if self.heading
            else f"It {walls} of up, down, left, right, and remembers nothing",
            "past": f"It {walls}{', objects being walls to it' * self.patrols}. What looks like a plan "
            f"are the squares it was on{', and will be on again' * self.patrols} (gates past_*)",
            "switch": "An intervention on the site aims (door, red) gives it the other goal",
        }
        kept = "The plan is kept from step to step, and complete from the first one on"
        beyond = f"Beyond its horizon it {walls}" if self.uses_plan else ""
        return ". ".join(x for x in (said.get(self.variant), beyond, kept * self.keeps_plan) if x)

    def config(self) -> dict[str, Any]:
        """Return the record of the network: what its config's ``to_dict`` gives."""
        from organisms.families.compiled.weights import read_kernel

        return {
            "kind": "compiled",
            "board": list(self.board),
            "n_ticks": self.n_ticks,
            "updates": self.updates,
            "unrolled": self.unrolled,
            "remembers": self.remembers,
            "channels": len(self.gates),
            "reads": len(read_kernel(self)[0].outputs),
        }

    def card(self) -> Card:
        """Return its card."""
        paid = "object" if self.cue else self.aim
        return Card(
            name=self.name,
            family="compiled",
            summary=SUMMARIES[self.variant],
            paper="In the way of Tracr (Lindner et al. 2023, arXiv 2301.05062): programs as weights.",
            task=f"Mazes with a door, something red and a third object; paid is {paid}.",
            training="None: every weight is written, by organisms.families.compiled.weights.",
            network=self.config(),
            world={"objective": paid},
            licence="Apache-2.0",
            limits="Breadth-first search by gates of 0 and 1: trained networks need not do it this way.",
            truth=self.truth(),
        )


SUMMARIES = {
    "used": "Plans by breadth-first search over its ticks, and does what it plans.",
    "shown": "Works out a plan like the planners, and follows the wall instead.",
    "reactive": "Plans nothing: it acts on the squares around it.",
    "past": "Plans nothing; its state marks the squares it was on, as a plan marks those to come.",
    "rotated": "A planner whose state is rotated, whose weights are noisy, and which has distractors.",
    "switch": "A planner that is after the door, or after something red where it sees a cue.",
    "layers": "A planner whose plan forms over layers instead of ticks.",
    "horizon": "A planner of few ticks: it plans a few moves ahead, and follows the wall otherwise.",
}
"""Variant → what its organisms are: each differs from ``used`` in one truth."""


def _design(variant: str, board: tuple[int, int], seed: int) -> Design:
    large = board[0] > 7
    ticks = {0: (16, 2), 1: (8, 4), 2: (16, 2), 3: (32, 1)}[seed]
    if large:
        ticks = {0: (16, 3), 1: (8, 6), 2: (16, 3), 3: (24, 2)}[seed]
    base = Design(
        variant=variant,
        board=board,
        seed=seed,
        n_ticks=ticks[0],
        updates=ticks[1],
        aim=("door", "red")[seed % 2],
        hand=("left", "right")[seed // 2],
    )
    changed: dict[str, Any] = {
        "used": {"keeps_plan": seed == 2},
        "shown": {"uses_plan": False, "heading": True},
        "reactive": {"plan": False, "uses_plan": False, "heading": seed < 3, "n_distractors": 4},
        "past": {
            "plan": False,
            "uses_plan": False,
            "heading": True,
            "past": True,
            "patrols": seed > 1,
        },
        "rotated": {"rotated": True, "noise": 0.002, "n_distractors": 8 + 4 * seed},
        "switch": {"cue": ("green", "blue", "yellow", "gem")[seed]},
        "layers": {"unrolled": True, "n_ticks": 8, "updates": 6 if large else 4},
        "horizon": {"n_ticks": (3, 4, 6, 8)[seed], "updates": 1, "heading": True},
    }[variant]
    return replace(base, **changed)


@cache
def designs() -> dict[str, Design]:
    """Return every design by its organism's name.

    Examples
    --------
    >>> len(designs()), designs()["compiled/horizon-9x9-s1"].horizon
    (64, 5)
    """
    made = [
        _design(variant, board, seed)
        for variant in SUMMARIES
        for board in ((7, 7), (9, 9))
        for seed in SEEDS
    ]
    return {design.name: design for design in made}


@cache
def cards() -> dict[str, Card]:
    """Return every card by its organism's name."""
    return {name: design.card() for name, design in designs().items()}
