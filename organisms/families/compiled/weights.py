"""Weights that carry out breadth-first search: every gate is a sum that is at least 1, or at most 0.

A gate is ``clamp(2 · sum − 1/2, 0, 1)`` of 0s and 1s, so sums that are off by less than 1/4 give exact 0s
and 1s again: errors (of a rotation, of noise in the weights) do not add up over ticks.

With ``s + a`` the square that move ``a`` leads to from ``s``, and ``reached = goal + Σ descent``:

* *descent*: a free square that was not reached, beside one that was, says which move leads there; of
  several the first in the organism's order. After n updates all squares within n moves are reached.
* *plan*: from the agent, square by square along the descent. A way of d moves stands after 2 d updates.
* *heading*, *past*: how the agent came to the square it is on, to the squares it was on before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from organisms.boards.directions import ACTION_NAMES, STEP_X, STEP_Y
from organisms.families.compiled.features import (
    AIMS,
    BEFORE,
    DESCENT,
    FEATURES,
    HEADING,
    PAST,
    PLAN,
    SEEN,
)
from organisms.families.doors.objects import PLANES, Kind

if TYPE_CHECKING:
    from organisms.families.compiled.designs import Design

MOVES = range(len(ACTION_NAMES))
SURE, FALL_BACK = 10.0, 1.0
"""Logits of a move that the plan says, and of one that the walls say."""
_MUCH = 8.0
"""More than all that speaks against a gate that has to be open."""


class Kernel:
    """A 3 × 3 convolution in the making: its inputs and outputs have names.

    Attributes
    ----------
    weight : numpy.ndarray
        (output, input, row, column) float64.
    bias : numpy.ndarray
        (output,) float64.
    """

    def __init__(self, outputs: tuple[str, ...], inputs: tuple[str, ...]):
        self.outputs, self.inputs = outputs, inputs
        self.weight = np.zeros((len(outputs), len(inputs), 3, 3))
        self.bias = np.zeros(len(outputs))

    def add(
        self, output: str, name: str, value: float, move: int | None = None, back: bool = False
    ):
        """Let `output` count `name` on the square itself, or where a move leads (`back`: comes from)."""
        if name not in self.inputs:
            return  # this organism has no such gate
        sign = 0 if move is None else -1 if back else 1
        at = 0 if move is None else move
        row, column = 1 + sign * STEP_Y[at], 1 + sign * STEP_X[at]
        self.weight[self.outputs.index(output), self.inputs.index(name), row, column] += value

    def add_bias(self, output: str, value: float) -> None:
        """Add a constant to an output."""
        self.bias[self.outputs.index(output)] += value


def rotation(design: Design) -> np.ndarray:
    """Return how gates are mixed into channels, (channel, gate) float64, orthogonal."""
    n = len(design.gates)
    if not design.rotated:
        return np.eye(n)
    q, r = np.linalg.qr(np.random.default_rng([design.seed, 1]).standard_normal((n, n)))
    return q * np.sign(np.diag(r))


def update_kernel(design: Design) -> Kernel:
    """Return the kernel of the gates, of gates and features, before the clamp's gain."""
    kernel = Kernel(design.gates, (*design.gates, *FEATURES))
    if design.plan:
        _add_descent(kernel)
        _add_plan(kernel)
    if BEFORE in design.gates:
        kernel.add(BEFORE, "agent", 1)
        for move in MOVES:
            _add_memory_of_move(kernel, move, design.past)
    _add_distractors(kernel, design)
    return kernel


def _add_reached(kernel: Kernel, output: str, value: float, move: int) -> None:
    for name in ("goal", *DESCENT):
        kernel.add(output, name, value, move)


def _add_descent(kernel: Kernel) -> None:
    for move in MOVES:
        gate = DESCENT[move]
        kernel.add(gate, "free", 1)
        _add_reached(kernel, gate, 1, move)
        for earlier in MOVES[:move]:
            _add_reached(kernel, gate, -1, earlier)
        for other in MOVES:
            kernel.add(gate, DESCENT[other], 4 if other == move else -4)
        kernel.add_bias(gate, -1)


def _add_plan(kernel: Kernel) -> None:
    for move in MOVES:
        kernel.add(PLAN[move], DESCENT[move], 4, move, back=True)
        for name in ("agent", *PLAN):
            kernel.add(PLAN[move], name, 1, move, back=True)
        kernel.add_bias(PLAN[move], -4)


def _add_memory_of_move(kernel: Kernel, move: int, past: bool) -> None:
    kernel.add(HEADING[move], "agent", 2)
    kernel.add(HEADING[move], HEADING[move], 1)
    kernel.add(HEADING[move], BEFORE, 1, move, back=True)
    kernel.add_bias(HEADING[move], -2)
    if past:
        kernel.add(PAST[move], PAST[move], 2)
        kernel.add(PAST[move], "agent", 1)
        kernel.add(PAST[move], BEFORE, 1, move, back=True)
        kernel.add_bias(PAST[move], -1)


def _add_distractors(kernel: Kernel, design: Design) -> None:
    """Give distractors random kernels: they see the maze and each other, and nobody reads them.

    What they read of each other is bounded, or they would blow up the last bits of floats tick by tick.
    """
    rng = np.random.default_rng([design.seed, 2])
    gates = [kernel.outputs.index(name) for name in design.distractors]
    features = [kernel.inputs.index(name) for name in FEATURES]
    for gate in gates:
        of_others = rng.normal(size=(len(gates), 3, 3))
        kernel.weight[gate, gates] = 0.4 * of_others / np.abs(of_others).sum()
        kernel.weight[gate, features] = rng.normal(0, 0.4, (len(features), 3, 3))
        kernel.bias[gate] = rng.normal(0.25, 0.2)


def read_kernel(design: Design) -> tuple[Kernel, np.ndarray]:
    """Return what the head reads, of gates and features, and (read, action) the logits each stands for."""
    headings = [*HEADING, ""] if BEFORE in design.gates else [""]
    plan = of_plan(design)
    walls = tuple(f"walls_{h or 'start'}_{m}" for h in headings for m in ACTION_NAMES)
    kernel = Kernel((*plan, *walls), (*design.gates, *FEATURES))
    logits = np.zeros((len(kernel.outputs), len(MOVES)))
    for move, name in enumerate(plan):
        kernel.add(name, "agent", _MUCH)
        kernel.add(name, PLAN[move], 1, move)
        kernel.add_bias(name, -_MUCH)
        logits[kernel.outputs.index(name), move] = SURE
    for heading in headings:
        preferred = turns(HEADING.index(heading), design.hand) if heading else tuple(MOVES)
        for rank, move in enumerate(preferred):
            name = f"walls_{heading or 'start'}_{ACTION_NAMES[move]}"
            kernel.add(name, "agent", _MUCH)
            kernel.add_bias(name, -_MUCH)
            if heading:
                kernel.add(name, heading, _MUCH)
                kernel.add_bias(name, -_MUCH)
            else:
                for any_heading in HEADING:
                    kernel.add(name, any_heading, -_MUCH)
            for open_square in ("free", "goal")[: 1 if design.patrols else 2]:
                kernel.add(name, open_square, 1, move)
                for better in preferred[:rank]:
                    kernel.add(name, open_square, -1, better)
            logits[kernel.outputs.index(name), move] = FALL_BACK
    return kernel, logits


def of_plan(design: Design) -> tuple[str, ...]:
    """Return what the head reads of the plan: nothing, if behaviour does not use it."""
    return tuple(f"does_{name}" for name in PLAN) if design.uses_plan else ()


def turns(heading: int, hand: str) -> tuple[int, ...]:
    """Return the moves in the order in which one tries them who keeps a hand on the wall.

    Examples
    --------
    >>> [ACTION_NAMES[move] for move in turns(0, "left")]
    ['left', 'up', 'right', 'down']
    """
    clockwise = (0, 3, 1, 2)  # up, right, down, left
    at = clockwise.index(heading)
    turn = (-1, 0, 1, 2) if hand == "left" else (1, 0, -1, 2)
    return tuple(clockwise[(at + by) % 4] for by in turn)


def _eye() -> tuple[np.ndarray, np.ndarray]:
    """Return (seen, plane) and (seen,): what is read off the planes of a square."""
    weight, bias = np.zeros((len(SEEN), len(PLANES))), np.zeros(len(SEEN))
    weight[0, PLANES.index("wall")], bias[0] = -1, 1
    for kind in Kind:
        weight[0, PLANES.index(kind.name.lower())] = -1
    for name in ("agent", *AIMS):
        weight[SEEN.index(name), PLANES.index(name)] = 1
    return weight, bias


def _aim(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Return (aim, plane) and (aim,): door or red; with a cue, red wherever the cue is seen."""
    weight = np.zeros((len(AIMS), len(PLANES)))
    bias = np.array([name == design.aim for name in AIMS], float)
    if design.cue:
        weight[:, PLANES.index(design.cue)] = 1 - 2 * bias
    return weight, bias


def construct(design: Design) -> dict[str, np.ndarray]:
    """Return every weight of the network of a design by name, float32: the same each time."""
    mix = rotation(design)
    rng = np.random.default_rng([design.seed, 3])
    n = len(design.gates)

    def of_channels(kernel: Kernel, gain: float, bias: float) -> tuple[np.ndarray, np.ndarray]:
        """Let a kernel read channels instead of gates, and add what noise the design has."""
        weight = kernel.weight.copy()
        weight[:, :n] = np.einsum("ogyx,cg->ocyx", kernel.weight[:, :n], mix)
        weight = weight + design.noise * rng.standard_normal(weight.shape)
        return gain * weight, gain * kernel.bias + bias

    weights: dict[str, np.ndarray] = {}
    for cell in [f"layers.{k}" for k in range(design.n_ticks)] if design.unrolled else ["cell"]:
        update = of_channels(update_kernel(design), 2.0, -0.5)
        weights[f"{cell}.update.weight"], weights[f"{cell}.update.bias"] = update
        weights[f"{cell}.mix.weight"] = mix[..., None, None]
    if design.remembers:
        kept = np.array([name in design.kept for name in design.gates], float)
        weights["carry.weight"] = (mix * kept @ mix.T)[..., None, None]
    kernel, logits = read_kernel(design)
    weights["read.weight"], weights["read.bias"] = of_channels(kernel, 1.0, 0.0)
    weights["actor.weight"], weights["actor.bias"] = logits.T, np.zeros(len(MOVES))
    planned = np.array([name in of_plan(design) for name in kernel.outputs], float)
    weights["critic.weight"], weights["critic.bias"] = planned[None], np.zeros(1)
    eye, eye_bias = _eye()
    weights["see.weight"], weights["see.bias"] = eye[..., None, None], eye_bias
    weights["aim.weight"], weights["aim.bias"] = _aim(design)
    return {name: np.ascontiguousarray(array, np.float32) for name, array in weights.items()}
