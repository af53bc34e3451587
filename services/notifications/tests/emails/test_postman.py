import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from services.notifications.tests.smtp_inbox import Inbox, smtp_inbox
from tenon_embedded.certificates import CertificateAuthority
from tenon_embedded.ports import free_port
from tenon_notifications.emails.postman import Postman, SmtpServer
from tenon_notifications.errors import MailDelayed, Undeliverable

SENDER, ADA = "no-reply@tenon.test", "ada@example.com"


Serve = Callable[..., Awaitable[Inbox]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts SMTP servers."""
    async with AsyncExitStack() as stack:

        async def serve(*arguments: Any, **options: Any) -> Inbox:
            return await stack.enter_async_context(smtp_inbox(*arguments, **options))

        yield serve


@pytest.fixture
async def postman_of() -> AsyncIterator[Callable[[str], Postman]]:
    postmen: list[Postman] = []

    def make(url: str) -> Postman:
        postmen.append(Postman(SmtpServer.parse(url)))
        return postmen[-1]

    yield make
    for postman in postmen:
        postman.close()


def mail() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Hello"
    message.set_content("Hello Ada")
    return message


PostmanOf = Callable[[str], Postman]


async def test_hands_a_mail_over(serve: Serve, postman_of: PostmanOf) -> None:
    inbox = await serve()
    await postman_of(f"smtp://127.0.0.1:{inbox.port}").hand_over(SENDER, ADA, mail())
    (envelope,) = inbox.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, [ADA])


async def test_uses_a_connection_again(serve: Serve, postman_of: PostmanOf) -> None:
    inbox = await serve()
    postman = postman_of(f"smtp://127.0.0.1:{inbox.port}")
    for _ in range(3):
        await postman.hand_over(SENDER, ADA, mail())
    assert (len(inbox.taken), len(inbox.sessions)) == (3, 1)


async def test_makes_a_new_connection_when_the_old_one_is_gone(
    serve: Serve, postman_of: PostmanOf
) -> None:
    inbox = await serve()
    postman = postman_of(f"smtp://127.0.0.1:{inbox.port}")
    await postman.hand_over(SENDER, ADA, mail())
    inbox.hang_up()
    await postman.hand_over(SENDER, ADA, mail())
    assert (len(inbox.taken), len(inbox.sessions)) == (2, 2)


@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
async def test_a_refusal_for_good_is_undeliverable(
    serve: Serve, postman_of: PostmanOf, stage: str
) -> None:
    inbox = await serve(replies={stage: f"550 5.1.1 <{ADA}> unknown"})
    with pytest.raises(Undeliverable) as refused:
        await postman_of(f"smtp://127.0.0.1:{inbox.port}").hand_over(SENDER, ADA, mail())
    assert str(refused.value) == "the SMTP server said 550"


@pytest.mark.parametrize(
    ("stage", "reply"),
    [("RCPT", "451 4.7.1 greylisted"), ("DATA", "452 4.3.1 full"), ("MAIL", "550 not you")],
)
async def test_a_refusal_that_may_pass_is_a_delay(
    serve: Serve, postman_of: PostmanOf, stage: str, reply: str
) -> None:
    inbox = await serve(replies={stage: reply})
    postman = postman_of(f"smtp://127.0.0.1:{inbox.port}")
    with pytest.raises(MailDelayed):
        await postman.hand_over(SENDER, ADA, mail())
    inbox.replies.clear()
    await postman.hand_over(SENDER, ADA, mail())
    assert len(inbox.taken) == 1


async def test_a_server_that_is_away_is_a_delay(postman_of: PostmanOf) -> None:
    with pytest.raises(MailDelayed):
        await postman_of(f"smtp://127.0.0.1:{free_port()}").hand_over(SENDER, ADA, mail())


async def test_a_server_that_says_nothing_is_a_delay(postman_of: PostmanOf) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        postman = postman_of(f"smtp://127.0.0.1:{silent.getsockname()[1]}?timeout=0.1")
        with pytest.raises(MailDelayed):
            await postman.hand_over(SENDER, ADA, mail())


@dataclass
class Tls:
    ca: Path
    server: ssl.SSLContext


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    certificate = CertificateAuthority(tmp_path).issue("localhost")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate.cert, certificate.key)
    return Tls(certificate.ca, server)


async def test_speaks_tls_from_the_start(serve: Serve, postman_of: PostmanOf, tls: Tls) -> None:
    inbox = await serve(tls.server)
    postman = postman_of(f"smtps://localhost:{inbox.port}?ca={tls.ca}")
    await postman.hand_over(SENDER, ADA, mail())
    assert len(inbox.taken) == 1


async def test_changes_to_tls_and_logs_in(serve: Serve, postman_of: PostmanOf, tls: Tls) -> None:
    def known(*arguments: Any) -> AuthResult:
        return AuthResult(success=arguments[-1] == LoginPassword(b"tenon", b"p@ss"))

    inbox = await serve(
        tls_context=tls.server, require_starttls=True, auth_required=True, authenticator=known
    )
    url = f"smtp+starttls://tenon:p%40ss@localhost:{inbox.port}?ca={tls.ca}"
    await postman_of(url).hand_over(SENDER, ADA, mail())
    assert len(inbox.taken) == 1


async def test_trusts_no_unknown_certificate(serve: Serve, postman_of: PostmanOf, tls: Tls) -> None:
    inbox = await serve(tls.server)
    with pytest.raises(MailDelayed):
        await postman_of(f"smtps://localhost:{inbox.port}").hand_over(SENDER, ADA, mail())
    assert inbox.taken == []


async def test_does_not_fall_back_to_an_open_connection(
    serve: Serve, postman_of: PostmanOf
) -> None:
    inbox = await serve()
    with pytest.raises(MailDelayed):
        await postman_of(f"smtp+starttls://127.0.0.1:{inbox.port}").hand_over(SENDER, ADA, mail())
    assert inbox.taken == []


@pytest.mark.parametrize("url", ["http://mail", "smtp://", "mail:25", "smtp://mail:none"])
def test_an_unclear_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"SMTP URL|Port"):
        SmtpServer.parse(url)
