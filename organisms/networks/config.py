"""What determines a Sokoban network's architecture, as frozen records. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from interp.errors import InputError, UnknownNameError

OBSERVATIONS = ("rgb", "planes")

_OPTIONS: dict[str, tuple[str, ...]] = {
    "observation": OBSERVATIONS,
    "output_activation": ("tanh", "sigmoid"),
    "fence_pad": ("valid", "same", "no"),
    "pool_and_inject": ("horizontal", "vertical", "no"),
    "pool_projection": ("per-channel", "full", "max", "mean"),
    "head": ("sum", "concat", "h"),
    "head_pool": ("flatten", "mean"),
}


def positive(name: str, value: Any) -> int:
    """Return `value` if it is an integer of at least 1, else raise InputError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} must be an integer of at least 1; got {value!r}.")
    return value


def pair(name: str, value: Any) -> tuple[int, int]:
    """Return `value` as (height, width); one integer stands for both."""
    values = (value, value) if isinstance(value, int) else value
    if not isinstance(values, tuple | list) or len(values) != 2:
        raise InputError(f"{name} must be (height, width) or one integer; got {value!r}.")
    return positive(name, values[0]), positive(name, values[1])


def from_mapping(cls: type, record: Any) -> Any:
    """Build the dataclass `cls` from a mapping of its fields; an unknown key raises."""
    if not isinstance(record, Mapping):
        raise InputError(f"{cls.__name__} needs a mapping of its fields; got {record!r}.")
    known = [field.name for field in fields(cls)]
    for key in record:
        if key not in known:
            raise UnknownNameError(f"{cls.__name__} field", key, known)
    return cls(**record)


@dataclass(frozen=True)
class ConvConfig:
    """One convolution of the encoder: stride 1, zeros around the board.

    Attributes
    ----------
    features
        Number of channels out.
    kernel_size
        (height, width); one int stands for both.
    bias
        Whether it has a bias.
    """

    features: int
    kernel_size: tuple[int, int] = (3, 3)
    bias: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", positive("features", self.features))
        object.__setattr__(self, "kernel_size", pair("kernel_size", self.kernel_size))


class ForBoards:
    """What the configurations of networks that look at a board share."""

    observation: str
    n_planes: int
    board: tuple[int, int]
    head_pool: str = "flatten"

    @property
    def observation_channels(self) -> int:
        """Number of colours or planes of an observation."""
        return 3 if self.observation == "rgb" else self.n_planes

    @property
    def observation_dims(self) -> tuple[str, ...]:
        """The dims of one observation, by name."""
        return ("y", "x", "colour") if self.observation == "rgb" else ("plane", "y", "x")

    @property
    def only_board(self) -> tuple[int, int] | None:
        """The board that the head is for; None if it takes any."""
        return self.board if self.head_pool == "flatten" else None

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Return the configuration written by `to_dict`; an unknown key raises."""
        return from_mapping(cls, record)


@dataclass(frozen=True)
class DRCConfig(ForBoards):
    """Everything that determines a DRC's architecture. The default is the released DRC(3,3).

    Attributes
    ----------
    n_layers
        D, the number of ConvLSTM layers.
    n_ticks
        N, the number of times they are run per step.
    channels
        Channels of c, h and every gate.
    kernel_size
        (height, width) of the recurrent convolutions; one int stands for both.
    bias
        Whether the gates have a bias.
    encoder
        The encoder's convolutions, first to last.
    encoder_relu
        Whether there is a ReLU between (not after) the encoder's convolutions.
    board
        (height, width) in squares.
    observation
        ``"rgb"`` (y, x, colour; 0 to 255, divided by 255) or ``"planes"`` (plane, y, x).
    n_planes
        Number of planes of ``"planes"`` observations.
    n_actions
        Number of actions.
    output_activation
        The output gate's: ``"tanh"`` (released agents) or ``"sigmoid"`` (standard LSTM).
    forget_bias
        Constant added to the forget gate before its sigmoid.
    fence_pad
        A constant input that marks the border: ``"valid"`` (the ring just outside the board),
        ``"same"`` (the board's own outermost squares) or ``"no"``.
    pool_and_inject
        What is pooled over the board: ``"horizontal"`` (the layer's own h at the tick before),
        ``"vertical"`` (the h of the layer below) or ``"no"``.
    pool_projection
        How max and mean over the board become one number per channel: ``"per-channel"`` (a
        weighted sum), ``"full"`` (a linear map), ``"max"`` or ``"mean"``.
    residual
        Whether a layer's output is added to what it got from below before going up.
    skip_final
        The released option of that name. If False (and `residual`), the topmost h that goes to the
        next tick is the residual sum. If True, the released agents also add the encoding to the
        head's input; here that is `head`.
    head
        What the head reads: ``"sum"`` of the topmost h and the encoding (released), ``"concat"``
        of the two (Guez, Bush) or ``"h"`` alone.
    head_pool
        ``"flatten"`` (a head for one board size) or ``"mean"`` over the board (any size).
    mlp_hiddens
        Sizes of the head's hidden layers.
    """

    n_layers: int = 3
    n_ticks: int = 3
    channels: int = 32
    kernel_size: tuple[int, int] = (3, 3)
    bias: bool = True
    encoder: tuple[ConvConfig, ...] = (ConvConfig(32, (4, 4)), ConvConfig(32, (4, 4)))
    encoder_relu: bool = False
    board: tuple[int, int] = (10, 10)
    observation: str = "rgb"
    n_planes: int = 7
    n_actions: int = 4
    output_activation: str = "tanh"
    forget_bias: float = 0.0
    fence_pad: str = "valid"
    pool_and_inject: str = "horizontal"
    pool_projection: str = "per-channel"
    residual: bool = False
    skip_final: bool = True
    head: str = "sum"
    head_pool: str = "flatten"
    mlp_hiddens: tuple[int, ...] = (256,)

    def __post_init__(self) -> None:
        for name, options in _OPTIONS.items():
            if getattr(self, name) not in options:
                raise UnknownNameError(name, getattr(self, name), options)
        for name in ("n_layers", "n_ticks", "channels", "n_planes", "n_actions"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        for name in ("kernel_size", "board"):
            object.__setattr__(self, name, pair(name, getattr(self, name)))
        hiddens = tuple(positive("mlp_hiddens", size) for size in self.mlp_hiddens)
        encoder = tuple(
            conv if isinstance(conv, ConvConfig) else from_mapping(ConvConfig, conv)
            for conv in self.encoder
        )
        object.__setattr__(self, "mlp_hiddens", hiddens)
        object.__setattr__(self, "encoder", encoder)
        if not encoder:
            raise InputError("The encoder needs at least one convolution.")
        if self.head == "sum" and encoder[-1].features != self.channels:
            raise InputError(
                f"head='sum' adds the encoding to the topmost h, so both need the same number of "
                f"channels; the encoder ends in {encoder[-1].features}, the layers have "
                f"{self.channels}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as what JSON can hold."""
        record = asdict(self)
        record["encoder"] = [
            {**conv, "kernel_size": list(conv["kernel_size"])} for conv in record["encoder"]
        ]
        return {key: list(v) if isinstance(v, tuple) else v for key, v in record.items()}

    @classmethod
    def released(cls, n_layers: int = 3, n_ticks: int = 3, **changes: Any) -> DRCConfig:
        """Return that of the released DRC(D,N) of Taufeeque et al. 2024 (arXiv 2407.15421)."""
        return cls(n_layers=n_layers, n_ticks=n_ticks, **changes)

    @classmethod
    def bush(cls, n_layers: int = 3, n_ticks: int = 3, **changes: Any) -> DRCConfig:
        """Return that of Bush et al. 2025 (arXiv 2504.01871, App. E.3), as far as it is known.

        One 3×3 convolution on symbolic planes of the 8×8 playable board, standard LSTM gates, five
        actions (the first does nothing), head on the concatenation. How their agent marks the
        border is not known to us: the fence here is `fence_pad="same"`.
        """
        settings: dict[str, Any] = {
            "encoder": (ConvConfig(32, (3, 3)),),
            "board": (8, 8),
            "observation": "planes",
            "n_actions": 5,
            "output_activation": "sigmoid",
            "fence_pad": "same",
            "pool_projection": "full",
            "head": "concat",
        }
        return cls(n_layers=n_layers, n_ticks=n_ticks, **{**settings, **changes})


@dataclass(frozen=True)
class ResNetConfig(ForBoards):
    """Everything that determines a ResNet's architecture. The default is the released ResNet.

    Attributes
    ----------
    channels
        Channels of each convolution sequence, first to last.
    kernel_sizes
        For each sequence, the (height, width) of all its convolutions; one int stands for both.
    n_blocks
        Residual blocks per sequence.
    board
        (height, width) in squares.
    observation
        ``"rgb"`` (y, x, colour; 0 to 255, divided by 255) or ``"planes"`` (plane, y, x).
    n_planes
        Number of planes of ``"planes"`` observations.
    n_actions
        Number of actions.
    mlp_hiddens
        Sizes of the head's hidden layers.
    """

    channels: tuple[int, ...] = (32, 32, 64, 64, 64, 64, 64, 64, 64)
    kernel_sizes: tuple[tuple[int, int], ...] = ((4, 4),) * 9
    n_blocks: int = 2
    board: tuple[int, int] = (10, 10)
    observation: str = "rgb"
    n_planes: int = 7
    n_actions: int = 4
    mlp_hiddens: tuple[int, ...] = (256,)

    def __post_init__(self) -> None:
        if self.observation not in OBSERVATIONS:
            raise UnknownNameError("observation", self.observation, OBSERVATIONS)
        for name in ("n_blocks", "n_planes", "n_actions"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        for name in ("channels", "mlp_hiddens"):
            sizes = tuple(positive(name, size) for size in getattr(self, name))
            object.__setattr__(self, name, sizes)
        kernels = tuple(pair("kernel_sizes", kernel) for kernel in self.kernel_sizes)
        object.__setattr__(self, "kernel_sizes", kernels)
        object.__setattr__(self, "board", pair("board", self.board))
        if not self.channels or len(kernels) != len(self.channels):
            raise InputError(
                f"A ResNet needs one kernel size per sequence and at least one sequence; got "
                f"{len(self.channels)} channels and {len(kernels)} kernel sizes."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as what JSON can hold."""
        record = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        record["kernel_sizes"] = [list(kernel) for kernel in self.kernel_sizes]
        return record
