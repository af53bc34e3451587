SELECT format('{schema}: %s events have no position', count(*)) AS finding
FROM {schema}.outbox WHERE position IS NULL HAVING count(*) > 0
UNION ALL
SELECT format('{schema}: %s events have positions up to %s, the head is at %s', count(position),
    max(position), (SELECT position FROM {schema}.outbox_head))
FROM {schema}.outbox
HAVING (count(position), coalesce(max(position), 0))
    <> ((SELECT position FROM {schema}.outbox_head), (SELECT position FROM {schema}.outbox_head))
UNION ALL
SELECT format('{schema}: job %s (%s) is %s after %s claims and %s attempts: %s', id, type, state,
    claims, attempts, last_error)
FROM {schema}.jobs
WHERE state IN ('running', 'failed', 'quarantined')
    OR state = 'queued' AND run_at < now() + interval '25 hours'
UNION ALL
