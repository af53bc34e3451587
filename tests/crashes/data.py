"""Deterministic events: as a CSV file with some broken rows, as a request's, and as an export."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 1, 1, tzinfo=UTC)
PRODUCTS = ("anvil", "bellows", "chisel", "drill")
BROKEN_EACH = 997


def events(first: int, count: int) -> list[dict[str, Any]]:
    """Return events as a request has them."""
    return [
        {
            "id": f"e{number:07}",
            "time": (START + timedelta(seconds=number)).isoformat().replace("+00:00", "Z"),
            "dimensions": {"product": PRODUCTS[number % len(PRODUCTS)]},
            "measures": {"amount": float(number % 100)},
        }
        for number in range(first, first + count)
    ]


def csv(rows: Sequence[dict[str, Any]]) -> bytes:
    """Write events as a file of which each 997th row has no number."""
    lines = ["id,time,product,amount"]
    for place, row in enumerate(rows, 1):
        amount = "much" if place % BROKEN_EACH == 0 else f"{row['measures']['amount']:.0f}"
        lines.append(f"{row['id']},{row['time']},{row['dimensions']['product']},{amount}")
    return "\n".join([*lines, ""]).encode()


def taken(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of a file that are not broken."""
    return [row for place, row in enumerate(rows, 1) if place % BROKEN_EACH]


def exported(rows: Sequence[dict[str, Any]]) -> bytes:
    """Write events as an export does: by time, then by id."""
    lines = ["id,time,product,amount"]
    for row in sorted(rows, key=lambda row: (row["time"], row["id"])):
        amount = f"{row['measures']['amount']:.0f}"
        lines.append(f"{row['id']},{row['time']},{row['dimensions']['product']},{amount}")
    return "\n".join([*lines, ""]).encode()


def totals(rows: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """Return product, number of events and sum of their amounts, by product."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        product = row["dimensions"]["product"]
        total = found.setdefault(product, [product, 0, 0.0])
        total[1] += 1
        total[2] += row["measures"]["amount"]
    return [found[product] for product in sorted(found)]


def exported_totals(rows: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return the lines of totals as an export has them."""
    lines = (f"{product},{number},{amount:.0f}" for product, number, amount in totals(rows))
    return sorted(line.encode() for line in lines)
