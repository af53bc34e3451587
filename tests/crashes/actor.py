"""A user over HTTP who repeats what failed until it is answered, and keeps a ledger of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import httpx

from tenon_testing.callers import PASSWORD
from tests.crashes.ledger import Kind, Ledger, Told, Write

PATIENCE_SECONDS = 90.0
PAUSE_SECONDS = 0.1
UNFINISHED = {"queued", "running", "uploading", "cancelling"}
DATASET = {"time_zone": "UTC", "dimensions": ["product"], "measures": ["amount"]}
CLIENT_ERROR, SERVER_ERROR = 400, 500
NO_SUCH, TAKEN = 404, 409


def totals_of(dataset_id: str) -> dict[str, Any]:
    """Ask for the number of events and the sum of their amounts by product."""
    return {
        "dataset_id": dataset_id,
        "metrics": [
            {"name": "events", "op": "count"},
            {"name": "amount", "op": "sum", "field": "amount"},
        ],
        "dimensions": ["product"],
        "time_range": {"start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"},
    }


def judged(reply: httpx.Response, there_already: int) -> Told:
    if reply.is_success:
        return Told.DONE
    if reply.status_code >= SERVER_ERROR:
        return Told.UNKNOWN
    return Told.THERE_ALREADY if reply.status_code == there_already else Told.REFUSED


class Actor:
    def __init__(self, url: str, ledger: Ledger) -> None:
        self.ledger = ledger
        self.email = f"{uuid4()}@example.com"
        self.user_id = ""
        self.org_id = ""
        self.client = httpx.Client(base_url=url, headers={"Origin": url}, timeout=30)

    def close(self) -> None:
        self.client.close()

    @property
    def cookies(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())

    @property
    def org(self) -> str:
        return f"/api/orgs/{self.org_id}"

    def read(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Ask until there is an answer that is no error of the system's own."""
        return _until_answered(lambda: self.client.request(method, path, **arguments))

    def sign_up(self) -> None:
        account = {"email": self.email, "password": PASSWORD, "name": "Ada"}
        told = self._write(Kind.USER, self.email, "POST", "/api/auth/signup", json=account)
        if told is Told.THERE_ALREADY:
            self.log_in()
        self.user_id = self.read("GET", "/api/auth/session").json()["user"]["id"]

    def log_in(self) -> None:
        account = {"email": self.email, "password": PASSWORD}
        assert self.read("POST", "/api/auth/login", json=account).is_success

    def log_out(self) -> None:
        session = self.read("GET", "/api/auth/session").json()["session"]["id"]
        self._write(Kind.LOG_OUT, session, "POST", "/api/auth/logout")

    def create_organization(self) -> None:
        slug = f"s{uuid4().hex[:20]}"
        self._write(
            Kind.ORGANIZATION, slug, "POST", "/api/orgs", json={"name": "Acme", "slug": slug}
        )
        orgs = self.read("GET", "/api/orgs").json()["items"]
        (self.org_id,) = (org["id"] for org in orgs if org["slug"] == slug)

    def create_dataset(self, name: str = "orders") -> str:
        body = {"name": name, **DATASET}
        self._write(Kind.DATASET, name, "POST", f"{self.org}/datasets", json=body)
        datasets = self.read("GET", f"{self.org}/datasets").json()["items"]
        (dataset_id,) = (found["id"] for found in datasets if found["name"] == name)
        return str(dataset_id)

    def delete_dataset(self, dataset_id: str) -> None:
        path = f"{self.org}/datasets/{dataset_id}"
        self._write(Kind.DELETION, dataset_id, "DELETE", path, there_already=NO_SUCH)

    def remove_member(self, user_id: str) -> None:
        path = f"{self.org}/members/{user_id}"
        self._write(Kind.REMOVAL, user_id, "DELETE", path, there_already=NO_SUCH)

    def send_events(self, dataset_id: str, events: Sequence[Mapping[str, Any]]) -> None:
        self._write(
            Kind.EVENTS,
            f"{events[0]['id']}…",
            "POST",
            f"{self.org}/datasets/{dataset_id}/events",
            json={"events": events},
            noted={"dataset_id": dataset_id, "events": events},
        )

    def upload(self, dataset_id: str, body: bytes) -> str:
        """Upload a file; return its id once it is loaded."""
        key = uuid4().hex
        self._write(
            Kind.UPLOAD,
            key,
            "POST",
            f"{self.org}/datasets/{dataset_id}/uploads",
            params={"time_column": "time", "id_column": "id"},
            headers={"Content-Type": "text/csv"},
            content=body,
            noted={"dataset_id": dataset_id},
        )
        return self._ended(Kind.UPLOAD, key, "uploads")

    def export(self, dataset_id: str) -> bytes:
        """Export all events; return the file."""
        return self._exported(dataset_id, {"events": {"dataset_id": dataset_id}})

    def export_totals(self, dataset_id: str) -> bytes:
        """Export what `query` answers; return the file."""
        return self._exported(dataset_id, {"query": totals_of(dataset_id)})

    def _exported(self, dataset_id: str, source: Mapping[str, Any]) -> bytes:
        key, noted = uuid4().hex, {"dataset_id": dataset_id}
        body = {**source, "format": "csv"}
        self._write(Kind.RUN, key, "POST", f"{self.org}/runs", json=body, noted=noted)
        return self.file(self._ended(Kind.RUN, key, "runs"))

    def file(self, run_id: str) -> bytes:
        link = self.read("GET", f"{self.org}/runs/{run_id}/file").headers["location"]
        return self.read("GET", link).content

    def query(self, dataset_id: str) -> list[list[Any]]:
        """Return the number of events and the sum of their amounts by product."""
        reply = self.read("POST", f"{self.org}/queries", json=totals_of(dataset_id))
        assert reply.is_success, reply.text
        return sorted(reply.json()["rows"])

    def _ended(self, kind: Kind, key: str, path: str) -> str:
        """Wait for the end of what a write queued; return its id."""
        (told,) = (one for one in self.ledger.told(kind, Told.DONE) if one.key == key)
        end = time.monotonic() + PATIENCE_SECONDS
        while (found := self.read("GET", f"{self.org}/{path}/{told.id}").json())[
            "state"
        ] in UNFINISHED:
            assert time.monotonic() < end, found
            time.sleep(PAUSE_SECONDS)
        assert found["state"] == "succeeded", found
        return told.id

    def _write(
        self,
        kind: Kind,
        key: str,
        method: str,
        path: str,
        *,
        there_already: int = TAKEN,
        noted: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> Told:
        """Try until it is told what became of it."""

        def attempt() -> httpx.Response | None:
            reply = self._sent(method, path, **arguments)
            told = judged(reply, there_already) if reply else Told.UNKNOWN
            self.ledger.add(
                Write(
                    kind,
                    self.org_id,
                    key,
                    told,
                    noted or arguments.get("json", {}),
                    id_of(reply) if told is Told.DONE else "",
                    reply.headers.get("x-request-id", "") if reply is not None else "",
                )
            )
            return reply

        answer = _until_answered(attempt)
        told = judged(answer, there_already)
        assert told is not Told.REFUSED, f"{method} {path}: {answer.status_code} {answer.text}"
        return told

    def _sent(self, method: str, path: str, **arguments: Any) -> httpx.Response | None:
        try:
            return self.client.request(method, path, **arguments)
        except httpx.TransportError:
            return None


def _until_answered(ask: Callable[[], httpx.Response | None]) -> httpx.Response:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            reply = ask()
        except httpx.TransportError:
            reply = None
        if reply is not None and reply.status_code < SERVER_ERROR:
            return reply
        assert time.monotonic() < end, reply.text if reply is not None else "no reply"
        time.sleep(PAUSE_SECONDS)


def id_of(reply: httpx.Response | None) -> str:
    if reply is None or not reply.content:
        return ""
    body = reply.json()
    return str(body.get("id") or body.get("user", {}).get("id", ""))
