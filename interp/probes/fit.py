"""`fit_probes`: every probe of a concept, its controls and its intervals, in one Dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from interp.concepts import Concept
from interp.errors import InputError, nearest
from interp.probes.features import (
    OBSERVED,
    Features,
    ObservationFeatures,
    choose_sites,
    observed,
    with_previous,
)
from interp.probes.result import assemble
from interp.probes.splits import shuffle_label_maps, split_groups
from interp.probes.targets import Target, find_target, valid_rows
from interp.probes.training import Fitting, Problem, Scored, check_classes, evaluate, fit, majority

CONTROLS = ("majority", "shuffled", "observation")
KNOWN_CONTROLS = (*CONTROLS, "history")
SOURCES = ("trained", "untrained", "observation", "history", "majority", "shuffled")


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
    controls: Sequence[str] = CONTROLS,
    untrained: xr.Dataset | None = None,
    observation_features: ObservationFeatures | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool = True,
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
        ``"observation"`` (the same probe on the raw observation) and, not by default, ``"history"``
        (on the observation and the one before it: a recurrent state knows the last move, and an
        agent that goes to and fro has its future written in its past; held in memory).
    untrained
        The same episodes replayed through an untrained network, with the same sites: the fourth
        control.
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
    **fitting
        How each probe is fitted, the fields of `interp.probes.training.Fitting`:

        max_train_samples
            Squares in the logistic fit's sample; None for 100,000 or as many as fit in 512 MiB.
        regularisation
            L2 penalty: scikit-learn's ``1 / C`` (logistic) or ``alpha`` (ridge).
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
        Dims ``source`` (trained, untrained, observation, history, majority, shuffled: those
        asked for),
        ``site``, ``tick`` (−1 for sites without ticks; NaN where a site has no such tick).
        Controls that know no site (observation, history, majority) repeat their score everywhere.

        ========================================  ===============================================
        variable                                  dims
        ========================================  ===============================================
        accuracy, macro_f1, f1_far                source, site, tick
        precision, recall, f1                     source, site, tick, class
        r2, correlation, mse (float targets)      source, site, tick
        each of these _low, _high                 same: bootstrap over test groups
        margin, margin_low, margin_high           metric, site, tick: trained − best control, paired
        best_control                              metric, site, tick
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
    sample (see `max_train_samples`; all ticks of one site), ridge's X'X, and the labels (a byte, 4
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
    features = _features(data, untrained, names, found, controls, observation_features)
    scored = _fit_all(problem, features, "shuffled" in controls, progress)
    if "majority" in controls:
        scored["majority", ""] = majority(problem)
    sources = tuple(s for s in SOURCES if any(source == s for source, _ in scored))
    attributes = {
        "kind": how.kind if how.estimator is None else repr(how.estimator),
        "regularisation": float(how.regularisation),
        "standardise": int(how.standardise),
        "seed": seed,
        "groups": group_name,
        "test_fraction": float(len(test_groups) / n_groups),
        "steps": "all valid" if steps is None else str(steps),
    }
    return assemble(
        found,
        problem,
        {site: features["trained", site] for site in names},
        scored,
        sources,
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
        how=how,
    )
    if target.classes is not None:
        check_classes(problem, target.classes)
    return problem, np.unique(group_of[train]), test_groups, len(np.unique(group_of[labelled]))


def _check_arguments(
    data: xr.Dataset,
    kind: str | None,
    how: Fitting,
    controls: Sequence[str],
    n_bootstrap: int,
    confidence: float,
) -> None:
    receptive_field, regularisation = how.receptive_field, how.regularisation
    if not isinstance(data, xr.Dataset) or not {"episode", "step"} <= set(data.dims):
        raise InputError("data must be a recorded run: a Dataset with dims episode and step.")
    if kind not in (None, "logistic", "ridge"):
        raise InputError(f"kind must be 'logistic' or 'ridge', not {kind!r}.")
    if receptive_field < 1 or receptive_field % 2 == 0:
        raise InputError(f"receptive_field must be odd (1, 3, …), not {receptive_field!r}.")
    if isinstance(controls, str) or not set(controls) <= set(KNOWN_CONTROLS):
        raise InputError(f"controls must be some of {KNOWN_CONTROLS}, not {controls!r}.")
    if n_bootstrap < 0 or not 0 < confidence < 1 or not regularisation >= 0:
        raise InputError(
            "n_bootstrap and regularisation must not be negative, and confidence must lie "
            f"between 0 and 1: {n_bootstrap}, {regularisation}, {confidence}."
        )
    seen = any(
        name == "observation" or name.startswith(OBSERVED) for name in map(str, data.data_vars)
    )
    if {"observation", "history"} & set(controls) and not seen:
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


def _features(
    data: xr.Dataset,
    untrained: xr.Dataset | None,
    names: list[str],
    target: Target,
    controls: Sequence[str],
    observation_features: ObservationFeatures | None,
) -> dict[tuple[str, str], Features]:
    """(source, site) → features, for every source with features of its own."""
    found = {("trained", site): Features.of(data[site], site, target.places) for site in names}
    if untrained is not None:
        for name in ("length", "level_id"):
            if name in data and (
                name not in untrained or not np.array_equal(untrained[name], data[name])
            ):
                raise InputError(
                    f"The untrained network's run differs from the data in {name!r}: replay the "
                    "same observations through it."
                )
        if not np.array_equal(untrained["step"].values, data["step"].values):
            raise InputError("The untrained network's run has other steps than the data.")
        choose_sites(untrained, names, tuple(target.places))
        for site in names:
            features = Features.of(untrained[site], site, target.places)
            if (features.n_ticks, features.n_channels) != (
                found["trained", site].n_ticks,
                found["trained", site].n_channels,
            ):
                raise InputError(
                    f"Site {site!r} is {untrained[site].sizes} in the untrained network's run, "
                    f"{data[site].sizes} in the data."
                )
            found["untrained", site] = features
    if {"observation", "history"} & set(controls):
        observation = observed(data, target.places, observation_features)
        assert observation is not None  # as `_check_arguments` makes sure
        if "observation" in controls:
            found["observation", ""] = Features.of(observation, "observation", target.places)
        if "history" in controls:
            before = with_previous(observation)
            found["history", ""] = Features.of(before, "observation history", target.places)
    return found


def _fit_all(
    problem: Problem, features: dict[tuple[str, str], Features], shuffled: bool, progress: bool
) -> dict[tuple[str, str], Scored]:
    """(source, site) → scores, one variable after the other."""
    from tqdm import tqdm

    scored: dict[tuple[str, str], Scored] = {}
    with tqdm(features.items(), desc="probes", unit="site", disable=not progress) as bar:
        for (source, site), these in bar:
            bar.set_postfix_str(f"{source} {site}".strip())
            probes = fit(problem, these, shuffled and source == "trained")
            for name, result in evaluate(problem, these, probes).items():
                scored[source if name == "trained" else name, site] = result
    return scored
