"""Where in a run a network is: which step, which tick, which examples of the batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from interp.errors import InputError


@dataclass(frozen=True)
class ClosedLoop:
    """The closed loop that a network's forward is part of.

    Attributes
    ----------
    world : World
        The world as the network sees it at this step, before it acts. To be read, not moved.
    rows : (batch,) int64
        For every row of the network's batch, its row in the world.
    memory : dict
        Empty when the rollout begins, and the same dict until it ends: for hooks that have to
        remember something of its episodes, under keys of their own.
    """

    world: Any
    rows: Any
    memory: dict[Any, Any] = field(default_factory=dict, repr=False)


class Clock:
    """The coordinates of the firing that is happening now.

    A network owns one clock and moves it in its forward; its hook points, and every hook, read it.
    All readings are None outside a run, also after an exception. A clock is of one thread at a time, and
    a copy of it (of the network it belongs to) stands still.

    Attributes
    ----------
    step : int or None
        Label of the current exchange with the outside. Negative while thinking before the first
        action (``-k … -1``), then ``0, 1, …``.
    tick : int or None
        The current internal repeat, from 0; None between ticks.
    examples : sequence of int or None
        For every row of the batch, the index of its episode within the run, whatever block of
        episodes is running. None when the rows are the episodes themselves, in order.
    loop : ClosedLoop or None
        The world that the network acts in; None when observations are given (teacher forcing).
    first_step : int
        The label that the first step of the next forward gets.
    entered : int
        How many steps have been entered since the clock was made: tells one visit of a label from the
        next.

    Examples
    --------
    >>> clock = Clock()
    >>> with clock.run():
    ...     for _ in clock.steps(2):
    ...         for _ in clock.ticks(2):
    ...             print(clock.step, clock.tick)
    0 0
    0 1
    1 0
    1 1
    >>> clock.step is None
    True
    """

    def __init__(self) -> None:
        self._depth = 0
        self._thread: int | None = None
        self._claim = threading.Lock()
        self._listeners: list[Callable[[Clock], None]] = []
        self.entered = 0
        self._reset()

    def __reduce__(self) -> Any:
        return type(self), ()

    def _reset(self) -> None:
        self.step: int | None = None
        self.tick: int | None = None
        self.examples: Any = None
        self.loop: ClosedLoop | None = None
        self.first_step = 0

    @property
    def running(self) -> bool:
        """Whether a run is under way, in this thread."""
        return self._depth > 0 and self._thread == threading.get_ident()

    @contextmanager
    def run(
        self, first_step: int = 0, examples: Any = None, loop: ClosedLoop | None = None
    ) -> Iterator[Clock]:
        """Start a run, or join the one that is under way; reset everything when it ends.

        A forward that is called inside somebody else's run (a closed loop, say) joins it, so the
        caller's `first_step`, `examples` and `loop` hold.

        Raises
        ------
        InputError
            If the network is running in another thread.
        """
        with self._claim:
            begins = self._depth == 0
            if not begins and self._thread != threading.get_ident():
                raise InputError(
                    "The network is running in another thread, and has one clock: two threads cannot "
                    "use it at the same time. Give each thread a copy (copy.deepcopy)."
                )
            self._thread = threading.get_ident()
            self._depth += 1
        if begins:
            self.first_step, self.examples, self.loop = first_step, examples, loop
        try:
            if begins:
                for listener in self._listeners:
                    listener(self)
            yield self
        finally:
            if self._depth == 1:
                self._reset()
            self._depth -= 1

    @contextmanager
    def listening(self, listener: Callable[[Clock], None]) -> Iterator[None]:
        """Call `listener` with the clock whenever a run starts, inside the ``with`` block.

        In a closed loop every step is a run of its own.
        """
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def enter(self, step: int) -> None:
        """Go to the step of this label."""
        self.step = step
        self.entered += 1

    def steps(self, n: int) -> Iterator[int]:
        """Move through `n` steps, yielding the position of each within this forward."""
        for position in range(n):
            self.enter(self.first_step + position)
            yield position
        self.step = None

    def ticks(self, n: int, first: int = 0) -> Iterator[int]:
        """Move through the current step's ticks from `first` to ``n − 1``."""
        for tick in range(first, n):
            self.tick = tick
            yield tick
        self.tick = None

    def __repr__(self) -> str:
        return f"Clock(step={self.step}, tick={self.tick})"
