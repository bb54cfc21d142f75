"""Hook points for any ``torch.nn.Module``, without rewriting it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import tree_leaves

from interp.errors import InputError, UnknownNameError
from interp.network.hooks import (
    HookedNetwork,
    SitePoint,
    has_hook_points,
    is_compiled,
    refuse_compiled,
)
from interp.network.layouts import (
    check_batched,
    is_time_first,
    told_batch_axis,
    told_path,
    uncalled,
)
from interp.network.outputs import Path, as_path, part_of, replaced
from interp.network.view import check_rank


@dataclass(frozen=True)
class Site:
    """Where a site of a wrapped module is.

    Parameters
    ----------
    module
        Dotted name of the submodule whose output is the site (``"encoder.0"``); ``""`` is the wrapped
        module itself.
    dims
        Names of the output's dims without the batch, in their order; may be left empty. A dim named
        ``"step"`` is the run's axis of steps inside the tensor (a module that fires once for a whole
        sequence: ``nn.LSTM``, attention): the site then fires once for every position along it, with
        the clock at that step, and its firings do not have the dim. A dim of any other name
        (``"time"``, ``"token"``) stays a dim.
    output
        Which tensor of the output: a position in a tuple or list, a key or field of a mapping, a
        dataclass or a Hugging Face output, or a path of these: ``(1, 1)`` is the cell state of an
        ``nn.LSTM``.
    ticks
        Whether the submodule is called repeatedly within one step (a looped block).
    batch
        Axis of the batch in the output: 1 for time-first layers. None: as the kind of module tells
        (``nn.LSTM``, attention and their states, convolutions, Hugging Face models), otherwise 0 if
        `dims` are named. Where nothing tells, single examples cannot be addressed, and in a network
        with time-first layers the site is refused.

    Raises
    ------
    InputError
        If a parameter is none of these.
    """

    module: str
    dims: tuple[str, ...] = ()
    output: int | str | tuple[int | str, ...] | None = None
    ticks: bool = False
    batch: int | None = None

    def __post_init__(self) -> None:
        as_path(self.output)
        dims = self.dims
        if isinstance(dims, str) or not all(isinstance(dim, str) and dim for dim in dims):
            raise InputError(f"dims={dims!r}: a tuple of names, ('unit',).")
        object.__setattr__(self, "dims", tuple(dims))
        if len(set(dims)) < len(self.dims) or {"batch", "tick"} & set(dims):
            raise InputError(
                f"dims={dims!r}: distinct names of the dims without the batch (its axis is batch=…) "
                "and without ticks (say ticks=True)."
            )
        if self.batch is not None and (isinstance(self.batch, bool) or not _is_axis(self.batch)):
            raise InputError(f"batch={self.batch!r}: the axis of the batch, from 0.")


def _is_axis(given: Any) -> bool:
    return isinstance(given, int) and given >= 0


@dataclass
class _Progress:
    """How far a forward that moves the clock itself has come."""

    own: bool = False
    forwards: int = 0
    reached: int = 0
    given: tuple[tuple[int, ...], ...] = ()  # shapes of the tensors of this forward
    told: tuple[int, str, int] | None = None  # visit, site and number of rows of the last firing


@dataclass(eq=False)
class _Tap:
    """Fires one site on the output of one submodule. No closure: it is copied with its network."""

    name: str
    site: Site
    point: SitePoint
    path: Path
    progress: _Progress
    batch: int | None
    time_first_inside: bool
    calls: int = 0
    calls_outside: int = 0
    _visit: tuple[int, int | None] = field(default=(-1, None), repr=False)
    _count: int = 0

    def fire(self, module: torch.nn.Module, output: Any) -> Any:
        """Return the output, changed by the site's hooks."""
        clock = self.point.clock
        if not clock.running or clock.step is None:
            self.calls_outside += 1
            if self.point.is_idle:
                return output  # the user's own call of the bare module
            raise InputError(
                f"The module {self.site.module!r} of the site {self.name!r} was called outside of a "
                "forward of the wrapped network, so that its hooks do not fire: the module, or a "
                f"method of it, was called directly{_elsewhere(clock)}. Call network(…) or "
                "network.call('method', …)."
            )
        self.calls += 1
        tick = self._next_tick()
        tensor = part_of(output, self.path, self.site.module)
        if self.point.is_idle and "step" not in self.site.dims:
            return output
        first = self._batch_first(module, tensor)
        clock.tick = tick if self.site.ticks else None
        try:
            changed = self._in_steps(first) if "step" in self.site.dims else self.point(first)
        finally:
            clock.tick = None
        if changed is first:
            return output
        return replaced(output, self.path, changed.movedim(0, self._axis(tensor)))

    def start_anew(self) -> None:
        """Forget what fired: a copy has a clock of its own, which starts anew."""
        self.calls = self.calls_outside = self._count = 0
        self._visit = (-1, None)

    def _next_tick(self) -> int:
        clock = self.point.clock
        visit = (clock.entered, clock.step)
        self._count = self._count + 1 if visit == self._visit else 0
        self._visit = visit
        if self._count and not self.site.ticks:
            raise InputError(
                f"The site {self.name!r} fired twice in one forward (step {clock.step}); declare it "
                "with ticks=True."
            )
        return self._count

    def _axis(self, tensor: torch.Tensor) -> int:
        """Return the axis of the batch, and note whether it is known."""
        self.point.batch_is_known = self.batch is not None or bool(self.site.dims)
        if self.batch is not None:
            if self.batch >= tensor.ndim:
                raise InputError(
                    f"The site {self.name!r} has its batch along axis {self.batch} but fires "
                    f"{tuple(tensor.shape)}."
                )
            return self.batch
        if self.time_first_inside and tensor.ndim > 2:
            raise InputError(
                f"The site {self.name!r} fires {tuple(tensor.shape)} in a network with time-first "
                "layers, and nothing tells which axis is the batch. Say Site(…, batch=0) or batch=1 "
                "(or give the layers batch_first=True)."
            )
        return 0

    def _batch_first(self, module: torch.nn.Module, tensor: torch.Tensor) -> torch.Tensor:
        if self.site.batch is None:
            check_batched(module, self.path, tensor, self.name)
        axis = self._axis(tensor)
        first = tensor if axis == 0 else tensor.movedim(axis, 0)
        check_rank(self.name, first, self.site.dims)
        self.point.doubt = self._doubt(first.shape[0])
        return first

    def _doubt(self, n_rows: int) -> str | None:
        """Return in words why the rows of a firing are hardly the examples, or None."""
        progress, visit = self.progress, self.point.clock.entered
        given = progress.given
        if given and not any(n_rows in shape[:2] for shape in given):
            return (
                f"The site {self.name!r} fires {n_rows} rows, and the network was given "
                f"{', '.join(map(str, given))}: its rows are not the examples (steps and examples "
                "flattened into one axis, say), so single examples cannot be addressed. Call the "
                "network one step at a time, or take a site where the batch is an axis."
            )
        if self.batch is None and progress.told is not None:
            before, site, n_there = progress.told
            if before == visit and n_there != n_rows:
                return (
                    f"The site {self.name!r} fires {n_rows} rows and the site {site!r} {n_there} in the "
                    "same step, so which axis is the batch is not sure, and single examples cannot be "
                    "addressed. Say Site(…, batch=0) or batch=1."
                )
        progress.told = (visit, self.name, n_rows)
        return None

    def _in_steps(self, tensor: torch.Tensor) -> torch.Tensor:
        """Fire once for every position along the step axis, the clock at that step."""
        axis = 1 + self.site.dims.index("step")
        clock, n = self.point.clock, tensor.shape[axis]
        first: Any = clock.step
        if n > 1 and not self.progress.own:
            raise InputError(
                f"The site {self.name!r} fired for a sequence of {n} steps within step {first} of "
                "somebody else's run: one step cannot hold several. Call the network with one step "
                "at a time, or name the axis otherwise than 'step'."
            )
        self.progress.reached = max(self.progress.reached, first + n)
        if self.point.is_idle:
            return tensor
        pieces = tensor.unbind(axis)
        changed = []
        try:
            for position, piece in enumerate(pieces):
                clock.step = first + position
                changed.append(self.point(piece))
        finally:
            clock.step = first
        if all(new is old for new, old in zip(changed, pieces, strict=True)):
            return tensor
        return torch.stack(changed, dim=axis)


def _shapes(*given: Any) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of the tensors of a call; none if a packed sequence hides its batch."""
    leaves = tree_leaves(given, is_leaf=lambda x: isinstance(x, PackedSequence))
    if any(isinstance(leaf, PackedSequence) for leaf in leaves):
        return ()
    return tuple(tuple(x.shape) for x in leaves if isinstance(x, torch.Tensor) and x.ndim)


def _elsewhere(clock: Any) -> str:
    return " in another thread than the run's" if clock._depth and not clock.running else ""


class _Taps:
    """The one forward hook on a submodule, for the sites of all networks that wrap it.

    It keeps no network alive and goes when the last one that uses it has gone. Copies are empty: a
    copied network attaches itself anew.
    """

    def __init__(self, module: torch.nn.Module | None = None):
        self._module = None if module is None else weakref.ref(module)
        self._taps: list[weakref.ref[_Tap]] = []

    def __reduce__(self) -> Any:
        return _Taps, ()

    def __call__(self, module: torch.nn.Module, inputs: Any, output: Any) -> Any:
        for reference in self._taps:
            tap = reference()
            if tap is not None:
                output = tap.fire(module, output)
        return output

    @staticmethod
    def attach(module: torch.nn.Module, tap: _Tap) -> None:
        """Let a tap fire on the outputs of a submodule."""
        hooks = [hook for hook in module._forward_hooks.values() if isinstance(hook, _Taps)]
        taps = hooks[0] if hooks else _Taps(module)
        if not hooks:
            module.register_forward_hook(taps)
        taps._module = weakref.ref(module)
        taps._taps.append(weakref.ref(tap, taps._forget))

    @staticmethod
    def detach(module: torch.nn.Module, tap: _Tap) -> None:
        """Undo `attach`."""
        for hook in list(module._forward_hooks.values()):
            if isinstance(hook, _Taps):
                for reference in [r for r in hook._taps if r() is tap]:
                    hook._forget(reference)

    def _forget(self, reference: weakref.ref[_Tap]) -> None:
        self._taps = [known for known in self._taps if known is not reference]
        module = None if self._module is None else self._module()
        if not self._taps and module is not None:
            for key in [k for k, hook in module._forward_hooks.items() if hook is self]:
                del module._forward_hooks[key]


class WrappedNetwork(HookedNetwork):
    """A module of the user's with hook points on the outputs of some submodules.

    A forward is one step, unless it is called inside somebody else's steps, in which it takes part; a
    site with a ``step`` dim moves through the steps of its sequence. A submodule called several times
    within a step ticks, counted per site. Copies (``copy.deepcopy``, pickles) have hook points of their
    own; a module may be wrapped several times.

    Attributes
    ----------
    module : torch.nn.Module
        The wrapped module itself; its parameters are shared, its code untouched.
    """

    def __init__(self, module: torch.nn.Module, sites: Mapping[str, Site]):
        super().__init__()
        self.module = module
        submodules = dict(module.named_modules(remove_duplicate=False))
        time_first = any(map(is_time_first, module.modules()))
        self._progress = _Progress()
        self._taps: dict[str, _Tap] = {}
        for name, site in sites.items():
            if not isinstance(name, str) or not isinstance(site, Site):
                raise InputError(
                    f"The site {name!r} is given as {site!r}: a Site or a module's name."
                )
            if site.module not in submodules:
                raise UnknownNameError("submodule", site.module, submodules)
            submodule = submodules[site.module]
            reason = uncalled(_ancestors(site.module, submodules), site.module)
            if reason:
                raise InputError(f"The site {name!r} would never fire: {reason}.")
            path = told_path(submodule, as_path(site.output), name)
            batch = site.batch
            if batch is None:
                batch = told_batch_axis(submodule, path, time_first)
            dims = [dim for dim in site.dims if dim != "step"]
            point = SitePoint(*dims, ticks=site.ticks)
            self._add_point(name, point)
            tap = _Tap(name, site, point, path, self._progress, batch, time_first)
            self._taps[name] = tap
        self.setup()
        self._attach()

    def _attach(self) -> None:
        for tap in self._taps.values():
            _Taps.attach(self.module.get_submodule(tap.site.module), tap)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for tap in self._taps.values():
            tap.start_anew()
        self._attach()

    def unwrap(self) -> torch.nn.Module:
        """Take the hooks off the module again and return it; this network cannot be used any more."""
        for tap in self._taps.values():
            _Taps.detach(self.module.get_submodule(tap.site.module), tap)
        self._taps = {}
        return self.module

    def _add_point(self, name: str, point: SitePoint) -> None:
        # A module's name cannot hold a dot, so "a.b" becomes the module b inside a container a.
        *parents, leaf = name.split(".")
        holder: torch.nn.Module = self
        for parent in parents:
            if parent == "module" and holder is self:
                raise InputError(f"The site name {name!r} may not begin with 'module.'.")
            if not hasattr(holder, parent):
                holder.add_module(parent, torch.nn.Module())
            holder = getattr(holder, parent)
            if not isinstance(holder, torch.nn.Module):
                raise InputError(f"The site name {name!r} is taken: {parent!r} is an attribute.")
        # `setup` makes the last two, after all sites are there.
        taken = hasattr(holder, leaf) or leaf in (*dir(type(holder)), "hook_dict", "mod_dict")
        if not leaf or taken:
            raise InputError(f"The site name {name!r} is taken or empty; choose another.")
        holder.add_module(leaf, point)

    def why_silent(self, site: str) -> str:
        """Return in words why a site did not fire since its hooks were attached."""
        tap = self._taps.get(site)
        if tap is None:
            return "The network was unwrapped."
        where = tap.site.module or type(self.module).__name__
        if tap.calls:
            return f"Its module {where!r} was called, but not at that step or tick."
        if tap.calls_outside:
            return (
                f"Its module {where!r} was called outside of a forward of the wrapped network, as by a "
                "method called directly. Call network(…) or network.call('method', …)."
            )
        if not self._progress.forwards:
            return "The wrapped network did not run: call network(…) or network.call('method', …)."
        return (
            f"The network ran, but the forward of its module {where!r} was never called: it is not "
            "reached with these inputs, or its weights are used without calling it."
        )

    @contextmanager
    def hooks(self, *args: Any, **kwargs: Any) -> Iterator[WrappedNetwork]:  # type: ignore[override]
        """Attach hooks for the length of a ``with`` block; see `HookedNetwork.hooks`."""
        self._check_attached()
        if all(tap.point.is_idle for tap in self._taps.values()):
            self._progress.forwards = 0
            for tap in self._taps.values():
                tap.calls = tap.calls_outside = 0
        with super().hooks(*args, **kwargs):
            yield self

    def _check_attached(self) -> None:
        if not self._taps and self.hook_dict:
            raise InputError("The network was unwrapped; wrap the module again.")

    @contextmanager
    def _step_of_its_own(self) -> Iterator[None]:
        """Move the clock through one step, unless it is in somebody's step already."""
        clock, progress = self.clock, self._progress
        progress.forwards += 1
        if clock.step is not None:
            yield
            return
        clock.enter(clock.first_step)
        progress.own, progress.reached = True, clock.first_step + 1
        try:
            yield
        finally:
            progress.own, clock.step, clock.tick = False, None, None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the wrapped module once: as one step, or as part of the step that the clock is in."""
        self._check_attached()
        if type(self.module).forward is torch.nn.Module.forward and "forward" not in vars(
            self.module
        ):
            raise InputError(
                f"A {type(self.module).__name__} has no forward; call one of its methods with "
                "network.call('method', …)."
            )
        with self.clock.run(), self._step_of_its_own():
            self._progress.given = _shapes(args, kwargs)
            return self.module(*args, **kwargs)

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the wrapped module other than its forward, such that the sites fire.

        The whole call is one step. A method that calls the module's forward again and again
        (``generate``) makes a step of each, or as many as the sequence of its ``step`` sites has.

        Parameters
        ----------
        method
            Name of the method (``"act"``, ``"generate"``).
        *args, **kwargs
            Passed to it.

        Raises
        ------
        UnknownNameError
            If the module has no such method.
        InputError
            If the method is compiled.

        Examples
        --------
        ::

            with Capture(network, ["hidden"]) as capture:
                network.call("act", observation)
        """
        self._check_attached()
        function = getattr(self.module, method, None)
        if not callable(function):
            methods = [
                name
                for name in {n for kind in type(self.module).__mro__ for n in vars(kind)}
                if not name.startswith("_") and not hasattr(torch.nn.Module, name)
            ]
            raise UnknownNameError("method", method, methods)
        if is_compiled(function):
            raise InputError(
                f"The method {method!r} is compiled with torch.compile: hooks in it never fire."
            )
        if method == "forward":
            return self(*args, **kwargs)
        with self.clock.run(), self._step_of_its_own(), self._step_per_forward():
            self._progress.given = _shapes(args, kwargs)
            return function(*args, **kwargs)

    @contextmanager
    def _step_per_forward(self) -> Iterator[None]:
        """Make a step of every forward of the module, if the clock is this network's to move."""
        progress, begun = self._progress, False

        def enter(module: torch.nn.Module, inputs: Any) -> None:
            nonlocal begun
            if begun and progress.own:
                self.clock.enter(progress.reached)
                progress.reached += 1
            begun = True

        handle = self.module.register_forward_pre_hook(enter)
        try:
            yield
        finally:
            handle.remove()


def _ancestors(
    name: str, submodules: Mapping[str, torch.nn.Module]
) -> list[tuple[str, torch.nn.Module]]:
    parts = name.split(".") if name else []
    names = [".".join(parts[:n]) for n in range(len(parts))]
    return [(parent, submodules[parent]) for parent in names if parent in submodules]


def wrap(
    module: torch.nn.Module, sites: Mapping[str, Site | str] | Iterable[str]
) -> WrappedNetwork:
    """Give any module hook points, so that it can be captured, recorded and intervened on.

    Parameters
    ----------
    module
        The module; it is not changed beyond one forward hook on each submodule with sites, and calling
        it directly behaves as before. `WrappedNetwork.unwrap` takes them off, and so does forgetting
        the network.
    sites
        Names of submodules (each becomes a site of that name), or site name → `Site` or
        submodule name.

    Returns
    -------
    WrappedNetwork
        Has ``sites``, ``clock``, ``hook_dict``, ``hooks()``, ``run_with_hooks``, ``run_with_cache``,
        ``call`` for methods other than ``forward``, and ``unwrap``.

    Raises
    ------
    UnknownNameError
        If a submodule does not exist; names the nearest.
    InputError
        If the module is compiled or has hook points already, or a site could never fire (inside a
        traced module, ``MultiheadAttention.out_proj``); when it runs, if a site fires more often than
        declared, is no tensor, or has a batch axis that cannot be told.

    Examples
    --------
    >>> import torch
    >>> network = wrap(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()), ["0", "1"])
    >>> output, cache = network.run_with_cache(torch.ones(2, 3))
    >>> cache["1"].shape                         # (step, batch, unit)
    torch.Size([1, 2, 4])
    """
    return WrappedNetwork(module, checked_sites(module, sites, "wrap"))


def checked_sites(
    module: Any, sites: Mapping[str, Site | str] | Iterable[str], caller: str
) -> dict[str, Site]:
    """Return sites by name, after refusing a module that cannot be given hook points.

    Raises
    ------
    InputError
        If it is no module, compiled, or has hook points already; or `sites` are no sites.
    """
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"{caller} takes a torch.nn.Module, not a {type(module).__name__}.")
    refuse_compiled(module)
    # Wrapping would rename their hook points, and break whoever uses them under the old names.
    if has_hook_points(module):
        raise InputError(
            f"{type(module).__name__} has hook points already: use it as it is, without wrap."
        )
    if isinstance(sites, str):
        sites = [sites]
    if not isinstance(sites, Iterable):
        raise InputError(f"sites are names of submodules, or names and Sites; got {sites!r}.")
    named = sites if isinstance(sites, Mapping) else {name: name for name in sites}
    return {name: Site(s) if isinstance(s, str) else s for name, s in named.items()}
