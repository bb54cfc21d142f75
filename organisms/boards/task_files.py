"""Task files as text, for any family whose tasks can be written out."""

from __future__ import annotations

import os
from pathlib import Path

from interp.errors import LevelError


def read_task_text(path: str | os.PathLike) -> str:
    """Return the text of a task file.

    Raises
    ------
    LevelError
        If there is no such file, or it is not UTF-8 text; names the file.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LevelError(f"not UTF-8 text (byte {error.start})", str(path)) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LevelError(f"cannot be read: {reason}", str(path)) from error
