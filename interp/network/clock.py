"""Where in a run a network is: which step, which tick, which examples of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


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
    All readings are None outside a run, also after an exception.

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
        self._listeners: list[Callable[[Clock], None]] = []
        self._reset()

    def _reset(self) -> None:
        self.step: int | None = None
        self.tick: int | None = None
        self.examples: Any = None
        self.loop: ClosedLoop | None = None
        self.first_step = 0

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._depth > 0

    @contextmanager
    def run(
        self, first_step: int = 0, examples: Any = None, loop: ClosedLoop | None = None
    ) -> Iterator[Clock]:
        """Start a run, or join the one that is under way; reset everything when it ends.

        A forward that is called inside somebody else's run (a closed loop, say) joins it, so the
        caller's `first_step`, `examples` and `loop` hold.
        """
        begins = not self.running
        if begins:
            self.first_step, self.examples, self.loop = first_step, examples, loop
        self._depth += 1
        try:
            if begins:
                for listener in self._listeners:
                    listener(self)
            yield self
        finally:
            self._depth -= 1
            if not self.running:
                self._reset()

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

    def steps(self, n: int) -> Iterator[int]:
        """Move through `n` steps, yielding the position of each within this forward."""
        for position in range(n):
            self.step = self.first_step + position
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
