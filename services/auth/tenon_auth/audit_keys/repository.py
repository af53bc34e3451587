from collections.abc import Collection, Mapping
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from tenon_auth.audit_keys.models import SEALED_AUDIT_KEYS, KeyPair, audit_keys
from tenon_crypto.fields import FieldCipher
from tenon_db.transaction import Transaction
from tenon_policy.audit_clients import AuditKey


class AuditKeyRepository:
    """The key pair of the transaction's person; in a system transaction, of everybody."""

    def __init__(self, tx: Transaction, cipher: FieldCipher) -> None:
        self._tx = tx
        self._cipher = cipher

    async def find(self) -> AuditKey | None:
        """Return the public half."""
        row = await self._tx.row(
            select(audit_keys.c.id, audit_keys.c.public_key).where(
                audit_keys.c.user_id == self._tx.user_id
            )
        )
        return AuditKey(row.id, row.public_key) if row else None

    async def add(self, pair: KeyPair) -> None:
        """Add a key pair, unless there is one."""
        row = {"user_id": self._tx.user_id, **asdict(pair), "create_time": func.now()}
        sealed = await self._cipher.seal(self._tx, SEALED_AUDIT_KEYS, row)
        await self._tx.execute(insert(audit_keys).values(sealed).on_conflict_do_nothing())

    async def private_keys(self, ids: Collection[UUID]) -> Mapping[UUID, bytes]:
        """Return the private halves that exist and decrypt, by the ids of their pairs."""
        rows = await self._tx.rows(select(audit_keys).where(audit_keys.c.id.in_(ids)))
        opened = await self._cipher.open_readable(self._tx, SEALED_AUDIT_KEYS, rows)
        return {row["id"]: row["private_key"] for row in opened}
