-- How many jobs there are by type and state, and for how long the oldest due one has waited.
--
-- Counts end at :most, so the cost depends on how many types there are and not on how many jobs:
-- the types that wait are found by one index probe each, and of each at most :most index entries
-- are read. Running jobs are as many as the workers have slots.
WITH RECURSIVE waiting (type) AS (
    (SELECT type FROM {jobs} WHERE state = 'queued' ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (
        SELECT type FROM {jobs}
        WHERE state = 'queued' AND type > waiting.type ORDER BY type LIMIT 1
    )
    FROM waiting WHERE waiting.type IS NOT NULL
)
SELECT
    waiting.type,
    'queued' AS state,
    (
        SELECT count(*) FROM (
            SELECT FROM {jobs} AS job
            WHERE state = 'queued' AND job.type = waiting.type LIMIT :most
        ) AS counted
    ) AS jobs,
    coalesce((
        SELECT extract(epoch FROM now() - run_at) FROM {jobs} AS job
        WHERE state = 'queued' AND job.type = waiting.type AND run_at <= now()
        ORDER BY run_at LIMIT 1
    ), 0)::float8 AS oldest_due_seconds
FROM waiting WHERE waiting.type IS NOT NULL
UNION ALL
SELECT type, state, count(*), 0 FROM {jobs} WHERE state = 'running' GROUP BY type, state
UNION ALL
SELECT type, state, count(*), 0 FROM (
    (SELECT type, state FROM {jobs} WHERE state = 'failed' LIMIT :most)
    UNION ALL
    (SELECT type, state FROM {jobs} WHERE state = 'quarantined' LIMIT :most)
) AS set_aside GROUP BY type, state
