import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tenon_core import clock
from tenon_core.errors import TenonError
from tenon_core.ids import uuid7
from tenon_crypto.errors import Undecryptable
from tenon_crypto.fields import FieldCipher
from tenon_db.database import Database
from tenon_db.transaction import Transaction
from tenon_jobs import backoff
from tenon_tenancy.audit_events.models import AuditEvent
from tenon_tenancy.audit_events.service import AuditEventService
from tenon_tenancy.audit_events.showing import shown
from tenon_tenancy.audit_streams.models import (
    AuditStream,
    Delivery,
    DeliveryState,
    DueStream,
    Webhook,
)
from tenon_tenancy.audit_streams.repository import (
    AuditStreamRepository,
    DeliveryRepository,
    DueStreamRepository,
)
from tenon_tenancy.audit_streams.sending import (
    AUDIT_EVENTS,
    NotTaken,
    Parcel,
    Sender,
    webhook_parcel,
)
from tenon_tenancy.audit_verification import documents
from tenon_tenancy.clients import AuditClients
from tenon_tenancy.members.service import MemberService

BATCH = 500
"""Lines of one delivery, some 200 KB."""
TURN_SECONDS = 20.0
"""After which a stream that has more to send lets others have their turn."""
SLOW_SECONDS = 3.0
"""An endpoint that takes longer is slow, …"""
SLOW_FOR = timedelta(hours=1)
"""… and counts as slow for so long."""
FAST_ATTEMPT_SECONDS, SLOW_ATTEMPT_SECONDS = 5.0, 15.0
"""For one attempt, by lane; a lease is longer."""
LEASE = timedelta(seconds=60)
FIRST_DELAY, LONGEST_DELAY = 5.0, 3_600.0
KEPT = timedelta(days=30)
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt: which lines are sent of a stream, and where."""

    stream: AuditStream
    delivery: Delivery
    lines: Sequence[AuditEvent]


class AuditDeliveryService:
    """Sends organizations their logs: in order, each line at least once.

    What is sent together is written down before it is sent, so whoever goes on after a crash sends
    the same by the same id; the stream's position moves only when that was taken.
    """

    def __init__(
        self,
        database: Database,
        cipher: FieldCipher,
        audit_events: AuditEventService,
        clients: AuditClients,
        members: MemberService,
        sender: Sender,
    ) -> None:
        self._database = database
        self._cipher = cipher
        self._audit_events = audit_events
        self._clients = clients
        self._members = members
        self._sender = sender

    async def due(self) -> AsyncIterator[DueStream]:
        """Yield the streams that have something to send now."""
        after = UUID(int=0), UUID(int=0)
        while True:
            async with self._database.system("audit streams") as tx:
                streams = DueStreamRepository(tx)
                found = await streams.find(after, PAGE)
                heads = await streams.heads([row.org_id for row in found]) if found else {}
            ready = [row for row in found if row.position < heads.get(row.org_id, 0)]
            org_ids = list(dict.fromkeys(row.org_id for row in ready))
            accounts = dict(zip(org_ids, await self._members.accounts(org_ids), strict=True))
            for row in ready:
                account_id = accounts[row.org_id] or row.org_id
                yield DueStream(row.org_id, row.id, account_id, row.is_slow)
            if len(found) < PAGE:
                return
            after = found[-1].org_id, found[-1].id

    async def deliver(self, org_id: UUID, stream_id: UUID, attempt_seconds: float) -> None:
        """Send what a stream has not sent yet, until nothing is left, it fails, its endpoint is
        slow, or its turn is over.
        """
        end = time.monotonic() + TURN_SECONDS
        while sending := await self._begin(org_id, stream_id):
            began = time.monotonic()
            try:
                parcel = await self._parcel(sending)
                await self._sender.send(sending.stream, parcel, attempt_seconds)
            except NotTaken as error:
                await self._fail(sending, error, _slow_until(began))
                return
            slow_until = _slow_until(began)
            await self._succeed(sending, slow_until)
            if slow_until or time.monotonic() > end:
                return

    async def _begin(self, org_id: UUID, stream_id: UUID) -> Sending | None:
        """Take the stream and what is next of it; None if there is nothing to do for us."""
        try:
            async with self._database.tenant(org_id) as tx:
                streams = AuditStreamRepository(tx, self._cipher)
                stream = await streams.claim(stream_id, LEASE)
                sending = await self._next(tx, stream) if stream else None
                if stream and not sending:
                    await streams.release(stream_id)
                return sending
        except Undecryptable:
            await self._set_aside(org_id, stream_id)
            return None

    async def _set_aside(self, org_id: UUID, stream_id: UUID) -> None:
        """Let a stream wait whose keys are destroyed, or not to be had."""
        at = clock.now()
        again = at + timedelta(seconds=LONGEST_DELAY)
        async with self._database.tenant(org_id) as tx:
            streams = AuditStreamRepository(tx, self._cipher)
            await streams.fail(stream_id, "its address cannot be decrypted", at, again)

    async def _next(self, tx: Transaction, stream: AuditStream) -> Sending | None:
        deliveries = DeliveryRepository(tx, stream.id)
        pending = await deliveries.attempt_pending()
        after, to = (pending.first - 1, pending.last) if pending else (stream.position, None)
        lines = await self._audit_events.after_within(tx, after, to, BATCH)
        if pending and not lines:
            # The log's retention has removed them meanwhile.
            await deliveries.finish(pending.id, DeliveryState.EXPIRED, clock.now())
            return await self._next(tx, stream)
        if not lines:
            return None
        delivery = pending or Delivery(
            uuid7(),
            lines[0].position,
            lines[-1].position,
            DeliveryState.PENDING,
            1,
            "",
            clock.now(),
        )
        if not pending:
            await deliveries.add(delivery)
        return Sending(stream, delivery, lines)

    async def _parcel(self, sending: Sending) -> Parcel:
        """Write down what is sent; NotTaken if auth cannot say where the calls came from."""
        stream, delivery = sending.stream, sending.delivery
        try:
            lines = await shown(self._clients, sending.lines)
        except TenonError as error:
            raise NotTaken(f"Tenon could not read the lines: {error.detail}") from error
        owner = f"orgs/{stream.org_id}"
        if isinstance(stream.target, Webhook):
            events = [documents.as_said(owner, line) for line in lines]
            return webhook_parcel(delivery.id, delivery.create_time, AUDIT_EVENTS, events)
        body = b"".join(documents.written(owner, line) for line in lines)
        return Parcel(delivery.id, body, _name(delivery))

    async def _succeed(self, sending: Sending, slow_until: datetime | None) -> None:
        """Record it: the stream first, as whoever deletes it locks it and its deliveries."""
        stream, delivery, at = sending.stream, sending.delivery, clock.now()
        async with self._database.tenant(stream.org_id) as tx:
            streams = AuditStreamRepository(tx, self._cipher)
            await streams.succeed(stream.id, delivery.last, slow_until)
            deliveries = DeliveryRepository(tx, stream.id)
            await deliveries.finish(delivery.id, DeliveryState.DELIVERED, at)
            await deliveries.remove_old(at - KEPT)

    async def _fail(self, sending: Sending, error: NotTaken, slow_until: datetime | None) -> None:
        """Record it, in the same order."""
        stream, delivery, at = sending.stream, sending.delivery, clock.now()
        wait = backoff.delay(delivery.attempts, first=FIRST_DELAY, longest=LONGEST_DELAY)
        again = at + timedelta(seconds=max(wait, error.retry_after))
        async with self._database.tenant(stream.org_id) as tx:
            streams = AuditStreamRepository(tx, self._cipher)
            await streams.fail(stream.id, str(error), at, again, slow_until)
            await DeliveryRepository(tx, stream.id).fail(delivery.id, str(error))


def _slow_until(began: float) -> datetime | None:
    """Return until when the endpoint of an attempt is slow; None if it is not."""
    return clock.now() + SLOW_FOR if time.monotonic() - began > SLOW_SECONDS else None


def _name(delivery: Delivery) -> str:
    """Name an object so that names sort as the lines do."""
    return f"{delivery.first:019}-{delivery.last:019}.jsonl"
