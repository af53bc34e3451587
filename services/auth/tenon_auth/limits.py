"""How many mails with links an account can cause, and how many anybody can for an address."""

from datetime import timedelta

from tenon_core.errors import TooManyMails
from tenon_core.limits import Limit, Per, define
from tenon_db.mail_limits import MailRate

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

LINKS_PER_USER = define(
    Limit(
        "link_mails_per_user",
        "the links requested in an hour to verify an address, or to change it",
        Per.USER,
        default="3 each",
        error=TooManyMails,
    )
)

API_KEYS = MailRate(
    define(
        Limit(
            "api_key_mails_per_organization",
            "the API keys created and rotated in a day, each of which is mailed to the owners",
            Per.ORGANIZATION,
            default="300",
            error=TooManyMails,
        )
    ),
    300,
    DAY,
)


def _delaying(name: str, what: str, count: int) -> MailRate:
    limit = Limit(name, what, Per.ADDRESS, default=str(count), delays=True)
    return MailRate(define(limit), count, HOUR)


RESETS = _delaying(
    "reset_mails_per_address", "the links for a new password that anybody requests in an hour", 3
)
LOG_IN_LINKS = _delaying(
    "log_in_link_mails_per_address", "the links to log in by that anybody requests in an hour", 6
)
SIGN_UPS = _delaying(
    "sign_up_mails_per_address",
    "the links to confirm a sign-up that anybody requests in an hour",
    3,
)
EMAIL_CHANGES = _delaying(
    "email_change_mails_per_recipient",
    "the links of all accounts in an hour to confirm one mailbox as their new address",
    3,
)
TAGGED_LINKS = _delaying(
    "link_mails_per_mailbox",
    "the links in an hour to unverified addresses of one mailbox that have a tag after `+`",
    10,
)
