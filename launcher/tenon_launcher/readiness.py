"""Whether a process does its work now, asked of itself."""

from collections.abc import Callable
from http.client import HTTPConnection, HTTPException

from tenon_embedded.mailsink import MailSink
from tenon_embedded.postgres import PostgresServer
from tenon_embedded.valkey import ValkeyServer
from tenon_launcher.data_directory import DataDirectory

Probe = Callable[[], bool]


def answers_ready(port: int) -> bool:
    """Whether GET /readyz on an operations port says yes."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200  # noqa: PLR2004 (HTTP's OK)
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def probe_of(name: str, port: int, data: DataDirectory) -> Probe:
    """How to ask a process of a running system: a server by connecting, others by /readyz."""
    match name:
        case "postgres":
            return PostgresServer(data.postgres, port).is_ready
        case "valkey":
            return ValkeyServer(data.valkey, port).is_ready
        case "mailsink":
            return MailSink(data.mail, port).is_ready
        case _:
            return lambda: answers_ready(port)
