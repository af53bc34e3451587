"""What reports limits; `docs/limits.md` is generated from it."""

from fractions import Fraction

from tenon_core.limits import Limit, Per, define
from tenon_core.slots import define_slots
from tenon_reports.errors import UploadTooLarge
from tenon_reports.settings import ReportsSettings

_PREFIX = ReportsSettings.model_config["env_prefix"]

QUERIES = define_slots(
    "queries",
    "the queries that run at once",
    f"{_PREFIX}QUERY_SLOTS",
    default="2 for each processor, at least 4",
    account_share=Fraction(1, 4),
)
UPLOAD_BYTES = define(
    Limit(
        "bytes_per_upload",
        "the bytes of an uploaded file, as sent and decompressed",
        Per.UPLOAD,
        f"{_PREFIX}MAX_UPLOAD_BYTES",
        error=UploadTooLarge,
    )
)
