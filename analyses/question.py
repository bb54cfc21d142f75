"""What a question is: its words, what it needs, and what it answers where that is missing.

An analysis is declared by `question`. Asked of something that lacks what it needs, it returns a
`CannotBeAsked`: never "not found", never a crash. Wrong usage (a misspelt name) stays an error, and so
does what the data does not give (`interp.errors.TooFewClassesError`).
"""

from __future__ import annotations

import functools
import html
import inspect
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, ParamSpec, TypeVar

import xarray as xr

from analyses.needs import Asked, Need
from interp.errors import CapabilityError, InputError, MesascopeError

UNASKED = "cannot be asked"

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])


class CannotAsk(MesascopeError, KeyError, AttributeError):  # noqa: N818
    """A question cannot be asked of this organism; raised inside an analysis, it becomes its answer.

    Parameters
    ----------
    reason
        What is missing, in words.
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{UNASKED}: {self.reason}"

    def __reduce__(self) -> tuple:
        return type(self), (self.reason,)


class CannotBeAsked(xr.Dataset):
    """The answer of a question that cannot be asked of an organism: no variables, and the reason.

    Attributes
    ----------
    analysis, question, organism, reason : str
        Kept as attributes of the Dataset, also in files. Asking for any variable raises `CannotAsk`.

    Examples
    --------
    >>> answer = unasked("plan_probes", "Where can the plan be read?", "bandit", "it names no plans")
    >>> dict(answer.sizes), bool(answer), answer.reason
    ({}, False, 'it names no plans')
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_"):
                raise
            raise CannotAsk(self.attrs["reason"]) from None

    def __getitem__(self, key: Any) -> Any:
        try:
            return super().__getitem__(key)
        except KeyError:
            raise CannotAsk(self.attrs["reason"]) from None

    def sel(self, *args: Any, **kwargs: Any) -> Any:
        """Raise `CannotAsk`: there is nothing to select from."""
        raise CannotAsk(self.attrs["reason"])

    isel = sel

    def __repr__(self) -> str:
        return f"<CannotBeAsked: {sentence(self)}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(sentence(self))}</p>"


def unasked(analysis: str, words: str, organism: str, reason: str) -> CannotBeAsked:
    """Return the answer of a question that cannot be asked."""
    attrs = {"analysis": analysis, "question": words, "organism": organism}
    return CannotBeAsked(attrs={**attrs, "answer": UNASKED, "reason": reason})


def is_unasked(result: Any) -> bool:
    """Say whether a result, also one that was read from a file, is that a question cannot be asked."""
    return isinstance(result, xr.Dataset) and result.attrs.get("answer") == UNASKED


def sentence(result: xr.Dataset) -> str:
    """Return a `CannotBeAsked` in one sentence."""
    attrs = result.attrs
    return f"{attrs['question']} {attrs['organism']} {UNASKED}: {attrs['reason']}"


@dataclass(frozen=True)
class Question:
    """A question that can be asked of an organism.

    Attributes
    ----------
    name
        Of the function that answers it, in `analyses`.
    words
        The question.
    needs
        What the organism has to have.
    compute
        The function.
    several
        Whether it is asked of several organisms at once.
    """

    name: str
    words: str
    needs: tuple[Need, ...]
    compute: Callable[..., Any]
    several: bool = False

    def missing(self, asked: Asked) -> str | None:
        """Return what the organism lacks of what the question needs, in words; None if nothing."""
        reasons = list(dict.fromkeys(filter(None, (need.missing(asked) for need in self.needs))))
        return "; ".join(reasons) if reasons else None


_QUESTIONS: dict[str, Question] = {}
_PLOTS: dict[str, Callable[..., Any]] = {}


def question(
    words: str, *, needs: Sequence[Need] = (), several: bool = False
) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """Declare that a function answers a question.

    Parameters
    ----------
    words
        The question, in words.
    needs
        Looked for in the function's first argument: an organism, the path of a store, or a run.
    several
        Whether the first argument is several organisms (a sequence, a mapping, the name of a population).

    Returns
    -------
    callable
        A decorator. The function then returns a `CannotBeAsked` where something is missing, where
        `CannotAsk` or a `CapabilityError` is raised inside it, or where it is given one.
    """

    def declare(compute: Callable[P, Any]) -> Callable[P, Any]:
        name = compute.__name__
        declared = Question(name, words, tuple(needs), compute, several)
        signature = inspect.signature(compute)

        @functools.wraps(compute)
        def answer(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                arguments = signature.bind_partial(*args, **kwargs).arguments
            except TypeError:
                return compute(*args, **kwargs)  # wrong usage: says so itself
            for given in arguments.values():
                if is_unasked(given):  # what it is to be computed from cannot be had
                    return unasked(name, words, given.attrs["organism"], given.attrs["reason"])
            first = next(iter(arguments.values()), None)
            name_of = _name_of(first)
            for asked in _asked(first, arguments, several):
                reason = declared.missing(asked)
                if reason:
                    return unasked(name, words, asked.name, reason)
            try:
                return compute(*args, **kwargs)
            except CannotAsk as cannot:
                return unasked(name, words, name_of, cannot.reason)
            except CapabilityError as cannot:
                return unasked(name, words, name_of, str(cannot))

        _QUESTIONS[name] = declared
        return answer

    return declare


def answer_plot(plot: F) -> F:
    """Declare a function as a plot of answers: it draws the sentence of one that cannot be asked."""

    @functools.wraps(plot)
    def draw(*args: Any, **kwargs: Any) -> Any:
        for given in (*args, *kwargs.values()):
            if is_unasked(given):
                return draw_sentence(given)
        return plot(*args, **kwargs)

    _PLOTS[plot.__name__.removeprefix("plot_")] = draw
    return draw  # type: ignore[return-value]


def draw_sentence(result: xr.Dataset) -> Any:
    """Draw why a question cannot be asked, where its figure would be."""
    from interp.style import figure_style, subplots

    lines = textwrap.wrap(sentence(result), 72)
    with figure_style():
        figure, axes = subplots(1, 1, width="text", height=0.6 + 0.18 * len(lines))
        axes.set_axis_off()
        axes.text(0, 0.5, "\n".join(lines), va="center", transform=axes.transAxes, parse_math=False)
    return figure


def questions() -> dict[str, Question]:
    """Return every question that can be asked, by name. Imports all analyses.

    Examples
    --------
    >>> questions()["thinking_time"].words
    'Does thinking time help?'
    """
    import analyses

    for name in analyses.__all__:
        getattr(analyses, name)
    return {name: _QUESTIONS[name] for name in analyses.__all__ if name in _QUESTIONS}


def plot_of(name: str) -> Callable[..., Any] | None:
    """Return the function that draws the answers of a question; None if there is none."""
    return _PLOTS.get(name)


class Askable(NamedTuple):
    """Whether a question can be asked of an organism."""

    name: str
    question: str
    applies: bool
    reason: str
    """What is missing; empty if the question applies."""


def ask(organism: Any) -> list[Askable]:
    """Return which questions can be asked of an organism, and why others cannot.

    Parameters
    ----------
    organism
        An organism, its name, or the folder of one; or a run in memory.

    Returns
    -------
    list of Askable
        Those that apply first.

    Examples
    --------
    >>> import organisms
    >>> told = {row.name: row.applies for row in ask(organisms.load("sokoban-drc-tiny-v1"))}
    >>> told["plan_probes"], told["goal_sensitivity"]
    (True, False)
    """
    if isinstance(organism, str | os.PathLike):
        from organisms.registry import load

        organism = load(organism)
    asked = Asked.of(organism)
    if asked is None:
        raise InputError(
            f"A {type(organism).__name__} is no organism or run: give organisms.load(…), its name, or "
            "what organism.run returned."
        )
    rows = []
    for name, declared in questions().items():
        reason = declared.missing(asked)
        rows.append(Askable(name, declared.words, reason is None, reason or ""))
    return sorted(rows, key=lambda row: not row.applies)


def _asked(first: Any, arguments: Mapping[str, Any], several: bool) -> Iterator[Asked]:
    """Yield whom a question is asked of; nobody where only the function itself can tell what was given."""
    for thing in _members(first) if several else (first,):
        asked = Asked.of(thing, arguments)
        if asked is not None:
            yield asked


def _members(several: Any) -> Iterable[Any]:
    """Return the organisms among several; one of a population, whose agents are alike."""
    if isinstance(several, str):
        from analyses.populations.population import agents_of

        return [next(iter(agents_of(several)))]
    if isinstance(several, xr.Dataset):  # a mapping too, but of variables
        return (several,)
    if isinstance(several, Mapping):
        return list(several.values())
    return several if isinstance(several, Sequence) else ()


def _name_of(thing: Any) -> str:
    asked = None if isinstance(thing, str | os.PathLike) else Asked.of(thing)
    return str(thing) if asked is None else asked.name
