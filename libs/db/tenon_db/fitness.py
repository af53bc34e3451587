"""Whether a PostgreSQL server is one that Tenon can be set up on."""

import psycopg

MINIMUM_MAJOR = 16
MINIMUM_CONNECTIONS = 100
CONNECT_SECONDS = 5
RIGHTS = (
    "SELECT rolsuper, current_setting('max_connections')::int FROM pg_roles WHERE rolname = user"
)


class UnfitServer(Exception):
    """Tenon cannot be set up on this server, for a reason; `advice` is what to do."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}. {advice}")
        self.reason = reason
        self.advice = advice


def require_fit(admin_url: str) -> str:
    """Return the server's version, as it says it. Raises UnfitServer."""
    try:
        with psycopg.connect(
            admin_url, connect_timeout=CONNECT_SECONDS, autocommit=True
        ) as connection:
            return _examine(connection)
    except psycopg.Error as error:
        raise _told(str(error)) from error


def _examine(connection: psycopg.Connection) -> str:
    info = connection.info
    version = info.parameter_status("server_version") or str(info.server_version)
    if info.server_version // 10_000 < MINIMUM_MAJOR:
        raise UnfitServer(f"is version {version}", f"Use PostgreSQL {MINIMUM_MAJOR} or newer.")
    row = connection.execute(RIGHTS).fetchone()
    superuser, connections = row if row is not None else (False, 0)
    if not superuser:
        raise UnfitServer(
            f"does not let {info.user!r} make roles and a database",
            "Name a superuser in the URL.",
        )
    if connections < MINIMUM_CONNECTIONS:
        raise UnfitServer(
            f"takes {connections} connections at most",
            f"Set its max_connections to {MINIMUM_CONNECTIONS} or more.",
        )
    return version


def _told(error: str) -> UnfitServer:
    """Say what the driver says; an unusable URL may hold a password, so not that."""
    if "password" in error:
        return UnfitServer("refuses the user or the password of the URL", "Correct them.")
    if "connection info string" in error or "connection option" in error:
        advice = "Write it as postgresql://user:password@host:5432/postgres"
        return UnfitServer("has no usable URL", advice)
    reason = error.strip().splitlines()[-1].strip()
    return UnfitServer(f"cannot be reached: {reason}", "Start it, or correct the URL.")
