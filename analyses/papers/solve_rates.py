"""Published solve rates of a level set, for the card of an organism that is measured on it."""

from __future__ import annotations

from collections.abc import Iterable

from analyses.papers.published import published
from organisms.card import Result

ENTRY = "taufeeque2024-thinking-steps"
SETS = {
    "boxoban-unfiltered-test": "unfiltered-test",
    "boxoban-medium-valid": "medium-valid",
    "boxoban-hard": "hard",
}
"""Level set → what it is called among the published numbers."""


def published_solve_rates(
    split: str, thinking: Iterable[int], network: str = "DRC(3,3)"
) -> list[Result]:
    """Return the published solve rates of a level set as results for a card.

    Parameters
    ----------
    split
        Name of a level set; one without published rates has none.
    thinking
        Numbers of thinking steps; those that were not published are left out.
    network
        Which of the published networks.

    Returns
    -------
    list of Result
        Shares; the interval is the smallest and largest of the paper's training seeds.

    Examples
    --------
    >>> [rate] = published_solve_rates("boxoban-hard", [4])
    >>> rate.quantity, rate.value
    ('solve rate, published DRC(3,3)', 0.4633)
    """
    wanted = {str(steps) for steps in thinking}
    return [
        Result(
            quantity=f"solve rate, published {network}",
            condition=f"{split}, {row.where['thinking']} thinking steps, greedy",
            value=round(row.value, 4),
            low=row.low,
            high=row.high,
            command=f"{row.spread}; {row.source}",
        )
        for row in published(ENTRY)
        if row.where.get("set") == SETS.get(split)
        and row.where.get("network") == network
        and row.where.get("thinking") in wanted
    ]
