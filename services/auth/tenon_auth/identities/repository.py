from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, select
from sqlalchemy.dialects.postgresql import insert

from tenon_auth.errors import IdentityTaken, ProviderConnected
from tenon_auth.identities.models import (
    SEALED_IDENTITIES,
    Identity,
    identities,
    identity_logins,
    spent_flows,
)
from tenon_crypto.fields import FieldCipher
from tenon_crypto.keyring import Mac
from tenon_db.transaction import Transaction


class IdentityRepository:
    """The identities of the transaction's user."""

    def __init__(self, tx: Transaction, cipher: FieldCipher) -> None:
        self._tx = tx
        self._cipher = cipher

    async def add(self, identity: Identity, terms: Sequence[Mac]) -> None:
        """Add an identity that nobody has; IdentityTaken, or ProviderConnected if the user has
        another one of its issuer. All is to be undone then.
        """
        sealed = await self._cipher.seal(self._tx, SEALED_IDENTITIES, asdict(identity))
        added = await self._tx.execute(insert(identities).values(sealed).on_conflict_do_nothing())
        if added.rowcount != 1:
            raise ProviderConnected
        if await self.find_by(identity, terms) != len(terms):
            raise IdentityTaken

    async def find_by(self, identity: Identity, terms: Sequence[Mac]) -> int:
        """Let an identity be found by these, and return by how many it was not."""
        rows = [
            {
                "subject_index": term.digest,
                "index_key": term.key,
                "user_id": identity.user_id,
                "identity_id": identity.id,
            }
            for term in terms
        ]
        claimed = await self._tx.execute(
            insert(identity_logins).values(rows).on_conflict_do_nothing()
        )
        return claimed.rowcount

    async def find_all(self, user_id: UUID) -> list[Identity]:
        return await self._opened(self._of(user_id))

    async def lock(self, user_id: UUID) -> list[Identity]:
        """List them, and hold off whoever would remove or use one until the commit."""
        return await self._opened(self._of(user_id).with_for_update())

    async def is_there(self, user_id: UUID, issuer: str) -> bool:
        """Say whether the user has one of an issuer, and hold off whoever would remove it."""
        row = await self._tx.row(
            select(identities.c.id)
            .where(identities.c.user_id == user_id, identities.c.issuer == issuer)
            .with_for_update(read=True)
        )
        return row is not None

    async def remove(self, user_id: UUID, identity_id: UUID) -> None:
        await self._tx.execute(
            delete(identity_logins).where(
                identity_logins.c.user_id == user_id, identity_logins.c.identity_id == identity_id
            )
        )
        await self._tx.execute(
            delete(identities).where(
                identities.c.user_id == user_id, identities.c.id == identity_id
            )
        )

    async def _opened(self, statement: Select[Any]) -> list[Identity]:
        rows = await self._tx.rows(statement)
        opened = await self._cipher.open(self._tx, SEALED_IDENTITIES, rows)
        return [Identity(**row) for row in opened]

    def _of(self, user_id: UUID) -> Select[Any]:
        return select(identities).where(identities.c.user_id == user_id).order_by(identities.c.id)


class IdentityLoginRepository:
    """Whose identity it is, in a system transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def find_user(self, digests: Sequence[bytes]) -> UUID | None:
        found: UUID | None = await self._tx.scalar(
            select(identity_logins.c.user_id)
            .where(identity_logins.c.subject_index.in_(digests))
            .distinct()
        )
        return found


class SpentFlowRepository:
    """Which flows are finished, in a system transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(self, flow_id: UUID, expire_time: datetime) -> bool:
        """Say whether it was not spent: of many at once, one is told so."""
        added = await self._tx.execute(
            insert(spent_flows).values(id=flow_id, expire_time=expire_time).on_conflict_do_nothing()
        )
        return added.rowcount == 1

    async def remove_expired(self, at: datetime) -> None:
        await self._tx.execute(delete(spent_flows).where(spent_flows.c.expire_time < at))
