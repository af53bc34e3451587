-- Wrongs that the checker must find, each with a word that it is told by. They are done in a
-- transaction that is rolled back.

-- a lost dataset: is lost
DELETE FROM reports.datasets WHERE org_id = '{org}';

-- a lost upload: is lost
DELETE FROM reports.uploads WHERE org_id = '{org}';

-- a lost run: is lost
DELETE FROM reports.runs WHERE org_id = '{org}';

-- a lost account: is lost
DELETE FROM auth.users WHERE id = '{user}';

-- half an account: 0 credentials
DELETE FROM auth.credentials WHERE user_id = '{user}';

-- a lost organization: is lost
DELETE FROM tenancy.slugs WHERE org_id = '{org}';

-- half a batch: is there in part
DELETE FROM reports.events WHERE org_id = '{org}' AND id = 'e0000007';

-- a batch twice: is there 2 times
INSERT INTO reports.events SELECT * FROM reports.events WHERE org_id = '{org}';

-- another payload: is not as it was sent
UPDATE reports.events SET measures = '{{7.5}}' WHERE org_id = '{org}';

-- an upload told twice: told 2 times
UPDATE reports.outbox SET type = 'tenon.reports.v1.UploadSucceeded', payload = (SELECT id::text::bytea FROM reports.uploads WHERE org_id = '{org}') WHERE type = 'tenon.reports.v1.RunSucceeded' AND org_id = '{org}';

-- an unfinished run: is uploading
UPDATE reports.runs SET state = 'uploading' WHERE org_id = '{org}';

-- a job left behind: is queued
UPDATE notifications.jobs SET state = 'queued', finish_time = NULL WHERE user_id = '{user}';

-- a mail enqueued twice: was enqueued 2 times
INSERT INTO notifications.jobs SELECT gen_random_uuid(), type, payload, org_id, user_id, lane, run_at, priority, NULL, state FROM notifications.jobs WHERE user_id = '{user}';

-- a missing record: is not on record
DELETE FROM tenancy.audit_events WHERE org_id = '{org}' AND position = 2;

-- a line of another chain: is altered at line 2
UPDATE tenancy.audit_events SET request_id = 'other', hash = decode(repeat('07', 32), 'hex') WHERE org_id = '{org}' AND position = 2;

-- a gap in the feed: the head is at
DELETE FROM reports.outbox WHERE position = (SELECT max(position) - 1 FROM reports.outbox);

-- an event without a position: no position
UPDATE auth.outbox SET position = NULL WHERE position = 1;

-- a cursor that stands still: has not consumed
UPDATE notifications.cursors SET position = position - 1 WHERE source = 'auth';

-- a removed member: was removed and is there
INSERT INTO tenancy.memberships VALUES ('{org}', '{removed}', 2, now());
