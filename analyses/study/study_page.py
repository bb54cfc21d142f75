"""The study's page: verdicts in words, and a section for every analysis that could be made."""

from __future__ import annotations

from typing import Any

import xarray as xr

from analyses.calibration.counts import calibration_line
from analyses.plans.concept_scores import main_scores, words_of
from analyses.plans.plan_probes import best_cells, last_tick
from analyses.question import UNASKED, is_unasked, sentence
from analyses.study.report import Report, number
from analyses.study.study_steering import NAME as STEERING
from analyses.study.study_steering import steering_section, steering_verdict
from analyses.thinking.thinking_time import scale_and_words
from analyses.verdict import ALPHA, best_cell

QUESTIONS = {
    "thinking_time": "Does thinking time help?",
    "plan_probes": "Where can the plan be read?",
    "plan_formation": "Does the plan form while it thinks?",
    STEERING: "Is a plan that is written into it carried out?",
}

METHODS = (
    "Levels are split by level: no level is on both sides. Intervals are over levels or "
    "episodes, never over steps: rates exact, scores by the studentised bootstrap (docs/calibration.md).",
    "Labels are the organism's own later actions in the same episode, whether it succeeds or not; "
    "thinking steps carry the label of step 0.",
    "Probes: multinomial logistic regression with an L2 penalty on standardised features, one per "
    "site, tick and receptive field, weights shared over squares.",
    "The margin is the trained network's score minus the best control's, the best control chosen "
    "anew in each resample.",
    "The controls are as strong as what is claimed: the observation has probes of up to the whole board, of "
    "the last four steps and with a hidden layer; penalties are chosen on training levels for all alike.",
    "Untrained and shuffled networks replay the trained network's own observations.",
    "Actions are greedy.",
    "A probe shows what can be read, not what is used: that is what the interventions are for.",
    "Steering: probe directions of the organism's own training levels are added to one site at a time "
    "while it acts; the levels it is steered on have a short and a long way.",
)

UNANSWERED = "could not be answered"

Verdicts = dict[str, dict[str, Any]]


def verdicts(results: dict[str, xr.Dataset], unanswered: dict[str, str]) -> Verdicts:
    """Return name → ``found``, ``answer`` and a sentence, for every claim that results make or fail to.

    ``answer`` is "found", "not found", "cannot be asked" or "could not be answered"; ``found`` is None
    for the last two.

    Parameters
    ----------
    results
        Analysis → its Dataset.
    unanswered
        Analysis → why this data did not answer it.
    """
    out: Verdicts = {}
    for name, result in results.items():
        if is_unasked(result):
            out[name] = {"found": None, "answer": UNASKED, "text": sentence(result)}
        elif name in VERDICTS:
            out |= VERDICTS[name](result)
        else:
            out[name] = steering_verdict(result)
    for name, reason in unanswered.items():
        question = QUESTIONS[name.partition("-")[0]]
        text = f"{question} Could not be answered for this data ({name}): {reason}"
        out[name] = {"found": None, "answer": UNANSWERED, "text": text}
    for name, verdict in out.items():
        line = calibration_line(name.partition(":")[0].partition("-")[0])
        if line and verdict["found"] is not None:
            verdict["calibration"] = line
        verdict.setdefault("answer", "found" if verdict["found"] else "not found")
    return out


def _without_scores(name: str, words: str) -> dict[str, Any]:
    """Say that a concept has no score: where it would be read, it has no labels or one class alone."""
    reason = f"there are too few labels of {words}, or too few classes of them, to score a probe."
    text = f"{QUESTIONS[name]} Could not be answered for this data ({name}): {reason}"
    return {"found": None, "answer": UNANSWERED, "text": text}


def _thinking_verdict(thinking: xr.Dataset) -> Verdicts:
    trained = thinking.sel(source="trained")
    later = trained.isel(thinking=slice(1, None))
    gain = later.isel(best_cell(later.gain, later.p_holm))
    found = bool(trained.found)
    if "solve_rate" in thinking:
        at_once = f"{100 * float(trained.solve_rate[0]):.1f} % solved at 0"
        better = f"{_points(gain, 'gain')} points"
    else:
        at_once = f"mean {thinking.attrs['outcome']} {number(float(trained.mean_outcome[0]))} at 0"
        better = (
            f"{_interval(*(float(gain[f'gain{end}']) for end in ('', '_low', '_high')))} better"
        )
    text = (
        f"Thinking before acting {'helps' if found else 'is not shown to help'}: at best {better} "
        f"after {int(gain.thinking)} steps ({at_once}; "
        f"n = {thinking.attrs['n_episodes']} levels, paired)."
    )
    return {"thinking_time": {"found": found, "text": text}}


def _probe_verdicts(probes: xr.Dataset) -> Verdicts:
    out: Verdicts = {}
    cells = best_cells(probes)
    for concept in probes.concept.values:
        words = str(concept).replace("_", " ")
        cell = max(
            (c for c in cells if c["concept"] == concept),
            key=lambda c: (c["p (Holm)"] < ALPHA, c["margin"]),
            default=None,
        )
        if cell is None:
            out[f"plan_probes: {words}"] = _without_scores("plan_probes", words)
            continue
        found = bool(probes.found.sel(concept=concept))
        text = (
            f"The {words} {'can be read' if found else 'is not shown to be readable'} beyond every "
            f"control: margin {_interval(cell['margin'], cell['low'], cell['high'])} {cell['metric']} "
            f"over the {cell['best control']} control, at {cell['site']} tick {cell['tick']}, "
            f"{cell['receptive field']} probe (score {cell['score']:.3f}, n = {cell['n']} episodes, "
            f"Holm p = {cell['p (Holm)']:.1g}). {probes.attrs['probes_show']}"
        )
        out[f"plan_probes: {words}"] = {"found": found, "text": text}
    return out


def _formation_verdicts(formation: xr.Dataset) -> Verdicts:
    out: Verdicts = {}
    for concept in formation.concept.values:
        words = str(concept).replace("_", " ")
        at = formation.sel(concept=concept)
        cell = best_cell(at.excess, at.p_holm)
        if cell is None:
            out[f"plan_formation: {words}"] = _without_scores("plan_formation", words)
            continue
        top = at.isel(cell)
        score = words_of(str(main_scores(formation).sel(concept=concept).item()))
        found = bool(at.found)
        fixed, refitted = (
            _interval(*(float(top[name + end]) for end in ("", "_low", "_high")))
            for name in ("excess", "refitted_excess")
        )
        text = (
            f"The decoded {words} {'gets better' if found else 'is not shown to get better'} with "
            f"deliberation: {score} grows by {float(top.growth.sel(source='trained')):.3f} from the "
            f"first tick to the last at {str(top.site.values)}, {fixed} more than in the untrained "
            f"network, and {refitted} more with probes refitted at every tick "
            f"(n = {int(at.n_levels)} levels, Holm p = {float(top.p_holm):.1g})."
        )
        out[f"plan_formation: {words}"] = {"found": found, "text": text}
    return out


VERDICTS = {
    "thinking_time": _thinking_verdict,
    "plan_probes": _probe_verdicts,
    "plan_formation": _formation_verdicts,
}


def study_page(
    title: str,
    subtitle: str,
    card: Any,
    results: dict[str, xr.Dataset],
    figures: dict[str, Any],
    said: Verdicts,
    how: str,
) -> Report:
    """Return the page of a study.

    Parameters
    ----------
    title, subtitle, how
        Plain text; `how` is the literal text that says how to make the study again.
    card
        The organism's card; None if it has none.
    results, figures
        Analysis → Dataset and figure; ``example`` among the figures is an episode.
    said
        See `verdicts`.
    """
    page = Report(title, subtitle).section("In short")
    for verdict in said.values():
        page.verdict(
            " ".join([verdict["text"], verdict.get("calibration", "")]).strip(), verdict["found"]
        )
    if card is not None:
        page.section("The organism").text(card.summary)
        fields = ("paper", "task", "training", "licence", "limits")
        page.table(
            [
                {"": name, "what the card says": getattr(card, name)}
                for name in fields
                if getattr(card, name)
            ]
        )
    if figures.get("example") is not None:
        page.figure(
            figures["example"], "The longest episode it solved here: first board, path, and end."
        )
    answered = {name: result for name, result in results.items() if not is_unasked(result)}
    for name, write in SECTIONS.items():
        page.section(QUESTIONS[name])
        if name in answered:
            write(page, answered, figures[name])
        elif name in said:
            page.text(said[name]["text"])
    page.section(QUESTIONS[STEERING])
    for name in (name for name in said if name.startswith(STEERING)):
        if name in answered:
            steering_section(page, name, answered[name], figures)
        else:
            page.text(said[name]["text"])
    page.section("Methods").items(METHODS)
    return page.section("How to make this again").code(how)


def _thinking_section(page: Report, results: dict[str, xr.Dataset], figure: Any) -> None:
    thinking = results["thinking_time"]
    page.figure(
        figure,
        f"Left: {scale_and_words(thinking)[1][0][1]} against thinking steps before the first move, for "
        "the trained network and "
        "the same network untrained. Right: the difference to acting at once, paired over levels. "
        f"Bands: {100 * thinking.attrs['confidence']:.0f} % bootstrap over levels. Step limit "
        f"{thinking.attrs['max_steps']}.",
    )
    page.table(_thinking_rows(thinking))


def _probes_section(page: Report, results: dict[str, xr.Dataset], figure: Any) -> None:
    probes = results["plan_probes"]
    page.figure(
        figure,
        "Macro-F1 (all classes, as in Bush et al.) of linear probes at the last tick of each site, "
        "beside the same probe on networks that learned nothing, on shuffled labels, the majority class, and "
        "the strongest probe of the observation (one-hot tiles). The last panel has all of those: of more "
        "squares, of the last observations, with a hidden layer (MLP); lines: the network's best site. "
        "Whiskers: 95 % bootstrap over held-out levels.",
    )
    page.text(probes.attrs["probes_show"])
    if probes.attrs["control_networks"]:
        page.text(f"Networks that learned nothing: {probes.attrs['control_networks']}.")
    if probes.attrs["classes_left_out"]:
        page.text(
            "Classes that hardly occur are left out of labels and scores here and below: "
            f"{probes.attrs['classes_left_out']}."
        )
    if "solved" in results.get("thinking_time", ()):
        page.text(_failed_share(results["thinking_time"]))
    page.table(
        best_cells(probes),
        "Margin over the best control, per concept and receptive field, at the site and tick that held-out "
        "training levels choose. p is Holm-corrected over the receptive fields of the concept.",
    )
    page.table(
        _both_f1(probes), "Two papers' F1 are not the same number: both, 1×1 probes, last tick."
    )


def _formation_section(page: Report, results: dict[str, xr.Dataset], figure: Any) -> None:
    page.figure(
        figure,
        "Macro-F1 of the decoded plan at every internal tick, before the first move. The probe was fitted "
        "on other levels at the last tick; observation and label stay the same along the curve. Since "
        "a fixed probe may fail on an early state for its scale alone, a plan is said to form only if "
        "probes refitted at every tick (last columns of the table) grow too.",
    )
    page.table(_growth_rows(results["plan_formation"]))


SECTIONS = {
    "thinking_time": _thinking_section,
    "plan_probes": _probes_section,
    "plan_formation": _formation_section,
}


def _failed_share(thinking: xr.Dataset) -> str:
    """Say how many of the steps are those of an agent that is not getting anywhere."""
    at_once = thinking.sel(source="trained", thinking=0)
    steps = float(at_once.length.sum())
    share = float(at_once.length.where(at_once.solved == 0, 0).sum()) / steps if steps else 0.0
    return (
        f"{share:.0%} of the steps that are probed are from episodes that were not solved, where an "
        "agent may go to and fro: what it will do is then what it has just done. The history control "
        "answers for one step of that; the scores before the first move, below, know no past at all."
    )


def _thinking_rows(thinking: xr.Dataset) -> list[dict[str, Any]]:
    rows = []
    succeeds = "solve_rate" in thinking
    mean = "solve_rate" if succeeds else "mean_outcome"
    word = "solved" if succeeds else f"mean {thinking.attrs['outcome']}"

    def gained(cell: xr.Dataset) -> dict[str, str]:
        if succeeds:
            return {"gain (points)": _points(cell, "gain")}
        return {"better by": _interval(*(float(cell[f"gain{e}"]) for e in ("", "_low", "_high")))}

    for source in thinking.source.values:
        for t in thinking.thinking.values:
            cell = thinking.sel(source=source, thinking=t)
            if bool(cell[mean].isnull()):
                continue  # the control is run at the ends only
            rows.append(
                {
                    "network": str(source),
                    "thinking steps": int(t),
                    word: float(cell[mean]),
                    "low": float(cell[f"{mean}_low"]),
                    "high": float(cell[f"{mean}_high"]),
                    **gained(cell),
                    "p (Holm)": float(cell.p_holm),
                    "mean return": float(cell.episode_return.mean()),
                    "n": int(thinking.attrs["n_episodes"]),
                }
            )
    return rows


def _both_f1(probes: xr.Dataset) -> list[dict[str, Any]]:
    rows = []
    at = last_tick(probes).sel(receptive_field=probes.receptive_field.values[0])
    for concept in probes.concept.values:
        for site in probes.site.values:
            cell = at.sel(concept=concept, site=site, source="trained")
            row: dict[str, Any] = {"concept": str(concept), "site": str(site)}
            for metric in ("macro_f1", "f1_far", "accuracy", "r2"):
                if metric not in cell or bool(cell[metric].isnull()):
                    continue
                low, high = float(cell[f"{metric}_low"]), float(cell[f"{metric}_high"])
                row[metric] = f"{number(float(cell[metric]))} [{number(low)}, {number(high)}]"
            rows.append(row)
    return rows


def _growth_rows(formation: xr.Dataset) -> list[dict[str, Any]]:
    rows = []
    for concept in formation.concept.values:
        for site in formation.site.values:
            cell = formation.sel(concept=concept, site=site)
            trained = cell.sel(source="trained")
            score = str(main_scores(formation).sel(concept=concept).item())
            rows.append(
                {
                    "concept": str(concept),
                    "site": str(site),
                    "score": words_of(score),
                    "first tick": float(trained[score][0]),
                    "last tick": float(trained[score][-1]),
                    "growth": float(trained.growth),
                    "over untrained": float(cell.excess),
                    "low": float(cell.excess_low),
                    "high": float(cell.excess_high),
                    "refitted, over untrained": float(cell.refitted_excess),
                    "low, refitted": float(cell.refitted_excess_low),
                    "high, refitted": float(cell.refitted_excess_high),
                    "p (Holm)": float(cell.p_holm),
                    "n levels": int(cell.n_levels),
                }
            )
    return rows


def _points(cell: xr.Dataset, name: str) -> str:
    low, high = 100 * float(cell[f"{name}_low"]), 100 * float(cell[f"{name}_high"])
    return f"{100 * float(cell[name]):+.1f} [{low:+.1f}, {high:+.1f}]"


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
