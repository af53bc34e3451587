"""The servers that a user names by URL, and the mistakes in such URLs."""

import socket
from collections.abc import Iterator
from threading import Thread

import psycopg
import pytest

from tenon_db import fitness
from tenon_embedded.ports import free_port
from tenon_launcher.doctor.finding import Finding
from tenon_launcher.doctor.own_servers import own_servers
from tenon_testing.servers import Servers


def asked(name: str, url: str) -> Finding:
    (finding,) = own_servers({name: url, "TENON_OTHER": "x"})
    return finding


def database(url: str) -> Finding:
    return asked("TENON_DATABASE_URL", url)


def test_nothing_is_asked_of_embedded_ones() -> None:
    assert list(own_servers({})) == []


def test_a_superusers_url_is_well(servers: Servers) -> None:
    assert database(servers.postgres.url()).level == "ok"


def test_a_wrong_password(servers: Servers) -> None:
    refused = database(servers.postgres.url(password="guessed"))
    assert (refused.level, refused.text) == ("fail", "refuses the user or the password of the URL")
    assert "guessed" not in refused.text + refused.advice


def test_a_database_server_that_is_away() -> None:
    away = database(f"postgresql://postgres:secret@127.0.0.1:{free_port()}/postgres")
    assert (away.level, "cannot be reached" in away.text) == ("fail", True)


@pytest.mark.parametrize("url", ["localhost:5432/secret", "mysql://u:secret@localhost/db"])
def test_what_is_no_url_of_a_database(url: str) -> None:
    refused = database(url)
    assert (refused.level, refused.text) == ("fail", "has no usable URL")
    assert "postgresql://" in refused.advice


def test_a_user_who_may_not_create_roles(servers: Servers) -> None:
    with psycopg.connect(servers.postgres.url(), autocommit=True) as admin:
        admin.execute("CREATE ROLE clerk LOGIN PASSWORD 'secret'")
    refused = database(servers.postgres.url(user="clerk", password="secret"))
    assert (refused.level, refused.advice) == ("fail", "Name a superuser in the URL.")


def test_a_server_that_is_too_old(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitness, "MINIMUM_MAJOR", 99)
    assert database(servers.postgres.url()).advice == "Use PostgreSQL 99 or newer."


def test_a_redis_is_well(servers: Servers) -> None:
    assert asked("TENON_REDIS_URL", servers.valkey.url()).level == "ok"


def test_a_wrong_password_of_redis(servers: Servers) -> None:
    url = f"redis://:guessed@127.0.0.1:{servers.valkey.port}/0"
    refused = asked("TENON_REDIS_URL", url)
    assert (refused.level, "password" in refused.text) == ("fail", True)
    assert "password" in asked("TENON_REDIS_URL", url.replace(":guessed@", "")).text


def test_what_is_no_redis(servers: Servers, web_server: int) -> None:
    for port in (servers.postgres.port, servers.mailsink.port, web_server):
        refused = asked("TENON_REDIS_URL", f"redis://127.0.0.1:{port}/0")
        assert (refused.level, "is no Redis" in refused.text) == ("fail", True), refused


@pytest.fixture
def web_server() -> Iterator[int]:
    """Answers whatever it is sent as HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        Thread(target=answer, daemon=True).start()
        yield listener.getsockname()[1]


def test_a_redis_that_is_away() -> None:
    away = asked("TENON_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    assert (away.level, "cannot be reached" in away.text) == ("fail", True)


def test_what_is_no_url_of_a_redis() -> None:
    assert "redis://" in asked("TENON_REDIS_URL", "localhost:6379").advice


def test_a_redis_that_may_forget_is_a_warning(servers: Servers) -> None:
    from redis import Redis

    with Redis.from_url(servers.valkey.url()) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert asked("TENON_REDIS_URL", servers.valkey.url()).level == "warn"
        finally:
            client.config_set("maxmemory-policy", "noeviction")


def test_a_mail_server_is_well(servers: Servers) -> None:
    assert asked("TENON_SMTP_URL", servers.mailsink.url).level == "ok"


def test_a_mail_server_that_is_away_is_a_warning() -> None:
    away = asked("TENON_SMTP_URL", f"smtp://127.0.0.1:{free_port()}")
    assert (away.level, "Mails wait" in away.advice) == ("warn", True)


def test_what_is_no_url_of_a_mail_server() -> None:
    assert asked("TENON_SMTP_URL", "mail.example.com").level == "fail"
