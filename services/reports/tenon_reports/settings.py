import os
from pathlib import Path

from pydantic import PositiveFloat, PositiveInt
from pydantic_settings import SettingsConfigDict

from tenon_core.settings import ServiceSettings

GIBIBYTE = 1024**3


class ReportsSettings(ServiceSettings):
    """Environment variables `TENON_REPORTS_…`."""

    model_config = SettingsConfigDict(env_prefix="TENON_REPORTS_", frozen=True, extra="ignore")

    storage_url: str
    """`file:///directory` or `s3://bucket/prefix`."""
    link_key_file: Path
    """Holds the key that signs the links of the file storage."""
    max_upload_bytes: int = 2 * GIBIBYTE
    """The largest file that is taken, as sent and decompressed."""
    ingest_slots: PositiveInt = 8
    """How many requests with events a server stores at once."""
    upload_slots: PositiveInt = 16
    """How many files a server receives at once."""
    organization_pending_exports: PositiveInt = 20
    """How many exports an organization has waiting or running."""
    account_pending_exports: PositiveInt = 100
    organization_pending_uploads: PositiveInt = 20
    """How many uploads an organization has waiting or loading."""
    account_pending_uploads: PositiveInt = 100
    job_slice_seconds: PositiveFloat = 60.0
    """After how long an export or a load gives its slot to another account that waits."""
    query_slots: PositiveInt = max(4, 2 * (os.cpu_count() or 1))
    """How many queries a server runs at once; a query keeps one processor of PostgreSQL busy."""
