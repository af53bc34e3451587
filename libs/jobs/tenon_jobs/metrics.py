"""What an operator sees of the jobs of one worker process."""

from prometheus_client import Counter, Gauge, Histogram

CLAIMED = Counter("tenon_jobs_claimed", "Jobs claimed by this worker.", ["type"])
FINISHED = Counter(
    "tenon_jobs_finished",
    "Claims that ended, by outcome: succeeded, retry, failed, released, lost.",
    ["type", "outcome"],
)
RUNNING = Gauge("tenon_jobs_running", "Jobs that run in this worker now.", ["type"])
DURATION = Histogram("tenon_jobs_duration_seconds", "From claim to outcome.", ["type"])
EXPIRED = Counter("tenon_jobs_expired", "Jobs that this sweeper took from stopped workers.")
QUARANTINED = Counter(
    "tenon_jobs_quarantined", "Jobs set aside because their workers stopped.", ["type"]
)
FIRED = Counter("tenon_jobs_fired", "Fire times that this worker made a job of.", ["schedule"])
DEPTH = Gauge(
    "tenon_jobs_depth",
    "Jobs by type and state, counted up to 10,000; the same from each worker of a service.",
    ["service", "type", "state"],
)
OLDEST_DUE = Gauge(
    "tenon_jobs_oldest_due_seconds",
    "For how long the oldest due job of a type has waited; the same from each worker of a service.",
    ["service", "type"],
)
