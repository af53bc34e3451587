from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from tenon_auth import events
from tenon_auth.clients import Memberships
from tenon_auth.erasures.models import OTHERS, OWN, Erasure, Notice, Receipt
from tenon_auth.erasures.repository import (
    ErasureRepository,
    NoticeRepository,
    PersonRepository,
)
from tenon_auth.errors import ErasureNotFound, LastOwner
from tenon_auth.events import SessionEndCause
from tenon_auth.links.service import LinkService
from tenon_auth.sessions.ending import SessionEnding
from tenon_auth.users.service import UserService
from tenon_core import clock
from tenon_core.errors import TenonError
from tenon_core.ids import uuid7
from tenon_crypto.cells import OwnerKind
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue
from tenon_policy.call import Call

CARRY_OUT = "erasures.carry_out"
GRACE = timedelta(seconds=60)
"""When a job looks whether what was begun in a call is done."""

log = structlog.get_logger()


class ErasureService:
    """How accounts end. What was begun is on record before anything is done, and a job goes on
    with it after a crash.
    """

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        queue: JobQueue,
        users: UserService,
        links: LinkService,
        ending: SessionEnding,
        memberships: Memberships,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._queue = queue
        self._users = users
        self._links = links
        self._ending = ending
        self._memberships = memberships

    async def request(self, call: Call) -> None:
        """Erase the caller's account, at once if all that it needs answers; LastOwner."""
        at, user_id = clock.now(), call.user
        async with self._database.user(user_id) as tx:
            await ErasureRepository(tx).add(Erasure(user_id, uuid7(), at))
            await tx.publish(call.access(f"users/{user_id}"))
            payload = {"user_id": str(user_id)}
            await self._queue.enqueue(tx, CARRY_OUT, payload, user_id=user_id, run_at=at + GRACE)
        try:
            await self.carry_out(user_id)
        except LastOwner:
            raise
        except TenonError as error:
            log.warning("an erasure waits for its job", error=error.detail)

    async def carry_out(self, user_id: UUID) -> None:
        """Do what is left of an erasure; LastOwner, and then there is none any more."""
        async with self._database.user(user_id) as tx:
            erasure = await ErasureRepository(tx).find(user_id)
        if erasure is None or erasure.erase_time:
            return
        try:
            await self._memberships.release(user_id)
        except LastOwner:
            await self._withdraw(erasure)
            raise
        await self._keep_notice(erasure)
        async with self._database.user(user_id) as tx:
            await self._links.lock(tx, user_id)
            await self._erase(tx, user_id)

    async def get(self, erasure_id: UUID | None) -> tuple[Erasure, Sequence[Receipt], Notice]:
        """Return an erasure, what was destroyed, and whom to tell: nobody, if both are empty.

        ErasureNotFound.
        """
        if erasure_id is None:
            raise ErasureNotFound
        async with self._database.user(erasure_id) as tx:
            erasures = ErasureRepository(tx)
            erasure = await erasures.find_by_id(erasure_id)
            if erasure is None:
                raise ErasureNotFound
            notice = await NoticeRepository(tx, self._cipher).find(erasure_id)
            return erasure, await erasures.find_receipts(erasure.user_id), notice or Notice("", "")

    async def record(self, tx: Transaction, receipt: Receipt) -> None:
        """Take a service's receipt, in the transaction of the erased person.

        Should auth itself have been restored from a backup since, the person is erased again; but
        only when all the others say that they were: one that is wrong erases nobody.
        """
        erasures = ErasureRepository(tx)
        await erasures.add(Erasure(receipt.user_id, uuid7(), receipt.erase_time))
        await erasures.lock(receipt.user_id)
        await erasures.add_receipt(receipt)
        given = {one.service for one in await erasures.find_receipts(receipt.user_id)}
        if not given.issuperset(OTHERS):
            return
        await self._erase(tx, receipt.user_id)
        if await erasures.finish(receipt.user_id, clock.now()):
            erasure = await erasures.find(receipt.user_id)
            assert erasure is not None
            await tx.publish(events.erasure_finished(erasure.id))

    async def forget_notice(self, tx: Transaction, erasure_id: UUID) -> None:
        """Destroy the address that was told, in the erasure's transaction."""
        await self._cipher.destroy_keys(tx, OwnerKind.USER)
        await NoticeRepository(tx, self._cipher).remove(erasure_id)

    async def repeat(self, tx: Transaction, user_id: UUID) -> None:
        """Have every service erase somebody anew: what is gone is not missed."""
        await tx.publish(events.user_erased(user_id))

    async def _erase(self, tx: Transaction, user_id: UUID) -> None:
        """Destroy what auth holds of the transaction's user, once."""
        at, erasures, person = clock.now(), ErasureRepository(tx), PersonRepository(tx)
        if not await erasures.begin(user_id, at):
            return
        await person.lock(user_id)
        await self._ending.end_all(tx, SessionEndCause.ERASED)
        keys = await person.count_keys(user_id)
        await self._cipher.destroy_keys(tx, OwnerKind.USER)
        rows = await person.remove(user_id)
        await erasures.add_receipt(Receipt(user_id, OWN, keys, rows, at))
        await tx.publish(events.user_erased(user_id))

    async def _keep_notice(self, erasure: Erasure) -> None:
        """Keep a verified address under a key of its own until it was told. Any other may be a
        stranger's.
        """
        async with self._database.user(erasure.user_id) as tx:
            user = await self._users.get_within(tx, erasure.user_id)
        if user.email_verified:
            async with self._database.user(erasure.id) as tx:
                notices = NoticeRepository(tx, self._cipher)
                await notices.add(erasure.id, Notice(user.email, user.name))

    async def _withdraw(self, erasure: Erasure) -> None:
        async with self._database.user(erasure.id) as tx:
            if await ErasureRepository(tx).withdraw(erasure.user_id):
                await self.forget_notice(tx, erasure.id)
