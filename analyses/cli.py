"""The command line: ``mesascope``. Parses, calls one Python function, prints what it returns.

Exit codes: 0 done; 1 `verify` found a damaged or incomplete store; 2 wrong usage, or an error that
mesascope raises on purpose (its message on stderr; ``--debug`` shows where it came from); 130
interrupted. Anything else ends in a traceback and 70.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analyses.commands import Command

DESCRIPTION = (
    "Open up trained models that may be planning: record them, probe them, test the causes. "
    "`mesascope --version` prints the version; `mesascope COMMAND --help` explains a command."
)
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
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["--version"], ["-V"]):
        print(f"mesascope {_version()}")
        return 0
    try:
        command = parse(arguments or ["--help"])
    except SystemExit as stop:  # tyro has printed the help, or what was wrong
        return stop.code if isinstance(stop.code, int) else USAGE
    return _run(command)


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
        code = command.run()
        sys.stdout.flush()
        return code
    except MesascopeError as error:
        if command.debug:
            raise
        print(f"mesascope: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("mesascope: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output (head, say) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
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
