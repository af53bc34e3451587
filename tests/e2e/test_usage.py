"""What an organization uses, over HTTP, for whoever bills."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from tenon_testing.service_process import environment
from tenon_testing.system import System
from tenon_testing.waiting import wait_until
from tests.conftest import Person

FIGURES = ("members", "events_accepted", "events_stored", "mails_sent")


def figures(person: Person, **query: str) -> dict[str, Any]:
    found: dict[str, Any] = person.send("GET", f"{person.org}/usage", params=query)
    return found


def use(person: Person) -> str:
    """Take five events, one of them twice, and export them; return the dataset."""
    fields = {"name": "orders", "dimensions": ["product"], "measures": ["amount"]}
    dataset = person.send("POST", f"{person.org}/datasets", json=fields)["id"]
    events = [
        {
            "id": str(number % 5),
            "time": "2020-02-29T00:00:00Z",
            "dimensions": {"product": "anvil"},
            "measures": {"amount": 2.5},
        }
        for number in range(6)
    ]
    path = f"{person.org}/datasets/{dataset}/events"
    assert person.send("POST", path, json={"events": events})["accepted"] == 5
    export = {"events": {"dataset_id": dataset}, "format": "csv"}
    run = person.send("POST", f"{person.org}/runs", json=export)

    def is_there() -> bool:
        state = person.send("GET", f"{person.org}/runs/{run['id']}")["state"]
        return bool(state == "succeeded")

    wait_until(is_there, within=60)
    return str(dataset)


def test_what_is_used_is_counted(new_person: Callable[[], Person]) -> None:
    person, month = new_person(), f"{datetime.now(UTC):%Y-%m}"
    before = figures(person)
    assert [before[name] for name in FIGURES] == [1, 0, 0, 0]
    dataset = use(person)
    wait_until(lambda: figures(person)["mails_sent"], within=60)
    used = figures(person, month=month)
    assert used["month"] == month
    assert [used[name] for name in FIGURES] == [1, 5, 5, 1]
    assert 5 * len("2020-02-29T00:00:00Z") < used["event_bytes"] < 1_000
    assert used["file_bytes"] == len("id,time,product,amount\n") + 5 * len(
        "0,2020-02-29T00:00:00Z,anvil,2.5\n"
    )
    assert [figures(person, month="2020-02")[name] for name in FIGURES] == [1, 0, 5, 0]
    person.send("DELETE", f"{person.org}/datasets/{dataset}")
    assert [figures(person)[name] for name in FIGURES] == [1, 5, 0, 1]


def test_an_api_key_with_the_permission_reads_it(new_person: Callable[[], Person]) -> None:
    person = new_person()
    for permission, status in (("tenancy.usage.get", 200), ("tenancy.organizations.get", 403)):
        fields = {"name": "billing", "role": "admin", "permissions": [permission]}
        key = person.send("POST", f"{person.org}/api-keys", json=fields)
        bearer = {"authorization": f"Bearer {key['secret']}"}
        reply = httpx.get(f"{person.client.base_url}{person.org}/usage", headers=bearer)
        assert reply.status_code == status, reply.text


def test_a_month_is_written_as_one(new_person: Callable[[], Person]) -> None:
    person = new_person()
    for month in ("2026-13", "2026", "1999-01", "2026-1", "2026-01-01", "x"):
        reply = person.client.get(f"{person.org}/usage", params={"month": month})
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/month")


def bill(system: System, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `tenon usage`, as an operator does."""
    return subprocess.run(  # noqa: S603 # our own module
        [sys.executable, "-m", "tenon_tenancy", "usage", *words],
        env=environment("tenancy", system.values("tenancy")),
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_operator_bills_everybody(
    new_person: Callable[[], Person], whole_system: System
) -> None:
    people, month = [new_person(), new_person()], f"{datetime.now(UTC):%Y-%m}"
    told = bill(whole_system, "--month", month, "--json")
    assert told.returncode == 0, told.stderr
    lines = {line["org_id"]: line for line in map(json.loads, told.stdout.splitlines())}
    for person in people:
        assert lines[person.org_id] == {"org_id": person.org_id, **figures(person)}
    assert f"{people[0].org_id} in {month}: 1 members" in bill(whole_system).stdout
    mistaken = bill(whole_system, "--month", "may")
    assert (mistaken.returncode, mistaken.stderr) == (1, "Error: month must be YYYY-MM.\n")


def test_half_of_it_is_none(new_person: Callable[[], Person], whole_system: System) -> None:
    """While a service is away, the reply says which; no bill is made of the rest."""
    person = new_person()
    away = whole_system.start("notifications")
    away.stop()
    reply = person.client.get(f"{person.org}/usage")
    assert (reply.status_code, reply.json()["code"]) == (503, "usage_unavailable")
    assert "notifications" in reply.json()["detail"]
    unbilled = bill(whole_system)
    assert (unbilled.returncode, "notifications does not" in unbilled.stderr) == (1, True)
    away.start()

    def is_back() -> bool:
        return person.client.get(f"{person.org}/usage").status_code == 200

    wait_until(is_back, within=30)
