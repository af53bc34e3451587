"""Made-up events of a shop, as many as are asked for: the same ones each time."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

DATASET = {
    "name": "orders",
    "dimensions": ["product", "country", "channel"],
    "measures": ["price", "amount"],
}
TIME_COLUMN, ID_COLUMN = "at", "id"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
YEAR_SECONDS = 365 * 24 * 3600
PRODUCTS, COUNTRIES, CHANNELS = 200, 40, ("web", "shop", "phone")

Event = tuple[str, str, str, str, str, float, int]


def events(count: int, prefix: str) -> Iterator[Event]:
    """Yield id, time, product, country, channel, price, amount, in the order of time."""
    step = YEAR_SECONDS / count
    for number in range(count):
        time = FIRST + timedelta(seconds=int(number * step))
        yield (
            f"{prefix}-{number}",
            time.isoformat(),
            f"product {number * 7919 % PRODUCTS}",
            f"country {number * 104729 % COUNTRIES}",
            CHANNELS[number % len(CHANNELS)],
            number % 1000 / 4,
            number % 9 + 1,
        )


def write_csv(path: Path, count: int, prefix: str) -> None:
    """Write a file to upload."""
    columns = [ID_COLUMN, TIME_COLUMN, *DATASET["dimensions"], *DATASET["measures"]]
    with path.open("w") as file:
        file.write(",".join(columns) + "\n")
        file.writelines(",".join(map(str, event)) + "\n" for event in events(count, prefix))


def batches(count: int, size: int, prefix: str) -> Iterator[bytes]:
    """Yield `count` request bodies of `size` events each."""
    batch = []
    for event_id, time, product, country, channel, price, amount in events(count * size, prefix):
        batch.append(
            {
                "id": event_id,
                "time": time,
                "dimensions": {"product": product, "country": country, "channel": channel},
                "measures": {"price": price, "amount": amount},
            }
        )
        if len(batch) == size:
            yield json.dumps({"events": batch}).encode()
            batch = []
