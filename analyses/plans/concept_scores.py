"""Which score says how well a concept is read: macro-F1 of classes, R² of a number."""

from __future__ import annotations

import numpy as np
import xarray as xr

from interp.errors import InputError

MAIN_SCORES = ("macro_f1", "r2")

SCORE_WORDS = {
    "macro_f1": "macro-F1 over all classes",
    "f1_far": "F1, negatives left out",
    "accuracy": "accuracy",
    "r2": "R² over the labels' mean",
    "correlation": "correlation",
}


def words_of(score: str) -> str:
    """Return a score's short name in a sentence."""
    return {"macro_f1": "macro-F1", "f1_far": "F1", "r2": "R²"}.get(score, score)


def main_scores(dataset: xr.Dataset) -> xr.DataArray:
    """Return the name of the score of each concept (concept,), of those that a Dataset has.

    Of a Dataset that says so itself, what it says (``score_metric``).
    """
    if "score_metric" in dataset:
        return dataset["score_metric"]
    number = np.zeros(dataset.sizes["concept"], bool)
    if "r2" in dataset:
        other = [dim for dim in dataset["r2"].dims if dim != "concept"]
        number = dataset["r2"].notnull().any(other).values
    names = np.where(number, "r2", "macro_f1")
    return xr.DataArray(names, {"concept": dataset["concept"].values}, ("concept",))


def with_all_scores(results: list[xr.Dataset]) -> list[xr.Dataset]:
    """Give every result the variables of all, NaN where it has none: classes have no R²."""
    like = {name: result[name] for result in results for name in result.data_vars}
    out = []
    for result in results:
        absent = {name: v for name, v in like.items() if name not in result}
        out.append(result.assign({name: _nothing_like(v, result) for name, v in absent.items()}))
    return [result[list(like)] for result in out]


def _nothing_like(variable: xr.DataArray, result: xr.Dataset) -> xr.DataArray:
    """Return NaNs with a variable's dims, along a result's own coordinates where it has them."""
    sizes = {d: result.sizes.get(d, n) for d, n in variable.sizes.items()}
    coords = {d: result.coords.get(d, variable.coords.get(d)) for d in sizes}
    known = {d: c.values for d, c in coords.items() if c is not None}
    return xr.DataArray(np.full([*sizes.values()], np.nan), known, [*sizes], attrs=variable.attrs)


def check_classes_only(dataset: xr.Dataset, asker: str) -> None:
    """Raise InputError if some concepts of a Dataset are numbers, which `asker` cannot take."""
    scores = main_scores(dataset)
    numbers = [str(c) for c in scores.concept.values[scores.values == "r2"]]
    if numbers:
        raise InputError(
            f"{asker} goes by the classes that a plan reads at every place, and "
            f"{', '.join(map(repr, numbers))} {'is a number' if len(numbers) == 1 else 'are numbers'}: "
            "leave these concepts out."
        )
