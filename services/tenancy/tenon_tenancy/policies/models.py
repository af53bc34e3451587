from collections.abc import Sequence
from dataclasses import dataclass

from tenon_core.email_addresses import domain_of


@dataclass(frozen=True, slots=True)
class Policies:
    """What an organization demands, in the version that it has said so; nothing in the first.

    Networks and domains are written in their one normal form. 0 bounds neither hours nor days.
    """

    version: int
    mfa_required: bool
    session_hours: int
    allowed_networks: Sequence[str]
    allowed_mail_domains: Sequence[str]
    audit_retention_days: int

    def admits(self, email: str) -> bool:
        """Say whether an address may be invited, and be that of who accepts."""
        return not self.allowed_mail_domains or domain_of(email) in self.allowed_mail_domains
