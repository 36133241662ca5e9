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

-- Whom a record is about: by its own person_id, or by those of the records that it refers to, as they stand
-- now or were when they were deleted. Foreign keys are the way, so that a new table finds its own.
CREATE OR REPLACE FUNCTION jiuyi.persons_of_record(asked_table text, asked jsonb, steps_max integer DEFAULT 4)
RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER ROWS 2 SET search_path = public, pg_temp AS $$
    WITH RECURSIVE reached(kind, body, steps) AS (
        SELECT to_regclass(format('public.%I', asked_table))::oid, asked, 0
        UNION ALL
        SELECT refers.confrelid, newest.body, reached.steps + 1
        FROM reached
        JOIN pg_constraint refers ON refers.conrelid = reached.kind AND refers.contype = 'f'
             AND cardinality(refers.conkey) = 1
        JOIN pg_attribute own ON own.attrelid = refers.conrelid AND own.attnum = refers.conkey[1]
        JOIN pg_class target ON target.oid = refers.confrelid
        CROSS JOIN LATERAL (
            SELECT version.body FROM record_version version
            WHERE version.table_name = target.relname::text AND version.row_id = reached.body ->> own.attname
            ORDER BY version.at DESC, version.entry DESC LIMIT 1) newest
        WHERE reached.steps < steps_max AND reached.kind <> to_regclass('public.person') AND reached.body ->> 'person_id' IS NULL)
    SELECT DISTINCT (CASE kind WHEN to_regclass('public.person') THEN body ->> 'id'
                     ELSE body ->> 'person_id' END)::uuid
    FROM reached
    WHERE (kind = to_regclass('public.person') OR body ->> 'person_id' IS NOT NULL)
      AND current_setting('app.reach', true) = 'everybody'
$$;
