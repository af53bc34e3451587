from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import structlog
from prometheus_client import Counter

from tenon_core import clock
from tenon_db.database import Database
from tenon_db.deleted_organizations import DeletedOrganizations
from tenon_db.mail_limits import MailCounters, MailRate
from tenon_db.transaction import Transaction
from tenon_jobs import JobQueue
from tenon_notifications import events
from tenon_notifications.clients import (
    DeletionNotice,
    ErasureNotice,
    InvitationNotice,
    LinkNotice,
    Organizations,
    OwnershipNotice,
    People,
    Person,
    RunNotice,
    Runs,
    SessionNotice,
)
from tenon_notifications.emails.api_keys import ApiKeyNotice, ApiKeyNotices
from tenon_notifications.emails.models import (
    OF_EMAIL_CHANGES,
    TO_UNVERIFIED_ADDRESSES,
    Email,
    Kind,
    State,
)
from tenon_notifications.emails.postman import Postman
from tenon_notifications.emails.rendering import Envelope, Renderer
from tenon_notifications.emails.repository import EmailRepository
from tenon_notifications.errors import AddressUnsupported, Undeliverable

SEND = "emails.send"
MAX_RECIPIENTS = 500

N = TypeVar(
    "N",
    RunNotice,
    SessionNotice,
    LinkNotice,
    InvitationNotice,
    OwnershipNotice,
    ErasureNotice,
    DeletionNotice,
    Person,
    str,
)

Notice: TypeAlias = (
    RunNotice
    | SessionNotice
    | LinkNotice
    | InvitationNotice
    | OwnershipNotice
    | ErasureNotice
    | DeletionNotice
    | ApiKeyNotice
)

Complete: TypeAlias = Callable[[Transaction], Awaitable[None]]

FINISHED = Counter("tenon_emails_finished", "Mails sent or given up.", ["kind", "state"])
UNSUPPORTED = Counter(
    "tenon_emails_unsupported_addresses",
    "Mails not sent because the SMTP server lacks SMTPUTF8.",
    ["kind"],
)
log = structlog.get_logger()


class EmailService:
    """Mails to users. Who and what about is asked of its owner at the moment of sending."""

    def __init__(
        self,
        database: Database,
        jobs: JobQueue,
        people: People,
        runs: Runs,
        organizations: Organizations,
        api_keys: ApiKeyNotices,
        renderer: Renderer,
        envelope: Envelope,
        postman: Postman,
        rates: Mapping[Kind, MailRate],
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._people = people
        self._runs = runs
        self._organizations = organizations
        self._api_keys = api_keys
        self._renderer = renderer
        self._envelope = envelope
        self._postman = postman
        self._rates = rates

    async def request(self, tx: Transaction, email: Email) -> None:
        """Have the mail sent once the transaction, of whatever kind, has committed: later, if the
        user got many mails of its kind within the hour.
        """
        await self._jobs.enqueue(
            tx,
            SEND,
            email.to_payload(),
            org_id=email.org_id,
            user_id=email.user_id,
            run_at=email.send_time or await self._free_time(tx, email),
        )

    async def erase(self, tx: Transaction, user_id: UUID) -> None:
        """Forget what was mailed to somebody who is no more, in their transaction."""
        rows = await EmailRepository(tx).remove_all(user_id)
        await tx.publish(events.personal_data_erased(user_id, rows))

    async def send(self, email: Email, complete: Complete) -> None:
        """Send a mail that was not sent yet, and record it together with `complete`.

        Only a crash between the server's taking it and this record repeats a mail; the repeat
        has the same Message-ID. Raises MailDelayed, or what the owners' services fail with.
        """
        async with self._database.user(email.user_id) as tx:
            if await self._is_needless(tx, email):
                await complete(tx)
                return
            state = await EmailRepository(tx).add(email)
        if state is State.QUEUED:
            state, failure = await self._hand_over(email)
            await self._finish(email, state, failure, complete)

    async def fail(self, tx: Transaction, email: Email, failure: str) -> None:
        """Record, in the user's transaction, that it was tried long enough."""
        if await self._is_needless(tx, email):
            return
        mails = EmailRepository(tx)
        await mails.add(email)
        await mails.finish(email.user_id, email.id, State.FAILED, failure)
        await _tell(tx, email)
        FINISHED.labels(email.kind, State.FAILED).inc()

    async def recipients_of(self, org_id: UUID) -> Sequence[UUID]:
        """Return some of those who were mailed about an organization."""
        async with self._database.system("organization data") as tx:
            return await EmailRepository(tx).find_recipients(org_id, MAX_RECIPIENTS)

    async def forget_organization(self, tx: Transaction, org_id: UUID) -> int:
        """Forget what the transaction's user was mailed about an organization; return how much."""
        assert tx.user_id is not None
        return await EmailRepository(tx).remove_of_organization(tx.user_id, org_id)

    async def _free_time(self, tx: Transaction, email: Email) -> datetime | None:
        """Count the mail, and return when it may be sent; None for at once."""
        rate = self._rates.get(email.kind)
        if rate is None:
            return None
        counters = MailCounters(tx, self._database.schema)
        delay = await counters.reserve(rate, email.user_id.bytes)
        return clock.now() + delay if delay else None

    async def _is_needless(self, tx: Transaction, email: Email) -> bool:
        """Say whether a mail is about an organization that is no more."""
        if email.org_id is None:
            return False
        return await DeletedOrganizations(tx, self._database.schema).has(email.org_id)

    async def _finish(
        self, email: Email, state: State, failure: str | None, complete: Complete
    ) -> None:
        async with self._database.user(email.user_id) as tx:
            await EmailRepository(tx).finish(email.user_id, email.id, state, failure)
            await _tell(tx, email)
            await complete(tx)
        FINISHED.labels(email.kind, state).inc()

    async def _hand_over(self, email: Email) -> tuple[State, str | None]:
        try:
            person = await self._recipient(email)
            words = self._renderer.render(email.kind, await self._facts(email, person))
            message = self._envelope.message(email.id, person, words, clock.now())
            await self._postman.hand_over(self._envelope.sender, person.email, message)
        except AddressUnsupported as error:
            UNSUPPORTED.labels(email.kind).inc()
            log.warning("mail not sent", kind=email.kind, reason=str(error), email=str(email.id))
            return State.FAILED, str(error)
        except Undeliverable as error:
            return State.FAILED, str(error)
        return State.SENT, None

    async def _recipient(self, email: Email) -> Person:
        if email.kind is Kind.ACCOUNT_ERASED:
            return _there(await self._people.find_erased(email.user_id), "address")
        if email.kind is Kind.INVITATION:
            return Person(name="", email=(await self._invitation(email)).email)
        person = await self._people.find(email.user_id)
        if person is None:
            raise Undeliverable("the user is gone")
        if not person.verified and email.kind not in TO_UNVERIFIED_ADDRESSES:
            raise Undeliverable("the address is not verified")
        if email.kind in OF_EMAIL_CHANGES:
            assert email.subject_id is not None
            address = await self._people.find_changing_email(email.user_id, email.subject_id)
            person = replace(person, email=_there(address, "address"))
        return _without_own_words(person, email.kind)

    async def _facts(self, email: Email, person: Person) -> Mapping[str, Any]:
        return {"name": person.name, **await self._news(email)}

    async def _news(self, email: Email) -> Mapping[str, Any]:
        """Return what a mail says besides a name; some say nothing more."""
        notice: Notice
        match email.kind:
            case Kind.WELCOME:
                link = await self._link(email)
                return {"token": link.token if link else ""}
            case Kind.ACCOUNT_ERASED:
                notice = _there(await self._people.find_erasure(email.user_id), "erasure")
            case Kind.RUN_SUCCEEDED | Kind.RUN_FAILED:
                notice = _there(await self._runs.find_notice(*email.in_organization), "run")
            case Kind.NEW_DEVICE | Kind.SESSION_REUSED:
                assert email.subject_id is not None
                session = await self._people.find_session(email.user_id, email.subject_id)
                notice = _there(session, "session")
            case Kind.INVITATION:
                notice = await self._invitation(email)
            case Kind.OWNERSHIP_OFFERED | Kind.OWNERSHIP_TRANSFERRED:
                notice = await self._ownership(email)
            case Kind.API_KEY_CREATED | Kind.API_KEY_ROTATED:
                notice = await self._api_keys.find(email)
            case Kind.ORGANIZATION_DELETION_SCHEDULED | Kind.ORGANIZATION_ERASED:
                notice = await self._deletion(email)
            case (
                Kind.CONFIRM_SIGN_UP
                | Kind.SIGN_UP_REPEATED
                | Kind.RESET_PASSWORD
                | Kind.LOG_IN_LINK
                | Kind.VERIFY_EMAIL
                | Kind.CHANGE_EMAIL
                | Kind.EMAIL_CHANGED
                | Kind.EMAIL_CHANGE_UNDONE
            ):
                notice = _there(await self._link(email), "link")
            case _:
                return {}
        return asdict(notice)

    async def _invitation(self, email: Email) -> InvitationNotice:
        found = await self._organizations.find_invitation(*email.in_organization)
        return _there(found, "invitation")

    async def _ownership(self, email: Email) -> OwnershipNotice:
        found = await self._organizations.find_ownership(*email.in_organization)
        offer = _there(found, "offer")
        if offer.accepted is not (email.kind is Kind.OWNERSHIP_TRANSFERRED):
            raise Undeliverable("the offer was accepted")
        return offer

    async def _deletion(self, email: Email) -> DeletionNotice:
        assert email.subject_id is not None
        deletion = _there(await self._organizations.find_deletion(email.subject_id), "deletion")
        if email.kind is Kind.ORGANIZATION_DELETION_SCHEDULED and not deletion.org_name:
            raise Undeliverable("the organization is gone")
        return deletion

    async def _link(self, email: Email) -> LinkNotice | None:
        if email.subject_id is None:
            return None
        return await self._people.find_link(email.user_id, email.subject_id)


def _without_own_words(person: Person, kind: Kind) -> Person:
    """Leave out the name, which the account's holder wrote, unless they read this address."""
    if person.verified and kind is not Kind.CHANGE_EMAIL:
        return person
    return replace(person, name="")


async def _tell(tx: Transaction, email: Email) -> None:
    """Tell who waits for the end of a mail."""
    if email.kind is Kind.ACCOUNT_ERASED:
        await tx.publish(events.erasure_reported(email.user_id))


def _there(notice: N | None, noun: str) -> N:
    if notice is None:
        raise Undeliverable(f"the {noun} is gone")
    return notice
