from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from tenon_core import clock
from tenon_core.ids import uuid7
from tenon_db.database import Database
from tenon_db.mail_limits import MailCounters
from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue
from tenon_policy.call import Call
from tenon_tenancy import events
from tenon_tenancy.errors import OrganizationDeletionNotFound
from tenon_tenancy.limits import DELETIONS_PER_ORGANIZATION
from tenon_tenancy.members.ending import MembershipEnding
from tenon_tenancy.organization_deletions.models import SERVICES, OrganizationDeletion, Receipt
from tenon_tenancy.organization_deletions.repository import (
    EndingRepository,
    OrganizationDeletionRepository,
)

CARRY_OUT = "organization_deletions.carry_out"


class OrganizationDeletionService:
    """How organizations end. Who is first, an undo or the job that carries it out, is decided by
    the lock of the organization's row.
    """

    def __init__(
        self, database: Database, queue: JobQueue, ending: MembershipEnding, days: float
    ) -> None:
        self._database = database
        self._queue = queue
        self._ending = ending
        self._delay = timedelta(days=days)

    async def schedule(self, call: Call) -> OrganizationDeletion:
        """Have the organization deleted later; again, it is the same deletion. TooManyMails."""
        async with self._database.tenant(call.org) as tx:
            await self._ending.lock(tx, call)
            deletions = OrganizationDeletionRepository(tx)
            deletion = await deletions.find(call.org)
            if deletion:
                call.had_no_effect()
                return deletion
            mails = MailCounters(tx, self._database.schema)
            await mails.charge([(DELETIONS_PER_ORGANIZATION, call.org.bytes)])
            at = clock.now()
            deletion = OrganizationDeletion(call.org, uuid7(), call.user, at, at + self._delay)
            await deletions.add(deletion)
            owner_ids = await self._ending.owners(tx)
            await tx.publish(
                events.organization_deletion_scheduled(deletion, owner_ids),
                call.access(f"organizations/{call.org}"),
            )
            payload = {"deletion_id": str(deletion.id)}
            run_at = deletion.delete_time
            await self._queue.enqueue(tx, CARRY_OUT, payload, org_id=call.org, run_at=run_at)
            await self._ending.renew_lists(tx)
        return deletion

    async def undo(self, call: Call) -> None:
        """Let the organization stay."""
        async with self._database.tenant(call.org) as tx:
            await self._ending.lock(tx, call)
            if await OrganizationDeletionRepository(tx).withdraw(call.org):
                await tx.publish(call.access(f"organizations/{call.org}"))
                await self._ending.renew_lists(tx)
            else:
                call.had_no_effect()

    async def get(
        self, call: Call, deletion_id: UUID | None
    ) -> tuple[OrganizationDeletion, Sequence[Receipt]]:
        """Return a deletion that the caller may know of; OrganizationDeletionNotFound."""
        async with self._database.user(call.user) as tx:
            deletion, receipts = await _get(tx, deletion_id)
        if not deletion.is_readable_by(call.user):
            raise OrganizationDeletionNotFound
        return deletion, receipts

    async def notice(
        self, deletion_id: UUID | None
    ) -> tuple[OrganizationDeletion, Sequence[Receipt], str]:
        """Return what a mail says, with the organization's name while there is one;
        OrganizationDeletionNotFound.
        """
        async with self._database.system("organization deletions") as tx:
            deletion, receipts = await _get(tx, deletion_id)
        async with self._database.tenant(deletion.org_id) as tx:
            return deletion, receipts, await EndingRepository(tx).find_name() or ""

    async def record(self, tx: Transaction, receipt: Receipt) -> None:
        """Take a service's receipt, in the transaction of the organization."""
        deletions = OrganizationDeletionRepository(tx)
        if await deletions.add_receipt(receipt):
            await tx.publish(events.erasure_on_record(receipt))
        given = {one.service for one in await deletions.find_receipts(receipt.org_id)}
        if given.issuperset(SERVICES) and await deletions.finish(receipt.org_id, clock.now()):
            deletion = await deletions.find(receipt.org_id)
            assert deletion is not None, "it is finished"
            await tx.publish(events.organization_deletion_finished(deletion))

    async def repeat(self, tx: Transaction, org_id: UUID) -> None:
        """Have every service erase an organization anew: what is gone is not missed."""
        await tx.publish(events.organization_deleted(org_id))


async def _get(
    tx: Transaction, deletion_id: UUID | None
) -> tuple[OrganizationDeletion, Sequence[Receipt]]:
    deletions = OrganizationDeletionRepository(tx)
    deletion = await deletions.find_by_id(deletion_id) if deletion_id else None
    if deletion is None:
        raise OrganizationDeletionNotFound
    return deletion, await deletions.find_receipts(deletion.org_id)
