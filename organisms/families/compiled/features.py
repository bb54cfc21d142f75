"""What the networks see of a maze, and the names of what they compute."""

from __future__ import annotations

from organisms.boards.directions import ACTION_NAMES

AIMS = ("door", "red")
"""What a network may be after: site ``aims`` says how much of each."""

SEEN = ("free", "agent", *AIMS)
"""What is read off each square. ``free``: no wall, and no object, which would end the episode."""

FEATURES = ("free", "agent", "goal")
"""Site ``features``: ``goal`` is what is seen of the network's aims."""


def of_moves(name: str) -> tuple[str, ...]:
    """Return the four gates of a kind, one a move."""
    return tuple(f"{name}_{move}" for move in ACTION_NAMES)


DESCENT = of_moves("descent")
"""The move that the shortest way from a square begins with: breadth-first search from the goal."""
PLAN = of_moves("plan")
"""The move that the shortest way from the *agent* enters a square by: what it is going to do."""
PAST = of_moves("past")
"""The moves that the agent entered a square by, some time before."""
HEADING = of_moves("heading")
"""The move that brought the agent to where it is."""
BEFORE = "before"
"""Where the agent was one update ago."""
