"""Logs on their way to organizations' endpoints."""

import json
from pathlib import Path

from services.tenancy.tests.audit_streams.conftest import Streams
from services.tenancy.tests.audit_streams.receiver import Receiver
from tenon.tenancy.v1 import audit_stream_pb2 as packed
from tenon_tenancy.audit_streams.delivering import BATCH
from tenon_tenancy.audit_verification.offline import verify_files
from tenon_testing.callers import Callers
from tenon_testing.waiting import eventually


async def delivered(streams: Streams, stream: packed.AuditStream, count: int) -> None:
    """Wait until the tracking says that so many lines, or more, were delivered."""

    async def is_so() -> bool:
        return (await streams.get(stream)).position >= count

    await eventually(is_so, within=60)


async def failed(streams: Streams, stream: packed.AuditStream, error: str) -> None:
    async def is_so() -> bool:
        return error in (await streams.get(stream)).last_error

    await eventually(is_so, within=60)


async def test_every_line_comes_in_order_signed_and_verifiable(
    streams: Streams, receiver: Receiver, tmp_path: Path
) -> None:
    await streams.append(BATCH + 10)
    made = await streams.create(webhook={"url": receiver.url("/log")})
    await delivered(streams, made, BATCH + 10)
    requests = receiver.at("/log")
    positions = [position for one in requests for position in one.positions]
    assert positions == list(range(1, positions[-1] + 1))
    told = [one.verified(made.secret) for one in requests]
    assert {one["type"] for one in told} == {"audit_events"}
    assert [event["position"] for one in told for event in one["data"]["events"]] == positions
    assert len({one.id for one in requests}) == len(requests)
    log = tmp_path / "log"
    events = (event for one in requests for event in one.events)
    log.write_text("".join(json.dumps(event) + "\n" for event in events))
    ((owner, report),) = verify_files(log, None, None)
    assert (owner, report.findings) == (f"orgs/{streams.org_id}", [])
    tracked = {one.id: one for one in await streams.deliveries(made)}
    first = tracked[requests[0].id]
    assert (first.first_position, first.last_position, first.attempts) == (1, BATCH, 1)
    assert first.state == packed.AUDIT_DELIVERY_STATE_DELIVERED


async def test_what_was_not_taken_comes_again_the_same(
    streams: Streams, receiver: Receiver
) -> None:
    receiver.statuses["/log"] = 500
    await streams.append(3)
    made = await streams.create(webhook={"url": receiver.url("/log")})
    await failed(streams, made, "status 500")
    shown = await streams.get(made)
    assert (shown.state, shown.position) == (packed.AUDIT_STREAM_STATE_RETRYING, 0)
    assert shown.HasField("next_attempt_time")
    (pending,) = await streams.deliveries(made)
    assert pending.state == packed.AUDIT_DELIVERY_STATE_PENDING
    await streams.admin.execute(
        "UPDATE tenancy.audit_streams SET failing_since = now() - interval '4 days'"
    )
    assert (await streams.get(made)).state == packed.AUDIT_STREAM_STATE_FAILING
    await streams.append(2)
    receiver.statuses.clear()
    await streams.hurry()
    await delivered(streams, made, pending.last_position + 2)
    first, second = receiver.at("/log")[:2]
    assert (first.id, first.body) == (second.id, second.body)
    shown = await streams.get(made)
    assert (shown.state, shown.last_error) == (packed.AUDIT_STREAM_STATE_ACTIVE, "")


async def test_a_stream_that_is_switched_on_again_goes_on_where_it_was(
    streams: Streams, receiver: Receiver
) -> None:
    made = await streams.create(webhook={"url": receiver.url("/log")})
    await streams.append(2)
    await delivered(streams, made, 2)
    off = await streams.update(made, enabled=False)
    assert off.state == packed.AUDIT_STREAM_STATE_DISABLED
    await streams.append(2)
    other = await streams.create(webhook={"url": receiver.url("/other")})
    await delivered(streams, other, await streams.head())
    before = await receiver.positions("/log")()
    await streams.update(made, enabled=True)
    await delivered(streams, made, await streams.head())
    after = await receiver.positions("/log")()
    assert len(after) > len(before)
    assert after == list(range(1, len(after) + 1))


async def test_one_that_never_answers_holds_up_nobody_else(
    streams: Streams, receiver: Receiver, callers: Callers
) -> None:
    """Nor does it hold up its own log."""
    slow = [
        await streams.create(webhook={"url": receiver.url(f"/hang/{number}")})
        for number in range(3)
    ]
    await eventually(receiver.positions("/hang/0"), within=60)
    other = Streams(streams.channel, await callers.tenant(), streams.backbone, streams.admin)
    await other.append(2)
    await streams.append(2)
    made = await other.create(webhook={"url": receiver.url("/log")})
    await delivered(other, made, 2)
    assert (await streams.get(slow[0])).position == 0


async def test_redirects_are_not_followed(streams: Streams, receiver: Receiver) -> None:
    receiver.statuses["/log"] = 307
    made = await streams.create(webhook={"url": receiver.url("/log")})
    await failed(streams, made, "status 307")
    assert receiver.at("/elsewhere") == []


async def test_a_test_tells_what_became_of_it(streams: Streams, receiver: Receiver) -> None:
    made = await streams.create(webhook={"url": receiver.url("/log")})
    reply = await streams.test(made)
    assert (reply.delivered, reply.error) == (True, "")
    sent = [one.verified(made.secret) for one in receiver.at("/log")]
    assert {"test"} == {one["type"] for one in sent if not one["data"]["events"]}
    receiver.statuses["/log"] = 410
    reply = await streams.test(made)
    assert (reply.delivered, reply.error) == (False, "it answered with status 410")


async def test_lines_that_retention_removed_are_given_up(
    streams: Streams, receiver: Receiver
) -> None:
    receiver.statuses["/log"] = 500
    await streams.append(5)
    made = await streams.create(webhook={"url": receiver.url("/log")})
    await failed(streams, made, "status 500")
    (pending,) = await streams.deliveries(made)
    await streams.append(5)
    await streams.admin.execute(
        "DELETE FROM tenancy.audit_events WHERE org_id = %s AND position <= %s",
        [streams.org_id, pending.last_position],
    )
    receiver.statuses.clear()
    await streams.hurry()
    await delivered(streams, made, pending.last_position + 5)
    states = {one.id: one.state for one in await streams.deliveries(made)}
    assert states[pending.id] == packed.AUDIT_DELIVERY_STATE_EXPIRED
    assert receiver.at("/log")[-1].positions[0] > pending.last_position
