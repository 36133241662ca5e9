-- Last steps of a restore, in its transaction: what was true when the backup was taken and must not be now.

-- History was rewritten for whoever listened since: every client starts over.
UPDATE rt_stream SET epoch = gen_random_uuid();

-- A login that ended after the backup would be alive again, and so would a token that was stolen and revoked.
UPDATE login_session SET revoked_at = now() WHERE revoked_at IS NULL;
UPDATE auth_code SET used_at = now() WHERE used_at IS NULL;
UPDATE pushed_request SET used_at = now() WHERE used_at IS NULL;

-- Nobody works on these any more; the next epoch fences a runner that survived somewhere.
UPDATE job SET status = 'due', leased_until = NULL, run_at = now(), lease_epoch = lease_epoch + 1
WHERE status = 'running';

-- Numbers that were given out after the backup stand on wristbands and papers: they are not given out again.
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, coalesce(last_value, start_value) + 1000)
FROM pg_sequences WHERE schemaname = 'public';
