"""One writer per store: an advisory lock that dies with its process."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import IO

from interp.errors import StoreError, StoreLockedError

# Stores without a local path (memory://, s3://): writers of this process only.
_held_here: set[str] = set()


class StoreLock:
    """Hold a store for writing while a ``with`` block runs.

    A local store is locked with ``flock`` on a file beside it (``NAME.lock``), which the operating
    system releases when the process ends, however it ends; the file itself may stay behind and
    means nothing. Other locations, and systems without ``flock``, are guarded against a second
    writer in the same process only.

    Parameters
    ----------
    name
        What the store is called in messages.
    folder
        Its folder, or None if it is not local.

    Raises
    ------
    StoreLockedError
        At once, if another writer holds the store; names its process and host.
    StoreError
        If nothing can be written there.
    """

    def __init__(self, name: str, folder: Path | None):
        self.name = name
        self.path = None if folder is None else folder.with_name(folder.name + ".lock")
        self._file: IO[str] | None = None
        self._key: str | None = None

    def __enter__(self) -> StoreLock:
        self.acquire()
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock or raise."""
        try:
            import fcntl
        except ImportError:
            fcntl = None
        if self.path is None or fcntl is None:
            if self.name in _held_here:
                raise StoreLockedError(f"{self.name} is being written by this process already.")
            _held_here.add(self.name)
            self._key = self.name
            return
        while True:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                file = open(self.path, "a+", encoding="utf-8")
            except OSError as error:
                raise StoreError(f"{self.name} cannot be written: {error}.") from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = _holder(file)
                file.close()
                raise StoreLockedError(
                    f"{self.name} is being written by {holder}. "
                    "Wait for it to end, or record to another path."
                ) from None
            if _is_still(file, self.path):
                break
            # The holder before us removed the file between our open and our lock.
            file.close()
        file.seek(0)
        file.truncate()
        about = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.ctime()}
        json.dump(about, file)
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back; the lock file goes too."""
        if self._key is not None:
            _held_here.discard(self._key)
            self._key = None
        if self._file is not None:
            assert self.path is not None
            self.path.unlink(missing_ok=True)  # while the lock is held, so nobody else has it
            self._file.close()
            self._file = None


def _holder(file: IO[str]) -> str:
    try:
        file.seek(0)
        about = json.load(file)
        return f"process {about['pid']} on {about['host']} (since {about['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _is_still(file: IO[str], path: Path) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(file.fileno())
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
