-- Takes up to :slots due jobs of :types for this worker.
--
-- Fairness: a lane is an organization's queue. The walk visits up to :lanes lanes of each type,
-- beginning at a random one (:start) and wrapping around, by one index probe each; so its cost
-- depends neither on how many jobs wait nor on how many lanes there are. A job's turn is how
-- many of its lane run or are taken before it; the lowest turns are taken. Of a type with a
-- limit, only as many of a lane are taken as keep the lane below it.
--
-- Accounts: of a type with a limit per account, only as many of an account are taken as keep it
-- below the limit, and the account whose last job of the type was claimed longest ago comes first.
-- So an account with many organizations gets one account's share.
--
-- :depth is more than :slots because another worker may hold some of the candidates.
WITH RECURSIVE wanted AS (
    SELECT * FROM unnest(
        CAST(:types AS text[]), CAST(:leases AS float8[]), CAST(:limits AS integer[]),
        CAST(:account_limits AS integer[])
    ) AS w (type, lease, lane_limit, account_limit)
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
    SELECT walk.type, walk.lane, head.id, head.priority, head.run_at, head.account_id,
        wanted.lane_limit, wanted.account_limit,
        CASE WHEN wanted.account_limit IS NOT NULL THEN (
            SELECT max(claim_time) FROM {jobs} AS earlier
            WHERE earlier.type = walk.type AND earlier.account_id = head.account_id
        ) END AS last_claim
    FROM walk
    JOIN wanted ON wanted.type = walk.type
    CROSS JOIN LATERAL (
        SELECT id, priority, run_at, account_id FROM {jobs}
        WHERE state = 'queued' AND type = walk.type AND lane = walk.lane AND run_at <= now()
        ORDER BY priority, run_at LIMIT :depth
    ) AS head
),
running_of_account AS (
    SELECT type, account_id, count(*) AS jobs FROM {jobs}
    WHERE state = 'running' AND account_id IS NOT NULL GROUP BY type, account_id
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
        ) AS number_of_type,
        coalesce(of_account.jobs, 0) + row_number() OVER (
            PARTITION BY due.type, coalesce(due.account_id, due.id)
            ORDER BY due.priority, due.run_at
        ) AS number_of_account
    FROM due
    LEFT JOIN running AS alike ON alike.type = due.type AND alike.lane = due.lane
    LEFT JOIN running_of_account AS of_account
        ON of_account.type = due.type AND of_account.account_id = due.account_id
),
candidates AS (
    SELECT
        id, priority, run_at, last_claim,
        CASE WHEN account_limit IS NULL THEN turn ELSE number_of_account END AS turn
    FROM ranked
    WHERE (lane_limit IS NULL OR number_of_type <= lane_limit)
        AND (account_limit IS NULL OR number_of_account <= account_limit)
    ORDER BY turn, last_claim NULLS FIRST, priority, run_at LIMIT :depth
),
taken AS MATERIALIZED (
    SELECT jobs.id
    FROM candidates JOIN {jobs} AS jobs ON jobs.id = candidates.id
    WHERE jobs.state = 'queued'
    ORDER BY
        candidates.turn, candidates.last_claim NULLS FIRST, candidates.priority, candidates.run_at
    LIMIT :slots
    FOR UPDATE OF jobs SKIP LOCKED
)
UPDATE {jobs} AS jobs
SET state = 'running',
    claims = jobs.claims + 1,
    token = jobs.token + 1,
    lease_until = now() + make_interval(secs => wanted.lease),
    claim_time = CASE WHEN wanted.account_limit IS NULL THEN jobs.claim_time ELSE now() END,
    dedupe_key = NULL
FROM taken, wanted
WHERE jobs.id = taken.id AND wanted.type = jobs.type
RETURNING jobs.id, jobs.type, jobs.payload, jobs.org_id, jobs.user_id, jobs.account_id,
    jobs.token, jobs.attempts
