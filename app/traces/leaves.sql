-- The canonical text of an entry and its digest, the leaf of a seal: docs/algorithms/seals.md. The program
-- that checks seals brings this file along and asks no function of the database it doubts. A table that
-- gets another column gets another form here; leaves that are sealed keep theirs.

CREATE OR REPLACE FUNCTION jiuyi.leaf_text(kept public.record_version) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'form', 1, 'table', 'record_version', 'entry', kept.entry,
        'at', to_char(kept.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'xid', kept.xid::text,
        'table_name', kept.table_name, 'row_id', kept.row_id, 'op', kept.op::text, 'body', kept.body,
        'actor_kind', kept.actor_kind, 'actor_id', kept.actor_id::text, 'channel', kept.channel,
        'request_id', kept.request_id, 'reason', kept.reason, 'db_user', kept.db_user)::text
$$;

CREATE OR REPLACE FUNCTION jiuyi.leaf_text(kept public.access_log) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'form', 1, 'table', 'access_log', 'entry', kept.entry,
        'at', to_char(kept.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'xid', kept.xid::text,
        'actor_kind', kept.actor_kind, 'actor_id', kept.actor_id::text, 'role', kept.role,
        'channel', kept.channel, 'session_id', kept.session_id::text, 'request_id', kept.request_id,
        'address', kept.address, 'permission', kept.permission, 'status', kept.status,
        'person_id', kept.person_id::text, 'reason', kept.reason)::text
$$;

CREATE OR REPLACE FUNCTION jiuyi.leaf_digest(kept public.record_version) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(jiuyi.leaf_text(kept), 'UTF8'))
$$;

CREATE OR REPLACE FUNCTION jiuyi.leaf_digest(kept public.access_log) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(convert_to(jiuyi.leaf_text(kept), 'UTF8'))
$$;
