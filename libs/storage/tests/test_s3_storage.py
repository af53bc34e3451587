from datetime import timedelta

import boto3
import httpx
import pytest

from tenon_storage.errors import StorageUnavailable
from tenon_storage.s3_storage import PART_BYTES, S3Storage

BUCKET = "files"


async def test_a_link_downloads_under_its_name(s3_storage: S3Storage) -> None:
    async with s3_storage.write("orgs/a/file.csv") as writer:
        await writer.write(b"id,time\n")
    url = await s3_storage.link("orgs/a/file.csv", "flights.csv", timedelta(minutes=5))
    async with httpx.AsyncClient() as client:
        response = await client.get(url)
    assert response.content == b"id,time\n"
    assert 'filename="flights.csv"' in response.headers["content-disposition"]


async def test_an_aborted_upload_leaves_no_parts(s3_storage: S3Storage, s3_endpoint: str) -> None:
    with pytest.raises(RuntimeError):  # noqa: PT012 # the block is what is tested
        async with s3_storage.write("orgs/a/parts.csv") as writer:
            await writer.write(b"x" * PART_BYTES)
            raise RuntimeError
    uploads = boto3.client("s3", endpoint_url=s3_endpoint).list_multipart_uploads(Bucket=BUCKET)
    assert "Uploads" not in uploads


async def test_objects_are_below_the_prefix(s3_storage: S3Storage, s3_endpoint: str) -> None:
    async with s3_storage.write("orgs/a/file.csv"):
        pass
    client = boto3.client("s3", endpoint_url=s3_endpoint)
    assert client.head_object(Bucket=BUCKET, Key="tenon/orgs/a/file.csv")["ContentLength"] == 0


async def test_a_missing_bucket_is_told_as_unavailable(s3_environment: str) -> None:
    storage = S3Storage("nowhere", endpoint=s3_environment)
    with pytest.raises(StorageUnavailable):
        async with storage.write("a.csv"):
            pass
