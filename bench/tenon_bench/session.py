"""Users of the system under measurement, and how they stay logged in longer than a token lives."""

import time
from uuid import uuid4

import httpx

PASSWORD = "correct horse battery staple"  # noqa: S105 # of test accounts


def browser(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Origin": url}, timeout=300)


def sign_up(client: httpx.Client) -> dict[str, str]:
    """Create an account, log the client in to it, and return its credentials."""
    credentials = {"email": f"{uuid4()}@example.com", "password": PASSWORD}
    client.post("/api/auth/signup", json={**credentials, "name": "Bench"}).raise_for_status()
    return credentials


class Session:
    """The session of a client that is logged in; its access token is refreshed in time."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._refresh_at = 0.0
        self._schedule()

    def client(self) -> httpx.Client:
        """Return the client; more than half of its access token's life is left."""
        if time.monotonic() >= self._refresh_at:
            self.refresh()
        return self._client

    def cookie(self) -> str:
        """Return the client's cookies as a header, with a new access token."""
        self.refresh()
        return "; ".join(f"{name}={value}" for name, value in self._client.cookies.items())

    def refresh(self) -> None:
        self._client.post("/api/auth/refresh").raise_for_status()
        self._schedule()

    def _schedule(self) -> None:
        """Plan the next refresh after half of the life of the access token, which ends first."""
        ends = [cookie.expires for cookie in self._client.cookies.jar if cookie.expires]
        self._refresh_at = time.monotonic() + (min(ends) - time.time()) / 2
