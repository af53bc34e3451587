"""A measured figure beside its baseline and its goal."""

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
        return self.value / self.baseline_value

    def as_json(self) -> dict[str, object]:
        fields = asdict(self)
        fields["value"] = round(self.value, 2)
        fields["baseline_value"] = round(self.baseline_value, 2)
        return {**fields, "ratio": round(self.ratio, 3)}


def percentile(values: Sequence[float], rank: float) -> float:
    """Return the value below which the share `rank` (0 to 1) of the values lies."""
    return sorted(values)[min(int(len(values) * rank), len(values) - 1)]


def readable(value: float) -> str:
    """Write three digits at least."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 # three digits
