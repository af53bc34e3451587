import fcntl
import os
import time
from pathlib import Path


class DataLock:
    """Held by whoever runs on a data directory, and by the guard until the last process is gone.

    So a free lock means that nothing is left running, however the run ended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.descriptor = os.open(path, os.O_RDWR)

    def is_in_place(self) -> bool:
        """Whether the file is still where it was opened, and not deleted or another one."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self.descriptor))
        except FileNotFoundError:
            return False

    def acquire(self, timeout: float) -> bool:
        """Whether the lock was got within `timeout` seconds."""
        end = time.monotonic() + timeout
        while not self._try():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def close(self) -> None:
        """Give it up here; it stays locked while the guard lives."""
        os.close(self.descriptor)

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
