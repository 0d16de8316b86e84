"""Processes that are not this one's children."""

import os
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number that has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # A container may have nobody who buries orphans: a process in state Z is dead all the same.
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] != b"Z"
    except OSError:
        return not Path("/proc/self/stat").exists()
