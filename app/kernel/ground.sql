-- The ground's functions, partitions, triggers and partial indexes. Applied again whenever this file changes.

CREATE SCHEMA IF NOT EXISTS jiuyi;
GRANT USAGE, CREATE ON SCHEMA jiuyi TO jiuyi_definer;

INSERT INTO clock_offset (id, offset_by) VALUES (1, interval '0') ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION jiuyi.now() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT pg_catalog.now() + offset_by FROM public.clock_offset $$;

-- Events, partitioned by month of their birth by the database's clock.
CREATE TABLE IF NOT EXISTS event (
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    kind varchar(60) NOT NULL,
    schema_version smallint NOT NULL,
    aggregate varchar(40) NOT NULL,
    aggregate_id uuid NOT NULL,
    aggregate_version bigint NOT NULL,
    actor_kind varchar(12) NOT NULL,
    actor_id uuid,
    channel varchar(40) NOT NULL,
    request_id varchar(64) NOT NULL,
    business_at timestamptz NOT NULL,
    fact jsonb NOT NULL,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE IF NOT EXISTS event_default PARTITION OF event DEFAULT;
CREATE INDEX IF NOT EXISTS event_aggregate ON event (aggregate_id, aggregate_version);

-- Makes the monthly partitions of a table for this month and the next three. Returns how many it made.
-- Runs as the owner, because the application's role makes no tables.
CREATE OR REPLACE FUNCTION jiuyi.ensure_partitions(partitioned text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first date := date_trunc('month', pg_catalog.now() AT TIME ZONE 'UTC')::date;
    month date;
    made integer := 0;
BEGIN
    FOR ahead IN 0..3 LOOP
        month := first + make_interval(months => ahead);
        IF to_regclass(format('public.%s_%s', partitioned, to_char(month, 'YYYYMM'))) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)',
                partitioned || '_' || to_char(month, 'YYYYMM'), partitioned,
                month::timestamp AT TIME ZONE 'UTC',
                (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
SELECT jiuyi.ensure_partitions('event');

-- How many rows lie in a table's default partition: nobody of ours may look into a single partition.
CREATE OR REPLACE FUNCTION jiuyi.stray_rows(partitioned text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    found_there bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM public.%I', partitioned || '_default') INTO found_there;
    RETURN found_there;
END $$;

-- Tells one fact: the aggregate's next version, the immutable event and its place in the outbox.
CREATE SEQUENCE IF NOT EXISTS outbox_order;
CREATE OR REPLACE FUNCTION jiuyi.emit(
    event_id uuid, event_kind text, event_schema smallint, event_aggregate text, event_aggregate_id uuid,
    event_lane text, event_fact jsonb
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    next_version bigint;
BEGIN
    INSERT INTO event_head AS head (aggregate_id, aggregate, version)
    VALUES (event_aggregate_id, event_aggregate, 1)
    ON CONFLICT (aggregate_id) DO UPDATE SET version = head.version + 1
    RETURNING version INTO next_version;
    INSERT INTO event (id, kind, schema_version, aggregate, aggregate_id, aggregate_version,
                       actor_kind, actor_id, channel, request_id, business_at, fact)
    VALUES (event_id, event_kind, event_schema, event_aggregate, event_aggregate_id, next_version,
            current_setting('app.actor_kind'), nullif(current_setting('app.actor_id'), '')::uuid,
            current_setting('app.channel'), current_setting('app.request_id'), jiuyi.now(), event_fact);
    INSERT INTO outbox (event_id, event_at, lane, position)
    VALUES (event_id, pg_catalog.now(), event_lane, nextval('outbox_order'));
    RETURN next_version;
END $$;

-- Which of our processes live, by their own word. Unlogged: after a crash of the server nobody has said so.
CREATE UNLOGGED TABLE IF NOT EXISTS process_beat (
    id uuid PRIMARY KEY,
    kind varchar(10) NOT NULL,
    host varchar(80) NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    beat_at timestamptz NOT NULL DEFAULT now()
);

-- Makes transactions that are about to write the same blind-indexed value take turns. While keys rotate one
-- value has several indexes, of which a unique column knows one; all processes hold at least one in common.
CREATE OR REPLACE FUNCTION jiuyi.hold_indexes(indexes text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(held.index, 0))
    FROM (SELECT unnest(indexes) AS index ORDER BY 1) held;
END $$;

CREATE INDEX IF NOT EXISTS outbox_lane ON outbox (lane, position);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (lane, retry_at) WHERE status = 'due';
CREATE INDEX IF NOT EXISTS delivery_unfinished
    ON delivery (subscriber, aggregate_id, aggregate_version) WHERE status = 'due';
CREATE INDEX IF NOT EXISTS job_due ON job (run_at) WHERE status = 'due';
CREATE INDEX IF NOT EXISTS job_running ON job (leased_until) WHERE status = 'running';

-- The ledger. post_journal is the only writer: the application's role may not insert, and nobody may change.
CREATE OR REPLACE FUNCTION jiuyi.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE OR REPLACE TRIGGER journal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.refuse_change();
CREATE OR REPLACE TRIGGER journal_leg_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_leg
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.refuse_change();
CREATE OR REPLACE TRIGGER event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.refuse_change();

CREATE OR REPLACE FUNCTION jiuyi.require_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM journal_leg WHERE journal_id IN (SELECT journal_id FROM added)
               GROUP BY journal_id HAVING sum(amount_fen) <> 0 OR count(*) < 2) THEN
        RAISE EXCEPTION 'journal does not balance' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'journal_balanced';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS journal_leg_balanced ON journal_leg;
CREATE TRIGGER journal_leg_balanced AFTER INSERT ON journal_leg REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.require_balance();

-- Legs: [{"id", "account", "amount_fen", "subject_id"}]. Returns false where the source was posted already.
CREATE OR REPLACE FUNCTION jiuyi.post_journal(
    journal_id uuid, journal_source text, journal_memo text, legs jsonb
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO journal (id, source_key, memo, business_at)
    VALUES (journal_id, journal_source, journal_memo, jiuyi.now())
    ON CONFLICT (source_key) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO journal_leg (id, journal_id, account, amount_fen, subject_id)
    SELECT leg.id, post_journal.journal_id, leg.account, leg.amount_fen, leg.subject_id
    FROM jsonb_to_recordset(legs) AS leg(id uuid, account text, amount_fen bigint, subject_id uuid);
    IF NOT EXISTS (SELECT FROM journal_leg l WHERE l.journal_id = post_journal.journal_id) THEN
        RAISE EXCEPTION 'journal does not balance' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'journal_balanced';
    END IF;
    RETURN true;
END $$;

-- The second wall. Whoever asks reads and writes the rows that the rule names; the first wall is in the
-- code, and a mistake there finds nothing here. It is a wall against mistakes: who can run statements of
-- his own as jiuyi_app can also set app.reach or enter jiuyi_worker.
--
-- Each walled table has four policies: jiuyi_app by the actor's reach, jiuyi_worker and the owner only as
-- the system, and jiuyi_definer, whose functions decide themselves what they give away.

-- The acting one's id where it is of this kind and reaches as far as its relations; else null.
CREATE OR REPLACE FUNCTION jiuyi.actor_related(kind text) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN current_setting('app.reach', true) = 'related'
                 AND current_setting('app.actor_kind', true) = kind
           THEN nullif(current_setting('app.actor_id', true), '')::uuid END
$$;

CREATE OR REPLACE FUNCTION jiuyi.wall(walled text, rule text, commands text DEFAULT 'ALL') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    is_system text := '((SELECT current_setting(''app.actor_kind'', true) = ''system''))';
    policy record;
BEGIN
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', walled);
    FOR policy IN SELECT polname FROM pg_policy WHERE polrelid = format('public.%I', walled)::regclass LOOP
        EXECUTE format('DROP POLICY %I ON public.%I', policy.polname, walled);
    END LOOP;
    -- Wrapped in a SELECT, what depends on the actor only is asked once for a statement, not for each row.
    EXECUTE format('CREATE POLICY reach ON public.%I FOR %s TO jiuyi_app USING'
        ' ((SELECT current_setting(''app.reach'', true) = ''everybody'') OR %s)', walled, commands, rule);
    EXECUTE format('CREATE POLICY system ON public.%I TO jiuyi_worker USING %s', walled, is_system);
    EXECUTE format('CREATE POLICY owner ON public.%I TO CURRENT_USER USING %s', walled, is_system);
    EXECUTE format('CREATE POLICY definer ON public.%I TO jiuyi_definer USING (true)', walled);
END $$;

-- A row belongs to whoever its parent's row is shown to.
CREATE OR REPLACE FUNCTION jiuyi.wall_by_parent(
    walled text, link text, parent text, also text DEFAULT 'false'
) RETURNS void LANGUAGE sql AS $$
    SELECT jiuyi.wall(walled, format('%s OR EXISTS (SELECT FROM public.%I parent WHERE parent.id = %I.%I)',
                                     also, parent, walled, link))
$$;
