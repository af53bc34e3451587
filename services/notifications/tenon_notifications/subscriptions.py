"""Which events of other services become mails."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from google.protobuf.message import Message

from tenon.auth.v1.events_pb2 import (
    SESSION_END_CAUSE_TOKEN_REUSED,
    ApiKeyCreated,
    ApiKeyRotated,
    EmailChanged,
    EmailChangeRequested,
    EmailChangeUndone,
    ErasureFinished,
    ExportFinished,
    IdentityLinked,
    LogInLinkRequested,
    PasswordChanged,
    PasswordForgotten,
    RecoveryCodesReplaced,
    RecoveryCodeUsed,
    SecondFactorAdded,
    SecondFactorRemoved,
    SessionEnded,
    SessionStarted,
    SignUpRepeated,
    SignUpRequested,
    UserErased,
    UserSignedUp,
    VerificationRequested,
)
from tenon.reports.v1.events_pb2 import RunFailed, RunSucceeded
from tenon.tenancy.v1.events_pb2 import (
    InvitationSent,
    OrganizationDeletionFinished,
    OrganizationDeletionScheduled,
    OwnershipOffered,
    OwnershipTransferred,
)
from tenon_core.ids import parse_id
from tenon_db.cursors import Handler
from tenon_db.feed import FeedEvent
from tenon_db.transaction import Transaction
from tenon_notifications.emails.models import Email, Kind
from tenon_notifications.emails.service import EmailService
from tenon_notifications.emails.to_owners import OwnerMails
from tenon_notifications.organization_data.service import OrganizationDataService
from tenon_rpc.organization_data import deletion_handlers
from tenon_rpc.times import unpacked_time

Link: TypeAlias = (
    SignUpRequested
    | SignUpRepeated
    | VerificationRequested
    | PasswordForgotten
    | LogInLinkRequested
    | EmailChangeRequested
    | EmailChanged
    | EmailChangeUndone
)
Timed: TypeAlias = VerificationRequested | PasswordForgotten | EmailChangeRequested
"""Their mails may have to wait: they go to addresses that are not verified."""
User: TypeAlias = (
    PasswordChanged
    | SecondFactorAdded
    | SecondFactorRemoved
    | RecoveryCodeUsed
    | RecoveryCodesReplaced
)

ApiKeyEvent: TypeAlias = ApiKeyCreated | ApiKeyRotated
Deletion: TypeAlias = OrganizationDeletionScheduled | OrganizationDeletionFinished

Mail: TypeAlias = Callable[[FeedEvent], Email | Sequence[Email] | None]
"""Makes the mail that an event asks for, if it asks for one; or several."""


def subscriptions(
    emails: EmailService, owner_mails: OwnerMails, organization_data: OrganizationDataService
) -> Mapping[str, Mapping[str, Handler]]:
    """Return the handlers by service and type of event."""
    handlers = {
        service: {kind.DESCRIPTOR.full_name: _handler(emails, mail) for kind, mail in mails.items()}
        for service, mails in MAILS.items()
    }
    handlers["auth"][UserErased.DESCRIPTOR.full_name] = _erasing(emails)
    handlers["auth"] |= {
        kind.DESCRIPTOR.full_name: _to_owners(owner_mails, kind, mail)
        for kind, mail in ABOUT_API_KEYS.items()
    }
    handlers["tenancy"] |= deletion_handlers(organization_data.request)
    return handlers


def _handler(emails: EmailService, mail: Mail) -> Handler:
    async def handle(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            asked_for = mail(event) or ()
            for email in [asked_for] if isinstance(asked_for, Email) else asked_for:
                await emails.request(tx, email)

    return handle


def _to_owners(owner_mails: OwnerMails, kind: type[ApiKeyEvent], mail: Kind) -> Handler:
    async def handle(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            key = kind.FromString(event.payload)
            await owner_mails.request(
                tx,
                event.id,
                mail,
                org_id=UUID(key.org_id),
                subject_id=UUID(key.key_id),
                actor_id=parse_id(key.user_id),
            )

    return handle


def _erasing(emails: EmailService) -> Handler:
    async def erase(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            await emails.erase(tx, UUID(UserErased.FromString(event.payload).user_id))

    return erase


def _sign_up_requested(event: FeedEvent) -> Email:
    return _with_link(event, Kind.CONFIRM_SIGN_UP, SignUpRequested.FromString(event.payload))


def _sign_up_repeated(event: FeedEvent) -> Email:
    return _with_link(event, Kind.SIGN_UP_REPEATED, SignUpRepeated.FromString(event.payload))


def _user_signed_up(event: FeedEvent) -> Email:
    user = UserSignedUp.FromString(event.payload)
    link_id = UUID(user.link_id) if user.link_id else None
    return Email.because_of(
        event.id,
        Kind.WELCOME,
        UUID(user.user_id),
        subject_id=link_id,
        send_time=unpacked_time(user, "send_time"),
    )


def _session_started(event: FeedEvent) -> Email | None:
    session = SessionStarted.FromString(event.payload)
    return _about_session(event, Kind.NEW_DEVICE, session) if session.new_device else None


def _session_ended(event: FeedEvent) -> Email | None:
    session = SessionEnded.FromString(event.payload)
    reused = session.cause == SESSION_END_CAUSE_TOKEN_REUSED
    return _about_session(event, Kind.SESSION_REUSED, session) if reused else None


def _verification_requested(event: FeedEvent) -> Email:
    return _with_link(event, Kind.VERIFY_EMAIL, VerificationRequested.FromString(event.payload))


def _password_forgotten(event: FeedEvent) -> Email:
    return _with_link(event, Kind.RESET_PASSWORD, PasswordForgotten.FromString(event.payload))


def _log_in_link_requested(event: FeedEvent) -> Email:
    return _with_link(event, Kind.LOG_IN_LINK, LogInLinkRequested.FromString(event.payload))


def _password_changed(event: FeedEvent) -> Email:
    return _about_user(event, Kind.PASSWORD_CHANGED, PasswordChanged.FromString(event.payload))


def _second_factor_added(event: FeedEvent) -> Email:
    return _about_user(event, Kind.SECOND_FACTOR_ADDED, SecondFactorAdded.FromString(event.payload))


def _second_factor_removed(event: FeedEvent) -> Email:
    removed = SecondFactorRemoved.FromString(event.payload)
    return _about_user(event, Kind.SECOND_FACTOR_REMOVED, removed)


def _recovery_code_used(event: FeedEvent) -> Email:
    return _about_user(event, Kind.RECOVERY_CODE_USED, RecoveryCodeUsed.FromString(event.payload))


def _recovery_codes_replaced(event: FeedEvent) -> Email:
    replaced = RecoveryCodesReplaced.FromString(event.payload)
    return _about_user(event, Kind.RECOVERY_CODES_REPLACED, replaced)


def _identity_linked(event: FeedEvent) -> Email:
    user = IdentityLinked.FromString(event.payload)
    return Email.because_of(event.id, Kind.IDENTITY_LINKED, UUID(user.user_id))


def _email_change_requested(event: FeedEvent) -> Sequence[Email]:
    change = EmailChangeRequested.FromString(event.payload)
    return (
        _with_link(event, Kind.CHANGE_EMAIL, change),
        Email.because_of(event.id, Kind.EMAIL_CHANGE_REQUESTED, UUID(change.user_id)),
    )


def _email_changed(event: FeedEvent) -> Email | None:
    change = EmailChanged.FromString(event.payload)
    return _with_link(event, Kind.EMAIL_CHANGED, change) if change.link_id else None


def _email_change_undone(event: FeedEvent) -> Email:
    return _with_link(event, Kind.EMAIL_CHANGE_UNDONE, EmailChangeUndone.FromString(event.payload))


def _erasure_finished(event: FeedEvent) -> Email:
    erasure = ErasureFinished.FromString(event.payload)
    return Email.because_of(event.id, Kind.ACCOUNT_ERASED, UUID(erasure.erasure_id))


def _export_finished(event: FeedEvent) -> Email:
    export = ExportFinished.FromString(event.payload)
    return Email.because_of(event.id, Kind.EXPORT_FINISHED, UUID(export.user_id))


def _run_succeeded(event: FeedEvent) -> Email | None:
    return _about_run(event, Kind.RUN_SUCCEEDED, RunSucceeded.FromString(event.payload))


def _run_failed(event: FeedEvent) -> Email | None:
    return _about_run(event, Kind.RUN_FAILED, RunFailed.FromString(event.payload))


def _invitation_sent(event: FeedEvent) -> Email:
    sent = InvitationSent.FromString(event.payload)
    return Email.because_of(
        event.id,
        Kind.INVITATION,
        UUID(sent.invitation_id),
        org_id=UUID(sent.org_id),
        subject_id=UUID(sent.link_id),
        send_time=unpacked_time(sent, "send_time"),
    )


def _ownership_offered(event: FeedEvent) -> Email:
    offer = OwnershipOffered.FromString(event.payload)
    return _about_offer(event, Kind.OWNERSHIP_OFFERED, offer, offer.user_id)


def _ownership_transferred(event: FeedEvent) -> Email:
    offer = OwnershipTransferred.FromString(event.payload)
    return _about_offer(event, Kind.OWNERSHIP_TRANSFERRED, offer, offer.owner_id)


def _deletion_scheduled(event: FeedEvent) -> Sequence[Email]:
    deletion = OrganizationDeletionScheduled.FromString(event.payload)
    return _about_deletion(event, Kind.ORGANIZATION_DELETION_SCHEDULED, deletion)


def _deletion_finished(event: FeedEvent) -> Sequence[Email]:
    deletion = OrganizationDeletionFinished.FromString(event.payload)
    return _about_deletion(event, Kind.ORGANIZATION_ERASED, deletion)


def _with_link(event: FeedEvent, kind: Kind, link: Link) -> Email:
    send_time = unpacked_time(link, "send_time") if isinstance(link, Timed) else None
    return Email.because_of(
        event.id,
        kind,
        UUID(link.user_id),
        subject_id=UUID(link.link_id),
        send_time=send_time,
    )


def _about_user(event: FeedEvent, kind: Kind, user: User) -> Email:
    return Email.because_of(event.id, kind, UUID(user.user_id))


def _about_session(event: FeedEvent, kind: Kind, session: SessionStarted | SessionEnded) -> Email:
    return Email.because_of(
        event.id, kind, UUID(session.user_id), subject_id=UUID(session.session_id)
    )


def _about_offer(
    event: FeedEvent, kind: Kind, offer: OwnershipOffered | OwnershipTransferred, user_id: str
) -> Email:
    org_id, offer_id = UUID(offer.org_id), UUID(offer.offer_id)
    return Email.because_of(event.id, kind, UUID(user_id), org_id=org_id, subject_id=offer_id)


def _about_deletion(event: FeedEvent, kind: Kind, deletion: Deletion) -> Sequence[Email]:
    """Return a mail for each owner. It is their own and not the organization's, which goes."""
    subject_id = UUID(deletion.deletion_id)
    return [
        Email.because_of(event.id, kind, UUID(user_id), subject_id=subject_id)
        for user_id in deletion.user_ids
    ]


def _about_run(event: FeedEvent, kind: Kind, run: RunSucceeded | RunFailed) -> Email | None:
    user_id = parse_id(run.user_id)
    if user_id is None:
        return None  # an API key began it, and looks for itself
    return Email.because_of(
        event.id, kind, user_id, org_id=UUID(run.org_id), subject_id=UUID(run.run_id)
    )


MAILS: Mapping[str, Mapping[type[Message], Mail]] = {
    "auth": {
        SignUpRequested: _sign_up_requested,
        SignUpRepeated: _sign_up_repeated,
        UserSignedUp: _user_signed_up,
        SessionStarted: _session_started,
        SessionEnded: _session_ended,
        VerificationRequested: _verification_requested,
        PasswordForgotten: _password_forgotten,
        LogInLinkRequested: _log_in_link_requested,
        PasswordChanged: _password_changed,
        IdentityLinked: _identity_linked,
        SecondFactorAdded: _second_factor_added,
        SecondFactorRemoved: _second_factor_removed,
        RecoveryCodeUsed: _recovery_code_used,
        RecoveryCodesReplaced: _recovery_codes_replaced,
        EmailChangeRequested: _email_change_requested,
        EmailChanged: _email_changed,
        EmailChangeUndone: _email_change_undone,
        ErasureFinished: _erasure_finished,
        ExportFinished: _export_finished,
    },
    "tenancy": {
        InvitationSent: _invitation_sent,
        OwnershipOffered: _ownership_offered,
        OwnershipTransferred: _ownership_transferred,
        OrganizationDeletionScheduled: _deletion_scheduled,
        OrganizationDeletionFinished: _deletion_finished,
    },
    "reports": {RunSucceeded: _run_succeeded, RunFailed: _run_failed},
}
ABOUT_API_KEYS: Mapping[type[ApiKeyEvent], Kind] = {
    ApiKeyCreated: Kind.API_KEY_CREATED,
    ApiKeyRotated: Kind.API_KEY_ROTATED,
}
