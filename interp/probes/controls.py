"""The observation as a control: a ladder of what a probe of it may see, remember and compute.

A network's state at one square has been through many convolutions and many steps. A probe of that one
square of the observation is no control for it; so there are several, ever stronger, and a claim stands
above all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from interp.errors import InputError

BOARD = "board"
FIELDS = (1, 3, 5, 7, BOARD)
"""Sides of the squares that the ladder's linear probes see."""
HIDDEN = 64
"""Units of the hidden layer of probes that are not linear."""
_NAME = re.compile(
    r"(?P<mlp>MLP)?(?P<sep> )?(?P<what>observation|last (?P<last>\d+))?"
    r"(?: (?:(?P<side>\d+)x(?P=side)|(?P<board>board)))?"
)


@dataclass(frozen=True)
class ObservationProbe:
    """One rung: a probe of the observation in place of the network's state.

    Attributes
    ----------
    field
        It sees the ``field`` × ``field`` squares about each square, zeros beyond the border; ``"board"``
        for all of the board, as seen from the square; None for what the probe of the network sees.
    last
        It sees the last so many observations (at the first step the first, over again).
    hidden
        Units of its one hidden layer: with weights shared by all squares, a convolution of this field and
        one of a single square. 0 for a linear probe.
    """

    field: int | str | None = None
    last: int = 1
    hidden: int = 0

    @property
    def name(self) -> str:
        """What it is called in results: ``observation 3x3``, ``last 4 3x3``, ``MLP last 4 3x3``."""
        what = f"last {self.last}" if self.last > 1 else "" if self.hidden else "observation"
        field = "" if self.field is None else self.field
        field = f"{field}x{field}" if isinstance(field, int) else field
        return " ".join(part for part in ("MLP" if self.hidden else "", what, field) if part)

    @classmethod
    def named(cls, name: str) -> ObservationProbe | None:
        """Return the probe of a name; None if it is no such name.

        Examples
        --------
        >>> ObservationProbe.named("last 4 3x3")
        ObservationProbe(field=3, last=4, hidden=0)
        >>> ObservationProbe.named("history")
        ObservationProbe(field=None, last=2, hidden=0)
        >>> ObservationProbe.named("MLP 5x5").hidden
        64
        """
        if name == "history":
            return cls(last=2)
        found = _NAME.fullmatch(name)
        if found is None or not (found["mlp"] or found["what"]):
            return None
        field = int(found["side"]) if found["side"] else found["board"]
        rung = cls(field, int(found["last"] or 1), HIDDEN if found["mlp"] else 0)
        return rung if rung.name == name else None

    def side(self, own: int, places: Mapping[str, int]) -> int:
        """Return how many squares wide it sees, where the network's probe sees `own`.

        Raises
        ------
        InputError
            If it has a field and the target no squares.
        """
        if self.field is None:
            return own
        if tuple(places) != ("y", "x"):
            raise InputError(
                f"The control {self.name!r} sees neighbouring squares, and the target has no squares "
                "(y, x)."
            )
        return board_side(places) if self.field == BOARD else int(self.field)


def board_side(places: Mapping[str, int]) -> int:
    """Return the side of the square about any square of a board that holds the whole board."""
    return 2 * max(places["y"], places["x"]) - 1


def ladder(
    places: Mapping[str, int],
    memory: bool = True,
    fields: Sequence[int | str] = FIELDS,
    more_fields: Iterable[int] = (),
) -> tuple[str, ...]:
    """Return the names of the observation's probes that a claim about a network must stand above.

    Linear probes of all `fields`; if the state has a memory, also of the last 2 and the last 4
    observations, over as many squares as keeps them affordable; and probes with a hidden layer of 5 × 5
    squares and of the last 4 observations in 3 × 3.

    Parameters
    ----------
    places
        Dim → size of the target's places. Without squares, a probe sees all there is at its place.
    memory
        Whether what is probed may know of earlier observations.
    fields
        Sides, odd, and ``"board"``; what is as wide as the board, or wider, is the board.
    more_fields
        Further sides: those that the sites see themselves.

    Examples
    --------
    >>> ladder({"y": 10, "x": 10}, memory=False)[2:]
    ('observation 5x5', 'observation 7x7', 'observation board', 'MLP 5x5')
    >>> ladder({})
    ('observation', 'last 2', 'last 4', 'MLP', 'MLP last 4')
    """
    if tuple(places) != ("y", "x"):
        rungs = [ObservationProbe(), ObservationProbe(hidden=HIDDEN)]
        if memory:
            rungs[1:1] = [ObservationProbe(last=2), ObservationProbe(last=4)]
            rungs.append(ObservationProbe(last=4, hidden=HIDDEN))
        return tuple(rung.name for rung in rungs)
    board = board_side(places)
    sides = {board if f == BOARD else int(f) for f in (*fields, *more_fields)}
    every = [s for s in sorted(sides) if s < board] + ([BOARD] if max(sides) >= board else [])

    def within(most: int) -> int | str:
        fitting = [s for s in every if s != BOARD and int(s) <= most]
        return fitting[-1] if fitting else every[0]

    rungs = [ObservationProbe(field) for field in every]
    if memory:
        rungs += [ObservationProbe(every[0], 2), ObservationProbe(within(5), 4)]
    rungs.append(ObservationProbe(within(5), 1, HIDDEN))
    if memory:
        rungs.append(ObservationProbe(within(3), 4, HIDDEN))
    return tuple(dict.fromkeys(rung.name for rung in rungs))
