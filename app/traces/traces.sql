-- Who changed what, who looked at what: two append-only tables, partitioned by month, that nobody of ours
-- may change, and that are written beside what they tell of.

-- One order of both tables. It has gaps, and orders no commits: seals do that.
CREATE SEQUENCE IF NOT EXISTS trace_order;

-- Each row as a statement left it, or as it was when it was deleted. Encrypted columns stay encrypted.
CREATE TABLE IF NOT EXISTS record_version (
    entry bigint NOT NULL DEFAULT nextval('trace_order'),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    table_name text NOT NULL,
    row_id text NOT NULL,
    op "char" NOT NULL CHECK (op IN ('I', 'U', 'D')),
    body jsonb NOT NULL,
    actor_kind text NOT NULL,  -- 'database' where somebody changed it outside the program
    actor_id uuid,
    channel text NOT NULL,
    request_id text NOT NULL,
    reason text NOT NULL,
    db_user text NOT NULL,
    PRIMARY KEY (entry, at)
) PARTITION BY RANGE (at);
CREATE TABLE IF NOT EXISTS record_version_default PARTITION OF record_version DEFAULT;
SELECT jiuyi.ensure_partitions('record_version');
CREATE INDEX IF NOT EXISTS record_version_row ON record_version (table_name, row_id, at, entry);
CREATE INDEX IF NOT EXISTS record_version_order ON record_version (xid, entry);

-- One row for each person that a reply showed, and one without a person where it showed nobody's data.
CREATE TABLE IF NOT EXISTS access_log (
    entry bigint NOT NULL DEFAULT nextval('trace_order'),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    actor_kind text NOT NULL,
    actor_id uuid,
    role text NOT NULL,
    channel text NOT NULL,
    session_id uuid,
    request_id text NOT NULL,
    address text NOT NULL,  -- where it was asked from
    permission text NOT NULL,  -- the policy's word for what was asked
    status smallint NOT NULL,  -- of the reply; a refusal is an access, too
    person_id uuid,
    reason text NOT NULL,
    PRIMARY KEY (entry, at)
) PARTITION BY RANGE (at);
CREATE TABLE IF NOT EXISTS access_log_default PARTITION OF access_log DEFAULT;
SELECT jiuyi.ensure_partitions('access_log');
CREATE INDEX IF NOT EXISTS access_log_person ON access_log (person_id, entry) WHERE person_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS access_log_actor ON access_log (actor_id, entry);
CREATE INDEX IF NOT EXISTS access_log_order ON access_log (xid, entry);

CREATE OR REPLACE TRIGGER record_version_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON record_version
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.refuse_change();
CREATE OR REPLACE TRIGGER access_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_log
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.refuse_change();

-- Runs as the owner: what it writes nobody of ours may write by hand. Its arguments: which
-- columns to leave out, as an array, and then the key's columns. A body is written the same in every
-- session, whatever its time zone.
CREATE OR REPLACE FUNCTION jiuyi.keep_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET TimeZone = 'UTC' SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' AS $$
BEGIN
    INSERT INTO record_version (table_name, row_id, op, body, actor_kind, actor_id, channel, request_id,
                                reason, db_user)
    SELECT TG_TABLE_NAME,
           CASE TG_NARGS WHEN 2 THEN body ->> TG_ARGV[1]
           ELSE (SELECT string_agg(body ->> key, ':' ORDER BY place)
                 FROM unnest(TG_ARGV[1:]) WITH ORDINALITY AS argument(key, place)) END,
           left(TG_OP, 1)::"char", body - TG_ARGV[0]::text[],
           coalesce(nullif(current_setting('app.actor_kind', true), ''), 'database'),
           nullif(current_setting('app.actor_id', true), '')::uuid,
           coalesce(current_setting('app.channel', true), ''),
           coalesce(current_setting('app.request_id', true), ''),
           coalesce(current_setting('app.reason', true), ''),
           session_user
    FROM (SELECT to_jsonb(changed) AS body FROM changed) AS row_of;
    RETURN NULL;
END $$;

-- From now on the table's history is kept, without its secrets. A statement costs one more, however many
-- rows it touches. What the table holds before its history begins is its first version.
CREATE OR REPLACE FUNCTION jiuyi.keep_versions(kept text, secrets text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql SET TimeZone = 'UTC' SET IntervalStyle = 'iso_8601' SET bytea_output = 'hex' AS $$
DECLARE
    keys text[] := (
        SELECT array_agg(attname::text ORDER BY array_position(indkey::int2[], attnum))
        FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
        WHERE indrelid = format('public.%I', kept)::regclass AND indisprimary);
    change record;
BEGIN
    FOR change IN SELECT * FROM (VALUES ('INSERT', 'NEW'), ('UPDATE', 'NEW'), ('DELETE', 'OLD')) AS c(op, side) LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON public.%I', 'kept_' || lower(change.op), kept);
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON public.%I REFERENCING %s TABLE AS changed'
            ' FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.keep_version(%L, %s)',
            'kept_' || lower(change.op), change.op, kept, change.side, secrets,
            (SELECT string_agg(quote_literal(key), ', ') FROM unnest(keys) AS key));
    END LOOP;
    IF NOT EXISTS (SELECT FROM record_version WHERE table_name = kept) THEN
        EXECUTE format('INSERT INTO record_version (table_name, row_id, op, body, actor_kind, channel,'
            ' request_id, reason, db_user) SELECT %L, concat_ws('':'', %s), ''I'', to_jsonb(t) - %L::text[],'
            ' ''system'', ''migrate'', '''', '''', session_user FROM public.%I t',
            kept, (SELECT string_agg(format('t.%I', key), ', ') FROM unnest(keys) AS key), secrets, kept);
    END IF;
END $$;

-- The ground's own tables; each context says the same of its tables beside them.
SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'clock_offset', 'journal', 'journal_leg', 'ledger_account'
]) AS kept;
