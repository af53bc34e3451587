from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tenon_core.email_addresses import CANONICAL_VERSION
from tenon_crypto.fields import FieldCipher
from tenon_crypto.keyring import Mac
from tenon_db.transaction import Transaction
from tenon_policy.policies import Role
from tenon_tenancy.invitations.models import (
    SEALED_INVITATIONS,
    Invitation,
    invitations,
    invited_addresses,
)


class InvitationRepository:
    """The invitations of one organization."""

    def __init__(self, tx: Transaction, cipher: FieldCipher, org_id: UUID) -> None:
        self._tx = tx
        self._cipher = cipher
        self._org_id = org_id
        self._of_org = invitations.c.org_id == org_id

    async def count(self) -> int:
        counted: int = await self._tx.scalar(
            select(func.count()).select_from(invitations).where(self._of_org)
        )
        return counted

    async def add(self, invitation: Invitation, terms: Sequence[Mac]) -> bool:
        """Add one; False if there is one for this address, and all is to be undone."""
        row = asdict(invitation)
        sealed = await self._cipher.seal(self._tx, SEALED_INVITATIONS, row)
        await self._tx.execute(insert(invitations).values(sealed))
        return await self.add_terms(invitation.id, terms) == len(terms)

    async def find(self, invitation_id: UUID) -> Invitation | None:
        return await self._one(
            select(invitations).where(self._of_org, invitations.c.id == invitation_id)
        )

    async def find_by_link(self, link_id: UUID) -> Invitation | None:
        return await self._one(
            select(invitations).where(self._of_org, invitations.c.link_id == link_id)
        )

    async def renew(self, invitation: Invitation, terms: Sequence[Mac]) -> None:
        """Give an invitation its new link, and its address the terms that it lacks."""
        await self._tx.execute(
            update(invitations)
            .where(self._of_org, invitations.c.id == invitation.id)
            .values(
                inviter_id=invitation.inviter_id,
                link_id=invitation.link_id,
                expire_time=invitation.expire_time,
            )
        )
        await self.add_terms(invitation.id, terms)

    async def remove(self, invitation_id: UUID) -> bool:
        """Remove one; say whether it was there. Of many at once, one is told so."""
        removed = await self._tx.execute(
            delete(invitations).where(self._of_org, invitations.c.id == invitation_id)
        )
        return removed.rowcount == 1

    async def remove_over(self, before: datetime) -> None:
        await self._tx.execute(
            delete(invitations).where(self._of_org, invitations.c.expire_time < before)
        )

    async def page(self, before: UUID | None, limit: int) -> Sequence[Invitation]:
        """Return those that can be read, newest first."""
        statement = (
            select(invitations).where(self._of_org).order_by(invitations.c.id.desc()).limit(limit)
        )
        if before:
            statement = statement.where(invitations.c.id < before)
        rows = await self._tx.rows(statement)
        opened = await self._cipher.open_readable(self._tx, SEALED_INVITATIONS, rows)
        return list(map(_invitation, opened))

    async def find_of_former_form(self) -> Sequence[Invitation]:
        """Return those that can be read and have hashes of the former form of an address."""
        former = await self._tx.rows(
            select(invited_addresses.c.invitation_id).where(
                invited_addresses.c.org_id == self._org_id,
                invited_addresses.c.canonical_version < CANONICAL_VERSION,
            )
        )
        if not former:
            return []
        ids = {row.invitation_id for row in former}
        rows = await self._tx.rows(
            select(invitations).where(self._of_org, invitations.c.id.in_(ids))
        )
        opened = await self._cipher.open_readable(self._tx, SEALED_INVITATIONS, rows)
        return list(map(_invitation, opened))

    async def remove_former_form(self, invitation_ids: Sequence[UUID]) -> None:
        await self._tx.execute(
            delete(invited_addresses).where(
                invited_addresses.c.org_id == self._org_id,
                invited_addresses.c.invitation_id.in_(invitation_ids),
                invited_addresses.c.canonical_version < CANONICAL_VERSION,
            )
        )

    async def add_terms(self, invitation_id: UUID, terms: Sequence[Mac]) -> int:
        """Add what an address is found by; return how much of it was not there."""
        rows = [
            {
                "org_id": self._org_id,
                "email_index": term.digest,
                "index_key": term.key,
                "canonical_version": CANONICAL_VERSION,
                "invitation_id": invitation_id,
            }
            for term in terms
        ]
        added = await self._tx.rows(
            insert(invited_addresses)
            .values(rows)
            .on_conflict_do_nothing()
            .returning(invited_addresses.c.email_index)
        )
        return len(added)

    async def _one(self, statement: Select[Any]) -> Invitation | None:
        rows = await self._tx.rows(statement)
        opened = await self._cipher.open(self._tx, SEALED_INVITATIONS, rows)
        return next(map(_invitation, opened), None)


async def has_former_form(tx: Transaction) -> bool:
    """Return whether any organization has hashes of the former form, in one for the rotation."""
    outdated = invited_addresses.c.canonical_version < CANONICAL_VERSION
    row = await tx.row(select(invited_addresses.c.org_id).where(outdated).limit(1))
    return row is not None


def _invitation(row: dict[str, Any]) -> Invitation:
    return Invitation(**{**row, "role": Role(row["role"])})
