"""Files in S3 or what speaks its protocol. Credentials and region come as boto3 finds them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from tenon_storage.errors import PartsLost
from tenon_storage.keys import checked
from tenon_storage.links import attachment
from tenon_storage.s3_parts import S3PartWriter, abort_all, require_parts
from tenon_storage.storage import CHUNK_BYTES, Part
from tenon_storage.threads import in_thread, to_the_end

if TYPE_CHECKING:  # these two packages are for type checking alone
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

# S3 takes 10,000 parts: parts of 8 MiB at first, doubled every 1,000, keep the memory small and
# reach S3's own limit of 5 TiB.
PART_BYTES = 8 * 1024 * 1024
PARTS_OF_ONE_SIZE = 1_000


class S3Storage:
    """Objects below `prefix` in a bucket."""

    def __init__(self, bucket: str, prefix: str = "", endpoint: str | None = None) -> None:
        """`endpoint` is the URL of a server other than Amazon's."""
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if endpoint else "auto"},
                connect_timeout=5,
                read_timeout=30,
                retries={"mode": "standard", "max_attempts": 4},
            ),
        )
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @asynccontextmanager
    async def write(self, key: str) -> AsyncIterator["S3Writer"]:
        writer = S3Writer(self._client, self._bucket, self._name(key))
        try:
            yield writer
            await writer.finish()
        except BaseException:
            await asyncio.shield(writer.abort())
            raise

    async def begin(self, key: str) -> str:
        begun = await in_thread(
            self._client.create_multipart_upload, Bucket=self._bucket, Key=self._name(key)
        )
        return begun["UploadId"]

    @asynccontextmanager
    async def parts(
        self, key: str, name: str, written: Sequence[Part]
    ) -> AsyncIterator[S3PartWriter]:
        await require_parts(self._client, self._bucket, self._name(key), name, written)
        yield S3PartWriter(self._client, self._bucket, self._name(key), name, len(written))

    async def abandon(self, key: str, name: str) -> None:
        with suppress(PartsLost):
            await in_thread(
                self._client.abort_multipart_upload,
                Bucket=self._bucket,
                Key=self._name(key),
                UploadId=name,
            )

    async def read(self, key: str, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        found = await in_thread(self._client.get_object, Bucket=self._bucket, Key=self._name(key))
        body = found["Body"]
        try:
            while chunk := await in_thread(body.read, chunk_bytes):
                yield chunk
        finally:
            body.close()

    async def size(self, key: str) -> int:
        found = await in_thread(self._client.head_object, Bucket=self._bucket, Key=self._name(key))
        return found["ContentLength"]

    async def list(self, folder: str) -> AsyncIterator[str]:
        prefix = f"{self._name(folder)}/"
        paginator = self._client.get_paginator("list_objects_v2")
        pages = iter(paginator.paginate(Bucket=self._bucket, Prefix=prefix, Delimiter="/"))
        while page := await in_thread(next, pages, None):
            names = [found["Key"] for found in page.get("Contents", ())]
            names += [found["Prefix"] for found in page.get("CommonPrefixes", ())]
            for name in sorted(names):
                yield name.removeprefix(prefix).rstrip("/")

    async def delete(self, key: str) -> None:
        await in_thread(self._client.delete_object, Bucket=self._bucket, Key=self._name(key))

    async def delete_folder(self, folder: str) -> int:
        deleted = 0
        async for name, _ in self._below(folder):
            await in_thread(self._client.delete_object, Bucket=self._bucket, Key=name)
            deleted += 1
        await abort_all(self._client, self._bucket, f"{self._name(folder)}/")
        return deleted

    async def folder_size(self, folder: str) -> int:
        return sum([size async for _, size in self._below(folder)])

    async def _below(self, folder: str) -> AsyncIterator[tuple[str, int]]:
        """Yield the full names and sizes of all objects below a folder."""
        paginator = self._client.get_paginator("list_objects_v2")
        pages = iter(paginator.paginate(Bucket=self._bucket, Prefix=f"{self._name(folder)}/"))
        while page := await in_thread(next, pages, None):
            for found in page.get("Contents", ()):
                yield found["Key"], found["Size"]

    async def link(self, key: str, filename: str, expires: timedelta) -> str:
        wanted = {
            "Bucket": self._bucket,
            "Key": self._name(key),
            "ResponseContentDisposition": attachment(filename),
        }
        return await in_thread(
            self._client.generate_presigned_url,
            "get_object",
            Params=wanted,
            ExpiresIn=int(expires.total_seconds()),
        )

    def _name(self, key: str) -> str:
        return self._prefix + checked(key)


class S3Writer:
    """A multipart upload, begun with the first full part and completed last."""

    def __init__(self, client: "S3Client", bucket: str, name: str) -> None:
        self._client = client
        self._bucket = bucket
        self._name = name
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []
        self._complete = False

    async def write(self, chunk: bytes) -> None:
        self._buffer += chunk
        if len(self._buffer) >= PART_BYTES << len(self._parts) // PARTS_OF_ONE_SIZE:
            await to_the_end(self._send_part())

    async def finish(self) -> None:
        if self._upload_id is None:
            await to_the_end(self._put())
            return
        if self._buffer:
            await to_the_end(self._send_part())
        await to_the_end(self._complete_upload())

    async def abort(self) -> None:
        if self._complete:  # in the moment of the cancellation
            await in_thread(self._client.delete_object, Bucket=self._bucket, Key=self._name)
        elif self._upload_id is not None:
            await in_thread(
                self._client.abort_multipart_upload,
                Bucket=self._bucket,
                Key=self._name,
                UploadId=self._upload_id,
            )

    async def _put(self) -> None:
        await in_thread(
            self._client.put_object,
            Bucket=self._bucket,
            Key=self._name,
            Body=bytes(self._buffer),
        )
        self._complete = True

    async def _send_part(self) -> None:
        upload_id = await self._begun()
        body, self._buffer = bytes(self._buffer), bytearray()
        number = len(self._parts) + 1
        sent = await in_thread(
            self._client.upload_part,
            Bucket=self._bucket,
            Key=self._name,
            UploadId=upload_id,
            PartNumber=number,
            Body=body,
        )
        self._parts.append({"ETag": sent["ETag"], "PartNumber": number})

    async def _begun(self) -> str:
        if self._upload_id is None:
            begun = await in_thread(
                self._client.create_multipart_upload, Bucket=self._bucket, Key=self._name
            )
            self._upload_id = begun["UploadId"]
        return self._upload_id

    async def _complete_upload(self) -> None:
        assert self._upload_id is not None
        await in_thread(
            self._client.complete_multipart_upload,
            Bucket=self._bucket,
            Key=self._name,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": self._parts},
        )
        self._complete = True
