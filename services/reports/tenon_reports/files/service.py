from collections.abc import Iterable

from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue

DISCARD = "files.discard"
KEYS_A_JOB = 500


class FileService:
    """Deletes stored files: as a job of the transaction after which nobody wants them.

    So a file is deleted if, and only if, that was committed; whoever dies in between, or finds
    the storage away, leaves none behind.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    async def discard(self, tx: Transaction, keys: Iterable[str]) -> None:
        """Delete the objects once this transaction is committed; what is not there is no error."""
        wanted = list(keys)
        for start in range(0, len(wanted), KEYS_A_JOB):
            some = {"keys": wanted[start : start + KEYS_A_JOB]}
            await self._queue.enqueue(tx, DISCARD, some, org_id=tx.org_id)
