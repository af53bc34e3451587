"""Logs on their way to organizations' buckets; moto is the double of S3. It checks no signature."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from services.tenancy.tests.audit_streams.conftest import Streams
from services.tenancy.tests.audit_streams.test_webhooks import delivered, failed
from tenon_tenancy.audit_verification.offline import verify_files
from tenon_testing.system import System

BUCKET = "audit-log"


@pytest.fixture
async def s3(system: System) -> AsyncIterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=system.receiver_port, verbose=False)
    server.start()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{system.receiver_port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=BUCKET)
    yield client
    server.stop()


def target(system: System, bucket: str = BUCKET) -> dict[str, str]:
    return {
        "endpoint": f"http://127.0.0.1:{system.receiver_port}",
        "region": "us-east-1",
        "bucket": bucket,
        "prefix": "tenon",
        "access_key": "AKIAEXAMPLE",
    }


async def test_objects_are_the_log(
    streams: Streams, system: System, s3: Any, tmp_path: Path
) -> None:
    await streams.append(7)
    made = await streams.create(bucket=target(system), secret_access_key="secret")
    await delivered(streams, made, 7)
    await streams.append(2)
    await delivered(streams, made, 9)
    folder = f"tenon/{streams.org_id}/"
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=folder)["Contents"]
    names = [one["Key"].removeprefix(folder) for one in found]
    assert names[0].startswith(f"{1:019}-")
    log = tmp_path / "log"
    bodies = [s3.get_object(Bucket=BUCKET, Key=folder + name)["Body"].read() for name in names]
    log.write_bytes(b"".join(bodies))
    ((_, report),) = verify_files(log, None, None)
    assert report.findings == []
    assert report.lines >= 9
    assert (await streams.test(made)).delivered
    assert s3.get_object(Bucket=BUCKET, Key=f"{folder}test.jsonl")["Body"].read()


@pytest.mark.usefixtures("s3")
async def test_a_bucket_that_is_not_there_is_told(streams: Streams, system: System) -> None:
    made = await streams.create(bucket=target(system, "nowhere"), secret_access_key="secret")
    await failed(streams, made, "status 404")
