"""A recurrent actor-critic on a vector of features: one LSTM cell, no ticks (Wang et al. 2016)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from interp.contract import NetworkOutput
from interp.errors import InputError
from interp.network.hooks import HookedNetwork, SitePoint
from organisms.networks.config import from_mapping, positive
from organisms.networks.parts import as_generator, check_episode_starts, make_readout


@dataclass(frozen=True)
class LSTMConfig:
    """Everything that determines the architecture.

    Attributes
    ----------
    n_features
        Length of one observation.
    n_actions
        Number of actions.
    hidden
        Units of the cell.
    """

    n_features: int
    n_actions: int
    hidden: int = 48

    def __post_init__(self) -> None:
        for name in ("n_features", "n_actions", "hidden"):
            positive(name, getattr(self, name))

    @property
    def observation_dims(self) -> tuple[str, ...]:
        """Names of the dims of one observation."""
        return ("feature",)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON-able data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Any) -> LSTMConfig:
        """Return the configuration of such data; UnknownNameError for a field that there is not."""
        return from_mapping(cls, record)


class LSTM(HookedNetwork):
    """An LSTM that sees a vector and gives logits and a value.

    Sites: ``c`` and ``h`` (unit), the cell state and what it shows, once per step; ``logits``
    (action_index); ``value``.

    Parameters
    ----------
    config
        See `LSTMConfig`.
    seed
        Of the first weights.
    """

    def __init__(self, config: LSTMConfig, seed: int | torch.Generator = 0):
        super().__init__()
        self.config, self.n_actions = config, config.n_actions
        generator = as_generator(seed)
        # The four gates of Hochreiter & Schmidhuber's cell as one map of what is seen and shown.
        self.gates = make_readout(config.n_features + config.hidden, 4 * config.hidden, generator)
        self.actor = make_readout(config.hidden, config.n_actions, generator)
        self.critic = make_readout(config.hidden, 1, generator)
        self.c, self.h = SitePoint("unit"), SitePoint("unit")
        self.logits, self.value = SitePoint("action_index"), SitePoint()
        self.setup()

    @property
    def state_sites(self) -> list[str]:
        """The recurrent state."""
        return ["c", "h"]

    def initial_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """Return zeros: h and c, (batch, unit) each."""
        zeros = self.actor.weight.new_zeros(batch_size, self.config.hidden)
        return zeros, zeros.clone()

    def forward(
        self,
        observations: Tensor,
        state: tuple[Tensor, Tensor] | None = None,
        episode_starts: Tensor | None = None,
    ) -> NetworkOutput:
        """Run over an unroll.

        Parameters
        ----------
        observations
            (step, batch, feature), of any dtype.
        state
            h and c, (batch, unit) each; None for the beginning.
        episode_starts
            (step, batch) bool: the state of these rows is reset before the step.

        Raises
        ------
        InputError
            If the shapes do not fit.
        """
        n = self.config.n_features
        if observations.ndim != 3 or observations.shape[-1] != n:
            raise InputError(
                f"observations are (step, batch, {n} features), not {tuple(observations.shape)}."
            )
        x = observations.to(self.actor.weight.dtype)
        check_episode_starts(episode_starts, x.shape[0], x.shape[1], x.device)
        h, c = self.initial_state(x.shape[1]) if state is None else state
        logits, values = [], []
        with self.clock.run():
            for t in self.clock.steps(len(x)):
                if episode_starts is not None:
                    going = ~episode_starts[t, :, None]
                    h, c = h * going, c * going
                i, f, g, o = self.gates(torch.cat([x[t], h], dim=1)).chunk(4, dim=1)
                # 1 is added to the forget gate: what is in the cell stays there at first.
                c = self.c(torch.sigmoid(f + 1) * c + torch.sigmoid(i) * torch.tanh(g))
                h = self.h(torch.sigmoid(o) * torch.tanh(c))
                logits.append(self.logits(self.actor(h)))
                values.append(self.value(self.critic(h).squeeze(-1)))
        return NetworkOutput(torch.stack(logits), torch.stack(values), (h, c))
