-- What must hold whatever died, once the system is at rest: a line for each thing that does not.

-- Of every service's schema.
{each_schema}

-- Cursors.
SELECT format('%s has not consumed the feed of %s: at %s of %s', consumer, source, position, head)
    AS finding
FROM ({cursors}) AS cursors
JOIN ({heads}) AS heads ON heads.schema = cursors.source
WHERE position <> head
UNION ALL

-- Accounts: there with all their parts, and told to the others once.
SELECT format('user %s has %s credentials, %s sign-ups told and %s on record', users.id,
    credentials.count, told.count, audited.count)
FROM auth.users
CROSS JOIN LATERAL (SELECT count(*) FROM auth.credentials WHERE user_id = users.id) AS credentials
CROSS JOIN LATERAL (
    SELECT count(*) FROM auth.outbox
    WHERE outbox.user_id = users.id AND type = 'tenon.auth.v1.UserSignedUp'
) AS told
CROSS JOIN LATERAL (
    SELECT count(*) FROM tenancy.personal_audit_events AS records
    WHERE records.user_id = users.id AND action = 'auth.users.sign_up'
) AS audited
WHERE (credentials.count, told.count, audited.count) <> (1, 1, 1)
UNION ALL
SELECT format('login of user %s, who is not there', user_id)
FROM auth.logins WHERE NOT EXISTS (SELECT FROM auth.users WHERE users.id = user_id)
UNION ALL
SELECT format('session %s ended, but that was told %s times', sessions.id, told.count)
FROM auth.sessions
CROSS JOIN LATERAL (
    SELECT count(*) FROM auth.outbox
    WHERE outbox.user_id = sessions.user_id AND type = 'tenon.auth.v1.SessionEnded'
        AND position(sessions.id::text::bytea IN payload) > 0
) AS told
WHERE (end_time IS NOT NULL)::int <> told.count
UNION ALL

-- Organizations.
SELECT format('organization %s has %s slugs, %s owners and %s creations on record', id, slugs.count,
    owners.count, audited.count)
FROM tenancy.organizations
CROSS JOIN LATERAL (SELECT count(*) FROM tenancy.slugs WHERE org_id = id) AS slugs
CROSS JOIN LATERAL (
    SELECT count(*) FROM tenancy.memberships WHERE org_id = organizations.id AND role = 4
) AS owners
CROSS JOIN LATERAL (
    SELECT count(*) FROM tenancy.audit_events AS records
    WHERE records.org_id = organizations.id AND action = 'tenancy.organizations.create'
) AS audited
WHERE (slugs.count, owners.count, audited.count) <> (1, 1, 1)
UNION ALL

-- The audit logs: without a gap, and nothing twice.
SELECT format('the log of organization %s has %s of %s lines', org_id, count(*), max(position))
FROM tenancy.audit_events GROUP BY org_id HAVING count(*) <> max(position)
UNION ALL
SELECT format('the log of user %s has %s of %s lines', user_id, count(*), max(position))
FROM tenancy.personal_audit_events GROUP BY user_id HAVING count(*) <> max(position)
UNION ALL

-- Datasets and events.
SELECT format('dataset %s has %s creations on record', datasets.id, count(records.id))
FROM reports.datasets
LEFT JOIN tenancy.audit_events AS records ON records.org_id = datasets.org_id
    AND action = 'reports.datasets.create' AND resource = 'datasets/' || datasets.id
GROUP BY datasets.id HAVING count(records.id) <> 1
UNION ALL
SELECT format('event %s of dataset %s is there %s times', id, dataset_id, count(*))
FROM reports.events GROUP BY org_id, dataset_id, id HAVING count(*) > 1
UNION ALL
SELECT format('dataset %s has %s events and %s keys', id, own.events, own.keys)
FROM reports.datasets
CROSS JOIN LATERAL (
    SELECT
        (SELECT count(*) FROM reports.events AS e
         WHERE e.org_id = datasets.org_id AND dataset_id = datasets.id) AS events,
        (SELECT count(*) FROM reports.event_keys AS k
         WHERE k.org_id = datasets.org_id AND dataset_id = datasets.id) AS keys
) AS own
WHERE own.events <> own.keys
UNION ALL

-- Uploads.
SELECT format('upload %s is %s', id, state) FROM reports.uploads WHERE state <> 'succeeded'
UNION ALL
SELECT format('upload %s took %s rows, of which %s are accounted for', id, rows,
    accepted + duplicates + conflicts + rejected)
FROM reports.uploads WHERE rows <> accepted + duplicates + conflicts + rejected
UNION ALL
SELECT format('upload %s was loaded by %s jobs, told %s times, and is on record %s times',
    uploads.id, jobs.count, told.count, audited.count)
FROM reports.uploads
CROSS JOIN LATERAL (
    SELECT count(*) FROM reports.jobs WHERE payload ->> 'upload_id' = uploads.id::text
        AND type = 'uploads.load'
) AS jobs
CROSS JOIN LATERAL (
    SELECT count(*) FROM reports.outbox
    WHERE type = 'tenon.reports.v1.UploadSucceeded'
        AND position(uploads.id::text::bytea IN payload) > 0
) AS told
CROSS JOIN LATERAL (
    SELECT count(*) FROM tenancy.audit_events AS records
    WHERE records.org_id = uploads.org_id AND action = 'reports.uploads.create'
        AND resource LIKE '%/uploads/' || uploads.id
) AS audited
WHERE (jobs.count, told.count, audited.count) <> (1, 1, 1)
UNION ALL

-- Runs.
SELECT format('run %s is %s', id, state) FROM reports.runs WHERE state <> 'succeeded'
UNION ALL
SELECT format('run %s was exported by %s jobs, told %s times, and is on record %s times', runs.id,
    jobs.count, told.count, audited.count)
FROM reports.runs
CROSS JOIN LATERAL (
    SELECT count(*) FROM reports.jobs WHERE payload ->> 'run_id' = runs.id::text
        AND type = 'runs.export'
) AS jobs
CROSS JOIN LATERAL (
    SELECT count(*) FROM reports.outbox
    WHERE type = 'tenon.reports.v1.RunSucceeded' AND position(runs.id::text::bytea IN payload) > 0
) AS told
CROSS JOIN LATERAL (
    SELECT count(*) FROM tenancy.audit_events AS records
    WHERE records.org_id = runs.org_id AND action = 'reports.runs.start'
        AND resource LIKE '%/runs/' || runs.id
) AS audited
WHERE (jobs.count, told.count, audited.count) <> (1, 1, 1)
UNION ALL

-- Mails: one for what happened once.
SELECT format('user %s was welcomed by %s mails', users.id, count(emails.id))
FROM auth.users
LEFT JOIN notifications.emails ON emails.user_id = users.id AND kind = 'welcome' AND state = 'sent'
GROUP BY users.id HAVING count(emails.id) <> 1
UNION ALL
SELECT format('run %s was told of by %s mails', runs.id, count(emails.id))
FROM reports.runs
LEFT JOIN notifications.emails ON emails.subject_id = runs.id AND kind = 'run_succeeded'
    AND emails.state = 'sent'
GROUP BY runs.id HAVING count(emails.id) <> 1
UNION ALL
SELECT format('mail %s was enqueued %s times', payload ->> 'id', count(*))
FROM notifications.jobs WHERE type = 'emails.send'
GROUP BY payload ->> 'id' HAVING count(*) > 1
