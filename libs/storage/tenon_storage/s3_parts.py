"""Objects in S3 that are written in parts: multipart uploads that outlive their writer."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from tenon_storage.errors import PartsLost
from tenon_storage.storage import Part
from tenon_storage.threads import in_thread, to_the_end

if TYPE_CHECKING:  # these two packages are for type checking alone
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


class S3PartWriter:
    """Sends each part when it is sealed. Should a late writer of before send one of the same
    number, the etags tell, and `complete` raises PartsLost.
    """

    def __init__(
        self, client: "S3Client", bucket: str, name: str, upload_id: str, number: int
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._name = name
        self._upload_id = upload_id
        self._number = number
        self._buffer = bytearray()

    async def write(self, chunk: bytes) -> None:
        self._buffer += chunk

    def seal(self) -> Awaitable[Part]:
        self._number += 1
        body, self._buffer = self._buffer, bytearray()
        return asyncio.shield(asyncio.ensure_future(self._send(self._number, body)))

    async def _send(self, number: int, body: bytearray) -> Part:
        sent = await in_thread(
            self._client.upload_part,
            Bucket=self._bucket,
            Key=self._name,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=cast("bytes", body),  # it takes a bytearray, which spares a copy
        )
        return Part(len(body), sent["ETag"])

    async def complete(self, parts: Sequence[Part]) -> None:
        named: list[CompletedPartTypeDef] = [
            {"ETag": part.etag, "PartNumber": number} for number, part in enumerate(parts, start=1)
        ]
        await to_the_end(
            in_thread(
                self._client.complete_multipart_upload,
                Bucket=self._bucket,
                Key=self._name,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": named},
            )
        )


async def require_parts(
    client: "S3Client", bucket: str, name: str, upload_id: str, written: Sequence[Part]
) -> None:
    """Ask which parts there are; PartsLost if one of those that were written is not."""
    found = {}
    pages = client.get_paginator("list_parts").paginate(Bucket=bucket, Key=name, UploadId=upload_id)
    for page in await in_thread(list, pages):
        for part in page.get("Parts", []):
            found[part["PartNumber"]] = Part(part["Size"], part["ETag"])
    if any(found.get(number) != part for number, part in enumerate(written, start=1)):
        raise PartsLost


async def abort_all(client: "S3Client", bucket: str, prefix: str) -> None:
    """Abort every multipart upload of an object whose name begins so."""
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    for page in await in_thread(list, pages):
        for begun in page.get("Uploads", []):
            with suppress(PartsLost):
                await in_thread(
                    client.abort_multipart_upload,
                    Bucket=bucket,
                    Key=begun["Key"],
                    UploadId=begun["UploadId"],
                )
