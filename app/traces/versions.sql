-- Any record as it was at any moment, and who changed it when and why. The versions hold rows from behind
-- the walls, so only whom the policy shows everybody may ask: who audits, and the house itself.

CREATE OR REPLACE FUNCTION jiuyi.as_of(asked_table text, asked_row text, moment timestamptz)
RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE op WHEN 'D' THEN NULL ELSE body END FROM record_version
    WHERE table_name = asked_table AND row_id = asked_row AND at <= moment
      AND current_setting('app.reach', true) = 'everybody'
    ORDER BY at DESC, entry DESC LIMIT 1
$$;

-- The newest first, before `older` where it is given.
CREATE OR REPLACE FUNCTION jiuyi.history_of(
    asked_table text, asked_row text, older bigint DEFAULT NULL, most integer DEFAULT 100
) RETURNS TABLE (
    entry bigint, at timestamptz, op text, body jsonb, actor_kind text, actor_id uuid, channel text,
    request_id text, reason text, db_user text
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT entry, at, op::text, body, actor_kind, actor_id, channel, request_id, reason, db_user
    FROM record_version
    WHERE table_name = asked_table AND row_id = asked_row AND (older IS NULL OR entry < older)
      AND current_setting('app.reach', true) = 'everybody'
    ORDER BY entry DESC LIMIT most
$$;
