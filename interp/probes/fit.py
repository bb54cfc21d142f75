"""`fit_probes`: every probe of a concept, its controls and its intervals, in one Dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from interp.concepts import Concept
from interp.errors import InputError, UnknownNameError, nearest
from interp.probes.controls import ObservationProbe
from interp.probes.evaluation import Scored, evaluate, majority
from interp.probes.features import OBSERVED, ObservationFeatures, choose_sites
from interp.probes.result import assemble
from interp.probes.sources import (
    WITHOUT_FEATURES,
    Source,
    observation_probe,
    sources_of,
)
from interp.probes.splits import shuffle_label_maps, split_groups
from interp.probes.targets import Target, find_target, valid_rows
from interp.probes.training import Fitting, Problem, check_classes, fit

CONTROLS = ("majority", "shuffled", "observation")


def fit_probes(
    data: xr.Dataset,
    target: Concept | xr.DataArray | Callable[[xr.Dataset], xr.DataArray] | str,
    sites: str | Sequence[str] | None = None,
    *,
    kind: Literal["logistic", "ridge"] | None = None,
    receptive_field: int = 1,
    classes: Sequence[str] | None = None,
    negative: str | int | None = None,
    test_fraction: float = 0.3,
    split: tuple[Iterable, Iterable] | None = None,
    groups: str | Sequence | np.ndarray | xr.DataArray | None = "level_id",
    steps: slice | Iterable[int] | None = None,
    controls: Sequence[str | ObservationProbe] = CONTROLS,
    untrained: xr.Dataset | Mapping[str, xr.Dataset] | None = None,
    observation_features: ObservationFeatures | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool = True,
    shared: dict[tuple[str, int], Scored] | None = None,
    **fitting: Any,
) -> xr.Dataset:
    """Fit a linear probe of a target at every (site, tick), and its controls, and score them.

    Parameters
    ----------
    data
        A recorded run (`interp.open_store`, or `organism.run` in memory): sites with dims
        ``(episode, step[, tick], …)``, `length`, and the variables that the controls need. Rows
        with ``step < length`` are used, thinking steps (negative labels) included.
    target
        A `Concept`, a labels DataArray with dims ``(episode, step[, y, x])`` (or other dims of
        places, which the sites have too), a function of `data` that returns one, or the name of a
        variable. Int labels index the classes (−1 =
        leave out); float labels without classes are regressed on (NaN = leave out).
    sites
        Names or globs of sites; None for every recorded site that fits the target.
    kind
        ``"logistic"``: multinomial logistic regression with an L2 penalty, on a seeded sample of
        training squares. ``"ridge"``: least squares with an L2 penalty on every training square
        (one-hot targets for classes); the only kind for float targets. None for logistic where there
        are classes and ridge where there are none.
    receptive_field
        1 or 3 (or any odd number): a square is read from its own features, or from its 3 × 3
        neighbourhood with zeros beyond the border. The weights are shared by all squares. For one
        label per step, all feature dims are flattened and this must be 1.
    classes, negative
        Override the target's classes, and the class left out of ``f1_far`` (by default one called
        NEVER or similar, else the smallest label).
    test_fraction, split, groups
        Episodes are split by `groups` (a variable name, or one value per episode; None for every
        episode its own): a group never lies on both sides. `split` names the groups of
        ``(train, test)`` instead of a draw.
    steps
        Step labels to use: an iterable, or a half-open slice of labels; None for all valid ones.
    controls
        Any of ``"majority"`` (the commonest training class, or the training mean), ``"shuffled"``
        (the same probe fitted to whole label maps of other levels, scored on the true labels) and
        probes of the observation, by name or as `interp.probes.ObservationProbe`: ``"observation"`` sees
        what the network's probe sees, ``"observation 5x5"`` the squares around, ``"observation board"``
        all, ``"last 4"`` and ``"last 4 3x3"`` the last observations (held in memory), ``"MLP 5x5"`` and
        ``"MLP last 4"`` have a hidden layer; ``"history"`` is another name of ``"last 2"``. A state that
        has been through convolutions and steps needs a ladder of them: `interp.probes.ladder`.
    untrained
        The same episodes replayed through an untrained network, with the same sites: the fourth
        control. Or several networks by name: ``{"untrained": run, "permuted": run}``.
    observation_features
        Function that turns the observation into the features of its control, e.g.
        `one_hot_observation`; None for the raw numbers (bytes as fractions of 255). It is applied
        to each part of an observation that has several (``observation.NAME``), floats are
        standardised, and what has no places is seen from all of them.
    n_bootstrap, confidence
        Resamples of the test groups, and coverage of the percentile intervals. 0 for none.
    seed
        Seed of split, sample, shuffling and bootstrap. Same seed, same result.
    progress
        Whether to show a progress bar.
    shared
        Scores of the observation's probes, which know no site: read and added to. Give one dict to
        several calls with the same data, target, split, seed and fitting, and they are fitted once.
    **fitting
        How each probe is fitted, the fields of `interp.probes.training.Fitting`:

        max_train_samples
            Squares in the logistic fit's sample; None for 100,000 or as many as fit in 512 MiB.
        regularisation
            L2 penalty: scikit-learn's ``1 / C`` (logistic) or ``alpha`` (ridge). Of several each source
            gets, at each site, the one that does best (macro-F1; squared error of ridge) on a quarter of
            the training levels, and is fitted to all of them with it.
        hidden
            Units of one hidden layer (a small network, stopped early by that quarter); 0 for a
            linear probe.
        standardise
            Penalise as if every feature had been divided by its standard deviation in the training
            sample, so that no source is held back by the unit of its activations: an untrained network
            with small activations would make a weak control. Coefficients are for raw features either
            way. If False, the penalty is on the raw coefficients.
        estimator
            A scikit-learn estimator to use instead, cloned for every (source, site, tick) and fitted
            on the sample.
        tol, max_iter
            Logistic fit: stop at a predicted decrease of the mean loss below `tol` nats.
        n_jobs
            Threads; None for as many as the BLAS would use.

    Returns
    -------
    xarray.Dataset
        Dims ``source`` (trained, untrained, the observation's probes, majority, shuffled: those
        asked for), ``control`` (the same without trained),
        ``site``, ``tick`` (−1 for sites without ticks; NaN where a site has no such tick).
        Controls that know no site (the observation's, majority) repeat their score everywhere.

        ========================================  ===============================================
        variable                                  dims
        ========================================  ===============================================
        accuracy, macro_f1, f1_far                source, site, tick
        precision, recall, f1                     source, site, tick, class
        r2, correlation, mse (float targets)      source, site, tick
        each of these _low, _high                 same: bootstrap over test groups
        margin, margin_low, margin_high           metric, site, tick: trained − best control, paired
        best_control                              metric, site, tick
        margin_over, _low, _high                  control, metric, site, tick: trained − that control
        penalty                                   source, site, tick: the L2 penalty chosen
        validation                                source, site, tick: the score (macro-F1, R²) on the
                                                  training levels by which it was chosen
        confusion                                 source, site, tick, class, predicted_class
        coef, intercept                           source, site, tick, class, channel, ky, kx
                                                  (``feature`` for targets without squares)
        converged                                 source, site, tick
        n_episodes, n_groups, n_samples, support  test set; ``n_train_…`` training set
        train_group, test_group                   the split: pass both as `split` to repeat it
        ========================================  ===============================================

        Attributes name every definition.

    Raises
    ------
    UnknownSiteError
        For a site that is not recorded.
    InputError
        For NaN activations in valid rows, targets not aligned with the data, fewer than two
        groups, a class without a training sample; for a classifier of numbers, or a regressor of
        classes.

    Notes
    -----
    Every site is read twice, in blocks of whole episodes: once over the training episodes and once
    over the test episodes, all ticks together. Memory is bounded by a block (64 MiB of
    float32 or one episode; up to four times that where its episodes lie apart in the store), the
    sample (see `max_train_samples`; all ticks of one site; nearly twice that where a penalty is
    chosen), ridge's X'X, and the labels (a byte, 4
    for float labels, for each episode × step × square, and for a moment about 30 while the majority
    is counted). It does not grow with the number of sites or with what is
    recorded. A custom `observation_features` may hold more.

    The spread of the intervals is that over test episodes for one fitted probe: it does not
    include the choice of training set.

    References
    ----------
    Bush et al. (2025), arXiv 2504.01871, section 4; Taufeeque et al. (2024), arXiv 2407.15421;
    Hewitt & Liang (2019), arXiv 1909.03368 (control tasks).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rng = np.random.default_rng(0)
    >>> h = rng.normal(size=(20, 6, 4)).astype("float32")
    >>> run = xr.Dataset(
    ...     {"h": (("episode", "step", "unit"), h), "length": ("episode", np.full(20, 6))},
    ...     coords={"step": np.arange(6)},
    ... )
    >>> target = xr.DataArray((h[..., 0] > 0).astype(int), dims=("episode", "step"))
    >>> result = fit_probes(
    ...     run, target, groups=None, controls=("majority", "shuffled"), progress=False
    ... )
    >>> bool(result.accuracy.sel(source="trained", site="h").item() > 0.9)
    True
    """
    how = _fitting(fitting, receptive_field, seed)
    _check_arguments(data, kind, how, controls, n_bootstrap, confidence)
    valid = valid_rows(data, steps)
    found = find_target(data, target, valid, classes, negative)
    how = replace(how, kind=_kind_for(found, kind, how.estimator))
    if found.grid is None and receptive_field != 1:
        raise InputError(
            f"{found.name!r} has one label per "
            + (" × ".join(found.places) or "step")
            + " and no squares (y, x), which alone have neighbours: receptive_field=1."
        )
    names = choose_sites(data, sites, tuple(found.places))
    group_of, group_name = _groups(data, groups)
    problem, train_groups, test_groups, n_groups = _problem(
        found, how, group_of, test_fraction, split, "shuffled" in controls
    )
    networks = {"untrained": untrained} if isinstance(untrained, xr.Dataset) else untrained or {}
    sources = sources_of(data, networks, names, found, problem, controls, observation_features)
    scored = _fit_all(sources, "shuffled" in controls, {} if shared is None else shared, progress)
    if "majority" in controls:
        scored["majority", ""] = majority(problem)
    order = dict.fromkeys([source.name for source in sources] + list(WITHOUT_FEATURES))
    shown = tuple(name for name in order if any(name == of for of, _ in scored))
    attributes = {
        "kind": how.kind if how.estimator is None else repr(how.estimator),
        "regularisation": how.penalties[0] if len(how.penalties) == 1 else list(how.penalties),
        "standardise": int(how.standardise),
        "seed": seed,
        "groups": group_name,
        "test_fraction": float(len(test_groups) / n_groups),
        "steps": "all valid" if steps is None else str(steps),
    }
    return assemble(
        found,
        problem,
        {s.site: s.features() for s in sources if s.name == "trained"},
        scored,
        shown,
        train_groups,
        test_groups,
        n_bootstrap,
        confidence,
        attributes,
    )


def _fitting(given: dict[str, Any], receptive_field: int, seed: int) -> Fitting:
    """Return the keywords that say how to fit as one record; `kind` is found out later."""
    known = {f.name for f in fields(Fitting)} - {"kind", "receptive_field", "seed"}
    for name in given:
        if name not in known:
            close = nearest(name, known)
            raise TypeError(
                f"fit_probes() got an unexpected keyword argument {name!r}."
                + (f" Did you mean {' or '.join(map(repr, close))}?" if close else "")
            )
    return Fitting("", receptive_field, seed, **given)


def _kind_for(target: Target, kind: str | None, estimator: Any) -> str:
    """Return the kind of probe for a target: unless told, the one that classes or numbers ask for."""
    from sklearn.base import is_classifier, is_regressor

    number = target.classes is None
    if estimator is not None:
        if is_classifier(estimator) if number else is_regressor(estimator):
            raise InputError(
                f"{target.name!r} is {'a number' if number else 'a class'}, and {estimator!r} is a "
                f"{'classifier' if number else 'regressor'}."
            )
    elif number and kind == "logistic":
        raise InputError(
            f"{target.name!r} has float labels, a number that no classifier predicts: use "
            "kind='ridge', or give classes."
        )
    return kind or ("ridge" if number else "logistic")


def _problem(
    target: Target,
    how: Fitting,
    group_of: np.ndarray,
    test_fraction: float,
    split: tuple[Iterable, Iterable] | None,
    shuffled: bool,
) -> tuple[Problem, np.ndarray, np.ndarray, int]:
    """Split the labelled episodes; return the problem, both sides' groups, and how many there are."""
    labelled = np.flatnonzero(target.present.any(axis=(1, 2)))
    if not len(labelled):
        raise InputError(f"{target.name!r} labels no square of any valid row.")
    train, test = split_groups(group_of[labelled], test_fraction, how.seed, split)
    train, test = labelled[train], labelled[test]
    test_groups, unit = np.unique(group_of[test], return_inverse=True)
    moved = None
    if shuffled:
        in_train = np.zeros(len(group_of), dtype=bool)
        in_train[train] = True
        rows = target.present.any(axis=2) & in_train[:, None]
        rng = np.random.default_rng([how.seed, 3])
        moved = shuffle_label_maps(target.labels, rows, group_of, rng)
    problem = Problem(
        labels=target.labels,
        shuffled=moved,
        n_classes=None if target.classes is None else len(target.classes),
        train=train,
        test=test,
        unit=unit,
        validation=_validation(group_of[train], how.seed),
        how=how,
    )
    if target.classes is not None:
        check_classes(problem, target.classes)
    return problem, np.unique(group_of[train]), test_groups, len(np.unique(group_of[labelled]))


def _validation(groups: np.ndarray, seed: int) -> np.ndarray:
    """(episode,) bool: about a quarter of the training groups; none if there are fewer than two."""
    names, of_episode = np.unique(groups, return_inverse=True)
    held = np.zeros(len(names), dtype=bool)
    if len(names) > 1:
        order = np.random.default_rng([seed, 6]).permutation(len(names))
        held[order[: max(1, len(names) // 4)]] = True
    return held[of_episode]


def _check_arguments(
    data: xr.Dataset,
    kind: str | None,
    how: Fitting,
    controls: Sequence[str | ObservationProbe],
    n_bootstrap: int,
    confidence: float,
) -> None:
    receptive_field = how.receptive_field
    if not isinstance(data, xr.Dataset) or not {"episode", "step"} <= set(data.dims):
        raise InputError("data must be a recorded run: a Dataset with dims episode and step.")
    if kind not in (None, "logistic", "ridge"):
        raise InputError(f"kind must be 'logistic' or 'ridge', not {kind!r}.")
    if receptive_field < 1 or receptive_field % 2 == 0:
        raise InputError(f"receptive_field must be odd (1, 3, …), not {receptive_field!r}.")
    known = (
        *WITHOUT_FEATURES,
        "observation",
        "history",
        "observation 5x5",
        "last 4 3x3",
        "MLP 5x5",
    )
    if isinstance(controls, str):
        raise InputError(f"controls must be several of {known} and the like, not {controls!r}.")
    observing = [c for c in controls if c not in WITHOUT_FEATURES]
    for control in observing:
        if observation_probe(control) is None:
            raise UnknownNameError("control", str(control), known)
    if n_bootstrap < 0 or not 0 < confidence < 1 or not min(how.penalties, default=-1) >= 0:
        raise InputError(
            "n_bootstrap and regularisation must not be negative, and confidence must lie "
            f"between 0 and 1: {n_bootstrap}, {how.regularisation}, {confidence}."
        )
    if how.hidden and how.estimator is not None:
        raise InputError("A probe is an estimator or has a hidden layer, not both.")
    seen = any(
        name == "observation" or name.startswith(OBSERVED) for name in map(str, data.data_vars)
    )
    if observing and not seen:
        raise InputError(
            "The data hold no 'observation' for the controls made of it; leave them out of controls."
        )


def _groups(
    data: xr.Dataset, groups: str | Sequence | np.ndarray | xr.DataArray | None
) -> tuple[np.ndarray, str]:
    """(episode,) group of each episode, and what the groups are called."""
    n = data.sizes["episode"]
    if groups is None:
        return np.arange(n), "episode"
    if isinstance(groups, str):
        if groups not in data.variables:
            raise InputError(
                f"The data have no variable {groups!r} to split by; name another, or pass "
                "groups=None to split by episode."
            )
        values, name = data[groups].values, groups
    else:
        values, name = np.asarray(groups), "given"
    if values.shape != (n,):
        raise InputError(f"groups needs one value for each of {n} episodes, not {values.shape}.")
    return values.astype(str) if values.dtype.kind == "O" else values, name


def _fit_all(
    sources: list[Source],
    shuffled: bool,
    shared: dict[tuple[str, int], Scored],
    progress: bool,
) -> dict[tuple[str, str], Scored]:
    """(source, site) → scores, one variable after the other."""
    from tqdm import tqdm

    scored: dict[tuple[str, str], Scored] = {}
    with tqdm(sources, desc="probes", unit="site", disable=not progress) as bar:
        for source in bar:
            bar.set_postfix_str(f"{source.name} {source.site}".strip())
            key = source.name, source.problem.how.receptive_field
            if not source.site and key in shared:
                scored[source.name, ""] = shared[key]
                continue
            features = source.features()
            probes = fit(source.problem, features, shuffled and source.name == "trained")
            for name, result in evaluate(source.problem, features, probes).items():
                scored[source.name if name == "trained" else name, source.site] = result
            if not source.site:
                shared[key] = scored[source.name, ""]
    return scored
