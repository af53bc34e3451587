"""A measured figure beside its baseline and its goal."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table; `ratio` is value to baseline."""

    id: str
    figure: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    goal: str
    met: bool

    @property
    def ratio(self) -> float:
        return self.value / self.baseline_value if self.baseline_value else math.nan

    def as_json(self) -> dict[str, object]:
        return {
            **asdict(self),
            "value": rounded(self.value, 2),
            "baseline_value": rounded(self.baseline_value, 2),
            "ratio": rounded(self.ratio, 3),
        }

    def as_line(self) -> str:
        return (
            f"{self.id}  {self.figure}: {readable(self.value)} {self.unit}"
            f" ({self.baseline}: {readable(self.baseline_value)}; ratio {self.ratio:.2f})"
        )


@dataclass(frozen=True)
class Failure:
    """A benchmark that ended without figures."""

    id: str
    error: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def as_line(self) -> str:
        return f"{self.id}  failed: {self.error}"


def rounded(value: float, digits: int) -> float | None:
    """Round for JSON, which has no NaN."""
    return round(value, digits) if math.isfinite(value) else None


def percentile(values: Sequence[float], rank: float) -> float:
    """Return the value below which the share `rank` (0 to 1) of the values lies."""
    return sorted(values)[min(int(len(values) * rank), len(values) - 1)]


def readable(value: float) -> str:
    """Write three digits at least."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 # three digits
