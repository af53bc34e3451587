"""One hostile account, with as many organizations as it likes, mails strangers."""

from collections import Counter
from collections.abc import Callable
from uuid import uuid4

from tenon_testing.system import System
from tenon_testing.waiting import wait_until
from tests.conftest import Person

ORGANIZATIONS = 40
STRANGERS_OF_EACH = 5
PER_USER = 100
NEIGHBOURS = 5
DELIVERED_SECONDS = 60


def invite(person: Person, org_id: str, email: str) -> str:
    """Invite an address; return the name of the limit that refuses it, or nothing."""
    reply = person.client.post(
        f"/api/orgs/{org_id}/invitations", json={"email": email, "role": "viewer"}
    )
    if reply.status_code == 201:
        return ""
    assert (reply.status_code, reply.json()["code"]) == (429, "too_many_mails"), reply.text
    assert int(reply.headers["Retry-After"]) > 0
    return str(reply.json()["limit"])


def mails_to(system: System, mark: str) -> int:
    """Count the mails to addresses with a mark in them."""
    new = system.servers.mailsink.maildir / "new"
    return sum(f"To: {mark}".encode() in path.read_bytes() for path in new.iterdir())


def test_more_organizations_mail_no_more_strangers(
    whole_system: System, new_person: Callable[[], Person]
) -> None:
    hostile, neighbour = new_person(), new_person()
    strangers, friends = f"stranger-{uuid4().hex}", f"friend-{uuid4().hex}"
    org_ids = [hostile.org_id] + [
        hostile.send("POST", "/api/orgs", json={"name": f"Acme {number}"})["id"]
        for number in range(ORGANIZATIONS - 1)
    ]
    refusals = Counter(
        invite(hostile, org_id, f"{strangers}-{index}-{number}@example.com")
        for index, org_id in enumerate(org_ids)
        for number in range(STRANGERS_OF_EACH)
    )
    attempts = ORGANIZATIONS * STRANGERS_OF_EACH
    assert refusals == {"": PER_USER, "invitation_mails_per_user": attempts - PER_USER}
    for number in range(NEIGHBOURS):
        assert invite(neighbour, neighbour.org_id, f"{friends}-{number}@example.com") == ""
    wait_until(lambda: mails_to(whole_system, friends) == NEIGHBOURS, within=DELIVERED_SECONDS)
    wait_until(lambda: mails_to(whole_system, strangers) == PER_USER, within=DELIVERED_SECONDS)
