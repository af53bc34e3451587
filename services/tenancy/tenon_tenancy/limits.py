"""How many organizations a user can own, and how many mails organizations and members cause.

No counter of mails that refuses anything is shared between organizations, except by one user's
own: so a refusal says nothing about what others did.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from tenon_core.errors import TooManyMails
from tenon_core.limits import Limit, Per, define
from tenon_db.mail_limits import MailRate
from tenon_tenancy.errors import TooManyOrganizations
from tenon_tenancy.settings import TenancySettings

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def _define(name: str, what: str, per: Per, default: str) -> Limit:
    return define(Limit(name, what, per, default=default, error=TooManyMails))


OWNED_ORGANIZATIONS = define(
    Limit(
        "owned_organizations_per_user",
        "the organizations owned",
        Per.USER,
        setting="TENON_TENANCY_OWNED_ORGANIZATIONS_PER_USER",
        error=TooManyOrganizations,
    )
)
INVITATIONS_PER_USER = define(
    Limit(
        "invitation_mails_per_user",
        "the invitations sent in a day in all organizations together",
        Per.USER,
        setting="TENON_TENANCY_INVITATIONS_PER_USER",
        error=TooManyMails,
    )
)
INVITATIONS_PER_ORGANIZATION = define(
    Limit(
        "invitation_mails_per_organization",
        "the invitations sent in a day",
        Per.ORGANIZATION,
        setting="TENON_TENANCY_INVITATIONS_PER_ORGANIZATION",
        error=TooManyMails,
    )
)
TO_RECIPIENT_BY_USER = MailRate(
    _define(
        "invitation_mails_per_user_and_recipient",
        "the invitations sent in a day to one mailbox",
        Per.USER,
        "10",
    ),
    10,
    DAY,
)
TO_RECIPIENT_BY_ORGANIZATION = MailRate(
    _define(
        "invitation_mails_per_organization_and_recipient",
        "the invitations sent in an hour to one mailbox",
        Per.ORGANIZATION,
        "5",
    ),
    5,
    HOUR,
)
TO_RECIPIENT = MailRate(
    define(
        Limit(
            "invitation_mails_per_recipient",
            "the invitations sent in an hour by all organizations together",
            Per.ADDRESS,
            default="10",
            delays=True,
        )
    ),
    10,
    HOUR,
)
OFFERS_PER_USER = MailRate(
    _define(
        "ownership_offer_mails_per_user",
        "the offers of ownership made in a day in all organizations together",
        Per.USER,
        "10",
    ),
    10,
    DAY,
)
OFFERS_PER_ORGANIZATION = MailRate(
    _define(
        "ownership_offer_mails_per_organization",
        "the offers of ownership made in a day",
        Per.ORGANIZATION,
        "5",
    ),
    5,
    DAY,
)
DELETIONS_PER_ORGANIZATION = MailRate(
    _define(
        "deletion_mails_per_organization",
        "the times in a day that the deletion is scheduled",
        Per.ORGANIZATION,
        "3",
    ),
    3,
    DAY,
)


@dataclass(frozen=True, slots=True)
class InvitationRates:
    """The limits on invitations that an operator can set."""

    per_user: MailRate
    per_organization: MailRate

    @classmethod
    def of(cls, settings: TenancySettings) -> Self:
        return cls(
            MailRate(INVITATIONS_PER_USER, settings.invitations_per_user, DAY),
            MailRate(INVITATIONS_PER_ORGANIZATION, settings.invitations_per_organization, DAY),
        )
