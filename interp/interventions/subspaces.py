"""Subspaces of activations: what is projected out, or interchanged."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.errors import AssetError, InputError
from interp.files import write_atomically

_FORMAT = "mesascope subspace 1"


@dataclass(frozen=True, eq=False)
class Subspace:
    r"""A subspace along one feature dim, with the way to read coordinates in it.

    The coordinates of ``x`` are ``readout @ (x - mean)`` and its component is
    ``(x - mean) @ P`` with ``P = readout.T @ basis``. Without `readout` the basis is orthonormal and
    ``P`` the orthogonal projection onto it; with one, ``P`` may be any matrix of rank `k` at most,
    as the oblique projection of concept erasure is.

    Parameters
    ----------
    basis
        ``(k, size)``: rows span the subspace. Orthonormal if there is no `readout`.
    dim
        Name of the feature dim it lies along (``"channel"``).
    mean
        ``(size,)``, the point it goes through; None for the origin.
    readout
        ``(k, size)``: rows read the coordinates. None for an orthogonal subspace.

    Attributes
    ----------
    basis, mean, readout : Tensor
        float64, part of the autograd graph if what was given is.

    Raises
    ------
    InputError
        If a shape is wrong, a number is not finite, or a basis without readout is not orthonormal
        (`Subspace.spanned` orthonormalises).

    Examples
    --------
    >>> line = Subspace.spanned([[3.0, 4.0]], dim="unit")
    >>> line.projection.numpy().round(2).tolist()
    [[0.36, 0.48], [0.48, 0.64]]
    """

    basis: Any
    dim: str
    mean: Any = None
    readout: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.dim, str) or not self.dim or self.dim == "tick":
            raise InputError(f"The dim of a subspace is a feature dim's name, not {self.dim!r}.")
        basis = as_matrix("basis", self.basis, 2)
        size = basis.shape[1]
        mean = as_matrix("mean", torch.zeros(size) if self.mean is None else self.mean, 1)
        object.__setattr__(self, "basis", basis)
        object.__setattr__(self, "mean", mean)
        if self.readout is not None:
            readout = as_matrix("readout", self.readout, 2)
            if readout.shape != basis.shape:
                raise InputError(
                    f"readout {tuple(readout.shape)} must be as basis {tuple(basis.shape)}."
                )
            object.__setattr__(self, "readout", readout)
        if mean.shape != (size,):
            raise InputError(f"mean {tuple(mean.shape)} must be ({size},), as the basis is.")
        gram = basis.detach() @ basis.detach().T
        if (
            self.readout is None
            and (gram - torch.eye(len(gram), device=gram.device)).abs().max() > 1e-4
        ):
            raise InputError(
                "The rows of basis are not orthonormal; Subspace.spanned(rows, dim) makes them so."
            )

    @classmethod
    def spanned(
        cls, directions: Any, dim: str, mean: Any = None, tolerance: float = 1e-10
    ) -> Subspace:
        """Return the orthogonal subspace spanned by some directions.

        Parameters
        ----------
        directions
            ``(direction, size)`` or one direction ``(size,)``; need not be independent.
        dim, mean
            As in `Subspace`.
        tolerance
            Directions count as dependent below this fraction of the largest singular value.

        Raises
        ------
        InputError
            If all directions are zero, or malformed.
        """
        given = directions.detach() if isinstance(directions, torch.Tensor) else directions
        rows = np.asarray(given.cpu() if isinstance(given, torch.Tensor) else given, np.float64)
        matrix = as_matrix("directions", np.atleast_2d(rows), 2)
        _, singular, basis = torch.linalg.svd(matrix, full_matrices=False)
        rank = int((singular > tolerance * singular.max()).sum())
        if not rank:
            raise InputError("The directions are all zero; they span nothing.")
        return cls(basis[:rank], dim, mean)

    @classmethod
    def of_matrix(cls, matrix: Any, dim: str, mean: Any = None) -> Subspace:
        """Return the subspace whose `projection` is a given matrix: ``x -> x - (x - mean) @ matrix``.

        Parameters
        ----------
        matrix
            ``(size, size)``, of any rank but 0; an oblique projection, for example.
        """
        square = as_matrix("matrix", matrix, 2)
        if square.shape[0] != square.shape[1]:
            raise InputError(f"matrix {tuple(square.shape)} must be square.")
        left, singular, basis = torch.linalg.svd(square)
        rank = int((singular > 1e-12 * singular.max()).sum())
        if not rank:
            raise InputError("matrix is zero.")
        return cls(basis[:rank], dim, mean, (left[:, :rank] * singular[:rank]).T)

    @classmethod
    def random(cls, like: Subspace, seed: int) -> Subspace:
        """Return an orthogonal subspace of the same size and rank in a random orientation: a control."""
        rng = np.random.default_rng(seed)
        return cls.spanned(rng.normal(size=tuple(like.basis.shape)), like.dim, like.mean.detach())

    @property
    def rank(self) -> int:
        """Number of rows of the basis."""
        return int(self.basis.shape[0])

    @property
    def size(self) -> int:
        """Size of the dim it lies along."""
        return int(self.basis.shape[1])

    @property
    def is_oblique(self) -> bool:
        """Whether coordinates are read by another matrix than the basis."""
        return self.readout is not None

    @property
    def projection(self) -> torch.Tensor:
        """``P`` (size, size) such that the component of ``x`` is ``(x - mean) @ P``."""
        return (self.basis if self.readout is None else self.readout).T @ self.basis

    @property
    def is_projection(self) -> bool:
        """Whether ``P @ P = P``, so that coordinates can be interchanged."""
        if self.readout is None:
            return True
        gram = self.readout.detach() @ self.basis.detach().T
        return bool((gram - torch.eye(self.rank, device=gram.device)).abs().max() < 1e-6)

    def component(self, offset: torch.Tensor, axis: int) -> torch.Tensor:
        """Return the component of `offset` (a difference, so without `mean`) along one of its axes."""
        readout = self.basis if self.readout is None else self.readout
        moved = offset.movedim(axis, -1)
        coordinates = moved @ readout.to(moved.device, moved.dtype).T
        return (coordinates @ self.basis.to(moved.device, moved.dtype)).movedim(-1, axis)

    def mean_along(self, axis: int, like: torch.Tensor) -> torch.Tensor:
        """Return `mean` shaped to broadcast along one axis of `like`, in its dtype."""
        shape = [1] * like.ndim
        shape[axis] = -1
        return self.mean.to(like.device, like.dtype).reshape(shape)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what it is made of by name, detached, on the CPU."""
        made_of = {"basis": self.basis, "mean": self.mean, "readout": self.readout}
        return {k: v.detach().cpu().contiguous() for k, v in made_of.items() if v is not None}

    def fingerprint(self) -> str:
        """Return the sha256, in hex, over dim and tensors."""
        digest = hashlib.sha256(self.dim.encode())
        for name, tensor in self.tensors().items():
            digest.update(f"\n{name} {tuple(tensor.shape)}\n".encode() + tensor.numpy().tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Subspace):
            return NotImplemented
        return self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __repr__(self) -> str:
        kind = "oblique, " if self.is_oblique else ""
        return f"Subspace({kind}{self.dim}: {self.rank} of {self.size}, #{self.fingerprint()[:8]})"

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file, atomically.

        Returns
        -------
        Path
            `path`.
        """
        from safetensors.torch import save as to_bytes

        # One key: safetensors writes several in any order.
        header = {"mesascope": json.dumps({"format": _FORMAT, "dim": self.dim})}
        return write_atomically(Path(path), to_bytes(self.tensors(), header))

    @classmethod
    def load(cls, path: str | Path) -> Subspace:
        """Read what `save` wrote.

        Raises
        ------
        AssetError
            If there is no such file.
        InputError
            If it is damaged, or not a subspace; names the file.
        """
        from safetensors import SafetensorError, safe_open

        if not Path(path).is_file():
            raise AssetError(f"There is no subspace at {path}.")
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {}).get("mesascope", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{path}: damaged, or no safetensors file ({error}).") from error
        if header.get("format") != _FORMAT:
            raise InputError(f"{path}: not a {_FORMAT} ({header.get('format')!r}).")
        try:
            return cls(dim=header["dim"], **tensors)
        except (InputError, TypeError, KeyError) as error:
            raise InputError(f"{path}: {error}") from error


def as_matrix(name: str, given: Any, ndim: int) -> torch.Tensor:
    """Return a float64 copy on the given tensor's device, in its autograd graph."""
    try:
        tensor = given if isinstance(given, torch.Tensor) else torch.from_numpy(_array(given))
        if tensor.is_complex():
            raise TypeError("complex")
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is no array of numbers ({error}).") from None
    tensor = tensor.to(torch.float64, copy=True)
    if tensor.ndim != ndim or 0 in tensor.shape:
        raise InputError(f"{name} must have {ndim} axes and not be empty: {tuple(tensor.shape)}.")
    if not tensor.isfinite().all():
        raise InputError(f"{name} is not finite.")
    return tensor


def _array(given: Any) -> np.ndarray:
    array = np.asarray(given)
    if array.dtype.kind not in "buif":
        raise TypeError(f"dtype {array.dtype}")
    return np.array(array, np.float64)
