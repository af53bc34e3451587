"""What an organization uses of a service, told to tenancy: the same for every service."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self
from uuid import UUID

from tenon.usage.v1.usage_service_pb2 import MeasureUsageRequest, MeasureUsageResponse
from tenon.usage.v1.usage_service_pb2_grpc import (
    UsageServiceServicer,
    add_UsageServiceServicer_to_server,
)
from tenon_core.errors import FieldError, InvalidArgument, NotFound
from tenon_core.ids import parse_id
from tenon_rpc.methods import Registration

WRITTEN = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Month:
    """A month of UTC, of this century."""

    year: int
    number: int

    @classmethod
    def of(cls, at: datetime) -> Self:
        return cls(at.year, at.month)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read YYYY-MM; InvalidArgument."""
        if not (found := WRITTEN.fullmatch(text)):
            raise InvalidArgument(fields=[FieldError("/month", "must be YYYY-MM")])
        return cls(int(found[1]), int(found[2]))

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """Return the first moment that belongs to it no more."""
        years, months = divmod(self.number, MONTHS)
        return datetime(self.year + years, months + 1, 1, tzinfo=UTC)

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02}"


Measure = Callable[[UUID, Month], Awaitable[Mapping[str, int]]]
"""Returns an organization's figures by their names."""


def usage(measure: Measure) -> Registration:
    return add_UsageServiceServicer_to_server, UsageServicer(measure)


class UsageServicer(UsageServiceServicer):
    def __init__(self, measure: Measure) -> None:
        self._measure = measure

    async def MeasureUsage(
        self, request: MeasureUsageRequest, context: object
    ) -> MeasureUsageResponse:
        org_id = parse_id(request.org_id)
        if org_id is None:
            raise NotFound
        figures = await self._measure(org_id, Month.read(request.month))
        return MeasureUsageResponse(figures=figures)
