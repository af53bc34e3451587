"""What PostgreSQL alone does with the same data, on the same server: the ceiling."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

BLOCK_BYTES = 1024 * 1024

TABLE = """
DROP TABLE IF EXISTS bench_events;
CREATE TABLE bench_events (
    id text PRIMARY KEY, at timestamptz, product text, country text, channel text,
    price float8, amount float8
);
CREATE INDEX ON bench_events (at);
"""


def copy_in(url: str, file: Path) -> float:
    """Load a CSV file into one indexed table by COPY, without a check; return the seconds."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
        began = time.perf_counter()
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY bench_events FROM STDIN (FORMAT csv, HEADER)") as copy,
            file.open("rb") as source,
        ):
            while block := source.read(BLOCK_BYTES):
                copy.write(block)
        return time.perf_counter() - began


def copy_out(url: str) -> float:
    """Read what `copy_in` loaded as CSV, sorted, and throw it away; return the seconds."""
    query = "COPY (SELECT * FROM bench_events ORDER BY at, id) TO STDOUT (FORMAT csv)"
    with psycopg.connect(url, autocommit=True) as connection:
        began = time.perf_counter()
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            for _ in copy:
                pass
        return time.perf_counter() - began


def notifications(url: str, count: int) -> list[float]:
    """Send notifications from one connection to another; return the seconds each took."""
    with (
        psycopg.connect(url, autocommit=True) as sender,
        psycopg.connect(url, autocommit=True) as receiver,
    ):
        receiver.execute("LISTEN bench")
        return [_notification(sender, receiver) for _ in range(count)]


def _notification(sender: psycopg.Connection, receiver: psycopg.Connection) -> float:
    began = time.perf_counter()
    sender.execute("NOTIFY bench")
    for _ in receiver.notifies(timeout=5, stop_after=1):
        pass
    return time.perf_counter() - began


class AuditLog:
    """The latest record of an action in an organization's log, as tenancy has it."""

    def __init__(self, connection: psycopg.Connection, org_id: str, action: str) -> None:
        self._connection = connection
        self._org_id = org_id
        self._action = action

    def wait_for(self, count: int, within: float = 10.0) -> float:
        """Wait until there are `count` records; return how many seconds ago the last happened."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            row = self._connection.execute(
                "SELECT count(*), extract(epoch FROM clock_timestamp() - max(event_time))"
                " FROM tenancy.audit_events WHERE org_id = %s AND action = %s",
                (self._org_id, self._action),
            ).fetchone()
            assert row
            if row[0] >= count:
                return float(row[1])
        message = f"no record of {self._action} within {within:.0f} s"
        raise TimeoutError(message)


@contextmanager
def audit_log(url: str, org_id: str, action: str) -> Iterator[AuditLog]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield AuditLog(connection, org_id, action)
