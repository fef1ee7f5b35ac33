"""The largest resident size of this process, from a point of its choice on."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss: bytes on macOS, kilobytes on Linux


def peak() -> int:
    """The largest resident size of this process since `forget`, in bytes.

    VmHWM where the kernel tells it. ru_maxrss, the same number by name, is kept over fork and exec: a child of a large
    process begins with the size of its parent, and shows nothing of a smaller fit.
    """
    if STATUS.is_file():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def forget() -> None:
    """Let the peak begin at what is resident now, where the kernel can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
