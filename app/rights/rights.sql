-- The walls around what patients ask about their own data. Applied again whenever this file changes.

CREATE INDEX IF NOT EXISTS data_request_waiting ON data_request (due_on, id) WHERE status = 'received';
CREATE INDEX IF NOT EXISTS data_request_of_account ON data_request (account_id, id) WHERE account_id IS NOT NULL;

-- Who asked reads the answer also after a deletion ended the binding.
SELECT jiuyi.wall_by_person('data_request', also => 'account_id = (SELECT jiuyi.actor_related(''account''))');
SELECT jiuyi.wall_by_parent('data_request_step', 'request_id', 'data_request');
SELECT jiuyi.wall('data_export', 'account_id = (SELECT jiuyi.actor_related(''account''))');

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'data_request', 'data_request_step', 'data_export'
]) AS kept;
