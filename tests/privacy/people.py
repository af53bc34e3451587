"""What people do with the system, and what they tell it that is personal."""

import asyncio
import base64
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import Any

import httpx
from aiosmtpd.smtp import SMTP, Envelope

from services.auth.tests.identities.hostile_provider import Hostile, asked
from services.auth.tests.passkeys.authenticator import Authenticator
from services.auth.tests.second_factors.enrolled import code_of
from services.notifications.tests.smtp_inbox import Inbox
from tenon_testing.callers import PASSWORD
from tenon_testing.waiting import eventually
from tests.privacy.canaries import Canaries

CAN_CHOOSE_ADDRESS = sys.platform == "linux"
"""Elsewhere the loopback network is one address."""
PROVIDER = "acme"
UNFINISHED = {"queued", "running", "uploading", "cancelling"}


@dataclass
class Refusing(Inbox):
    """Refuses some mails, and quotes the address as mail servers do; others at first only."""

    delayed: set[str] = field(default_factory=set)

    async def handle_RCPT(
        self, _: SMTP, __: Any, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if address.startswith("refused"):
            return f"550 5.1.1 <{address}>: unknown here"
        if address.startswith("delayed") and address not in self.delayed:
            self.delayed.add(address)
            return f"451 4.7.1 <{address}>: come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"


SECRETIVE = 6
"""Of how many people the secrets are looked for: they have no mark in common, so all that is stored
is searched anew for each of them, in each of its forms."""


@dataclass
class People:
    """Each has a name, addresses, a device and a place of their own: canaries all."""

    url: str
    canaries: Canaries
    provider: Hostile
    inbox: Refusing
    verify_email: Callable[[str], None]
    """Marks the address of a user's id as verified: a refused mail brings no link for that."""

    async def live(self, number: int) -> None:
        """Do all that one person does."""
        email = self.canaries.email(("person", "refused", "delayed")[number % 3])
        account = {
            "email": email,
            "password": PASSWORD,
            "name": self.canaries.text("Name ").title(),
        }
        async with self._client(number) as client:
            await self._be_mistaken(client, email)
            assert (await client.post("/api/auth/signup", json=account)).status_code == 201
            again = await client.post("/api/auth/signup", json=account)
            assert again.json()["code"] == "email_taken"
            await self._log_in(client, email)
            await self._have_a_second_factor(client, email, noted=number < SECRETIVE)
            await self._own_an_organization(client, email, exports=number < 3)
            await self._change_account(client)
            assert (await client.post("/api/auth/logout")).status_code == 204
            await self._come_by_a_provider(client)

    @asynccontextmanager
    async def _client(self, number: int) -> AsyncIterator[httpx.AsyncClient]:
        address = self.canaries.address(number) if CAN_CHOOSE_ADDRESS else None
        headers = {
            "Origin": self.url,
            "User-Agent": self.canaries.text("browser/"),
            "X-Request-Id": self.canaries.text("request-"),
        }
        transport = httpx.AsyncHTTPTransport(local_address=address)
        async with httpx.AsyncClient(
            base_url=self.url, headers=headers, transport=transport, timeout=60
        ) as client:
            yield client

    async def _be_mistaken(self, client: httpx.AsyncClient, email: str) -> None:
        """Send what is refused: it is personal all the same."""
        wrong = self.canaries.email("unknown")
        for path, body in (
            ("/api/auth/login", {"email": wrong, "password": "not this one"}),
            ("/api/auth/signup", {"email": email, "password": "short", "name": "A"}),
            ("/api/auth/signup", {"email": f"{wrong}@", "password": PASSWORD, "name": "A"}),
            ("/api/auth/signup", {"email": email, "password": PASSWORD, "name": wrong * 9}),
            ("/api/auth/signup", {"email": email, wrong: "no such field"}),
            (f"/api/{wrong}", {"email": wrong}),
        ):
            assert (await client.post(path, json=body)).is_client_error
        assert (await client.post("/api/auth/login", content=f'{{"{email}')).is_client_error
        assert (await client.get("/api/orgs", params={"page_token": wrong})).is_client_error
        cookie = {"Cookie": f"tenon_access={wrong}", "Authorization": f"Bearer {wrong}"}
        assert (await client.get("/api/orgs", headers=cookie)).is_client_error

    async def _log_in(self, client: httpx.AsyncClient, email: str) -> None:
        for address, password, status in (
            (email, "wrong password", 401),
            (email.upper(), PASSWORD, 200),
        ):
            body = {"email": address, "password": password}
            assert (await client.post("/api/auth/login", json=body)).status_code == status
        assert (await client.post("/api/auth/refresh")).status_code == 200

    async def _come_by_a_provider(self, client: httpx.AsyncClient) -> None:
        """Log in by a provider as somebody else, who is new."""
        text, email = self.canaries.text, self.canaries.email("federated")
        path, return_to = f"/api/auth/oidc/{PROVIDER}", text("/")
        started = await client.get(f"{path}/start", params={"return_to": return_to})
        url = started.headers["location"]
        code = self.provider.code(url, sub=text("subject"), email=email, name=text("Name "))
        said = {"code": code, "state": asked(url)["state"], text("else"): text("else")}
        finished = await client.get(f"{path}/callback", params=said)
        assert finished.headers["location"] == return_to
        identities = (await client.get("/api/auth/identities")).json()["items"]
        assert [identity["email"] for identity in identities] == [email]

    async def _have_a_second_factor(
        self, client: httpx.AsyncClient, email: str, *, noted: bool
    ) -> None:
        """Enrol an app and a passkey, and log in by a code and by a recovery code; their secrets
        are `noted` to be looked for.
        """
        secrets = self.canaries.secrets if noted else set()
        secret = (await client.post("/api/auth/mfa/totp", json={})).json()["secret"]
        confirmed = await client.post("/api/auth/mfa/totp:confirm", json={"code": code_of(secret)})
        codes = confirmed.json()["recovery_codes"]
        secrets |= {secret, base64.b32decode(secret).hex(), *codes}
        secrets |= {code.replace("-", "") for code in codes}
        for proof in ({"code": code_of(secret, 1)}, {"recovery_code": codes[0]}):
            step = await client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
            token = step.json()["mfa_token"]
            secrets.add(token[-43:])  # what proves it; before that are ids
            body = {"mfa_token": token, **proof}
            assert (await client.post("/api/auth/login/mfa", json=body)).status_code == 200
            assert (await client.post("/api/auth/login/mfa", json=body)).status_code == 409
        options = (await client.post("/api/auth/mfa/passkeys:start", json={})).json()["options"]
        made = Authenticator(self.url).make(options)
        passkey = {"passkey": made, "name": self.canaries.text("telephone of ")}
        added = await client.post("/api/auth/mfa/passkeys", json=passkey)
        assert added.status_code == 201
        assert (await client.get("/api/auth/mfa")).status_code == 200

    async def _own_an_organization(
        self, client: httpx.AsyncClient, email: str, *, exports: bool
    ) -> None:
        session = (await client.get("/api/auth/session")).json()
        assert session["user"]["email"] == email
        await asyncio.to_thread(self.verify_email, session["user"]["id"])
        org = (await client.post("/api/orgs", json={"name": "Acme"})).json()["id"]
        members = (await client.get(f"/api/orgs/{org}/members")).json()["items"]
        assert [member["email"] for member in members] == [email]
        assert (await client.get(f"/api/orgs/{org}/audit-events")).status_code == 200
        if exports:
            await self._invite_somebody(client, f"/api/orgs/{org}")
            await self._export(client, f"/api/orgs/{org}")
            await self._use_a_key(client, f"/api/orgs/{org}")

    async def _invite_somebody(self, client: httpx.AsyncClient, org: str) -> None:
        """Invite somebody; try the link as others than they are; send another one."""
        email = self.canaries.email("invited")
        wish = {"email": email, "role": "viewer"}
        made = (await client.post(f"{org}/invitations", json=wish)).json()
        for body, status in ((wish, 409), ({**wish, "email": f"{email}@"}, 422)):
            assert (await client.post(f"{org}/invitations", json=body)).status_code == status
        listed = (await client.get(f"{org}/invitations")).json()["items"]
        assert [invitation["email"] for invitation in listed] == [email]
        token = {"token": await self._token_to(email)}
        self.canaries.secret(token["token"][-43:])  # what proves it; before that are ids
        shown = (await client.post("/api/invitations:preview", json=token)).json()
        assert shown["email"] == email
        account = {"email": self.canaries.email("other"), "password": PASSWORD, "name": "A"}
        for path, body, code in (
            ("/api/invitations:accept", token, "already_member"),
            (
                "/api/auth/signup",
                {**account, "invitation_token": token["token"]},
                "invitation_for_another_address",
            ),
        ):
            refused = await client.post(path, json=body)
            assert refused.json()["code"] == code, refused.text
        again = await client.post(f"{org}/invitations/{made['id']}:resend", json={})
        assert again.json()["email"] == email

    async def _token_to(self, email: str) -> str:
        """Wait for the mail of an invitation, and read its link."""

        async def mails() -> list[bytes]:
            return [
                envelope.content
                for envelope in self.inbox.taken
                if envelope.rcpt_tos == [email] and isinstance(envelope.content, bytes)
            ]

        content, *_ = await eventually(mails, within=60)
        text = message_from_bytes(content, policy=default).get_body(("plain",))
        assert text is not None
        found = re.search(r"/accept-invitation#(\S+)", text.get_content())
        assert found is not None
        return found[1]

    async def _use_a_key(self, client: httpx.AsyncClient, org: str) -> None:
        """Make an API key, let a machine use it, and replace its secret."""
        key = (await client.post(f"{org}/api-keys", json={"name": "CI", "role": "viewer"})).json()
        rotated = (await client.post(f"{org}/api-keys/{key['id']}:rotate", json={})).json()
        for secret, status in ((key["secret"], 401), (rotated["secret"], 200)):
            self.canaries.secret(secret)
            headers = {"Authorization": f"Bearer {secret}"}
            async with httpx.AsyncClient(base_url=self.url, headers=headers) as machine:
                assert (await machine.get(org)).status_code == status

    async def _change_account(self, client: httpx.AsyncClient) -> None:
        name = {"name": self.canaries.text("Other name ")}
        assert (await client.patch("/api/auth/user", json=name)).json()["name"] == name["name"]
        assert (await client.post("/api/auth/user/export", json={})).status_code == 202
        change = {"email": self.canaries.email("changed")}
        assert (await client.post("/api/auth/email/change", json=change)).status_code == 202

    async def _export(self, client: httpx.AsyncClient, org: str) -> None:
        body = {"name": "orders", "dimensions": ["product"]}
        dataset = (await client.post(f"{org}/datasets", json=body)).json()["id"]
        export = {"events": {"dataset_id": dataset}, "format": "csv"}
        run = (await client.post(f"{org}/runs", json=export)).json()["id"]

        async def ended() -> bool:
            state = (await client.get(f"{org}/runs/{run}")).json()["state"]
            return state not in UNFINISHED

        await eventually(ended, within=60)


async def live_all(people: People, count: int) -> None:
    """Let so many people live, a few at a time."""
    slots = asyncio.Semaphore(4)

    async def one(number: int) -> None:
        async with slots:
            await people.live(number)

    await asyncio.gather(*map(one, range(count)))
