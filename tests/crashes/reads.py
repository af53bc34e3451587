"""What clients ask, and what the audit log must have of each answer."""

import base64
import json
from dataclasses import dataclass

from tenon_core import clock
from tests.crashes.actor import Actor
from tests.crashes.ledger import Read


@dataclass(frozen=True, slots=True)
class Question:
    """A read by its path, and as the audit log names it."""

    path: str
    action: str
    resource: str = ""

    def answered(self, cookies: str, asked_minute: int) -> Read:
        """Say that there was an answer, now, to who has these cookies."""
        return Read(
            session_of(cookies), self.action, self.resource, asked_minute, clock.current_minute()
        )


def reads_of(actor: Actor, dataset: str) -> list[Question]:
    """Return what an actor may ask. The gateway's cache answers the first."""
    return [
        Question("/api/orgs", "tenancy.organizations.list"),
        Question(actor.org, "tenancy.organizations.get"),
        Question(f"{actor.org}/datasets", "reports.datasets.list"),
        Question(f"{actor.org}/datasets/{dataset}", "reports.datasets.get", f"datasets/{dataset}"),
    ]


def session_of(cookies: str) -> str:
    """Read the session's id from the access token among a browser's cookies."""
    named = dict(pair.split("=", 1) for pair in cookies.split("; "))
    (token,) = (value for name, value in named.items() if "tenon_access" in name)
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sid"])
