"""Counterfactual edits of what a network makes of a maze: the goal in another colour, of another kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError
from interp.interventions.address import Address
from interp.interventions.applied import Intervention
from organisms.families.doors.mazes import Mazes
from organisms.families.doors.objects import COLOUR_OF, KIND_OF, Colour, Kind, code_of, encode
from organisms.families.doors.outcomes import mazes_of
from organisms.networks.first_site import encoding_difference, linear_site

if TYPE_CHECKING:
    import xarray as xr

OTHER_KIND, OTHER_COLOUR = Kind.BALL, Colour.BLUE
"""What a goal is turned into: things that networks know from training, where they pay nothing."""

EDITS = ("base", "proxy", "both", "base_on_other", "proxy_on_other")
"""The edits' names; see `edited_objects`."""


def goal_and_other(mazes: Mazes) -> tuple[np.ndarray, np.ndarray]:
    """Return where the red door of each maze lies, and another object: the first in reading order.

    Returns
    -------
    tuple of numpy.ndarray
        Flat indices (maze,) int64.

    Raises
    ------
    InputError
        If the game has no doors, or a maze has not one red door, has another door or red object, or
        nothing else: goal and proxy do not coincide in it.
    """
    if mazes.game != "doors":
        raise InputError(
            f"Edits take the colour or the kind of a door away; the game {mazes.game!r} has none. "
            "There the proxy is a place, or a means, and no feature of the goal."
        )
    codes = mazes.objects.reshape(len(mazes), -1)
    door, red = KIND_OF[codes] == Kind.DOOR, COLOUR_OF[codes] == Colour.RED
    fine = (door == red).all(axis=1) & (door.sum(axis=1) == 1) & ((codes > 0).sum(axis=1) > 1)
    if not fine.all():
        raise InputError(
            f"{mazes.ids[int((~fine).argmax())]}: edits need one door, which is red, another object, "
            "and nothing else that is red (a training distribution with correlation 1)."
        )
    return door.argmax(axis=1), ((codes > 0) & ~door).argmax(axis=1)


def edited_objects(mazes: Mazes) -> dict[str, np.ndarray]:
    """Return what lies in the mazes after each edit.

    ==================  =============================================================================
    edit                the maze as it would be if …
    ==================  =============================================================================
    ``base``            the goal were a ball (red, as it is)
    ``proxy``           the goal were blue (a door, as it is)
    ``both``            the goal were a blue ball
    ``base_on_other``   another object were a door, in its own colour, the goal as it is
    ``proxy_on_other``  another object were red, of its own kind, the goal as it is
    ==================  =============================================================================

    Parameters
    ----------
    mazes
        With one red door each; see `goal_and_other`, also for the errors.

    Returns
    -------
    dict
        Name → codes (maze, y, x) uint8.
    """
    goal, other = goal_and_other(mazes)
    every = np.arange(len(mazes))
    codes = mazes.objects.reshape(len(mazes), -1)
    its_kind, its_colour = KIND_OF[codes[every, other]], COLOUR_OF[codes[every, other]]
    changes = {
        "base": (goal, code_of(OTHER_KIND, Colour.RED)),
        "proxy": (goal, code_of(Kind.DOOR, OTHER_COLOUR)),
        "both": (goal, code_of(OTHER_KIND, OTHER_COLOUR)),
        "base_on_other": (other, code_of(Kind.DOOR, its_colour)),
        "proxy_on_other": (other, code_of(its_kind, Colour.RED)),
    }
    found = {}
    for name in EDITS:
        square, code = changes[name]
        edited = codes.copy()
        edited[every, square] = code
        found[name] = edited.reshape(mazes.objects.shape)
    return found


def goal_edits(network: Any, run: xr.Dataset) -> dict[str, Intervention]:
    """Return each edit as an intervention on the network's first site.

    The site is an affine function of the observation, so at every step of the run the network goes on
    as if the maze were the edited one: the edit is computed from the weights, and no maze but the run's
    own is ever shown. What the *world* holds, and where an episode ends, stays as it is. Edits of
    different squares add up: ``proxy`` with ``proxy_on_other`` moves the red to another object.

    Parameters
    ----------
    network
        See `organisms.networks.first_site.linear_site`.
    run
        Of mazes with one red door each.

    Returns
    -------
    dict
        Name (`EDITS`) → an intervention that adds (example, channel, y, x); the example is the
        episode's position in the run.

    Raises
    ------
    InputError
        As `goal_and_other` and `linear_site`, or if the run's mazes are not known.
    """
    mazes = mazes_of(run)
    encoding = network.config.observation
    address = Address(linear_site(network))
    none_held = np.zeros(len(mazes), np.int64)

    def seen(objects: np.ndarray) -> np.ndarray:
        return encode(mazes.walls, objects, mazes.start, none_held, encoding)

    before = seen(mazes.objects)
    return {
        name: Intervention(
            address, "add", encoding_difference(network, before, seen(objects)), ("example",)
        )
        for name, objects in edited_objects(mazes).items()
    }
