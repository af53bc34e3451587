from collections.abc import Iterable, Mapping

from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue

DISCARD = "files.discard"
ABANDON = "files.abandon"
KEYS_A_JOB = 500
NONE: Mapping[str, str] = {}


class FileService:
    """Deletes stored files: as a job of the transaction after which nobody wants them.

    So a file is deleted if, and only if, that was committed; whoever dies in between, or finds
    the storage away, leaves none behind.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    async def discard(
        self, tx: Transaction, keys: Iterable[str], unfinished: Mapping[str, str] = NONE
    ) -> None:
        """Delete the objects once this transaction is committed; what is not there is no error.

        `unfinished` are objects that were written in parts: the key, and the name of the writing.
        """
        wanted = list(keys)
        for key, name in unfinished.items():
            await self._queue.enqueue(tx, ABANDON, {"key": key, "name": name}, org_id=tx.org_id)
        for start in range(0, len(wanted), KEYS_A_JOB):
            some = {"keys": wanted[start : start + KEYS_A_JOB]}
            await self._queue.enqueue(tx, DISCARD, some, org_id=tx.org_id)
