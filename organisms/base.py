"""What every organism is: a network, the world it acts in, and a card."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.network.hooks import HookedNetwork, refuse_compiled
from organisms.card import Card
from organisms.family import Family

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from interp.contract import Tasks
    from interp.interventions.applied import Intervention


class Organism(Family):
    """A network in its world, with a card. Families subclass it; users get one from `organisms.load`.

    Parameters
    ----------
    network
        A hooked network; see `interp.contract.Network`.
    card
        What it is.

    Attributes
    ----------
    name : str
    network : HookedNetwork
    card : Card
    observation_dims : tuple of str
        Names of the dims of one observation.
    """

    observation_dims: tuple[str, ...]
    network: Any  # a HookedNetwork that is an `interp.contract.Network` too

    def __init__(self, network: HookedNetwork, card: Card):
        refuse_compiled(network)
        self.network = network.eval().requires_grad_(False)
        self.card = card
        self.name = card.name

    @property
    def sites(self) -> dict[str, tuple[str, ...]]:
        """Every site and the names of its dims within a step (``tick`` first if it ticks)."""
        return self.network.sites

    @property
    def checkpoints(self) -> list[int]:
        """Training steps at which the organism's weights were kept, ascending; see `organisms.load`.

        Of the whole training, with that of the organism it started from; the last are the weights
        that the organism has. Empty if none ship.
        """
        return sorted(int(steps) for steps in self.card.checkpoints)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.network.device

    def to(self, device: Any) -> Organism:
        """Move the network to a device, in place, and return the organism."""
        self.network.to(device)
        return self

    def run(
        self,
        tasks: Tasks,
        seed: int = 0,
        thinking_steps: int = 0,
        interventions: Sequence[Intervention] = (),
        *,
        sites: Iterable[str] = (),
        temperature: float = 0.0,
        batch_size: int = 128,
        progress: bool = False,
    ) -> xr.Dataset:
        """Act on `tasks` in closed loop and return the run, in memory.

        Parameters
        ----------
        tasks
            From `tasks`.
        seed
            Of the actions drawn at ``temperature > 0``.
        thinking_steps
            How often the first observation is fed before the first action.
        interventions
            Applied at every step their addresses cover.
        sites
            Sites to keep, names or globs, in float32.
        temperature
            0 acts greedily.
        batch_size
            Episodes side by side; decides the speed, not the result (but for the last bits of floats).

        Returns
        -------
        xarray.Dataset
            ``observation``, ``action``, ``reward``, ``logits``, ``value``, ``done`` (episode, step, …),
            ``solved``, ``length``, ``level_id``, ``level`` (episode), and the sites
            (episode, step, *their dims).

        Raises
        ------
        UnknownSiteError, AddressError, UnfiredInterventionError, InputError
            See `interp.runs.episodes.run_episodes`.

        Examples
        --------
        >>> import organisms
        >>> organism = organisms.load("sokoban-drc-small-v2")
        >>> run = organism.run(organism.tasks("test", 4))
        >>> run.sizes["episode"]
        4
        """
        from interp.runs.episodes import run_episodes

        this: Any = self  # its network has what `interp.contract.Network` asks for in a subclass
        return run_episodes(
            this,
            tasks,
            sites=sites,
            seed=seed,
            thinking_steps=thinking_steps,
            temperature=temperature,
            interventions=interventions,
            batch_size=batch_size,
            progress=progress,
        )

    def replay(
        self,
        observations: Any,
        episode_starts: Any = None,
        sites: Iterable[str] = (),
        interventions: Sequence[Intervention] = (),
        *,
        first_step: int = 0,
        examples: Sequence[int] | None = None,
    ) -> xr.Dataset:
        """Run the network over given observations (teacher-forced); see `interp.runs.replay.replay`.

        Parameters
        ----------
        observations
            ``(step, batch, *observation dims)``.
        episode_starts
            ``(step, batch)`` bool: the state of these rows is reset before the step.
        sites, interventions
            As in `run`.
        first_step
            Label of the first step, which addresses count from (−thinking_steps for a run that
            thought first).
        examples
            For every row of the batch, the example that interventions know it by; None: 0, 1, ….

        Returns
        -------
        xarray.Dataset
            ``logits`` (step, batch, action), ``value`` (step, batch), and each site
            (step, batch, *its dims).
        """
        from interp.runs.replay import replay

        return replay(
            self.network, observations, episode_starts, sites, interventions, first_step, examples
        )

    def untrained(self, seed: int = 0) -> Organism:
        """Return the same organism with the weights it might have begun with: the control."""
        other = copy.copy(self)
        card = dataclasses.replace(
            self.card,
            name=f"{self.name}-untrained-s{seed}",
            summary=f"The network of {self.name} before any training (seed {seed}): a control.",
            training="none",
            weights_file="",
            weights_sha256="",
            training_steps=0,
            checkpoints={},
            results=(),
        )
        Organism.__init__(other, self._build_network(seed).to(self.device), card)
        return other

    def weights_sha256(self) -> str:
        """Return the sha256 over names, shapes, dtypes and bytes of all weights, in hex.

        Of the tensors as they are now, so it tells an edited network from the one that was loaded.
        """
        import torch

        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            tensor = tensor.detach().cpu().contiguous()
            if tensor.dtype == torch.bfloat16:  # NumPy has no such dtype; its bytes are what counts
                array, dtype = tensor.reshape(-1).view(torch.int16).numpy(), "bfloat16"
            else:
                array = tensor.numpy()
                dtype = array.dtype.str
            digest.update(f"{name} {dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return what stores keep of the organism: JSON-able."""
        return {
            "organism": self.name,
            "family": self.card.family,
            "weights_sha256": self.weights_sha256(),
            "network": self.card.network,
            "world": self.card.world,
        }

    def save(self, folder: str | Path, *, dtype: torch.dtype | None = None) -> Path:
        """Write weights (safetensors) and card to a folder that `organisms.load` takes.

        Checkpoints along the training are not written.

        Parameters
        ----------
        folder
            Made if need be.
        dtype
            Of the weights on disk (``torch.float16`` halves them, and rounds); theirs unless told.
            They are computed with in float32 whatever the file has.

        Raises
        ------
        FileExistsError
            If the folder holds an organism already.
        """
        from safetensors.torch import save_file

        from organisms.assets import file_sha256

        folder = Path(folder)
        if (folder / "card.json").exists():
            raise FileExistsError(f"{folder} holds an organism already.")
        folder.mkdir(parents=True, exist_ok=True)
        weights = folder / "weights.safetensors"
        state = self.network.state_dict()
        tensors = {k: v.detach().cpu().contiguous() for k, v in state.items()}
        save_file({k: v if dtype is None else v.to(dtype) for k, v in tensors.items()}, weights)
        card = dataclasses.replace(
            self.card,
            weights_file=weights.name,
            weights_sha256=file_sha256(weights),
            checkpoints={},
        )
        card.write(folder / "card.json")
        return folder

    def __repr__(self) -> str:
        n = sum(parameter.numel() for parameter in self.network.parameters())
        return f"<{type(self).__name__} {self.name!r}: {n:,} parameters, {len(self.sites)} sites>"
