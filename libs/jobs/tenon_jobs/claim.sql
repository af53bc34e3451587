-- Takes up to :slots due jobs of :types for this worker.
--
-- Fairness: a lane is an organization's queue. The walk visits up to :lanes lanes of each type,
-- beginning at a random one (:start) and wrapping around, by one index probe each; so its cost
-- depends neither on how many jobs wait nor on how many lanes there are. A job's turn is how
-- many of its lane run or are taken before it; the lowest turns are taken. Of a type with a
-- limit, only as many of a lane are taken as keep the lane below it.
--
-- :depth is more than :slots because another worker may hold some of the candidates.
WITH RECURSIVE wanted AS (
    SELECT * FROM unnest(
        CAST(:types AS text[]), CAST(:leases AS float8[]), CAST(:limits AS integer[])
    ) AS w (type, lease, lane_limit)
),
walk (type, lane, first_lane, steps) AS (
    SELECT wanted.type, entry.lane, entry.lane, 1
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT coalesce(
            (SELECT lane FROM {jobs} WHERE state = 'queued' AND type = wanted.type
             AND lane > :start ORDER BY lane LIMIT 1),
            (SELECT lane FROM {jobs} WHERE state = 'queued' AND type = wanted.type
             ORDER BY lane LIMIT 1)
        ) AS lane
    ) AS entry
    WHERE entry.lane IS NOT NULL
    UNION ALL
    SELECT walk.type, following.lane, walk.first_lane, walk.steps + 1
    FROM walk
    CROSS JOIN LATERAL (
        SELECT coalesce(
            (SELECT lane FROM {jobs} WHERE state = 'queued' AND type = walk.type
             AND lane > walk.lane ORDER BY lane LIMIT 1),
            (SELECT lane FROM {jobs} WHERE state = 'queued' AND type = walk.type
             ORDER BY lane LIMIT 1)
        ) AS lane
    ) AS following
    WHERE walk.steps < :lanes AND following.lane <> walk.first_lane
),
due AS (
    SELECT walk.type, walk.lane, head.id, head.priority, head.run_at
    FROM walk
    CROSS JOIN LATERAL (
        SELECT id, priority, run_at FROM {jobs}
        WHERE state = 'queued' AND type = walk.type AND lane = walk.lane AND run_at <= now()
        ORDER BY priority, run_at LIMIT :depth
    ) AS head
),
running AS (
    SELECT type, lane, count(*) AS jobs FROM {jobs} WHERE state = 'running' GROUP BY type, lane
),
ranked AS (
    SELECT
        due.*,
        coalesce((SELECT sum(jobs) FROM running WHERE running.lane = due.lane), 0)
        + row_number() OVER (PARTITION BY due.lane ORDER BY due.priority, due.run_at) AS turn,
        coalesce(alike.jobs, 0) + row_number() OVER (
            PARTITION BY due.type, due.lane ORDER BY due.priority, due.run_at
        ) AS number_of_type
    FROM due LEFT JOIN running AS alike ON alike.type = due.type AND alike.lane = due.lane
),
candidates AS (
    SELECT ranked.id, ranked.priority, ranked.run_at, ranked.turn
    FROM ranked JOIN wanted ON wanted.type = ranked.type
    WHERE wanted.lane_limit IS NULL OR ranked.number_of_type <= wanted.lane_limit
    ORDER BY turn, priority, run_at LIMIT :depth
),
taken AS MATERIALIZED (
    SELECT jobs.id
    FROM candidates JOIN {jobs} AS jobs ON jobs.id = candidates.id
    WHERE jobs.state = 'queued'
    ORDER BY candidates.turn, candidates.priority, candidates.run_at
    LIMIT :slots
    FOR UPDATE OF jobs SKIP LOCKED
)
UPDATE {jobs} AS jobs
SET state = 'running',
    claims = jobs.claims + 1,
    token = jobs.token + 1,
    lease_until = now() + make_interval(secs => wanted.lease),
    dedupe_key = NULL
FROM taken, wanted
WHERE jobs.id = taken.id AND wanted.type = jobs.type
RETURNING jobs.id, jobs.type, jobs.payload, jobs.org_id, jobs.user_id, jobs.token, jobs.attempts
