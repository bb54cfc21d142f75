"""``mesascope organisms`` and ``ask``: what there is, one of them in full, and what it can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from analyses.commands.base import Command, print_json, table
from interp.network.site_names import natural_key


@dataclass
class Organisms(Command):
    """List the organisms, or show one: its card, its sites and their dims."""

    action: tyro.conf.Positional[Literal["list", "show"]] = "list"
    """list, or show NAME."""
    name: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="NAME")] = None
    """Name of an organism, or the folder of one (for show)."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON."""

    def run(self) -> int:
        """See `Command.run`."""
        from interp.errors import InputError

        if self.action == "list":
            if self.name is not None:
                raise InputError(f"Did you mean: mesascope organisms show {self.name}?")
            self._list()
        elif self.name is None:
            raise InputError("Which one? mesascope organisms show NAME")
        else:
            self._show(self.name)
        return 0

    def _list(self) -> None:
        from organisms import constructed, names, shipped
        from organisms.card import Card

        files = {name: Card.read(folder / "card.json") for name, folder in shipped().items()}
        cards = files | constructed()
        rows: list[dict[str, Any]] = [
            {
                "name": name,
                "shipped": name in files,
                "summary": cards[name].summary if name in cards else "released; downloaded on use",
            }
            for name in names()
        ]
        if self.json:
            print_json(rows)
            return
        # For people, the agents of a population have one line for all of them.
        among: dict[str, list[str]] = {}
        for row in rows:
            population, _, agent = row["name"].partition("/")
            among.setdefault(population, []).extend([agent] * bool(agent))
        lines = [[row["name"], row["summary"]] for row in rows if "/" not in row["name"]]
        for population, agents in among.items():
            if agents:
                agents = sorted(agents, key=natural_key)
                lines.append([f"{population}/AGENT", f"{len(agents)} agents: {', '.join(agents)}"])
        print(table(["name", "summary"], lines))

    def _show(self, name: str) -> None:
        import organisms

        organism = organisms.load(name)
        n_parameters = sum(p.numel() for p in organism.network.parameters())
        if self.json:
            print_json(
                {
                    **organism.card.to_dict(),
                    "weights_as_run_sha256": organism.weights_sha256(),
                    "n_parameters": n_parameters,
                    "sites": {site: list(dims) for site, dims in organism.sites.items()},
                    "concepts": list(organism.concepts),
                }
            )
            return
        print(organism.card)
        print(f"parameters: {n_parameters:,}")
        print(f"sha256 of the weights' file: {organism.card.weights_sha256 or 'no file'}")
        print(f"sha256 of the weights as run (what stores say): {organism.weights_sha256()}")
        print(f"concepts: {', '.join(organism.concepts)}\n")
        print(table(["site", "dims"], [[s, ", ".join(d)] for s, d in organism.sites.items()]))


@dataclass
class Ask(Command):
    """List the questions that can be asked of an organism, and why others cannot."""

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]
    """Name of an organism, or the folder of one."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print JSON."""

    def run(self) -> int:
        """See `Command.run`."""
        from analyses.question import ask

        rows = ask(self.name)
        if self.json:
            print_json([row._asdict() for row in rows])
            return 0
        can = [[row.name, row.question] for row in rows if row.applies]
        cannot = [[row.name, row.question, row.reason] for row in rows if not row.applies]
        print(f"{self.name} can be asked:\n")
        print(table(["analysis", "question"], can))
        if cannot:
            print(f"\n{self.name} cannot be asked:\n")
            print(table(["analysis", "question", "because"], cannot))
        return 0
