"""A service that records no read: `python -m tests.crashes.forgetful_service serve`, with the
settings of reports.
"""

from tenon_db.accesses import AccessLog
from tenon_reports.app import APP
from tenon_rpc.process import main


async def forget(*_: object) -> None:
    """Record nothing."""


if __name__ == "__main__":
    AccessLog.record = forget  # type: ignore[assignment] # that is the point
    main(APP)
