"""What reports limits; `docs/limits.md` is generated from it."""

from fractions import Fraction

from tenon_core.limits import Limit, Per, define
from tenon_core.slots import define_slots
from tenon_jobs import QueueLimits
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
INGESTS = define_slots(
    "ingests", "the requests with events that are stored at once", f"{_PREFIX}INGEST_SLOTS"
)
UPLOADS = define_slots("uploads", "the files that are received at once", f"{_PREFIX}UPLOAD_SLOTS")


def _pending(kind: str, per: Per) -> Limit:
    return define(
        Limit(
            f"pending_{kind}_per_{per}",
            f"the {kind} that wait or run",
            per,
            f"{_PREFIX}{per.upper()}_PENDING_{kind.upper()}",
        )
    )


PENDING_EXPORTS_OF_ORGANIZATION = _pending("exports", Per.ORGANIZATION)
PENDING_EXPORTS_OF_ACCOUNT = _pending("exports", Per.ACCOUNT)
PENDING_UPLOADS_OF_ORGANIZATION = _pending("uploads", Per.ORGANIZATION)
PENDING_UPLOADS_OF_ACCOUNT = _pending("uploads", Per.ACCOUNT)


def pending_exports(settings: ReportsSettings) -> QueueLimits:
    return QueueLimits(
        PENDING_EXPORTS_OF_ORGANIZATION,
        settings.organization_pending_exports,
        PENDING_EXPORTS_OF_ACCOUNT,
        settings.account_pending_exports,
    )


def pending_uploads(settings: ReportsSettings) -> QueueLimits:
    return QueueLimits(
        PENDING_UPLOADS_OF_ORGANIZATION,
        settings.organization_pending_uploads,
        PENDING_UPLOADS_OF_ACCOUNT,
        settings.account_pending_uploads,
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
