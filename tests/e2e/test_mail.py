"""The mails of a new user's first export."""

import time
from collections.abc import Callable
from typing import Any

from tenon_testing.system import System
from tests.conftest import Person
from tests.e2e.conftest import finished

QUIET_SECONDS = 3.0


def mails(person: Person) -> list[dict[str, Any]]:
    items = person.send("GET", "/api/dev/mailbox")["items"]
    return [mail for mail in items if person.email in mail["to"]]


def wait_for_mails(person: Person, count: int, within: float = 20.0) -> list[dict[str, Any]]:
    deadline = time.monotonic() + within
    while len(found := mails(person)) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def stays_at(person: Person, count: int) -> bool:
    """Say whether no further mail comes within a few seconds: a second one would come as soon."""
    deadline = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < deadline:
        if len(mails(person)) != count:
            return False
        time.sleep(0.2)
    return True


def export_something(person: Person) -> str:
    """Export an empty dataset; return the path of the run, which has succeeded."""
    dataset = person.send(
        "POST", f"{person.org}/datasets", json={"name": "orders", "dimensions": ["product"]}
    )["id"]
    run = person.send(
        "POST", f"{person.org}/runs", json={"events": {"dataset_id": dataset}, "format": "csv"}
    )
    path = f"{person.org}/runs/{run['id']}"
    assert finished(person, path)["state"] == "succeeded"
    return path


def test_a_new_user_is_welcomed(new_person: Callable[[], Person]) -> None:
    person = new_person()
    (mail,) = wait_for_mails(person, 1)
    assert "Welcome" in mail["subject"]
    assert "verify-email#" in mail["text"]
    assert mail["html"]


def test_the_link_to_the_file_comes_once(new_person: Callable[[], Person]) -> None:
    person = new_person()
    path = export_something(person)
    ready = [mail for mail in wait_for_mails(person, 2) if "Welcome" not in mail["subject"]]
    assert len(ready) == 1
    assert f"{path}/file" in ready[0]["text"]
    assert stays_at(person, 2)
    assert person.client.get(f"{path}/file").status_code == 302


def test_the_mail_waits_for_notifications(
    whole_system: System, new_person: Callable[[], Person]
) -> None:
    """The service is down while the run happens, and catches up."""
    processes = [whole_system.start("notifications", verb) for verb in ("worker", "serve")]
    for process in processes:
        process.stop()
    try:
        person = new_person()
        path = export_something(person)
        assert mails(person) == []
    finally:
        for process in reversed(processes):
            process.start()
    texts = [mail["text"] for mail in wait_for_mails(person, 2)]
    assert sum(f"{path}/file" in text for text in texts) == 1
    assert stays_at(person, 2)
