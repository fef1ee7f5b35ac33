"""The file of a checkpoint: whole whenever it is read, and of one fit at a time.

Each version is written beside the file first and then put in its place at once. The fit that writes it holds a lock
(`flock`) on the version that is there, and on the next one before it replaces that; a lock goes with its process,
however that ends. A second fit with the same file is therefore refused. Where the system or the file system knows no
such locks, two fits write over one another's versions, each of them whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from emvsbayes.core.errors import InputError

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be replaced either
    fcntl = None

FORMAT = 1
NAME = "emvsbayes checkpoint"
PARTS = ("identity", "done", "begun")


class CheckpointFile:
    """The file at `path`, and the open version of it whose lock says that it is in use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held: BinaryIO | None = None

    def read(self) -> tuple[dict[str, Any], ...] | None:
        """Identity, runs that are done and runs that are begun; None where there is no file yet.

        Raises
        ------
        InputError
            Where the file is no checkpoint, or another fit writes it.
        """
        if self.path.is_dir():
            raise InputError(f"checkpoint must be a file, and {self.path} is a folder; name a file in it.")
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{self.path} cannot be read ({error.strerror}); name another file.") from None
        if not (_locked(file) and _is_at(file, self.path)):
            file.close()
            raise self._in_use()
        self.held = file
        try:
            raw = json.loads(file.read())
            version, parts = raw[NAME], tuple(raw[name] for name in PARTS)
            if not all(isinstance(part, Mapping) for part in parts):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            raise self.broken() from None
        if version != FORMAT:
            raise InputError(f"{self.path} was written by another version of emvsbayes; delete it to begin anew.")
        return parts

    def write(self, *parts: Mapping[str, Any]) -> None:
        """Replace the file.

        Raises
        ------
        InputError
            Where another fit writes it, or where it cannot be written; the version that was there is kept.
        """
        beside = self.path.with_name(self.path.name + ".part")
        try:
            file = beside.open("ab")  # not emptied before it is ours
        except OSError as error:
            raise self._unwritten(error) from None
        mine = False
        try:
            mine = _locked(file) and _is_at(file, beside) and not self._is_of_another()
            if not mine:
                raise self._in_use()
            file.truncate(0)
            file.write(json.dumps({NAME: FORMAT, **dict(zip(PARTS, parts, strict=True))}).encode())
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()
            os.replace(beside, self.path)
        except BaseException as error:
            if mine:
                beside.unlink(missing_ok=True)
            with suppress(OSError):  # what could not be written cannot be written now either
                file.close()
            if isinstance(error, OSError):
                raise self._unwritten(error) from None
            raise
        self.close()
        self.held = file

    def close(self) -> None:
        """Let others have the file."""
        if self.held is not None:
            self.held.close()
        self.held = None

    def broken(self) -> InputError:
        """For a file whose content is none of ours."""
        return InputError(f"{self.path} is no checkpoint of a fit; name another file.")

    def _is_of_another(self) -> bool:
        """Whether a version is there that is not the one held."""
        if fcntl is None or not self.path.exists():
            return False
        return self.held is None or not _is_at(self.held, self.path)

    def _in_use(self) -> InputError:
        return InputError(f"{self.path} is in use by another fit; wait for its end, or name another file.")

    def _unwritten(self, error: OSError) -> InputError:
        kept = "; make room for it, and the fit goes on from its last version" if self.held is not None else ""
        return InputError(f"{self.path} cannot be written ({error.strerror}){kept or '; name another file'}.")


def _locked(file: BinaryIO) -> bool:
    """Lock an open file; False where somebody else has."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the path still names this open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
