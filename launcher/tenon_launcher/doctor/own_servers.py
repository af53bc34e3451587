"""The servers that the user names by URL instead of the embedded ones."""

import smtplib
import ssl
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from tenon_launcher.doctor.finding import Finding

SECONDS = 5.0
SMTP_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


def own_servers(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Each that is named, asked; nothing of an embedded one."""
    examinations: dict[str, Callable[[str], Finding]] = {
        "TENON_DATABASE_URL": postgres,
        "TENON_REDIS_URL": redis,
        "TENON_SMTP_URL": smtp,
    }
    for name, examine in examinations.items():
        if url := environment.get(name):
            yield examine(url)


def postgres(url: str) -> Finding:
    from tenon_db.fitness import UnfitServer, require_fit

    subject = "PostgreSQL of TENON_DATABASE_URL"
    try:
        return Finding.ok(subject, f"is version {require_fit(url)}")
    except UnfitServer as error:
        return Finding.fail(subject, error.reason, error.advice)


def redis(url: str) -> Finding:
    from redis import exceptions

    subject = "Redis of TENON_REDIS_URL"
    refused = "is no Redis, or one that answers otherwise"
    try:
        return redis_answers(subject, url)
    except exceptions.AuthenticationError:
        return Finding.fail(subject, "refuses the password of the URL", "Correct the password.")
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        reached = "Protocol Error" not in str(error) and "closed" not in str(error)
        text = f"cannot be reached: {error}" if reached else refused
        return Finding.fail(subject, text.rstrip("."), "Start it, or correct the URL.")
    except exceptions.RedisError as error:
        return Finding.fail(subject, f"{refused}: {error}", "Correct the URL.")
    except ValueError:
        advice = "Write it as redis://:password@host:6379/0"
        return Finding.fail(subject, "has no usable URL", advice)


def redis_answers(subject: str, url: str) -> Finding:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    options = {"socket_connect_timeout": SECONDS, "socket_timeout": SECONDS}
    with Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options) as client:
        info = client.info()
    version = info.get("valkey_version") or info["redis_version"]
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        text = f"is version {version} and may throw sessions and limits away ({policy})"
        return Finding.warn(subject, text, "Set its maxmemory-policy to noeviction.")
    if not info.get("maxmemory"):
        text = f"is version {version} and has no maxmemory: it may use all of the machine's memory"
        return Finding.warn(subject, text, "Set its maxmemory, to 512mb for example.")
    return Finding.ok(subject, f"is version {version}")


def smtp(url: str) -> Finding:
    """A server that is away is no failure: mails are jobs, and wait for it."""
    subject = "SMTP server of TENON_SMTP_URL"
    parts = urlsplit(url)
    if parts.scheme not in SMTP_PORTS or not parts.hostname:
        advice = "Write it as smtp://, smtp+starttls:// or smtps://user:password@host:port"
        return Finding.fail(subject, "has no usable URL", advice)
    try:
        let_in(parts)
    except (OSError, smtplib.SMTPException) as error:
        advice = "Mails wait until it answers: start it, or correct the URL."
        return Finding.warn(subject, f"takes no mail from us: {error}", advice)
    return Finding.ok(subject, f"answers at {parts.hostname}")


def let_in(parts: SplitResult) -> None:
    """Connect and log in, as notifications does."""
    context = ssl.create_default_context(cafile=parse_qs(parts.query).get("ca", [None])[0])
    host, port = parts.hostname or "", parts.port or SMTP_PORTS[parts.scheme]
    with (
        smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
        if parts.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=SECONDS)
    ) as client:
        if parts.scheme == "smtp+starttls":
            client.starttls(context=context)
        if parts.username:
            client.login(unquote(parts.username), unquote(parts.password or ""))
        client.noop()
