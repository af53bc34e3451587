"""Logs on their way to organizations' endpoints."""

import json
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from services.tenancy.tests.audit_streams.conftest import Streams
from services.tenancy.tests.audit_streams.receiver import Receiver
from tenon.tenancy.v1 import audit_stream_pb2 as packed
from tenon_core import clock
from tenon_tenancy.audit_streams.delivering import BATCH
from tenon_tenancy.audit_streams.tasks import DELIVER_SLOW
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


async def test_a_test_of_a_silent_endpoint_says_so_before_its_caller_gives_up(
    streams: Streams, receiver: Receiver
) -> None:
    made = await streams.create(webhook={"url": receiver.url("/hang")})
    reply = await streams.test(made, seconds=6)
    assert not reply.delivered
    assert "did not answer within" in reply.error


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("600", 590, 600),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 86_000, 86_400),
        ("9" * 40, 86_000, 86_400),
        ("soon", 0, 60),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 60),
    ],
)
async def test_a_receiver_says_when_to_come_again(
    streams: Streams, receiver: Receiver, asked: str, least: float, most: float
) -> None:
    receiver.statuses["/log"] = 503
    receiver.headers["retry-after"] = asked
    made = await streams.create(webhook={"url": receiver.url("/log")})
    await failed(streams, made, "status 503")
    again = (await streams.get(made)).next_attempt_time.ToDatetime(UTC)
    assert least - 60 <= (again - clock.now()).total_seconds() <= most


async def test_both_secrets_sign_while_one_replaces_the_other(
    streams: Streams, receiver: Receiver
) -> None:
    made = await streams.create(webhook={"url": receiver.url("/log")})
    rotated = await streams.rotate_secret(made)
    assert rotated.secret not in ("", made.secret)
    left = rotated.old_secret_expire_time.ToDatetime(UTC) - clock.now()
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    assert not (await streams.get(made)).HasField("secret")
    await streams.test(made)
    sent = receiver.at("/log")[-1]
    assert sent.verified(made.secret) == sent.verified(rotated.secret)
    await streams.admin.execute("UPDATE tenancy.audit_streams SET old_secret_expire_time = now()")
    await streams.test(made)
    sent = receiver.at("/log")[-1]
    assert sent.verified(rotated.secret)
    with pytest.raises(WebhookVerificationError):
        sent.verified(made.secret)


async def hanging(streams: Streams, receiver: Receiver, count: int) -> None:
    """Give an organization streams to endpoints that never answer, and something to send."""
    for number in range(count):
        url = receiver.url(f"/hang/{streams.org_id}/{number}")
        await streams.create(webhook={"url": url})
    await streams.append(1)


async def test_silent_endpoints_of_eight_organizations_leave_slots(
    streams: Streams, receiver: Receiver, callers: Callers
) -> None:
    others = [
        Streams(streams.channel, await callers.tenant(), streams.backbone, streams.admin)
        for _ in range(8)
    ]
    for other in others:
        await hanging(other, receiver, 2)

    async def all_hang() -> bool:
        paths = [one.path for one in receiver.received]
        return all(any(str(other.org_id) in path for path in paths) for other in others)

    await eventually(all_hang, within=60)
    await streams.append(2)
    await streams.create(webhook={"url": receiver.url("/log")})
    await eventually(receiver.positions("/log"), within=8)  # below the time for one attempt


async def test_a_silent_endpoint_moves_to_the_slow_lane(
    streams: Streams, receiver: Receiver
) -> None:
    await hanging(streams, receiver, 1)

    async def in_slow_lane() -> bool:
        await streams.hurry()
        found = await streams.admin.execute(
            "SELECT 1 FROM tenancy.jobs WHERE org_id = %s AND type = %s",
            [streams.org_id, DELIVER_SLOW],
        )
        return await found.fetchone() is not None

    await eventually(in_slow_lane, within=60)
