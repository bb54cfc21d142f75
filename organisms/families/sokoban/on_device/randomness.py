"""The random numbers of `organisms.boards.random_rooms` as tensor operations, many streams side by side.

Tensors have no full uint64 arithmetic, so that a uint64 is held as the int64 of the same bits. Sums
and products wrap alike; shifts to the right, remainders and comparisons take care of the sign.
"""

from __future__ import annotations

import torch
from torch import Tensor


def signed(value: int) -> int:
    """Return the int64 that has the bits of a uint64 (its lowest 64, of a larger number)."""
    value %= 2**64
    return value - 2**64 if value >= 2**63 else value


GOLDEN = signed(0x9E3779B97F4A7C15)
"""What a stream's counter goes up by with every draw."""

_FACTORS = signed(0xBF58476D1CE4E5B9), signed(0x94D049BB133111EB)
_SIGN = signed(2**63)
_WORD = 64


def _shift_right(value: Tensor, bits: int) -> Tensor:
    # The shift of an int64 copies the sign to the left: those bits are cleared.
    return (value >> bits) & ((1 << (_WORD - bits)) - 1)


def mix(value: Tensor) -> Tensor:
    """Scramble uint64 values, as `organisms.boards.random_rooms.mix`.

    Parameters
    ----------
    value
        int64 of any dims, seen as uint64.

    Returns
    -------
    Tensor
        int64, the dims of `value`.

    Examples
    --------
    >>> mix(torch.tensor([0, 1])).tolist()
    [0, 6238072747940578789]
    """
    value = (value ^ _shift_right(value, 30)) * _FACTORS[0]
    value = (value ^ _shift_right(value, 27)) * _FACTORS[1]
    return value ^ _shift_right(value, 31)


def unsigned_remainder(value: Tensor, divisor: int | Tensor) -> Tensor:
    """Divide uint64 values and return what is left over.

    Parameters
    ----------
    value
        int64 of any dims, seen as uint64.
    divisor
        From 1 to 2**63 - 1; an int, or int64 with dims that go with those of `value`.

    Returns
    -------
    Tensor
        int64, from 0 to `divisor` - 1.

    Examples
    --------
    >>> unsigned_remainder(torch.tensor([-1]), 10).item() == (2**64 - 1) % 10
    True
    """
    rest = (_shift_right(value, 1) % divisor) * 2 + (value & 1)
    # Below twice the divisor, which may be more than an int64 holds: it is negative then.
    return torch.where((rest < 0) | (rest >= divisor), rest - divisor, rest)


def scaled(word: Tensor, bound: int | Tensor) -> Tensor:
    """Turn 32 random bits into an int from 0 to `bound` - 1."""
    return _shift_right(word * bound, 32)


def word_after(state: Tensor, draws: int | Tensor) -> Tensor:
    """Return the 32 random bits of a later draw; the streams stay where they are.

    A stream is a counter, so that any of its draws can be looked up, in any order.

    Parameters
    ----------
    state
        int64, the streams' counters.
    draws
        Which draw from here, from 1; an int, or int64 with dims that go with those of `state`.

    Returns
    -------
    Tensor
        int64, from 0 to 2**32 - 1.
    """
    return _shift_right(mix(state + draws * GOLDEN), 32)


def next_below(state: Tensor, bound: int | Tensor, active: Tensor | None = None) -> Tensor:
    """Draw an int from 0 to `bound` - 1 from each stream, as `organisms.boards.random_rooms.next_below`.

    Parameters
    ----------
    state
        int64, dims ``(row,)``: the streams' counters; advanced in place.
    bound
        An int from 1, or int64 with dims ``(row,)``.
    active
        bool, dims ``(row,)``: the streams to draw from, all if left out. The others stay where they
        are, and what is returned for them means nothing.

    Returns
    -------
    Tensor
        int64, dims ``(row,)``.
    """
    state += GOLDEN if active is None else active * GOLDEN
    return scaled(_shift_right(mix(state), 32), bound)


def room_hash(walls: Tensor) -> Tensor:
    """Hash wall masks, as `organisms.boards.random_rooms.room_hash`: mirror images have the same hash.

    Parameters
    ----------
    walls
        bool, dims ``(row, y, x)``.

    Returns
    -------
    Tensor
        int64, dims ``(row,)``, to be seen as uint64.
    """
    rows, height, width = walls.shape
    images, sides = [], []
    for transpose in (False, True):
        for flips in ((), (1,), (2,), (1, 2)):
            image = walls.flip(flips)
            images.append((image.mT if transpose else image).reshape(rows, -1))
            sides.append(width * 65536 + height if transpose else height * 65536 + width)
    squares = torch.stack(images)
    value = mix(torch.tensor(sides, device=walls.device))[:, None]
    for start in range(0, height * width + 1, _WORD):
        bits = squares[:, :, start : start + _WORD]  # none, where the squares fill whole words
        places = torch.arange(bits.shape[2] - 1, -1, -1, device=walls.device)
        value = mix(value ^ (bits.long() << places).sum(2))
        if bits.shape[2] == _WORD:
            value = value + 1
    # The smallest of uint64 values: with the highest bit turned over, they are in the order of int64.
    return (value ^ _SIGN).amin(0) ^ _SIGN
