"""Read the msgpack files that Flax writes, without JAX or Flax, trusting nothing in them.

The format: msgpack maps with text keys whose leaves are numbers, or arrays as extension type 1: a
packed triple (shape, NumPy dtype name, C-order bytes). Extension type 3 is a scalar in the same
form. Arrays of more than 1 GiB are a map ``{"__msgpack_chunked_array__": True, "shape": {"0": …},
"chunks": {"0": array, …}}``. Nothing here is ever executed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from interp.errors import CheckpointError

# Names of dtypes that weights and optimiser states have. bfloat16 is read by hand: NumPy has none.
_DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
    )
}
_ARRAY, _SCALAR = 1, 3
_CHUNKED = "__msgpack_chunked_array__"
# Real checkpoints have tens of entries per map; a forged length must not reserve gigabytes.
_MOST_ENTRIES = 1 << 16


def read_flax_msgpack(path: str | Path) -> dict[str, Any]:
    """Read a file that ``flax.serialization.to_bytes`` wrote.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        Nested, with text keys; leaves are numbers, text, None or read-only arrays.

    Raises
    ------
    CheckpointError
        If the file is not whole or not of this format; the message names it.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error}).") from error
    return decode_flax_msgpack(data, source=str(path))


def decode_flax_msgpack(data: bytes, source: str = "data") -> dict[str, Any]:
    """Decode what ``flax.serialization.to_bytes`` gives; see `read_flax_msgpack`.

    Examples
    --------
    >>> decode_flax_msgpack(bytes.fromhex("81a16107"))
    {'a': 7}
    """
    import msgpack

    def extension(code: int, payload: bytes) -> Any:
        if code not in (_ARRAY, _SCALAR):
            raise CheckpointError(f"{source}: unknown msgpack extension type {code}.")
        array = _array(payload, source)
        return array[()] if code == _SCALAR and array.shape == () else array

    try:
        tree = msgpack.unpackb(
            data,
            ext_hook=extension,
            strict_map_key=True,
            max_array_len=_MOST_ENTRIES,
            max_map_len=_MOST_ENTRIES,
        )
    except CheckpointError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        # msgpack's own exceptions are ValueErrors, bar "extra data" and "stack too deep" in spirit.
        reason = str(error) or type(error).__name__
        raise CheckpointError(
            f"{source}: not a whole Flax msgpack file ({reason}; {len(data):,} bytes)."
        ) from error
    except msgpack.exceptions.UnpackException as error:
        raise CheckpointError(f"{source}: not a whole Flax msgpack file ({error}).") from error
    if not isinstance(tree, dict):
        raise CheckpointError(f"{source}: holds a {type(tree).__name__}, not a map of parameters.")
    return _joined(tree, source, "")


def _array(payload: bytes, source: str) -> np.ndarray:
    """Decode one array: a packed triple (shape, dtype name, bytes)."""
    import msgpack

    try:
        shape, dtype, buffer = msgpack.unpackb(payload, max_array_len=64, max_map_len=0)
    except (ValueError, TypeError, msgpack.exceptions.UnpackException) as error:
        raise CheckpointError(f"{source}: an array that is not (shape, dtype, bytes).") from error
    if isinstance(dtype, bytes):
        dtype = dtype.decode("ascii", "replace")
    if not isinstance(dtype, str) or (dtype not in _DTYPES and dtype != "bfloat16"):
        known = ", ".join([*_DTYPES, "bfloat16"])
        raise CheckpointError(f"{source}: an array of unknown dtype {dtype!r}; known: {known}.")
    if not isinstance(shape, list) or not all(_is_length(n) for n in shape):
        raise CheckpointError(f"{source}: an array of impossible shape {shape!r}.")
    if not isinstance(buffer, bytes):
        raise CheckpointError(f"{source}: an array whose content is not bytes.")
    stored = np.dtype("<u2") if dtype == "bfloat16" else _DTYPES[dtype]
    n_bytes = math.prod(shape) * stored.itemsize
    if n_bytes != len(buffer):
        raise CheckpointError(
            f"{source}: an array of shape {tuple(shape)} and dtype {dtype} needs {n_bytes:,} bytes "
            f"and has {len(buffer):,}."
        )
    array = np.frombuffer(buffer, stored)
    if dtype == "bfloat16":  # the upper half of a float32
        array = (array.astype("<u4") << 16).view("<f4")
    return _reshaped(array, shape, source)


def _is_length(n: Any) -> bool:
    return isinstance(n, int) and not isinstance(n, bool) and n >= 0


def _reshaped(array: np.ndarray, shape: list[int], source: str) -> np.ndarray:
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError) as error:
        raise CheckpointError(
            f"{source}: an array of {array.size} values cannot have shape {tuple(shape)}."
        ) from error


def _joined(tree: Any, source: str, name: str) -> Any:
    """Return `tree` with chunked arrays put together."""
    if not isinstance(tree, dict):
        return tree
    if any(not isinstance(key, str) for key in tree):
        raise CheckpointError(f"{source}: {name or 'the top level'} has keys that are not text.")
    if _CHUNKED not in tree:
        return {key: _joined(value, source, f"{name}/{key}") for key, value in tree.items()}
    shape, chunks = _sequence(tree.get("shape")), _sequence(tree.get("chunks"))
    if (
        not shape
        or not chunks
        or not all(_is_length(n) for n in shape)
        or not all(isinstance(chunk, np.ndarray) and chunk.ndim == 1 for chunk in chunks)
        or len({chunk.dtype for chunk in chunks}) != 1
    ):
        raise CheckpointError(f"{source}: {name} is a chunked array that does not fit together.")
    return _reshaped(np.concatenate(chunks), shape, f"{source}: {name}")


def _sequence(value: Any) -> list[Any] | None:
    """Return a list that was written as a list or as a map "0", "1", …; None if it is neither."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and all(str(n) in value for n in range(len(value))):
        return [value[str(n)] for n in range(len(value))]
    return None
