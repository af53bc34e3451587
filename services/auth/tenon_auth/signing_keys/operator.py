"""What an operator does with signing keys."""

import time
from pathlib import Path

from tenon_auth import events
from tenon_auth.signing_keys import rotation
from tenon_auth.signing_keys.rotation import KeyStatus
from tenon_db.database import Database


class SigningKeyOperator:
    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self._directory = directory

    def status(self) -> list[KeyStatus]:
        """Return every key that is there, from oldest to newest."""
        return rotation.status(self._directory, time.time())

    async def rotate(self, operator: str) -> str:
        """Add a key, and return its id; RotatedLately, OSError where keys cannot be written.

        A rotation that cannot be put on record is not begun.
        """
        async with self._database.system("signing keys") as tx:
            await tx.publish(events.operated("rotate_signing_keys", operator, "signing_keys"))
            return rotation.rotate(self._directory)
