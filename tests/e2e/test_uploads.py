"""Files as users have them: sent twice, and broken in every way."""

import csv
import io
import time
from collections.abc import Callable, Iterator

import httpx

from tests.conftest import Person
from tests.e2e.conftest import Flights, upload

REVOKED_SECONDS = 1.2
"""A process may reuse an answer about a session for one second."""
TWO_MEGABYTES = 2 * 1024 * 1024

BROKEN = [
    b"when,who,amount\n",
    b"2026-01-01T00:00:00Z,ada,1\n",
    b"yesterday,ada,1\n",
    b"2026-01-01T01:00:00Z,ada,much\n",
    b"2026-01-01T02:00:00Z,ada\n",
    b"2026-01-01T03:00:00Z,a\0da,1\n",
    b"2026-01-01T04:00:00Z," + b"a" * TWO_MEGABYTES + b",1\n",
    b"2026-01-01T05:00:00Z,Andr\xe9,1\n",
    b'2026-01-01T06:00:00Z,"two\nlines",2\n',
    "2026-01-01T07:00:00Z,André,\n".encode(),
]
REASONS = {3: "time", 4: "number", 5: "cells", 6: "NUL", 7: "long", 8: "UTF-8"}


def test_the_same_file_again_is_all_duplicates(loaded: Flights) -> None:
    again = upload(loaded.person, loaded.dataset, loaded.csv, time_column="time_hour", null="NA")
    assert again["state"] == "succeeded"
    assert again["accepted"] == 0
    assert again["duplicates"] == loaded.expected["rows"]


def test_good_rows_are_loaded_and_bad_ones_come_back(new_person: Callable[[], Person]) -> None:
    person = new_person()
    dataset = person.send(
        "POST",
        f"{person.org}/datasets",
        json={"name": "broken", "dimensions": ["who"], "measures": ["amount"]},
    )["id"]
    loaded = upload(person, dataset, b"".join(BROKEN), time_column="when")
    assert loaded["state"] == "succeeded", loaded
    assert (loaded["accepted"], loaded["rejected"]) == (3, len(REASONS))

    reply = person.client.get(f"{person.org}/uploads/{loaded['id']}/rejected")
    assert reply.headers["content-type"].startswith("text/csv")
    csv.field_size_limit(2 * TWO_MEGABYTES)
    rejected = list(csv.DictReader(io.StringIO(reply.text)))
    assert [int(row["line"]) for row in rejected] == [*REASONS]
    for row, word in zip(rejected, REASONS.values(), strict=True):
        assert word in row["reason"], row["reason"]


def test_a_session_that_ends_during_an_upload_takes_it_along(
    new_person: Callable[[], Person],
) -> None:
    person = new_person()
    dataset = person.send(
        "POST", f"{person.org}/datasets", json={"name": "late", "dimensions": ["who"]}
    )["id"]
    client = person.client
    same = httpx.Client(base_url=client.base_url, headers=client.headers, cookies=client.cookies)

    def pieces() -> Iterator[bytes]:
        yield b"when,who\n2026-01-01T00:00:00Z,ada\n"
        client.post("/api/auth/logout")
        time.sleep(REVOKED_SECONDS)
        yield b"2026-01-02T00:00:00Z,ada\n"

    path = f"{person.org}/datasets/{dataset}/uploads"
    headers = {"Content-Type": "text/csv"}
    with same:
        reply = same.post(path, params={"time_column": "when"}, content=pieces(), headers=headers)
    assert reply.status_code == 401
    assert reply.json()["code"] == "session_ended"
