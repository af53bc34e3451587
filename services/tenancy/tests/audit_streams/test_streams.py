"""Streams as their owners make and change them."""

from typing import Any

import pytest

from services.tenancy.tests.audit_streams.conftest import Streams
from tenon_rpc.status import PeerError
from tenon_tenancy.audit_streams import service

WEBHOOK = {"url": "https://hooks.example.com/audit?token=canary-url"}
BUCKET = {
    "endpoint": "https://s3.example.com",
    "region": "eu-central-1",
    "bucket": "audit-log",
    "prefix": "tenon/log",
    "access_key": "AKIAEXAMPLE",
}


async def refused(call: Any) -> list[str]:
    """Return which fields a call is refused for."""
    with pytest.raises(PeerError) as error:
        await call
    assert error.value.reason == "invalid_argument"
    return [field.pointer for field in error.value.fields]


async def test_a_secret_is_shown_once_and_stored_sealed(streams: Streams) -> None:
    made = await streams.create(description="SIEM", webhook=WEBHOOK)
    assert made.secret.startswith("whsec_")
    assert len(made.secret) > 40
    bucket = await streams.create(bucket=BUCKET, secret_access_key="canary-key")
    assert not bucket.HasField("secret")
    listed = {stream.id: stream for stream in await streams.list()}
    assert listed[made.id].webhook.url == WEBHOOK["url"]
    assert listed[bucket.id].bucket.access_key == BUCKET["access_key"]
    assert not listed[made.id].HasField("secret")
    rows = await streams.admin.execute(
        "SELECT t::text FROM tenancy.audit_streams AS t WHERE org_id = %s", [streams.org_id]
    )
    stored = str(await rows.fetchall()).lower()
    for canary in ("canary-url", "canary-key", "s3.example.com", made.secret):
        assert canary not in stored
        assert canary.encode().hex() not in stored


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://a:b@hooks.example.com/",
        "no url",
        "",
    ],
)
async def test_an_address_that_nothing_is_sent_to_is_refused(streams: Streams, url: str) -> None:
    assert await refused(streams.create(webhook={"url": url})) == ["/webhook/url"]
    bucket = {**BUCKET, "endpoint": url}
    asked = streams.create(bucket=bucket, secret_access_key="x")
    assert await refused(asked) == ["/bucket/endpoint"]


async def test_a_stream_leads_to_one_place(streams: Streams) -> None:
    assert await refused(streams.create()) == ["/webhook"]
    both = streams.create(webhook=WEBHOOK, bucket=BUCKET, secret_access_key="x")
    assert await refused(both) == ["/webhook"]
    wrong = {**BUCKET, "region": "Mars!", "bucket": "../x", "prefix": "/..", "access_key": "ä"}
    assert await refused(streams.create(bucket=wrong)) == [
        "/bucket/region",
        "/bucket/bucket",
        "/bucket/prefix",
        "/bucket/access_key",
        "/secret_access_key",
    ]
    made = await streams.create(webhook=WEBHOOK)
    assert await refused(streams.update(made, bucket=BUCKET)) == ["/bucket"]


async def test_credentials_go_nowhere_but_where_who_knows_them_says(streams: Streams) -> None:
    made = await streams.create(bucket=BUCKET, secret_access_key="x")
    elsewhere = {**BUCKET, "endpoint": "https://evil.example.com"}
    assert await refused(streams.update(made, bucket=elsewhere)) == ["/secret_access_key"]
    changed = await streams.update(made, bucket=elsewhere, secret_access_key="y")
    assert changed.bucket.endpoint == elsewhere["endpoint"]


async def test_no_more_than_ten(streams: Streams) -> None:
    for _ in range(service.MAX_STREAMS):
        await streams.create(webhook=WEBHOOK)
    with pytest.raises(PeerError) as error:
        await streams.create(webhook=WEBHOOK)
    assert error.value.reason == "too_many_audit_streams"
    await streams.delete((await streams.list())[0])
    await streams.create(webhook=WEBHOOK)


async def test_a_deleted_stream_is_gone(streams: Streams) -> None:
    made = await streams.create(webhook=WEBHOOK)
    await streams.delete(made)
    for call in (streams.delete(made), streams.test(made), streams.deliveries(made)):
        with pytest.raises(PeerError) as error:
            await call
        assert error.value.reason == "audit_stream_not_found"
