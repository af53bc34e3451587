"""Looking an encrypted value up by equality: a keyed hash beside it."""

from collections.abc import Sequence

from tenon_crypto.cells import framed
from tenon_crypto.keyring import Keyring, Mac


class BlindIndex:
    """HMAC-SHA256 of one column's values, under an index key that the database does not have.

    The same value in another column, table or service gives another hash.
    """

    def __init__(self, keyring: Keyring, schema: str, table: str, column: str) -> None:
        self._keyring = keyring
        names = (schema.encode(), table.encode(), column.encode())
        self._domain = framed(b"tenon blind index", *names)

    async def terms(self, value: bytes) -> Sequence[Mac]:
        """Return what to look for, and what to store: one for each readable index key.

        Whoever adds a value stores all, so that it stays unique while a new key replaces an old.
        """
        return await self._keyring.macs(framed(self._domain, value))
