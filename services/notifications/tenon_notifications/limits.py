"""How many mails a user gets of one kind. What is above that comes later; nothing is dropped."""

from collections.abc import Mapping
from datetime import timedelta

from tenon_core.limits import Limit, Per, define
from tenon_db.mail_limits import MailRate
from tenon_notifications.emails.models import Kind
from tenon_notifications.settings import NotificationsSettings

HOUR = timedelta(hours=1)
COUNTED_BY_TENANCY = frozenset({Kind.INVITATION})
"""Their recipients may have no account; the event says when to send."""

RUN_MAILS = define(
    Limit(
        "run_mails_per_user",
        "the mails in an hour about exports that have ended",
        Per.USER,
        setting="TENON_NOTIFICATIONS_RUN_MAILS_PER_USER",
        delays=True,
    )
)
MAILS = define(
    Limit(
        "mails_per_user_and_kind",
        "the mails of one kind in an hour, other than about exports",
        Per.USER,
        default="20",
        delays=True,
    )
)


def rates(settings: NotificationsSettings) -> Mapping[Kind, MailRate]:
    """Return the rate of each kind of mail that goes to a user."""
    runs = MailRate(RUN_MAILS, settings.run_mails_per_user, HOUR)
    special = {Kind.RUN_SUCCEEDED: runs, Kind.RUN_FAILED: runs}
    usual = MailRate(MAILS, 20, HOUR)
    return {kind: special.get(kind, usual) for kind in Kind if kind not in COUNTED_BY_TENANCY}
