"""Where the released agents are: the table of runs, a local folder, the Hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from interp.errors import AssetError, UnknownNameError

REPOSITORY = "AlignmentResearch/learned-planner"
REVISION = "main"
"""Branch or commit of the Hub repository."""
LOCAL_VARIABLE = "MESASCOPE_RELEASED"
"""Environment variable: a folder laid out like the Hub repository."""
FILES = ("model", "cfg.json")


@dataclass(frozen=True)
class ReleasedRun:
    """One released training run.

    Attributes
    ----------
    name
        Its id in this library.
    architecture
        ``"DRC(3,3)"``, ``"DRC(1,1)"`` or ``"ResNet"``.
    run
        Its folder in the Hub repository: ``drc33/bkynosqi``.
    step
        Environment steps of the final checkpoint, which is the folder ``cp_<step>`` of the run.
    listed
        Whether the repository's own page names that checkpoint. If not, the step follows from the
        run's training configuration, and the last checkpoint there is taken should it differ.
    """

    name: str
    architecture: str
    run: str
    step: int
    listed: bool = False

    @property
    def path(self) -> str:
        """The final checkpoint's folder in the Hub repository."""
        return f"{self.run}/cp_{self.step}"


def _table() -> dict[str, ReleasedRun]:
    step = 2_002_944_000
    runs = [
        ReleasedRun("far-drc33-bkynosqi", "DRC(3,3)", "drc33/bkynosqi", step, listed=True),
        *(
            ReleasedRun(f"far-drc33-{run}", "DRC(3,3)", f"drc33/{run}", step)
            for run in ("gobfm3wm", "jl6bq8ih", "q4mjldyy", "qqp0kn15")
        ),
        ReleasedRun("far-drc11-eue6pax7", "DRC(1,1)", "drc11/eue6pax7", step, listed=True),
        ReleasedRun("far-resnet-syb50iz7", "ResNet", "resnet/syb50iz7", step, listed=True),
    ]
    return {run.name: run for run in runs}


RELEASED_RUNS: dict[str, ReleasedRun] = _table()
"""Id → run. Papers: Taufeeque et al. 2024 (arXiv 2407.15421) and 2025 (arXiv 2506.10138)."""


def fetch_released(
    name: str,
    cache_dir: str | Path | None = None,
    local_dir: str | Path | None = None,
    revision: str | None = None,
) -> Path:
    """Return the local folder of a released checkpoint, downloading it if it has to be.

    Looked at in turn: `local_dir`; the folder that the environment variable ``MESASCOPE_RELEASED``
    names (both laid out like the Hub repository: ``drc33/bkynosqi/cp_2002944000/model`` …); the
    Hub's cache; the Hub.

    Parameters
    ----------
    name
        A key of `RELEASED_RUNS`.
    cache_dir
        The Hub's cache; huggingface_hub's default unless told.
    local_dir
        A folder laid out like the Hub repository. If given, nothing is downloaded.
    revision
        Branch or commit of the Hub repository; `REVISION` unless told.

    Returns
    -------
    Path
        A folder with ``model`` and ``cfg.json``.

    Raises
    ------
    UnknownNameError
        If there is no such run.
    AssetError
        If it is not there and cannot be downloaded: says which files of which repository to fetch
        and where to put them.
    """
    if name not in RELEASED_RUNS:
        raise UnknownNameError("released run", name, RELEASED_RUNS)
    run = RELEASED_RUNS[name]
    variable = os.environ.get(LOCAL_VARIABLE)
    for root in (local_dir, variable):
        found = _local(run, Path(root)) if root else None
        if found is not None:
            return found
    if local_dir is not None:
        raise AssetError(f"{name} is not in {local_dir}. {_instructions(run, str(local_dir))}")
    revision = REVISION if revision is None else revision
    try:
        return _download(run, cache_dir, revision)
    except Exception as error:  # the Hub's client raises a wide and changing set of errors
        reason = (str(error).strip().splitlines() or [""])[0]
        looked = f" (looked in {variable}, from {LOCAL_VARIABLE})" if variable else ""
        raise AssetError(
            f"{name} is not here{looked} and could not be downloaded: {type(error).__name__}: "
            f"{reason}\n{_instructions(run, variable, revision)}"
        ) from error


def _local(run: ReleasedRun, root: Path) -> Path | None:
    """Return the run's final checkpoint below `root`, if its files are there."""
    candidates = [root / run.path]
    if not run.listed:
        candidates += sorted((root / run.run).glob("cp_*"), key=lambda p: _step(p.name))[::-1]
    for folder in candidates:
        if all((folder / file).is_file() for file in FILES):
            return folder
    return None


def _download(run: ReleasedRun, cache_dir: str | Path | None, revision: str) -> Path:
    from huggingface_hub import HfApi, hf_hub_download

    def folder_of(path: str, local_files_only: bool = False) -> Path:
        files = [
            hf_hub_download(
                REPOSITORY,
                f"{path}/{file}",
                revision=revision,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
            )
            for file in FILES
        ]
        return Path(files[0]).parent

    try:
        return folder_of(run.path, local_files_only=True)
    except Exception as error:
        if type(error).__name__ != "LocalEntryNotFoundError":
            raise
    _check_network()
    try:
        return folder_of(run.path)
    except Exception as error:
        # Only if the Hub answers that this checkpoint does not exist is another one looked for.
        absent = ("EntryNotFoundError", "RemoteEntryNotFoundError")
        if run.listed or type(error).__name__ not in absent:
            raise
    entries = HfApi().list_repo_tree(REPOSITORY, path_in_repo=run.run, revision=revision)
    return folder_of(max((entry.path for entry in entries), key=_step))


def _check_network() -> None:
    """Raise OSError at once if the Hub cannot be found; its client would retry for long."""
    import socket
    import urllib.parse
    import urllib.request

    from huggingface_hub import constants

    if urllib.request.getproxies():
        return  # the proxy resolves names
    host = urllib.parse.urlsplit(constants.ENDPOINT).hostname
    if host:
        socket.getaddrinfo(host, None)


def _step(path: str) -> int:
    """Return the step in a checkpoint's folder name; −1 if it is none."""
    match = re.search(r"cp_(\d+)$", path)
    return int(match.group(1)) if match else -1


def _instructions(run: ReleasedRun, root: str | None = None, revision: str = REVISION) -> str:
    where = root or "FOLDER"
    files = " and ".join(f"{run.path}/{file}" for file in FILES)
    lines = [
        f"To get it by hand, download {files} from https://huggingface.co/{REPOSITORY} (revision "
        f"{revision}) and put them at",
        *(f"    {where}/{run.path}/{file}" for file in FILES),
    ]
    if not run.listed:
        lines.append(
            f"(should cp_{run.step} not exist there, take the highest cp_… folder of {run.run})"
        )
    lines.append(
        f"With a network: hf download {REPOSITORY} --revision {revision} --include "
        f"'{run.path}/*' --local-dir {where}"
    )
    if root is None:
        lines.append(f"then set the environment variable {LOCAL_VARIABLE}=FOLDER.")
    return "\n".join(lines)
