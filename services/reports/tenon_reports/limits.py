"""What reports limits; `docs/limits.md` is generated from it."""

from tenon_core.limits import Limit, Per, define
from tenon_reports.errors import UploadTooLarge
from tenon_reports.settings import ReportsSettings

_PREFIX = ReportsSettings.model_config["env_prefix"]

UPLOAD_BYTES = define(
    Limit(
        "bytes_per_upload",
        "the bytes of an uploaded file, as sent and decompressed",
        Per.UPLOAD,
        f"{_PREFIX}MAX_UPLOAD_BYTES",
        error=UploadTooLarge,
    )
)
