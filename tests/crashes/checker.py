"""Compares what clients were told with what is stored; a line for each thing that does not fit."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from tenon_tenancy.audit_verification.verification import Verifier
from tests.crashes.ledger import Kind, Ledger, Told, Write
from tests.crashes.stored import Stored, StoredEvent

CLOCK_STEP_SECONDS = 1.0
"""Of times in a file system, and more."""
SAID_DONE = {Told.DONE, Told.THERE_ALREADY}


def findings(ledger: Ledger, stored: Stored, mailer_deaths: Sequence[float]) -> list[str]:
    """Return all that is wrong, at rest. A mail may come again once for each death, by the time of
    day, of who sends it or of who would have recorded that.
    """
    return [
        *stored.broken(),
        *_chains(stored),
        *_accounts(ledger, stored),
        *_organizations(ledger, stored),
        *_datasets(ledger, stored),
        *_events(ledger, stored),
        *_named(_of_live_datasets(ledger, Kind.UPLOAD), stored.uploads()),
        *_named(_of_live_datasets(ledger, Kind.RUN), stored.runs()),
        *_audit(ledger, stored),
        *_reads(ledger, stored),
        *_mails(stored, mailer_deaths),
        *_files(stored),
    ]


def _times(name: str, tries: Sequence[Write], stored: int) -> Iterator[str]:
    """Judge one write by how often it is stored."""
    told = [write.told for write in tries]
    if told.count(Told.DONE) > 1:
        yield f"{name} was said to be done {told.count(Told.DONE)} times"
    if stored > 1:
        yield f"{name} is there {stored} times"
    if not stored and SAID_DONE.intersection(told):
        yield f"{name} was acknowledged and is lost"
    if stored and set(told) == {Told.REFUSED}:
        yield f"{name} was refused and is there"


def _named(acknowledged: Sequence[Write], stored: Collection[str]) -> Iterator[str]:
    """Judge what the system itself gave an id."""
    for write in acknowledged:
        if write.id not in stored:
            yield f"{write.kind.value} {write.id} was acknowledged and is lost"


def _deleted(ledger: Ledger) -> set[str]:
    """Return the datasets of which somebody was told that they are gone."""
    return {
        write.key
        for tries in ledger.tries(Kind.DELETION)
        for write in tries
        if write.told in SAID_DONE
    }


def _of_live_datasets(ledger: Ledger, kind: Kind) -> list[Write]:
    deleted, done = _deleted(ledger), ledger.told(kind, Told.DONE)
    return [write for write in done if write.content["dataset_id"] not in deleted]


def _accounts(ledger: Ledger, stored: Stored) -> Iterator[str]:
    yield from _named(ledger.told(Kind.USER, Told.DONE), stored.users())
    ended = stored.ended_sessions()
    for tries in ledger.tries(Kind.LOG_OUT):
        if SAID_DONE.intersection(write.told for write in tries) and tries[0].key not in ended:
            yield f"session {tries[0].key} was logged out and is live"


def _organizations(ledger: Ledger, stored: Stored) -> Iterator[str]:
    slugs = Counter(stored.organizations())
    for tries in ledger.tries(Kind.ORGANIZATION):
        yield from _times(f"organization {tries[0].key}", tries, slugs[tries[0].key])
    members = stored.members()
    for tries in ledger.tries(Kind.REMOVAL):
        done = SAID_DONE.intersection(write.told for write in tries)
        if done and (tries[0].org_id, tries[0].key) in members:
            yield f"member {tries[0].key} was removed and is there"


def _datasets(ledger: Ledger, stored: Stored) -> Iterator[str]:
    present = Counter[tuple[str, str]]()
    for org_id, name, dimensions, measures in stored.datasets():
        present[org_id, name] += 1
        present[org_id, f"{name} {dimensions} {measures}"] += 1
    deleted = _deleted(ledger)
    for dataset in deleted & stored.holding_datasets():
        yield f"dataset {dataset} was deleted and still holds something"
    for tries in ledger.tries(Kind.DATASET):
        if deleted.intersection(write.id for write in tries):
            continue
        first = tries[0]
        yield from _times(f"dataset {first.key}", tries, present[first.org_id, first.key])
        whole = f"{first.key} {first.content['dimensions']} {first.content['measures']}"
        if present[first.org_id, whole] != present[first.org_id, first.key]:
            yield f"dataset {first.key} is not as it was sent"


def _events(ledger: Ledger, stored: Stored) -> Iterator[str]:
    batches = ledger.tries(Kind.EVENTS)
    present = stored.events({tries[0].content["dataset_id"] for tries in batches})
    for tries in batches:
        first = tries[0]
        name, sent = f"batch {first.key}", first.content["events"]
        kept = [present.get((first.content["dataset_id"], event["id"]), []) for event in sent]
        if 0 < sum(map(bool, kept)) < len(sent):
            yield f"{name} is there in part"
        yield from _times(name, tries, max(map(len, kept)))
        for event, found in zip(sent, kept, strict=True):
            if any(one != _as_stored(event) for one in found):
                yield f"event {event['id']} is not as it was sent"


def _as_stored(event: Mapping[str, object]) -> StoredEvent:
    dimensions, measures = event["dimensions"], event["measures"]
    assert isinstance(dimensions, Mapping)
    assert isinstance(measures, Mapping)
    at = datetime.fromisoformat(str(event["time"])).timestamp()
    return StoredEvent(at, tuple(dimensions.values()), tuple(measures.values()))


def _audit(ledger: Ledger, stored: Stored) -> Iterator[str]:
    on_record = stored.audited_requests()
    for write in ledger.audited():
        if write.request_id not in on_record:
            yield f"{write.kind.value} {write.key} was acknowledged and is not on record"


def _chains(stored: Stored) -> Iterator[str]:
    """Each log is one chain, without a fork, whoever died while it was written."""
    for owner, lines in stored.logs().items():
        verifier = Verifier(owner)
        for line in lines:
            verifier.take(line)
        for finding in verifier.finish().findings:
            yield f"the log of {owner} is {finding.problem} at line {finding.position}"


def _reads(ledger: Ledger, stored: Stored) -> Iterator[str]:
    """A reply is covered by a record of its session, action, resource and minute, whoever of the
    services or the gateway's cache gave it.
    """
    on_record = stored.recorded_reads()
    for read in ledger.reads():
        minutes = range(read.asked_minute, read.answered_minute + 1)
        covers = {(read.session_id, read.action, read.resource, minute) for minute in minutes}
        if covers.isdisjoint(on_record):
            yield f"{read.action} {read.resource} was answered and is not on record"


def _mails(stored: Stored, mailer_deaths: Sequence[float]) -> Iterator[str]:
    delivered, sent = stored.delivered_mails(), stored.sent_mails()
    yield from (f"mail {one} was sent and did not arrive" for one in sent - delivered.keys())
    yield from (f"mail {one} arrived and nobody knows it" for one in delivered.keys() - sent)
    for one, times in delivered.items():
        since = min(times) - CLOCK_STEP_SECONDS
        deaths = sum(death >= since for death in mailer_deaths)
        if len(times) > 1 + deaths:
            yield f"mail {one} came {len(times)} times, of {deaths} deaths"


def _files(stored: Stored) -> Iterator[str]:
    present, wanted = stored.files(), stored.wanted_files()
    yield from (f"file {name} is lost" for name in wanted - present)
    yield from (f"file {name} is there and no row knows it" for name in present - wanted)
