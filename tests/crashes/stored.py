"""What the system stored, past all of its walls: the only place here that knows its tables."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, cast

import psycopg

from tenon_tenancy.audit_events.models import Access, AuditEvent

SCHEMAS = ("auth", "tenancy", "reports", "notifications")
LEASE_SECONDS = 30.0
"""Of every type of job."""
NEVER_READ = ".incoming"
"""Where the file driver writes what is not complete; it sweeps that by itself."""
HERE = Path(__file__).parent

# Jobs that a dead worker held come back when their leases run out, mails that could not be sent
# wait before the next try, and what clears up after a dead process comes within a day. None of
# these waits is what is tested here.
LAPSE = (
    "UPDATE {schema}.jobs SET lease_until = now() WHERE state = 'running'"
    " AND lease_until <= to_timestamp(%s) + %s * interval '1 second'"
)
LATER = (
    "UPDATE {schema}.jobs SET run_at = now() WHERE state = 'queued'"
    " AND run_at BETWEEN now() AND now() + interval '25 hours'"
)
BUSY = (
    "SELECT 1 FROM {schema}.jobs WHERE state = 'running'"
    " OR state = 'queued' AND run_at < now() + interval '25 hours'"
)
FRESH = "SELECT 1 FROM {schema}.outbox WHERE position IS NULL"
HEAD = "SELECT '{schema}' AS schema, position AS head FROM {schema}.outbox_head"
CURSOR = "SELECT '{schema}' AS consumer, source, position FROM {schema}.cursors"
BEHIND = (
    "SELECT 1 FROM ({cursors}) AS c JOIN ({heads}) AS h ON h.schema = source WHERE position < head"
)

LINES = (
    "SELECT '{kind}/' || {owner}, position, hash, id, action, actor, resource, session_id,"
    " request_id, count, event_time, client, client_digest, changes FROM tenancy.{table}"
)
READS = (
    "SELECT session_id::text, action, resource, floor(extract(epoch FROM event_time) / 60)::bigint"
    " FROM tenancy.{table} WHERE session_id IS NOT NULL"
)
LOGS = (
    {"kind": "orgs", "owner": "org_id", "table": "audit_events"},
    {"kind": "users", "owner": "user_id", "table": "personal_audit_events"},
)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    time: float
    dimensions: tuple[str | None, ...]
    measures: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a user's uploads, runs and mails, however often a lost reply was repeated."""

    accepted: int
    upload_states: frozenset[str]
    run_states: frozenset[str]
    mails_of_kind: frozenset[tuple[str, int]]
    """Of each kind, how many mails there are for each thing that happened."""


class Stored:
    def __init__(self, admin: psycopg.Connection, files: Path, maildir: Path) -> None:
        self._admin = admin
        self._files = files
        self._maildir = maildir

    def broken(self) -> list[str]:
        """Return what does not hold that must, whatever clients were told."""
        each = "\n".join(_for_schemas((HERE / "schema_invariants.sql").read_text()))
        sql = (HERE / "invariants.sql").read_text().format(each_schema=each, **_feeds())
        return [finding for (finding,) in self._rows(sql)]

    def is_at_rest(self) -> bool:
        """Say whether nothing waits to be done by anybody."""
        waits = [*_for_schemas(BUSY), *_for_schemas(FRESH), BEHIND.format(**_feeds())]
        return not self._rows(" UNION ALL ".join(waits))

    def let_leases_lapse(self, schema: str, dead_at: float) -> None:
        """End the leases that a worker held which died at a time."""
        self._execute(LAPSE.format(schema=schema), [dead_at, LEASE_SECONDS])

    def let_a_day_pass(self) -> None:
        """Make due what is due within a day; nobody may be at work then."""
        for statement in _for_schemas(LATER):
            self._execute(statement)

    def add_member(self, org_id: str, user_id: str) -> None:
        """Let somebody join as a member, as an accepted invitation will."""
        self._execute(
            "INSERT INTO tenancy.memberships VALUES (%s, %s, 2, now())", [org_id, user_id]
        )

    def users(self) -> set[str]:
        return self._ids("SELECT id FROM auth.users")

    def ended_sessions(self) -> set[str]:
        return self._ids("SELECT id FROM auth.sessions WHERE end_time IS NOT NULL")

    def organizations(self) -> list[str]:
        return [slug for (slug,) in self._rows("SELECT slug FROM tenancy.slugs")]

    def members(self) -> set[tuple[str, str]]:
        rows = self._rows("SELECT org_id, user_id FROM tenancy.memberships")
        return {(str(org_id), str(user_id)) for org_id, user_id in rows}

    def datasets(self) -> list[tuple[str, str, list[str], list[str]]]:
        """Return organization, name, dimensions and measures of each that is not deleted."""
        rows = self._rows(
            "SELECT org_id::text, name, dimensions, measures FROM reports.datasets"
            " WHERE delete_time IS NULL"
        )
        return cast("list[tuple[str, str, list[str], list[str]]]", rows)

    def holding_datasets(self) -> set[str]:
        """Return the datasets that are there or still hold something."""
        return self._ids(
            "SELECT id FROM reports.datasets UNION SELECT dataset_id FROM reports.events"
            " UNION SELECT dataset_id FROM reports.uploads"
            " UNION SELECT dataset_id FROM reports.runs"
        )

    def events(self, dataset_ids: Collection[str]) -> dict[tuple[str, str], list[StoredEvent]]:
        """Return the events of datasets by dataset and id."""
        found: dict[tuple[str, str], list[StoredEvent]] = {}
        for dataset_id, event_id, at, dimensions, measures in self._rows(
            "SELECT dataset_id::text, id, extract(epoch FROM time)::float8, dimensions, measures"
            " FROM reports.events WHERE dataset_id::text = ANY (%s)",
            [list(dataset_ids)],
        ):
            event = StoredEvent(at, tuple(dimensions), tuple(measures))
            found.setdefault((dataset_id, event_id), []).append(event)
        return found

    def uploads(self) -> set[str]:
        return self._ids("SELECT id FROM reports.uploads")

    def runs(self) -> set[str]:
        return self._ids("SELECT id FROM reports.runs")

    def kept(self, org_id: str, user_id: str) -> Kept:
        ((accepted, upload_states),) = self._rows(
            "SELECT sum(accepted)::int, array_agg(state) FROM reports.uploads WHERE org_id = %s",
            [org_id],
        )
        ((run_states,),) = self._rows(
            "SELECT array_agg(state) FROM reports.runs WHERE org_id = %s", [org_id]
        )
        mails = self._rows(
            "SELECT kind, count(*) FROM notifications.emails WHERE user_id = %s AND state = 'sent'"
            " GROUP BY kind, subject_id",
            [user_id],
        )
        return Kept(accepted, frozenset(upload_states), frozenset(run_states), frozenset(mails))

    def audited_requests(self) -> set[str]:
        return self._ids(
            "SELECT request_id FROM tenancy.audit_events"
            " UNION SELECT request_id FROM tenancy.personal_audit_events"
        )

    def logs(self) -> dict[str, list[AuditEvent]]:
        """Return the lines of each audit log by its owner, oldest first."""
        found: dict[str, list[AuditEvent]] = {}
        for owner, position, digest, *fields in self._rows(
            " UNION ALL ".join(LINES.format(**log) for log in LOGS) + " ORDER BY 1, 2"
        ):
            found.setdefault(owner, []).append(AuditEvent(position, Access(*fields), digest or b""))
        return found

    def recorded_reads(self) -> set[tuple[str, str, str, int]]:
        """Return session, action, resource and minute of each record that has a session."""
        return {
            (session_id, action, resource, minute)
            for session_id, action, resource, minute in self._rows(
                " UNION ALL ".join(READS.format(**log) for log in LOGS)
            )
        }

    def sent_mails(self) -> set[str]:
        return self._ids("SELECT id FROM notifications.emails WHERE state = 'sent'")

    def wanted_files(self) -> set[str]:
        """Return the files that rows name."""
        return self._ids(
            "SELECT format('orgs/%s/runs/%s/file.%s', org_id, id, format) FROM reports.runs"
            " WHERE state = 'succeeded'"
            " UNION SELECT format('orgs/%s/uploads/%s/rejected/%s.csv', org_id, id, part)"
            " FROM reports.uploads, unnest(rejected_parts) AS part"
        )

    def files(self) -> set[str]:
        found = (path.relative_to(self._files) for path in self._files.rglob("*") if path.is_file())
        return {str(path) for path in found if path.parts[0] != NEVER_READ}

    def delivered_mails(self) -> dict[str, list[float]]:
        """Return when the mail server took each mail, by the mail's id."""
        read = BytesHeaderParser().parsebytes
        delivered: dict[str, list[float]] = {}
        for mail in (self._maildir / "new").glob("*"):
            times = delivered.setdefault(_mail_id(read(mail.read_bytes())["Message-ID"]), [])
            times.append(mail.stat().st_mtime)
        return delivered

    def _ids(self, sql: str, parameters: Sequence[Any] | None = None) -> set[str]:
        return {str(one) for (one,) in self._rows(sql, parameters)}

    def _rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        return self._execute(sql, parameters).fetchall()

    def _execute(
        self, sql: str, parameters: Sequence[Any] | None = None
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._admin.execute(sql, parameters)


def _for_schemas(template: str) -> list[str]:
    return [template.format(schema=schema) for schema in SCHEMAS]


def _feeds() -> dict[str, str]:
    return {
        "cursors": " UNION ALL ".join(_for_schemas(CURSOR)),
        "heads": " UNION ALL ".join(_for_schemas(HEAD)),
    }


def _mail_id(message_id: str) -> str:
    return message_id.strip().strip("<>").partition("@")[0]
