"""The command line: ``mesascope``. Parses, calls one Python function, prints what it returns.

Exit codes: 0 done; 1 `verify` found a damaged or incomplete store; 2 wrong usage, or an error that
mesascope raises on purpose (its message on stderr; ``--debug`` shows where it came from); 130
interrupted. Anything else ends in a traceback and 70.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyses.commands import Command

DESCRIPTION = (
    "Open up trained models that may be planning: record them, probe them, test the causes. "
    "`mesascope --version` prints the version; `mesascope COMMAND --help` explains a command."
)
_SPELLINGS = '×=x −=- –=- —=- •=* ·=. ≥=>= ≤=<= ≈=~ ≠=!= →=-> ←=<- …=... “=" ”=" „=" ‘=\' ’=\' ' + (
    "λ=lambda α=alpha ρ=rho κ=kappa Δ=Delta σ=sigma │=| ║=| ─=- ━=- ═=- █=#"
)
ASCII = {entry[0]: entry[2:] for entry in _SPELLINGS.split()} | dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+")
"""How a character is spelt where the terminal's encoding lacks it."""
USAGE, INTERNAL, INTERRUPTED = 2, 70, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    argv
        The arguments after the program's name; default those of the process.

    Examples
    --------
    >>> main(["--version"])
    mesascope 0.1.0
    0
    """
    # Torch's threads otherwise spin for long while they wait for each other: on a machine that does
    # anything else, a small network then runs many times slower. To be set before torch is imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    _print_what_the_terminal_lacks()
    try:
        code = _answer(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output (head, say) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _answer(arguments: list[str]) -> int:
    """Run the command that the arguments spell, help and version among them; return its exit code."""
    if arguments[:1] in (["--version"], ["-V"]):
        print(f"mesascope {_version()}")
        return 0
    try:
        command = parse(arguments or ["--help"])
    except SystemExit as stop:  # tyro has printed the help, or what was wrong
        return stop.code if isinstance(stop.code, int) else USAGE
    return _run(command)


def _print_what_the_terminal_lacks() -> None:
    """Let characters that the terminal's encoding lacks (×, λ, •) be spelt, not end the program."""
    codecs.register_error("spelt", _spelt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="spelt")


def _spelt(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(map(_spelling, lacking)), error.end


def _spelling(character: str) -> str:
    known = ASCII.get(character)
    if known is None:  # é is e
        known = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return known or "?"


def parse(arguments: Sequence[str]) -> Command:
    """Return the command that the arguments spell; SystemExit for help and for wrong usage."""
    import tyro

    from analyses.commands import COMMANDS

    return tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="mesascope",
        description=DESCRIPTION,
        args=list(arguments),
        config=(tyro.conf.OmitArgPrefixes,),
    )


def _run(command: Command) -> int:
    from interp.errors import MesascopeError

    try:
        return command.run()
    except MesascopeError as error:
        if command.debug:
            raise
        print(f"mesascope: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("mesascope: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception:
        import traceback

        traceback.print_exc()
        return INTERNAL


def _version() -> str:
    try:
        return metadata.version("mesascope")
    except metadata.PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
