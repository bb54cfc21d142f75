"""``mesascope open`` and ``mesascope verify``: what a store holds, and whether it is whole."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from analyses.commands.base import Command, in_bytes, print_json, table

StoreArgument = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PATH")]


@dataclass
class Open(Command):
    """Summarise a store: what was recorded, of which organism, how much of it."""

    path: StoreArgument
    """A folder, a .zip of one, or any fsspec URL."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON."""

    def run(self) -> int:
        """See `Command.run`."""
        summary = summarise(self.path)
        if self.json:
            print_json(summary)
            return 0
        solved, recorded = summary["solved_share"], summary["episodes_recorded"]
        lines = {
            "organism": summary["organism"],
            "sha256 of the weights as run": summary["weights_sha256"],
            "recording": summary["kind"],
            "complete": "yes" if summary["complete"] else "NO: record again to finish it",
            "episodes": f"{recorded:,} of {summary['dims']['episode']:,} recorded",
            "steps": f"{summary['steps_recorded']:,} recorded",
            "solved": "–" if solved is None else f"{100 * solved:.1f} % of recorded episodes",
            "thinking steps": summary["thinking_steps"],
            "seed": summary["seed"],
            "dims": ", ".join(f"{dim} {size}" for dim, size in summary["dims"].items()),
        }
        print(self.path)
        for name, value in lines.items():
            print(f"  {name:<15} {value}")
        print()
        rows = [
            [v["name"], v["dtype"], ", ".join(v["dims"]), in_bytes(v["bytes"]), v["chunks"]]
            for v in summary["variables"]
        ]
        print(table(["variable", "dtype", "dims", "size", "chunks"], rows, right=[3, 4]))
        return 0


def summarise(path: str) -> dict[str, Any]:
    """Return what a store holds, JSON-able. Reads metadata, `length` and `solved` only.

    Parameters
    ----------
    path
        Of a store, finished or not.

    Returns
    -------
    dict
        Of each variable ``bytes`` is the size of its values, uncompressed and with padding, and
        ``chunks`` how many checksummed pieces its grid has (those that are all padding are not
        written). ``solved_share`` is a share of the recorded episodes, None if there are none.

    Raises
    ------
    StoreError
        If there is no store, or its metadata are damaged.
    """
    from interp import open_store
    from interp.attributes import attribute

    run = open_store(path, allow_incomplete=True)
    length, solved = run["length"].values, run["solved"].values
    recorded = length >= 0
    thinking = int(run.attrs.get("thinking_steps", 0))
    attributes = ("organism", "weights_sha256", "kind", "seed", "mesascope_schema", "versions")
    return {
        "path": path,
        "complete": bool(run.attrs.get("complete")),
        **{name: attribute(run.attrs, name) for name in attributes},
        "thinking_steps": thinking,
        "dims": {str(dim): int(size) for dim, size in run.sizes.items()},
        "episodes_recorded": int(recorded.sum()),
        "steps_recorded": int((length[recorded] + thinking).sum()),
        "solved_share": float(solved[recorded].mean()) if recorded.any() else None,
        "variables": [
            {
                "name": str(name),
                "dtype": str(variable.dtype),
                "dims": [str(dim) for dim in variable.dims],
                "shape": list(variable.shape),
                "bytes": int(variable.nbytes),
                "chunks": math.prod(
                    -(-size // chunk)
                    for size, chunk in zip(
                        variable.shape, variable.encoding.get("chunks", variable.shape), strict=True
                    )
                ),
            }
            for name, variable in run.variables.items()
        ],
    }


@dataclass
class Verify(Command):
    """Read all of a store and name what is damaged or missing; exit code 1 if anything is."""

    path: StoreArgument
    """A folder, a .zip of one, or any fsspec URL."""
    progress: bool = True
    """Show a progress bar."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON."""

    def run(self) -> int:
        """See `Command.run`."""
        from interp import verify
        from interp.errors import StoreCorruptError
        from interp.store.verify import VerifyReport

        try:
            report = verify(self.path, progress=self.progress)
        except StoreCorruptError as error:  # damaged so early that there is no report
            if not self.json:
                print(f"{self.path}: NOT SOUND\n  {error}")
                return 1
            report = VerifyReport(self.path, damaged=error.chunks)
        if self.json:
            print_json({"ok": report.ok, **dataclasses.asdict(report)})
        else:
            print(report)
        return 0 if report.ok else 1
