"""The gateway's figures, for the operations port."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("tenon_gateway_requests", "Requests", ["route", "status"])
SECONDS = Histogram(
    "tenon_gateway_request_seconds",
    "From a request's headers to the end of its reply",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
GATE_BATCH = Histogram(
    "tenon_gateway_gate_batch",
    "Requests that shared a round trip to Redis",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
CACHE_LOOKUPS = Counter("tenon_gateway_cache_lookups", "Look-ups of cached replies", ["result"])
RATE_LIMITED = Counter(
    "tenon_gateway_rate_limited", "Requests over their limits", ["rate_class", "mode"]
)
REDIS_AWAY = Gauge(
    "tenon_gateway_redis_away", "1 while Redis does not answer: most rate limits are open"
)
WITHOUT_REDIS = Counter(
    "tenon_gateway_without_redis", "Requests that passed the gate while Redis was away"
)
