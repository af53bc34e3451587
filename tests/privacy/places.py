"""Everywhere that the system keeps anything, but the recipients' mailboxes."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from redis import Redis

from tenon_testing.system import System
from tests.privacy.canaries import Haystack

PLACES = (
    "database files",
    "write-ahead log",
    "tables",
    "outbox",
    "jobs",
    "redis files",
    "redis keys",
    "redis values",
    "logs",
    "names of files",
)


@dataclass(frozen=True)
class Places:
    system: System

    def haystacks(self) -> Iterator[Haystack]:
        """Yield all that is stored now, once the servers have written it to their files."""
        self._flush_postgres()
        yield from self._tables()
        yield from self._redis()
        yield from self._database_files()
        yield from self._redis_files()
        yield from self._logs()
        for path in sorted((self.system.directory / "files").rglob("*")):
            yield Haystack("names of files", "files", str(path).encode())

    def admin(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.system.admin_url(), autocommit=True)

    def redis(self) -> Redis:
        return Redis.from_url(self.system.servers.valkey.url())

    def _flush_postgres(self) -> None:
        with self.admin() as admin:
            admin.execute("CHECKPOINT")

    def _tables(self) -> Iterator[Haystack]:
        with self.admin() as admin:
            tables = admin.execute(
                "SELECT schemaname, tablename FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            for schema, table in tables:
                place = table if table in ("outbox", "jobs") else "tables"
                statement = sql.SQL("SELECT t::text FROM {} t").format(
                    sql.Identifier(schema, table)
                )
                rows = "\n".join(row[0] for row in admin.execute(statement))
                yield Haystack(place, f"{schema}.{table}", rows.encode())

    def _database_files(self) -> Iterator[Haystack]:
        data = self.system.servers.postgres.data
        for path, content in contents(data):
            place = "write-ahead log" if "pg_wal" in path.parts else "database files"
            yield Haystack(place, str(path), content)

    def _redis(self) -> Iterator[Haystack]:
        redis = self.redis()
        for key in redis.scan_iter():
            yield Haystack("redis keys", "key", key)
            yield Haystack("redis values", repr(key), repr(value_of(redis, key)).encode())
        redis.close()

    def _redis_files(self) -> Iterator[Haystack]:
        redis = self.redis()
        redis.config_set("rdbcompression", "no")  # which would hide what is searched
        redis.save()
        redis.close()
        for path, content in contents(self.system.servers.valkey.directory / "data"):
            yield Haystack("redis files", str(path), content)

    def _logs(self) -> Iterator[Haystack]:
        for path in self.system.servers.directory.rglob("*.log"):
            yield Haystack("logs", str(path), path.read_bytes())


def contents(directory: Path) -> Iterator[tuple[Path, bytes]]:
    """Read all files, but those that their server removes meanwhile."""
    for path in sorted(directory.rglob("*")):
        with suppress(FileNotFoundError, IsADirectoryError):
            yield path, path.read_bytes()


def value_of(redis: Any, key: bytes) -> object:
    """Read a value by its type: DUMP would compress it."""
    kind: bytes = redis.type(key)
    readers: dict[bytes, Callable[[], object]] = {
        b"string": lambda: redis.get(key),
        b"hash": lambda: redis.hgetall(key),
        b"list": lambda: redis.lrange(key, 0, -1),
        b"set": lambda: redis.smembers(key),
        b"zset": lambda: redis.zrange(key, 0, -1),
        b"stream": lambda: redis.xrange(key),
        b"none": lambda: None,  # it has expired meanwhile
    }
    return readers[kind]()
