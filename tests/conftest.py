"""Settings that every test runs under."""

from __future__ import annotations

import os

import hypothesis

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command line does; see analyses/cli.py

# The first call of a numba function compiles it, which no deadline per example can allow for.
# CI tries the same examples every time: whether a change is merged must not hang on a draw.
hypothesis.settings.register_profile(
    "mesascope", deadline=None, print_blob=True, derandomize="CI" in os.environ
)
hypothesis.settings.load_profile("mesascope")
