import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tenon_storage.file_storage import FileStorage
from tenon_storage.s3_storage import S3Storage
from tenon_storage.storage import Storage

KEY = b"k" * 32
BUCKET = "files"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def s3_environment(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3", endpoint_url=s3_endpoint).create_bucket(Bucket=BUCKET)
    return s3_endpoint


@pytest.fixture
def file_storage(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path / "files", KEY, "https://tenon.example/")


@pytest.fixture
def s3_storage(s3_environment: str) -> S3Storage:
    return S3Storage(BUCKET, "/tenon/", s3_environment)


@pytest.fixture(params=["file_storage", "s3_storage"])
def storage(request: pytest.FixtureRequest) -> Storage:
    driver: Storage = request.getfixturevalue(request.param)
    return driver
