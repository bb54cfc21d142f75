from typing import Any

import numpy as np
import pytest
import xarray as xr

from analyses.plans.horizon_scores import Ahead, area, scan, shift_map, since_last
from analyses.plans.plan_horizon import path_channels, plan_horizon, plot_plan_horizon
from interp.concepts import Concept
from interp.errors import InputError, UnknownNameError
from interp.files import write_netcdf

SIDE, STEPS, CHANNELS = 6, 14, 5
CLASSES = ("never", "left", "right")


def next_event(events: np.ndarray) -> np.ndarray:
    labels = np.zeros_like(events)
    current = np.zeros_like(events[:, 0])
    for step in range(events.shape[1] - 1, -1, -1):
        current = np.where(events[:, step] > 0, events[:, step], current)
        labels[:, step] = current
    return labels


class Happenings:
    concepts = ("happening",)

    def events(self, run, concept):
        return run["events"]


HAPPENING = Concept(
    "happening",
    lambda run: xr.DataArray(
        next_event(run["events"].values), dims=run["events"].dims
    ).assign_coords(step=run.step),
    CLASSES,
)


def happenings(n_episodes: int = 50, seed: int = 0) -> np.ndarray:
    """Return (episode, step, y, x): one event at a random square of every step, none there twice."""
    rng = np.random.default_rng(seed)
    events = np.zeros((n_episodes, STEPS, SIDE * SIDE), np.int8)
    for episode in range(n_episodes):
        squares = rng.permutation(SIDE * SIDE)[:STEPS]
        events[episode, np.arange(STEPS), squares] = rng.integers(1, 3, STEPS)
    return events.reshape(n_episodes, STEPS, SIDE, SIDE)


def ahead_of(events: np.ndarray, kind: int, most: int) -> np.ndarray:
    """Return which squares have an event of a class within the next `most` steps."""
    out = np.zeros(events.shape, bool)
    for k in range(most):
        out[:, : STEPS - k] |= events[:, k:] == kind
    return out


def run_with(h: np.ndarray, events: np.ndarray, seed: int = 1) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    h = h + 0.1 * rng.normal(size=h.shape)
    grid = ("episode", "step")
    n = len(events)
    return xr.Dataset(
        {
            "h": ((*grid, "tick", "channel", "y", "x"), h[:, :, None].astype(np.float32)),
            "events": ((*grid, "y", "x"), events),
            "length": ("episode", np.full(n, STEPS, np.int32)),
            "level_id": ("episode", [f"level/{i}" for i in range(n)]),
        },
        coords={"step": np.arange(STEPS), "tick": [0]},
        attrs={"organism": "planted"},
    )


def planted() -> tuple[xr.Dataset, xr.Dataset]:
    events = happenings()
    h = np.zeros((len(events), STEPS, CHANNELS, SIDE, SIDE))
    h[:, :, 0] = ahead_of(events, 1, 3)  # left, short-term
    h[:, :, 1] = -1.0 * ahead_of(events, 2, STEPS)  # right, long-term, negative
    # A copy that speaks of the square above it: the event at y is read from y + 1.
    h[:, :, 2, 1:] = ahead_of(events, 2, STEPS)[:, :, :-1]
    return run_with(h, events), run_with(np.zeros_like(h), events, seed=2)


OPTIONS: dict[str, Any] = {
    "concepts": [HAPPENING],
    "plans": Happenings(),
    "horizon": 8,
    "short": 3,
    "n_bootstrap": 100,
    "progress": False,
}


@pytest.fixture(scope="module")
def result():
    run, control = planted()
    return plan_horizon(run, untrained=control, **OPTIONS)


def unit(result, name):
    return result.sel(concept="happening").isel(unit=list(result.unit.values).index(name))


def test_planted_channels_are_labelled_and_found(result):
    short, long, moved = (unit(result, f"h/{c}") for c in range(3))
    assert (short.label.item(), short.sign.item(), short.term.item()) == ("left", 1, "short")
    assert (long.label.item(), long.sign.item(), long.term.item()) == ("right", -1, "long")
    assert (moved.label.item(), moved.sign.item()) == ("right", 1)
    assert (moved.shift_y.item(), moved.shift_x.item()) == (1, 0)
    assert (short.shift_y.item(), long.shift_y.item()) == (0, 0)
    own = short.sel(source="trained").auc
    assert (own.sel(k=slice(1, 3)) > 0.9).all() and (own.sel(k=slice(5, 8)) < 0.7).all()
    assert (long.sel(source="trained").auc > 0.9).all()
    assert (moved.sel(source="trained").auc > 0.75).all()
    assert path_channels(result) == {"h": [0, 1, 2]} and bool(result.found.all())
    assert path_channels(result, "happening", term="short") == {"h": [0]}


def test_probes_are_scored_beside_the_channels(result):
    probe = unit(result, "h/probe right")
    assert probe.kind == "probe" and not bool(probe.is_path)
    assert (probe.sel(source="trained").auc > 0.9).all() and float(probe.p_holm) < 0.05


def test_noise_is_not_found():
    _, control = planted()
    other = run_with(np.zeros((50, STEPS, CHANNELS, SIDE, SIDE)), control["events"].values, seed=5)
    result = plan_horizon(other, untrained=control, **OPTIONS)
    assert not result.found.any() and path_channels(result) == {}


def test_what_untrained_channels_foretell_as_well_is_not_found():
    run, _ = planted()
    result = plan_horizon(run, untrained=run, **OPTIONS)
    assert (unit(result, "h/1").sel(source="trained").auc > 0.9).all()
    assert not result.found.any()


def test_what_another_levels_events_fit_as_well_is_not_found():
    # The same events in every level: their place is foretold without knowing the level.
    events = np.repeat(happenings(1), 50, axis=0)
    h = np.zeros((50, STEPS, CHANNELS, SIDE, SIDE))
    h[:, :, 1] = ahead_of(events, 2, STEPS)
    blank = run_with(np.zeros_like(h), events, seed=2)
    result = plan_horizon(run_with(h, events), untrained=blank, **OPTIONS)
    # Squares with an event of the class at another time score as high: 1 cannot be reached.
    assert (unit(result, "h/1").sel(source="trained").auc > 0.8).all()
    assert not path_channels(result)


def test_a_repeated_past_is_no_foresight():
    # Events come back to the same square every other step; the channel only keeps the last ones.
    rng = np.random.default_rng(0)
    events = np.zeros((50, STEPS, SIDE * SIDE), np.int8)
    for episode in range(50):
        there = rng.permutation(SIDE * SIDE)[:2]
        for step in range(STEPS):
            events[episode, step, there[step % 2]] = 1 + step % 2
    events = events.reshape(50, STEPS, SIDE, SIDE)
    h = np.zeros((50, STEPS, CHANNELS, SIDE, SIDE))
    for step in range(1, STEPS):
        h[:, step, 0] = (events[:, :step] == 1).any(axis=1)
    blank = run_with(np.zeros_like(h), events, seed=2)
    result = plan_horizon(run_with(h, events), untrained=blank, **OPTIONS)
    assert not result.is_path.any()


def test_areas_by_hand():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 5, (2, 6))
    scores = np.repeat(np.tile(np.arange(6), 2), np.concatenate([positive, negative]))
    truth = np.repeat([1, 0], [positive.sum(), negative.sum()])
    assert area(positive, negative) == pytest.approx(roc_auc_score(truth, scores))
    assert np.isnan(area(positive, 0 * negative))


@pytest.mark.parametrize("by_events", [False, True])
def test_what_is_ahead_by_hand(by_events):
    # Steps 0 … 3; events at steps 1 (square 2, class 1) and 3 (square 0, class 2).
    events = np.zeros((1, 5, 1, 3), np.int8)
    events[0, 1, 0, 2], events[0, 3, 0, 0] = 1, 2
    ahead = Ahead.of(events, np.array([4]), np.array([7]), 2, by_events)
    pairs = (ahead.row, ahead.square, ahead.kind, ahead.k)
    found = {tuple(map(int, pair)) for pair in zip(*pairs, strict=True)}
    if by_events:
        first = {(0, 2, 1, 1), (1, 2, 1, 1)}
        second = {(0, 0, 2, 2), (1, 0, 2, 2), (2, 0, 2, 1), (3, 0, 2, 1)}
        assert ahead.left.tolist() == [2, 2, 1, 1]
    else:
        first = {(0, 2, 1, 2), (1, 2, 1, 1)}
        second = {(2, 0, 2, 2), (3, 0, 2, 1)}
        assert ahead.left.tolist() == [2, 2, 2, 1]
    assert found == first | second
    assert ahead.level.tolist() == [7] * 4


def test_scan_agrees_with_counting_pairs():
    events = happenings(4)
    ahead = Ahead.of(events, np.full(4, STEPS), np.arange(4), 3, False)
    codes = np.random.default_rng(1).integers(0, 8, (4 * STEPS, SIDE * SIDE))
    rows = np.arange(4 * STEPS)
    table = scan(codes, ahead, np.arange(len(ahead.row)), rows, 3, [(0, 0), (0, 1)], 8)
    pairs = (ahead.kind == 2) & (ahead.k == 3)
    own = codes[ahead.row[pairs], ahead.square[pairs]]
    rest = codes[ahead.left >= 3].ravel()
    more = (own[:, None] > rest).mean() + 0.5 * (own[:, None] == rest).mean()
    assert table[0, 2, 2] == pytest.approx(more)
    # One square to the right; beyond the border, the median of all.
    y, x = np.divmod(ahead.square[pairs], SIDE)
    moved = codes[ahead.row[pairs], y * SIDE + np.minimum(x + 1, SIDE - 1)]
    own = np.where(x < SIDE - 1, moved, np.median(codes).astype(int))
    more = (own[:, None] > rest).mean() + 0.5 * (own[:, None] == rest).mean()
    assert table[1, 2, 2] == pytest.approx(more)


def test_shifts_and_recency_by_hand():
    board = np.arange(6).reshape(1, 2, 3)
    assert shift_map(board, (0, 1), 9).tolist() == [[[1, 2, 9], [4, 5, 9]]]
    assert shift_map(board, (-1, 0), 9).tolist() == [[[9, 9, 9], [0, 1, 2]]]
    events = np.zeros((1, 4, 1, 2), np.int8)
    events[0, 1, 0, 1] = 1
    recent = since_last(events, np.arange(4)[None], 1, 8)
    assert recent.tolist() == [[0, 0], [0, 0], [0, 7], [0, 6]]


def test_options_and_bad_input():
    run, control = planted()
    near = plan_horizon(
        run,
        untrained=control,
        **{**OPTIONS, **{"ahead": "events", "against": "path", "probes": False}},
    )
    assert (near.kind == "channel").all() and near.attrs["ahead"] == "events"
    # Among squares on the path, of which half have the direction, the far channel tells it.
    assert 0.65 < float(unit(near, "h/1").sel(source="trained", k=1).auc) < 0.85
    refused: list[tuple[dict[str, Any], type]] = [
        ({"horizon": 0}, InputError),
        ({"short": 0}, InputError),
        ({"reach": -1}, InputError),
        ({"ahead": "moves"}, UnknownNameError),
        ({"against": "walls"}, UnknownNameError),
    ]
    for wrong, error in refused:
        with pytest.raises(error):
            plan_horizon(run, untrained=None, **{**OPTIONS, **wrong})
    nothing = run.assign(events=run["events"] * 0)
    with pytest.raises(InputError, match="often enough"):
        plan_horizon(nothing, untrained=None, **{**OPTIONS, **{"probes": False}})


def test_the_figure_draws_the_dataset_and_it_can_be_kept(result, tmp_path):
    figure = plot_plan_horizon(result)
    best = int(np.argmax(np.where(result.kind == "channel", result.margin[0], -1)))
    drawn = result.auc.isel(concept=0, unit=best).sel(source="trained")
    assert figure.axes[0].get_lines()[0].get_ydata() == pytest.approx(drawn.values)
    assert "steps ahead" in figure.axes[0].get_xlabel() and "AUC" in figure.axes[0].get_ylabel()
    write_netcdf(result, tmp_path / "result.nc")
    assert xr.load_dataset(tmp_path / "result.nc").is_path.dtype == bool
