"""What the gateway serves by itself: probes, the API's description, the development mailbox."""

from email.message import EmailMessage
from mailbox import Maildir
from pathlib import Path

import pytest

from services.gateway.tests.browsing import Gateway, Serve, problem
from tenon_gateway.routers.mailbox import MAX_MAILS


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_say_yes(gateway: Gateway, path: str) -> None:
    assert (await gateway.client.get(path)).status == 200


async def test_a_gateway_that_stops_is_not_ready_but_lives(serve: Serve) -> None:
    async with serve() as gateway:
        gateway.readiness.ready = False
        assert (await gateway.client.get("/readyz")).status == 503
        assert (await gateway.client.get("/healthz")).status == 200


async def test_the_document_is_served(gateway: Gateway) -> None:
    document = await (await gateway.client.get("/api/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {"/api/auth/login", "/api/orgs/{org_id}/runs/{run_id}/file"} <= set(document["paths"])


async def test_the_address_leads_to_the_docs(gateway: Gateway) -> None:
    reply = await gateway.client.get("/")
    assert reply.status == 200
    assert reply.url.path == "/account"


async def test_the_docs_bring_their_own_assets(gateway: Gateway) -> None:
    page = await (await gateway.client.get("/api/docs")).text()
    assert "//" not in page.replace("</", "").replace("<!", "")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert f"/api/docs/{name}" in page
        assert (await gateway.client.get(f"/api/docs/{name}")).status == 200
    assert (await gateway.client.get("/api/docs/other.js")).status == 404


async def test_every_answer_has_the_security_headers(gateway: Gateway) -> None:
    for path in ("/healthz", "/api/auth/session", "/nowhere"):
        headers = (await gateway.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-request-id"]


async def test_request_ids_are_the_gateways_own(gateway: Gateway) -> None:
    response = await gateway.client.get("/healthz", headers={"x-request-id": "mine"})
    assert response.headers["x-request-id"] != "mine"


def a_mail(subject: str) -> EmailMessage:
    mail = EmailMessage()
    mail["To"] = "Ada <ada@example.com>"
    mail["Subject"] = subject
    mail.set_content("Hello\n")
    mail.add_alternative("<p>Grüße</p>\n", subtype="html")
    return mail


async def test_the_mailbox_shows_the_newest_first(serve: Serve, tmp_path: Path) -> None:
    maildir = Maildir(tmp_path / "mails")
    for number in range(MAX_MAILS + 1):
        maildir.add(a_mail(f"Mail {number}"))
    async with serve(mailbox_directory=tmp_path / "mails") as gateway:
        items = (await (await gateway.client.get("/api/dev/mailbox")).json())["items"]
    assert len(items) == MAX_MAILS
    assert [item["subject"] for item in items[:2]] == [f"Mail {MAX_MAILS}", f"Mail {MAX_MAILS - 1}"]
    assert len({item["id"] for item in items}) == MAX_MAILS
    assert items[0]["to"] == "Ada <ada@example.com>"
    assert (items[0]["text"], items[0]["html"]) == ("Hello\n", "<p>Grüße</p>\n")
    assert items[0]["time"].endswith("Z")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", ""])
async def test_the_mailbox_answers_no_other_host(serve: Serve, tmp_path: Path, host: str) -> None:
    """As a page has it whose name was made to point here (DNS rebinding)."""
    async with serve(mailbox_directory=tmp_path) as gateway:
        headers = {"host": host.format(port=gateway.port)}
        response = await gateway.client.get("/api/dev/mailbox", headers=headers)
        told = await problem(response)
        assert (response.status, told["code"]) == (421, "wrong_host")
        assert f"http://127.0.0.1:{gateway.port}" in told["detail"]
        for name in ("localhost", "LOCALHOST", "127.0.0.1", "[::1]"):
            own = {"host": f"{name}:{gateway.port}"}
            response = await gateway.client.get("/api/dev/mailbox", headers=own)
            assert response.status == 200


async def test_a_mailbox_without_mails_is_empty(serve: Serve, tmp_path: Path) -> None:
    async with serve(mailbox_directory=tmp_path / "not yet") as gateway:
        assert await (await gateway.client.get("/api/dev/mailbox")).json() == {"items": []}


@pytest.mark.parametrize(
    "settings", [{"mailbox_directory": None}, {"environment": "production"}], ids=str
)
async def test_there_is_no_mailbox_in_production(serve: Serve, settings: dict[str, object]) -> None:
    async with serve(**settings) as gateway:
        response = await gateway.client.get("/api/dev/mailbox")
        assert (response.status, (await problem(response))["code"]) == (404, "not_found")


async def test_what_nobody_foresaw_is_told_as_a_problem(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "new" / "a directory where a mail should be").mkdir(parents=True)
    async with serve(mailbox_directory=tmp_path) as gateway:
        for _ in range(2):
            response = await gateway.client.get("/api/dev/mailbox")
            assert (response.status, (await problem(response))["code"]) == (500, "internal")
            assert response.headers["x-content-type-options"] == "nosniff"
