"""Every named crash point, with the scenario that passes it."""

from collections.abc import Iterator
from dataclasses import dataclass

from tenon_testing.crash_points import Moment, Point
from tests.crashes.scenarios import (
    Scenario,
    creates_a_dataset,
    creates_an_organization,
    deletes_a_dataset,
    exports,
    exports_totals,
    logs_out,
    queries,
    removes_a_member,
    sends_events,
    signs_up,
    uploads,
)

BEFORE, AFTER, COMMITTED = Moment.BEFORE, Moment.AFTER, Moment.COMMITTED

DATABASE = "tenon_db.database:Database"
PUBLISH = "tenon_db.transaction:Transaction.publish"
BELL = "tenon_db.doorbell:Doorbell.ring"
GRANTS = "tenon_policy.grants:GrantChanges"
TAGS = "tenon_policy.tags:Tags"
JOBS = "tenon_jobs.repository:JobRepository"
CELERY_RING = "tenon_jobs.celery_doorbell:CeleryDoorbell.ring"
CELERY_SEND = "celery.app.base:Celery.send_task"
EXECUTION = "tenon_jobs.execution:Execution.run"
STORAGE = "tenon_storage.file_storage:FileStorage"
WRITER = "tenon_storage.file_storage:FileWriter"
PARTS = "tenon_storage.file_parts:FilePartWriter"
POSTMAN = "tenon_notifications.emails.postman:Postman.hand_over"
EMAILS = "tenon_notifications.emails.repository:EmailRepository"
RUNS = "tenon_reports.runs.repository:RunRepository"
UPLOADS = "tenon_reports.uploads.repository:UploadRepository"
PULL = "tenon_rpc.feed:PeerFeed.pull"
STUBS = "tenon_gateway.transcoding.stubs:Stubs"
REPLY = "tenon_gateway.pipeline.exchange:Exchange"


@dataclass(frozen=True, slots=True)
class Case:
    """The process dies when the scenario passes the point for the `passage`-th time."""

    point: Point
    scenario: Scenario
    passage: int = 1


def cases() -> list[Case]:
    return [
        *_transactions(),
        *_events(),
        *_redis(),
        *_jobs(),
        *_files(),
        *_mails(),
        *_gateway(),
    ]


def _around(
    process: str,
    what: str,
    target: str,
    scenario: Scenario,
    *,
    argument: str = "",
    moments: tuple[Moment, ...] = (BEFORE, AFTER),
    passage: int = 1,
) -> Iterator[Case]:
    for moment in moments:
        name = f"{process} {moment.value} {what}"
        yield Case(Point(name, process, target, moment, argument), scenario, passage)


def _committing(
    process: str, what: str, scope: str, scenario: Scenario, *, argument: str = "", passage: int = 1
) -> Iterator[Case]:
    """Before the commit of a transaction, and after it, when nothing has followed from it yet."""
    yield from _around(
        process,
        what,
        f"{DATABASE}.{scope}",
        scenario,
        argument=argument,
        moments=(BEFORE, COMMITTED),
        passage=passage,
    )


def _transactions() -> Iterator[Case]:
    yield from _committing("auth-serve", "a sign-up", "user", signs_up)
    yield from _committing("auth-serve", "a log-out", "user", logs_out)
    yield from _committing("tenancy-serve", "an organization", "tenant", creates_an_organization)
    yield from _committing("tenancy-serve", "a removal", "tenant", removes_a_member)
    yield from _committing("reports-serve", "a dataset", "tenant", creates_a_dataset)
    yield from _committing("reports-serve", "a batch of events", "tenant", sends_events)
    yield from _committing("reports-serve", "a queued upload", "tenant", uploads)
    yield from _committing("reports-serve", "a queued export", "tenant", exports)
    yield from _committing("reports-serve", "a deletion", "tenant", deletes_a_dataset)
    yield from _committing(
        "reports-serve", "the record of a read", "system", queries, argument="audit of reads"
    )
    for process in ("auth-worker", "tenancy-worker", "reports-worker", "notifications-worker"):
        yield from _committing(process, "a sweep", "system", signs_up, argument="jobs")


def _events() -> Iterator[Case]:
    for service, scenario in (
        ("auth", signs_up),
        ("tenancy", creates_an_organization),
        ("reports", creates_a_dataset),
    ):
        process = f"{service}-serve"
        yield from _around(process, "the outbox", PUBLISH, scenario)
        yield from _committing(process, "positions", "system", scenario, argument="sequencer")
        yield from _around(process, "the outbox rings", BELL, scenario, argument="outbox:")
        yield from _around(process, "the feed rings", BELL, scenario, argument="feed:")
    yield from _around("reports-worker", "the outbox", PUBLISH, exports)
    for process in ("tenancy-worker", "notifications-worker"):
        yield from _around(process, "a pull", PULL, signs_up)
        yield from _committing(process, "a person's events", "user", signs_up)
    yield from _committing(
        "tenancy-worker", "an organization's events", "tenant", creates_a_dataset
    )
    yield from _committing("notifications-worker", "an organization's events", "tenant", exports)
    for process, scenario in (("tenancy-worker", exports), ("notifications-worker", logs_out)):
        yield from _committing(
            process, "a cursor past others' events", "system", scenario, argument="feed"
        )


def _redis() -> Iterator[Case]:
    yield from _around("auth-serve", "a mark", f"{GRANTS}.mark", logs_out)
    yield from _around("auth-serve", "settling", f"{GRANTS}.settle", logs_out)
    yield from _around("tenancy-serve", "a mark", f"{GRANTS}.mark", removes_a_member)
    yield from _around("tenancy-serve", "settling", f"{GRANTS}.settle", removes_a_member)
    yield from _around("tenancy-serve", "a tag's mark", f"{TAGS}.mark", creates_an_organization)
    yield from _around("tenancy-serve", "a renewal", f"{TAGS}.renew", creates_an_organization)
    yield from _around("reports-serve", "Celery's bell", CELERY_RING, exports)
    yield from _around("reports-serve", "Celery's message", CELERY_SEND, exports)
    yield from _around("notifications-worker", "Celery's bell", CELERY_RING, signs_up)
    yield from _around("notifications-worker", "Celery's message", CELERY_SEND, signs_up)


def _jobs() -> Iterator[Case]:
    for process, scenario in (("reports-worker", exports), ("notifications-worker", signs_up)):
        yield from _around(process, "a claim", f"{JOBS}.claim", scenario, moments=(AFTER,))
        yield from _around(process, "the handler", EXECUTION, scenario)
        yield from _around(process, "a job's end", f"{JOBS}.succeed", scenario)
    yield from _around("reports-worker", "a purge's end", f"{JOBS}.succeed", deletes_a_dataset)
    for what, scenario, commits in (("an upload", uploads, 6), ("an export", exports, 3)):
        for number in range(1, commits + 1):
            name = f"commit {number} of {what}"
            yield from _committing("reports-worker", name, "tenant", scenario, passage=number)
    yield from _around("reports-worker", "an export's end", f"{RUNS}.succeed", exports)
    yield from _around("reports-worker", "a chunk's count", f"{UPLOADS}.advance", uploads)


def _files() -> Iterator[Case]:
    for process, what, scenario, argument in (
        ("reports-serve", "an upload's body", uploads, "/uploads/"),
        ("reports-worker", "rejected rows", uploads, "/rejected/"),
        ("reports-worker", "totals", exports_totals, "/runs/"),
    ):
        yield from _around(
            process, f"the file of {what}", f"{STORAGE}.write", scenario, argument=argument
        )
        yield from _around(process, f"the writing of {what}", f"{WRITER}.write", scenario)
    yield from _around("reports-worker", "a part of an export", f"{PARTS}.seal", exports)
    yield from _around("reports-worker", "the whole of an export", f"{PARTS}.complete", exports)
    yield from _around(
        "reports-worker", "the deletion of a body", f"{STORAGE}.delete", uploads, argument="/body"
    )
    yield from _around(
        "reports-worker",
        "the deletion of an export",
        f"{STORAGE}.delete",
        deletes_a_dataset,
        argument="/runs/",
    )


def _mails() -> Iterator[Case]:
    yield from _around("notifications-worker", "SMTP", POSTMAN, signs_up)
    yield from _around("notifications-worker", "SMTP of an export", POSTMAN, exports)
    yield from _around("notifications-worker", "the row of a mail", f"{EMAILS}.add", signs_up)
    yield from _around("notifications-worker", "the end of a mail", f"{EMAILS}.finish", signs_up)


def _gateway() -> Iterator[Case]:
    for what, scenario in (
        ("a sign-up", signs_up),
        ("a log-out", logs_out),
        ("an organization", creates_an_organization),
        ("a dataset", creates_a_dataset),
        ("a batch of events", sends_events),
        ("an export", exports),
    ):
        yield from _around("gateway-serve", f"the call of {what}", f"{STUBS}.call", scenario)
    yield from _around("gateway-serve", "the call of an upload", f"{STUBS}.send", uploads)
    yield from _around("gateway-serve", "the reply", f"{REPLY}.reply", creates_a_dataset)
