"""The servers behind the processes: the user's own by URL, or embedded ones."""

from collections.abc import Mapping
from dataclasses import dataclass

from tenon_embedded.mailsink import MailSink
from tenon_embedded.postgres import PostgresServer
from tenon_embedded.server import Server
from tenon_embedded.valkey import ValkeyServer
from tenon_launcher.data_directory import DataDirectory

OWN = {
    "TENON_DATABASE_URL": "PostgreSQL",
    "TENON_REDIS_URL": "Redis",
    "TENON_SMTP_URL": "SMTP server",
}

# PostgreSQL sets memory aside for each connection that it may have, and for what nobody uses here.
ONE_SYSTEM = {"max_connections": "120", "max_logical_replication_workers": "0"}


@dataclass(frozen=True)
class Backing:
    """`database_url` is a superuser's. `servers` are embedded."""

    database_url: str
    redis_url: str
    smtp_url: str
    servers: tuple[Server, ...]
    own: tuple[str, ...]  # what the user's URLs name

    @property
    def keeps_mail(self) -> bool:
        return any(isinstance(server, MailSink) for server in self.servers)


def backing_for(data: DataDirectory, environment: Mapping[str, str]) -> Backing:
    """What TENON_DATABASE_URL, TENON_REDIS_URL and TENON_SMTP_URL do not name is embedded."""
    postgres = PostgresServer(data.postgres, options=ONE_SYSTEM)
    valkey, mail = ValkeyServer(data.valkey), MailSink(data.mail)
    replacements: dict[str, Server] = {
        "TENON_DATABASE_URL": postgres,
        "TENON_REDIS_URL": valkey,
        "TENON_SMTP_URL": mail,
    }
    return Backing(
        database_url=environment.get("TENON_DATABASE_URL") or postgres.url(),
        redis_url=environment.get("TENON_REDIS_URL") or valkey.url(),
        smtp_url=environment.get("TENON_SMTP_URL") or mail.url,
        servers=tuple(s for name, s in replacements.items() if not environment.get(name)),
        own=tuple(OWN[name] for name in replacements if environment.get(name)),
    )
