"""What an operator sees of events between services."""

from prometheus_client import Gauge

LAG_POSITIONS = Gauge(
    "tenon_feed_lag_positions",
    "Events of the source that this service has not passed yet.",
    ["service", "source"],
)
LAG_SECONDS = Gauge(
    "tenon_feed_lag_seconds",
    "For how long the oldest event that this service has not passed has waited.",
    ["service", "source"],
)
CURSOR_LOST = Gauge(
    "tenon_feed_cursor_lost",
    "1 while this service stands still because events that it needs have been deleted.",
    ["service", "source"],
)
MEASURED = Gauge(
    "tenon_feed_measured_timestamp_seconds",
    "When the source last said how much there is: the lag is as old as that.",
    ["service", "source"],
)
