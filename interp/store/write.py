"""Fill a store: blocks of episodes, step by step, resumable at any moment.

What makes a recording survive being killed is the order of writing. Files appear whole or not at
all (temporary file, then rename). A block's ``length`` is written last, so a block whose lengths
are all there is finished, and any other is recorded again from its first step, over whatever it
left. ``complete`` in the root attributes is set last of all.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.errors import InputError, StoreCorruptError, StoreError, UnknownNameError
from interp.runs.variables import Variable
from interp.store.encode import encode_file
from interp.store.layout import StoreSpec, is_compressed, layout_of
from interp.store.location import Location, reporting
from interp.store.lock import StoreLock

if TYPE_CHECKING:
    import zarr

FILES_IN_FLIGHT = 2
"""How many encoded files may wait to be written while the network goes on."""


class StoreWriter:
    """Write blocks of episodes to a store that `create_store` made.

    Memory: one block's buffers, about 64 MiB unless a single step of a block is larger, plus three
    files of the largest variable, on their way to the disk. Nothing grows with the number of
    episodes except their names and texts.

    Attributes
    ----------
    spec : StoreSpec
    complete : bool
        Whether everything has been recorded; then there is nothing left to write.
    done : ndarray of bool
        (block,) which blocks are finished.
    """

    def __init__(self, location: Location, spec: StoreSpec, group: zarr.Group, lock: StoreLock):
        self.location, self.spec, self._group, self._lock = location, spec, group, lock
        # In a float variable padding cannot be mistaken for data; elsewhere an all-padding chunk
        # may be data, so it is written, and a chunk that is missing is a chunk that was lost.
        self._arrays: dict[str, Any] = {
            name: array
            if array.dtype.kind == "f"
            else array.with_config({"write_empty_chunks": True})
            for name, array in group.arrays()
        }
        self._buffers: dict[str, np.ndarray] = {}
        self._scratch: list[np.ndarray] = []
        self._background = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._in_flight: deque[Future[None]] = deque()
        self.complete = bool(group.attrs["complete"])
        self.done = self._done_blocks()

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self.close(complete=False)

    def _done_blocks(self) -> np.ndarray:
        try:
            length = np.asarray(self._arrays["length"][:])
        except Exception as error:
            raise StoreCorruptError(
                f"{self.location.name}: the lengths of the episodes cannot be read ({error}), so "
                "it is unknown what was recorded. See interp.verify; record to another path.",
                ["length"],
            ) from error
        return np.array(
            [(length[self.episodes(k)] >= 0).all() for k in range(self.spec.n_blocks)], bool
        )

    def episodes(self, block: int) -> slice:
        """Return the positions of a block's episodes along ``episode``."""
        start = block * self.spec.block
        return slice(start, min(start + self.spec.block, self.spec.n_episodes))

    def block(self, block: int) -> BlockWriter:
        """Start recording a block from its first step."""
        if self.complete:
            raise StoreError(f"{self.location.name} is complete; it is not written to again.")
        return BlockWriter(self, block)

    @property
    def attributes(self) -> dict[str, Any]:
        """The root attributes, as they are now."""
        return dict(self._group.attrs)

    def annotate(self, **attributes: Any) -> None:
        """Set root attributes (JSON-able)."""
        with reporting(self.location, "writing attributes"):
            self._group.attrs.update(jsonable(attributes))

    def close(self, complete: bool = True) -> None:
        """Give the store back; mark it complete first if everything was recorded.

        Raises
        ------
        StoreError
            If `complete` is asked for and blocks are missing; the store stays incomplete.
        """
        try:
            if complete and not self.complete:
                missing = np.flatnonzero(~self.done)
                if len(missing):
                    raise StoreError(
                        f"{self.location.name}: {len(missing)} of {self.spec.n_blocks} blocks of "
                        "episodes are not recorded; the store stays incomplete."
                    )
                self.annotate(complete=True)
                self.complete = True
        finally:
            self._background.shutdown(wait=True, cancel_futures=True)
            self._lock.release()

    def buffer_for(self, name: str, n: int, n_steps: int) -> np.ndarray:
        """Return a buffer (n, n_steps, *features) of padding for a variable; one for all blocks."""
        variable = self.spec.variables[name]
        if name not in self._buffers:
            shape = (min(self.spec.block, self.spec.n_episodes), n_steps, *variable.shape)
            self._buffers[name] = np.empty(shape, variable.dtype)
        self._buffers[name].fill(variable.fill)
        return self._buffers[name][:n]

    def _write(self, name: str, region: tuple[slice, ...], values: np.ndarray) -> None:
        with reporting(self.location, f"writing {name!r}"):
            self._arrays[name][region] = values

    def _write_file(self, name: str, file: tuple[int, ...], content: np.ndarray) -> None:
        """Write one encoded file in the background."""
        from zarr.core.buffer.cpu import Buffer
        from zarr.core.sync import sync

        key = f"{name}/{self._arrays[name].metadata.encode_chunk_key(file)}"
        data: Any = content

        def write() -> None:
            with reporting(self.location, f"writing {name!r}"):
                sync(self._group.store.set(key, Buffer.from_array_like(data)))

        self._drain(FILES_IN_FLIGHT - 1)
        self._in_flight.append(self._background.submit(write))

    def scratch(self, size: int) -> np.ndarray:
        """Return memory for an encoded file, of one that was written if possible.

        Fresh memory costs more than what is copied into it.
        """
        for n, memory in enumerate(self._scratch):
            if memory.size >= size:
                return self._scratch.pop(n)[:size]
        return np.empty(size, np.uint8)

    def _drain(self, leave: int = 0) -> None:
        """Wait until at most `leave` files are in flight; raise what went wrong with the others."""
        while len(self._in_flight) > leave:
            self._in_flight.popleft().result()


class BlockWriter:
    """Collect the steps of one block and write them, file by file, as they fill up.

    Steps come in order; within a step any variable, any rows. One block at a time: its buffers
    are the writer's.
    """

    def __init__(self, writer: StoreWriter, block: int):
        self._writer, self._block = writer, block
        self.episodes = writer.episodes(block)
        self.size = self.episodes.stop - self.episodes.start
        self.variables = dict(writer.spec.variables)
        self._tracks = {
            name: _Track(writer, name, variable, self.episodes)
            for name, variable in writer.spec.variables.items()
        }

    def put(self, step: int, rows: Any, values: Mapping[str, np.ndarray]) -> None:
        """Add what one step gave.

        Parameters
        ----------
        step
            Label of the step; never smaller than before.
        rows
            (running,) int: the episodes of the block that the values belong to, without repeats.
        values
            Name → (running, *feature dims). Kept as copies, in the variable's dtype.

        Raises
        ------
        UnknownNameError
            For a variable that the store does not have.
        InputError
            If a value has the wrong shape, is not finite, or does not fit in its dtype.
        """
        rows = np.asarray(rows)
        position = step - self._writer.spec.first_step
        for name, value in values.items():
            if name not in self._tracks:
                raise UnknownNameError("variable of the store", name, self._tracks)
            self._tracks[name].put(position, rows, np.asarray(value))

    def finish(self, length: np.ndarray, solved: Any = None, outcome: Any = None) -> None:
        """Write what is buffered, then the per-episode variables, ``length`` last.

        Parameters
        ----------
        length
            (episode,) int: steps taken in the world.
        solved, outcome
            (episode,) bool and float64: those of them that the store has.

        Raises
        ------
        InputError
            If one of them is missing, or a variable was not put for exactly the steps that the lengths say.
        """
        writer = self._writer
        length = np.asarray(length, np.int32)
        if length.shape != (self.size,) or (length < 0).any():
            raise InputError(f"length must be ({self.size},) and ≥ 0, got {length!r}.")
        results = {"solved": solved, "outcome": outcome}
        for name in writer.spec.episode_variables:
            if np.shape(results[name]) != (self.size,):
                raise InputError(f"{name} must be ({self.size},), got {results[name]!r}.")
        n_valid = length - writer.spec.first_step
        for track in self._tracks.values():
            track.finish(n_valid)
        writer._drain()  # `length` says that all else is there
        for name, dtype in writer.spec.episode_variables.items():
            writer._write(name, (self.episodes,), np.asarray(results[name], dtype))
        writer._write("length", (self.episodes,), length)
        writer.done[self._block] = True


class _Track:
    """The buffer of one variable in one block: as many steps as one file holds."""

    def __init__(self, writer: StoreWriter, name: str, variable: Variable, episodes: slice):
        spec = writer.spec
        self.writer, self.name, self.variable, self.episodes = writer, name, variable, episodes
        self.layout = layout_of(variable, spec)
        self.steps = self.layout.shard[1]
        size = episodes.stop - episodes.start
        n = min(self.steps, spec.n_steps)
        self.buffer = writer.buffer_for(name, size, n)
        # Which rows came, over the whole run: the only thing that knows a missed or doubled one.
        self.came = np.zeros((size, spec.n_steps), bool)
        self.start = 0

    def put(self, position: int, rows: np.ndarray, values: np.ndarray) -> None:
        if values.shape != (len(rows), *self.variable.shape):
            raise InputError(
                f"{self.name!r}: values must be {(len(rows), *self.variable.shape)} (rows of "
                f"{', '.join(self.variable.dims[2:]) or 'numbers'}), got {values.shape}."
            )
        if not self.start <= position < self.came.shape[1]:
            raise InputError(
                f"{self.name!r}: step {position + self.writer.spec.first_step} is before what is "
                "written already, or beyond the end of the step axis."
            )
        while position >= self.start + self.steps:
            self.flush()
            self.start += self.steps
        if self.came[rows, position].any():
            raise InputError(f"{self.name!r}: a row of step {position} came twice.")
        if self.buffer.dtype.kind == "f" and not self.variable.may_be_nan:
            self._check_range(position, rows, values)
        self.buffer[rows, position - self.start] = _cast(values, self.buffer.dtype)
        self.came[rows, position] = True

    def finish(self, n_valid: np.ndarray) -> None:
        expected = np.arange(self.came.shape[1]) < n_valid[:, None]
        wrong = np.argwhere(expected != self.came)
        if len(wrong):
            row, position = wrong[0]
            what = "is missing" if expected[row, position] else "is beyond the episode's length"
            raise InputError(
                f"{self.name!r}: step {position + self.writer.spec.first_step} of episode "
                f"{self.episodes.start + row} {what}."
            )
        self.flush()

    def flush(self) -> None:
        span = slice(self.start, min(self.start + self.steps, self.came.shape[1]))
        came = self.came[:, span]
        if not came.any():
            return
        values = self.buffer[:, : span.stop - span.start]
        if is_compressed(self.variable):
            self.writer._write(self.name, (self.episodes, span), values)
        else:
            allocate = self.writer.scratch
            content = encode_file(values, came, self.variable.fill, self.layout, allocate)
            block, shard = self.episodes.start // self.layout.shard[0], self.start // self.steps
            file = (block, shard, *(0 for _ in self.variable.shape))
            if content is not None:
                self.writer._write_file(self.name, file, content)
        self.buffer.fill(self.variable.fill)

    def _check_range(self, position: int, rows: np.ndarray, values: np.ndarray) -> None:
        # Half of the last spacing beyond the largest number still rounds to it.
        dtype = self.buffer.dtype
        limit = 65519.0 if dtype == np.float16 else float(np.finfo(dtype).max)
        # NaN is neither, and goes through min and max.
        if not values.size or (values.min() >= -limit and values.max() <= limit):
            return
        flat = values.reshape(len(rows), -1)
        bad = ~(np.abs(flat) <= limit)
        row = int(np.flatnonzero(bad.any(axis=1))[0])
        worst = flat[row][bad[row]][0]
        where = (
            f"step {position + self.writer.spec.first_step} of episode "
            f"{self.episodes.start + int(rows[row])}"
        )
        if np.isfinite(worst):
            raise InputError(
                f"{self.name!r} is {worst:g} at {where}, beyond ±{np.finfo(dtype).max:g}, the range "
                f"of {dtype}. Record with dtype='float32'."
            )
        raise InputError(f"{self.name!r} is not finite ({worst}) at {where}.")


def jsonable(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as JSON gives them back; InputError if JSON cannot hold them."""
    try:
        return json.loads(json.dumps(dict(attributes), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"The attributes of a store must be JSON: {error}.") from None


def _cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return values in a dtype; by torch, if it is loaded: the same bits, six times faster."""
    torch = sys.modules.get("torch")
    if torch is None or (values.dtype, dtype) != (np.float32, np.float16):
        return values.astype(dtype, copy=False)
    return torch.from_numpy(np.ascontiguousarray(values)).half().numpy()
