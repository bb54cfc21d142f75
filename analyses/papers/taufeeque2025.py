"""Taufeeque et al. 2025, "Interpreting learned search" (arXiv 2506.10138): solve rates."""

from __future__ import annotations

from typing import Any

from analyses.papers.entry import Caution, Conditions, Needs, PaperFigure
from analyses.papers.taufeeque2024 import (
    CLAIM,
    GENERATED,
    HARD,
    LIMIT,
    MEDIUM,
    UNFILTERED,
    by_set,
    compare_sets,
    draw_sets,
)

PAPER: dict[str, Any] = {"paper": "Taufeeque et al. 2025", "reference": "arXiv 2506.10138"}
AGENT = "the DRC(3,3) bkynosqi of Taufeeque et al. 2024 (released)"
AGENTS = ("far-drc33-bkynosqi",)

FIGURES = (
    PaperFigure(
        id="taufeeque2025-table9",
        **PAPER,
        figure="Table 9",
        shows="levels solved without and with six thinking steps, on three sets; the published DRC(3,3), "
        "DRC(1,1) and ResNet",
        claim=CLAIM,
        agent="DRC(3,3), DRC(1,1) and ResNet of Taufeeque et al. 2024 (released)",
        agents=(*AGENTS, "far-drc11-eue6pax7", "far-resnet-syb50iz7"),
        needs=Needs(),
        theirs=Conditions(
            (UNFILTERED, MEDIUM, HARD), max_steps=120, thinking_steps=(0, 6), note=LIMIT
        ),
        ours=Conditions((GENERATED,), thinking_steps=(0, 6)),
        compute=by_set,
        compare=compare_sets,
        draw=draw_sets,
        cautions=(
            Caution(
                "seeds",
                "Theirs is one training seed of each network; which of the released runs it is, is not "
                "stated. The smallest and largest of the seeds are in taufeeque2024-thinking-steps.",
                blocking=False,
            ),
        ),
    ),
)
