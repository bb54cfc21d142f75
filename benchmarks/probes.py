"""All (site, tick) probes of a concept, against a loop of scikit-learn's LogisticRegression.

Both sides get the same rows, the same labels and the same L2 penalty, in the same run. Two ratios:

fit
    The design matrices lie in memory for both; only fitting is timed.
end to end
    From recorded activations to test accuracies: `fit_probes` without controls and intervals,
    against a loop that lays the same sample out with NumPy, fits, and predicts all test squares.

scikit-learn runs with its defaults (lbfgs, 100 iterations), on float32, with one thread and with
`--threads`; the setting that is faster on the first problem counts. Accuracies (on the same
held-out squares) and final objectives stand side by side: a fast fit that fits worse would show.

    python benchmarks/probes.py
    python benchmarks/probes.py --store run.zarr --target plan --sites layers.0.h layers.1.h
"""

from __future__ import annotations

import argparse
import json
import time
import warnings

import numpy as np
import xarray as xr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from interp.probes import features as reading
from interp.probes import fit_probes, split_groups
from interp.probes.solver import fit_multinomial_many
from interp.probes.targets import find_target, valid_rows
from interp.probes.training import choose_samples

CLASSES = ("UP", "DOWN", "LEFT", "RIGHT", "NEVER")
MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])


def synthetic_run(
    n_episodes: int, n_layers: int, n_ticks: int, n_channels: int, clarity: float, seed: int
) -> tuple[xr.Dataset, xr.DataArray]:
    """Walks on a board, and recurrent-network-like activations in which the walk's future lies.

    The label of a square is the direction in which the walk next enters it. Channels mix the
    label's code (clearer in later ticks and layers), its neighbours', the walls, and noise with a
    power-law spectrum, squashed by tanh; so the features are correlated and ill-conditioned, as
    recorded ones are.
    """
    rng = np.random.default_rng(seed)
    board, n_steps = 10, 40
    length = rng.integers(12, n_steps + 1, n_episodes).astype(np.int32)
    labels = np.full((n_episodes, n_steps, board, board), 4, dtype=np.int8)
    walls = (rng.random((n_episodes, board, board)) < 0.25).astype(np.float32)
    for e in range(n_episodes):
        at, path = rng.integers(1, board - 1, 2), []
        move = rng.integers(4)
        for _ in range(length[e]):
            move = rng.integers(4) if rng.random() < 0.3 else move
            at = np.clip(at + MOVES[move], 0, board - 1)
            path.append((move, *at))
        for s in range(length[e] - 1, -1, -1):
            labels[e, : s + 1, path[s][1], path[s][2]] = path[s][0]
    one_hot = np.eye(5, dtype=np.float32)[labels]
    blurred = one_hot.copy()
    blurred[:, :, 1:] += 0.3 * one_hot[:, :, :-1]
    blurred[:, :, :, 1:] += 0.3 * one_hot[:, :, :, :-1]
    dims = ("episode", "step", "tick", "channel", "y", "x")
    run = xr.Dataset(
        {"length": ("episode", length)},
        coords={"step": np.arange(n_steps), "tick": np.arange(n_ticks)},
    )
    run["level_id"] = ("episode", [f"level-{i}" for i in range(n_episodes)])
    for layer in range(n_layers):
        values = np.empty(
            (n_episodes, n_steps, n_ticks, n_channels, board, board), dtype=np.float16
        )
        rotation = np.linalg.qr(rng.normal(size=(n_channels, n_channels)))[0]
        spectrum = (rotation * np.arange(1, n_channels + 1) ** -1.0).astype(np.float32)
        code = (rng.normal(size=(5, n_channels)) @ spectrum.T).astype(np.float32)
        of_wall = (rng.normal(size=n_channels) @ spectrum.T).astype(np.float32)
        for tick in range(n_ticks):
            strength = clarity * (1 + 0.4 * tick + 0.3 * layer)
            z = rng.normal(size=(*labels.shape, n_channels)).astype(np.float32) @ spectrum.T
            z += strength * (blurred @ code) + walls[:, None, ..., None] * of_wall
            values[:, :, tick] = np.moveaxis(np.tanh(0.7 * z), -1, 2)
        values[run.step.values[None] >= length[:, None]] = np.nan
        run[f"layers.{layer}.h"] = (dims, values)
    target = xr.DataArray(labels, dims=("episode", "step", "y", "x"), attrs={"classes": CLASSES})
    return run, target


def design(run, target, site, episodes, present, n, seed, field):
    """(tick, feature + 1, row) and labels of a sample of squares, as `fit_probes` draws it."""
    features = reading.Features.of(run[site], site, target.grid)
    episode, step, square = choose_samples(present[episodes], n, seed)
    used = np.zeros((len(episodes), present.shape[1]), dtype=bool)
    used[episode, step] = True
    x = np.ones(
        (features.n_ticks, features.n_channels * field**2 + 1, len(episode)), dtype=np.float32
    )
    for at, rows in features.blocks(episodes, used):
        a, b = np.searchsorted(episode, [at[0], at[-1] + 1])
        index = np.full(used[at].shape, -1)
        index[used[at]] = np.arange(len(rows))
        row = index[episode[a:b] - at[0], step[a:b]]
        reading.gather(rows, row, square[a:b], field, x[:, :, a:b])
    return x, target.labels[episodes][episode, step, square].astype(np.intp)


def fit_peer(x, y, penalty):
    """scikit-learn with its defaults."""
    return LogisticRegression(C=1 / penalty).fit(x, y)


def rows_of(x):
    """(row, feature) in the order that scikit-learn is fastest with."""
    return np.ascontiguousarray(x[:-1].T)


def objective(coef, intercept, x, y, penalty):
    """Mean of the penalised loss, in float64."""
    z = x.astype(np.float64) @ coef.T + intercept
    top = z.max(axis=1)
    loss = top + np.log(np.exp(z - top[:, None]).sum(axis=1)) - z[np.arange(len(y)), y]
    return (loss.sum() + 0.5 * penalty * (coef**2).sum()) / len(y)


def end_to_end_peer(run, target, sites, train, test, present, n, seed, field, penalty):
    """What a careful script would do: lay out, fit and predict, one (site, tick) after another."""
    accuracy = []
    valid = present.any(axis=2)
    for site in sites:
        x, y = design(run, target, site, train, present, n, seed, field)
        models = [fit_peer(rows_of(f), y, penalty) for f in x]
        hits, total = np.zeros(len(models)), 0
        described = reading.Features.of(run[site], site, target.grid)
        for at, rows in described.blocks(test, valid[test]):
            there = present[test[at]][valid[test[at]]]
            row, square = np.nonzero(there)
            labels = target.labels[test[at]][valid[test[at]]][there]
            patches = np.empty((len(models), x.shape[1] - 1, len(row)), dtype=np.float32)
            reading.gather(rows, row, square, field, patches)
            hits += [np.sum(m.predict(p.T) == labels) for m, p in zip(models, patches, strict=True)]
            total += len(labels)
        accuracy += list(hits / total)
    return accuracy


def timed(function, repeats=1):
    """Shortest wall time of `repeats` calls, and the last result."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - start)
    return best, result


def main() -> None:
    """Run the benchmark and print its table row and its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", help="a recorded store; synthetic activations otherwise")
    parser.add_argument("--target", help="labels in the store: the name of a variable")
    parser.add_argument("--sites", nargs="+")
    parser.add_argument("--episodes", type=int, default=160)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--ticks", type=int, default=3)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument(
        "--clarity", type=float, default=0.25, help="of the synthetic code; 0.25: macro-F1 0.6-0.9"
    )
    parser.add_argument("--receptive-field", type=int, default=1)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--regularisation", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--peer-threads", type=int, nargs="+", default=None, help="to try; default 1 and --threads"
    )
    parser.add_argument("--repeats", type=int, default=3, help="of our side; the shortest counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip-end-to-end", action="store_true")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message="lbfgs failed to converge")

    if args.store:
        if not args.target:
            parser.error("--store needs --target, the name of a variable with labels")
        run = xr.open_zarr(args.store, chunks=None, consolidated=False)
        labels = run[args.target]
    else:
        run, labels = synthetic_run(
            args.episodes, args.layers, args.ticks, args.channels, args.clarity, args.seed
        )
    target = find_target(run, labels, valid_rows(run, None))
    sites = reading.choose_sites(run, args.sites, ("y", "x"))
    train, test = split_groups(run["level_id"].values, 0.3, args.seed)
    present, field, penalty = target.present, args.receptive_field, args.regularisation

    ours_time = peer_time = 0.0
    fastest = None
    rows = []
    for site in sites:
        x, y = design(run, target, site, train, present, args.samples, args.seed, field)
        by_row = [rows_of(f) for f in x]
        xt, yt = design(run, target, site, test, present, args.samples, args.seed, field)

        def ours(x=x, y=y):
            return fit_multinomial_many(
                list(x), [y], len(target.classes), regularisation=penalty, n_jobs=args.threads
            )

        def peer(by_row=by_row, y=y):
            return [fit_peer(f, y, penalty) for f in by_row]

        seconds, fits = timed(ours, args.repeats)
        ours_time += seconds
        if fastest is None:
            first = {}
            for threads in args.peer_threads or sorted({1, args.threads}):
                with threadpool_limits(threads):
                    first[threads] = timed(lambda x=by_row[0], y=y: fit_peer(x, y, penalty))[0]
            fastest = min(first, key=first.get)
        with threadpool_limits(fastest):
            seconds, models = timed(peer)
        peer_time += seconds
        xt = [rows_of(f) for f in xt]
        for tick, ([mine], model) in enumerate(zip(fits, models, strict=True)):
            predicted = (xt[tick] @ mine.coef.T + mine.intercept).argmax(axis=1)
            rows.append(
                {
                    "site": site,
                    "tick": tick,
                    "accuracy": float(np.mean(predicted == yt)),
                    "accuracy_sklearn": float(model.score(xt[tick], yt)),
                    "macro_f1": float(f1_score(yt, predicted, average="macro")),
                    "objective": objective(mine.coef, mine.intercept, by_row[tick], y, penalty),
                    "objective_sklearn": objective(
                        model.coef_.astype(np.float64), model.intercept_, by_row[tick], y, penalty
                    ),
                    "iterations_sklearn": int(model.n_iter_[0]),
                }
            )
        n_train, n_features = len(y), x.shape[1] - 1
    result = {
        "problems": len(rows),
        "train_samples": n_train,
        "features": n_features,
        "classes": len(target.classes),
        "threads": args.threads,
        "fit_seconds": ours_time,
        "fit_seconds_sklearn": peer_time,
        "sklearn_threads": fastest,
        "first_fit_seconds_sklearn_by_threads": {str(k): v for k, v in first.items()},
        "fit_ratio": peer_time / ours_time,
        "largest_accuracy_gap_points": 100
        * max(abs(r["accuracy"] - r["accuracy_sklearn"]) for r in rows),
        "largest_objective_excess": max(r["objective"] - r["objective_sklearn"] for r in rows),
        "rows": rows,
    }
    if not args.skip_end_to_end:
        with threadpool_limits(fastest):
            peer_all, accuracy = timed(
                lambda: end_to_end_peer(
                    run, target, sites, train, test, present, args.samples, args.seed, field,
                    penalty,
                )
            )  # fmt: skip
        ours_all, probes = timed(
            lambda: fit_probes(
                run, labels, sites, receptive_field=field, controls=(), n_bootstrap=0,
                max_train_samples=args.samples, regularisation=penalty, seed=args.seed,
                standardise=False,  # the peer's penalty is on raw features
                n_jobs=args.threads, progress=False,
            ),
            args.repeats,
        )  # fmt: skip
        mine = probes.accuracy.sel(source="trained").values.ravel()
        result |= {
            "end_to_end_seconds": ours_all,
            "end_to_end_seconds_sklearn": peer_all,
            "end_to_end_ratio": peer_all / ours_all,
            "end_to_end_largest_accuracy_gap_points": float(
                100 * np.abs(mine - np.array(accuracy)).max()
            ),
        }
    mean = [np.mean([r[k] for r in rows]) for k in ("accuracy", "accuracy_sklearn")]
    print("| probes | rows × features | ours (s) | scikit-learn (s) | ratio | accuracy | gap |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {len(rows)} | {n_train:,} × {n_features} | {ours_time:.2f} | {peer_time:.2f} | "
        f"{result['fit_ratio']:.0f}× | {mean[0]:.4f} / {mean[1]:.4f} | "
        f"{result['largest_accuracy_gap_points']:.2f} points |"
    )
    if "end_to_end_ratio" in result:
        print(
            f"| {len(rows)}, end to end | {n_train:,} × {n_features} | "
            f"{result['end_to_end_seconds']:.2f} | {result['end_to_end_seconds_sklearn']:.2f} | "
            f"{result['end_to_end_ratio']:.0f}× | | "
            f"{result['end_to_end_largest_accuracy_gap_points']:.2f} points |"
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
