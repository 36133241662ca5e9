-- What did not happen although it was asked for: read and moved past the grants, because who hears of a
-- fact is otherwise no request's matter. Applied again whenever this file changes.

CREATE INDEX IF NOT EXISTS delivery_for_a_person ON delivery (id) WHERE status IN ('dead', 'aside');
CREATE INDEX IF NOT EXISTS job_for_a_person ON job (id) WHERE status = 'dead';

GRANT SELECT, UPDATE ON delivery, job TO jiuyi_definer;
GRANT SELECT ON outbox, event TO jiuyi_definer;
SET LOCAL ROLE jiuyi_definer;

-- Deliveries and jobs that failed, oldest first: one by its id whatever became of it, or those in a state.
-- `waiting_behind` are later facts of the same aggregate that this subscriber hears only after this one,
-- `gone_ahead` those it has heard already: a dead delivery blocks nothing, a failing one does.
CREATE OR REPLACE FUNCTION jiuyi.letters(
    only_id uuid, of_status text, of_source text, of_kind text, of_subscriber text, after uuid, at_most integer
) RETURNS TABLE (
    id uuid, source text, status text, kind text, subscriber text, lane text, aggregate text,
    aggregate_id uuid, since timestamptz, age_seconds bigint, attempts integer, last_error text,
    request_id text, waiting_behind bigint, gone_ahead bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    -- Apart, so that each finds its index among the millions that went well.
    WITH deliveries AS (
        SELECT d.* FROM delivery d WHERE d.id = only_id
        UNION ALL SELECT d.* FROM delivery d
        WHERE only_id IS NULL AND d.status IN ('dead', 'aside') AND d.status = of_status
        UNION ALL SELECT d.* FROM delivery d
        WHERE only_id IS NULL AND of_status = 'failing' AND d.status = 'due' AND d.last_error <> ''
    ), jobs AS (
        SELECT j.* FROM job j WHERE j.id = only_id
        UNION ALL SELECT j.* FROM job j WHERE only_id IS NULL AND j.status = 'dead' AND j.status = of_status
        UNION ALL SELECT j.* FROM job j
        WHERE only_id IS NULL AND of_status = 'failing' AND j.status = 'due' AND j.last_error <> ''
    ), failed AS (
        (SELECT d.id, 'delivery' AS source, d.status::text, e.kind::text, d.subscriber::text, d.lane::text,
                e.aggregate::text, d.aggregate_id, e.at AS since, d.attempts, d.last_error,
                e.request_id::text, d.aggregate_version
         FROM deliveries d JOIN event e ON e.id = d.event_id AND e.at = d.event_at
         WHERE (of_kind IS NULL OR e.kind = of_kind)
           AND coalesce(of_source, 'delivery') = 'delivery'
           AND (of_subscriber IS NULL OR d.subscriber = of_subscriber)
           AND (after IS NULL OR d.id > after)
         ORDER BY d.id LIMIT at_most)
        UNION ALL
        -- Of a job's arguments only an id is shown: what the effect is about.
        (SELECT j.id, 'job', j.status::text, j.kind::text, '', '', coalesce(about.aggregate, ''), about.id,
                j.created_at, j.attempts, j.last_error, j.request_id::text, NULL
         FROM jobs j LEFT JOIN LATERAL (
             SELECT left(key, -3) AS aggregate, value::uuid AS id FROM jsonb_each_text(j.arguments)
             WHERE key LIKE '%\_id' AND value ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
             ORDER BY key LIMIT 1
         ) AS about ON true
         WHERE (of_kind IS NULL OR j.kind = of_kind)
           AND coalesce(of_source, 'job') = 'job'
           AND of_subscriber IS NULL
           AND (after IS NULL OR j.id > after)
         ORDER BY j.id LIMIT at_most)
        ORDER BY 1 LIMIT at_most
    )
    SELECT f.id, f.source, f.status, f.kind, f.subscriber, f.lane, f.aggregate, f.aggregate_id, f.since,
           extract(epoch FROM pg_catalog.now() - f.since)::bigint, f.attempts, f.last_error, f.request_id,
           CASE WHEN f.status = 'due' THEN later.due ELSE 0 END, later.done
    FROM failed f CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE d.status = 'due') AS due, count(*) FILTER (WHERE d.status = 'done') AS done
        FROM event e JOIN delivery d ON d.event_id = e.id AND d.subscriber = f.subscriber
        WHERE e.aggregate_id = f.aggregate_id AND e.aggregate_version > f.aggregate_version
    ) AS later
    ORDER BY f.id
$$;

-- Gives those of these letters that wait for a person another chance, at once. The moves are those of
-- DELIVERY_FLOW and JOB_FLOW; who comes second finds nothing to move. Returns what was moved.
CREATE OR REPLACE FUNCTION jiuyi.revive_letters(asked uuid[]) RETURNS TABLE (id uuid, lane text)
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH deliveries AS (
        UPDATE delivery d SET status = 'due', attempts = 0, retry_at = pg_catalog.now()
        WHERE d.id = ANY (asked) AND d.status IN ('dead', 'aside') RETURNING d.id, d.lane
    ), jobs AS (
        UPDATE job j SET status = 'due', attempts = 0, run_at = pg_catalog.now(), leased_until = NULL
        WHERE j.id = ANY (asked) AND j.status = 'dead' RETURNING j.id
    )
    SELECT deliveries.id, deliveries.lane::text FROM deliveries UNION ALL SELECT jobs.id, '' FROM jobs
$$;

-- A dead delivery need not happen any more. Which subscribers may be spared is decided in app/letters/rules.py.
CREATE OR REPLACE FUNCTION jiuyi.set_letter_aside(asked uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE delivery d SET status = 'aside' WHERE d.id = asked AND d.status = 'dead';
    RETURN FOUND;
END $$;

-- Committed facts that no relay has taken up for so long, oldest first.
CREATE OR REPLACE FUNCTION jiuyi.stuck_events(
    of_lane text, older_than interval, after bigint, at_most integer
) RETURNS TABLE (
    "position" bigint, event_id uuid, lane text, kind text, aggregate text, aggregate_id uuid,
    since timestamptz, age_seconds bigint, request_id text
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.position, o.event_id, o.lane::text, e.kind::text, e.aggregate::text, e.aggregate_id, o.event_at,
           extract(epoch FROM pg_catalog.now() - o.event_at)::bigint, e.request_id::text
    FROM outbox o JOIN event e ON e.id = o.event_id AND e.at = o.event_at
    WHERE o.event_at < pg_catalog.now() - older_than
      AND (of_lane IS NULL OR o.lane = of_lane) AND (after IS NULL OR o.position > after)
    ORDER BY o.position LIMIT at_most
$$;
RESET ROLE;
