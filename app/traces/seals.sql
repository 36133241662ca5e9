-- Seals: a signed chain over committed entries of both traces. What was sealed cannot be changed unseen.

CREATE TABLE IF NOT EXISTS seal (
    no bigint PRIMARY KEY CHECK (no > 0),
    at timestamptz NOT NULL,
    entries integer NOT NULL CHECK (entries >= 0),
    previous bytea NOT NULL CHECK (octet_length(previous) = 32),  -- the root before; zeros for the first
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    cluster text NOT NULL,  -- the server that counted the transactions below
    horizon xid8 NOT NULL,  -- every entry up to here, by transaction and then by number, has its seal
    horizon_entry bigint NOT NULL,
    key_id text NOT NULL,
    signature bytea NOT NULL
);

-- One row for each sealed entry; `at` is the entry's, so that a month goes with its month.
CREATE TABLE IF NOT EXISTS seal_leaf (
    seal_no bigint NOT NULL,
    place integer NOT NULL,
    source text NOT NULL CHECK (source IN ('record_version', 'access_log')),
    entry bigint NOT NULL,
    at timestamptz NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    PRIMARY KEY (entry, at)
) PARTITION BY RANGE (at);
CREATE TABLE IF NOT EXISTS seal_leaf_default PARTITION OF seal_leaf DEFAULT;
SELECT jiuyi.ensure_partitions('seal_leaf');
CREATE INDEX IF NOT EXISTS seal_leaf_order ON seal_leaf (seal_no, place);

-- How far each folder of anchors was told, and what ails it. No evidence, only for who looks after it.
CREATE TABLE IF NOT EXISTS anchor_state (
    folder text PRIMARY KEY,
    told bigint NOT NULL,
    ails text NOT NULL,  -- empty: nothing
    since timestamptz NOT NULL
);

-- How far the watching is: one row. No evidence either, it tells the alert rules.
CREATE TABLE IF NOT EXISTS trace_watch (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seal_no bigint NOT NULL,  -- the last seal that was looked at
    seal_at timestamptz NOT NULL,
    at_work boolean NOT NULL,  -- a round goes on after that seal
    found integer NOT NULL,  -- in this round, so far
    problems integer NOT NULL,  -- in the last whole round
    whole_at timestamptz  -- when that one ended; null: none has
);

-- Months of a trace that were written to a file and dropped; their leaves stay. Signed like a seal.
CREATE TABLE IF NOT EXISTS trace_archive (
    source text NOT NULL CHECK (source IN ('record_version', 'access_log')),
    month text NOT NULL CHECK (month ~ '^[0-9]{4}-[0-9]{2}$'),
    entries bigint NOT NULL CHECK (entries > 0),
    leaves text NOT NULL,
    file text NOT NULL,
    sha256 text NOT NULL,
    at timestamptz NOT NULL,
    key_id text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (source, month)
);
CREATE OR REPLACE TRIGGER trace_archive_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trace_archive
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.refuse_change();

CREATE OR REPLACE TRIGGER seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seal
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.refuse_change();
CREATE OR REPLACE TRIGGER seal_leaf_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON seal_leaf
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.refuse_change();

CREATE OR REPLACE FUNCTION jiuyi.oldest_open_transaction(moment pg_snapshot) RETURNS xid8 LANGUAGE sql AS $$
    SELECT coalesce((
        SELECT open FROM pg_snapshot_xip(moment) open WHERE NOT EXISTS (
            SELECT FROM pg_stat_activity elsewhere WHERE elsewhere.backend_xid = open::xid AND elsewhere.datid
                <> (SELECT oid FROM pg_database WHERE datname = current_database()))
        ORDER BY open LIMIT 1), pg_snapshot_xmax(moment))
$$;

-- Gives the next committed entries, at most so many, their leaves, and returns what their seal is to say;
-- no row where there is nothing to seal. Runs as the owner: nobody of ours reads or writes these tables.
--
-- A transaction below the oldest open one has ended: its entries are all visible or will never be. So a
-- long transaction delays, and loses nothing. One of another database never writes here, and delays
-- nobody, where the owner may see that it is one. A server that was made from a copy counts its transactions
-- anew, and everything without a leaf is taken, whatever its number, until nothing is left.
CREATE OR REPLACE FUNCTION jiuyi.seal_leaves(most integer) RETURNS TABLE (
    no bigint, at timestamptz, entries integer, previous bytea, cluster text, horizon text,
    horizon_entry bigint, digests bytea
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    here text := (SELECT system_identifier::text FROM pg_control_system());
    edge xid8 := jiuyi.oldest_open_transaction(pg_current_snapshot());
    above xid8 := '0';
    above_entry bigint := 0;
    below xid8 := '18446744073709551615';
    last seal;
    found_here record;
BEGIN
    SELECT * INTO last FROM seal ORDER BY no DESC LIMIT 1;
    IF last.cluster = here THEN
        above := last.horizon;
        above_entry := last.horizon_entry;
        below := edge;
    END IF;
    WITH waiting AS (
        (SELECT 'record_version' AS source, entry, at, xid, jiuyi.leaf_digest(kept) AS digest
         FROM record_version kept
         WHERE (xid, entry) > (above, above_entry) AND xid < below
         AND NOT EXISTS (SELECT FROM seal_leaf l WHERE l.entry = kept.entry AND l.at = kept.at)
         ORDER BY xid, entry LIMIT most)
        UNION ALL
        (SELECT 'access_log', entry, at, xid, jiuyi.leaf_digest(kept)
         FROM access_log kept
         WHERE (xid, entry) > (above, above_entry) AND xid < below
         AND NOT EXISTS (SELECT FROM seal_leaf l WHERE l.entry = kept.entry AND l.at = kept.at)
         ORDER BY xid, entry LIMIT most)
    ), taken AS (
        SELECT *, (row_number() OVER (ORDER BY xid, entry))::integer AS place
        FROM (SELECT * FROM waiting ORDER BY xid, entry LIMIT most) AS first
    ), sealed AS (
        INSERT INTO seal_leaf (seal_no, place, source, entry, at, digest)
        SELECT coalesce(last.no, 0) + 1, place, source, entry, at, digest FROM taken
    )
    SELECT count(*)::integer AS entries,
           coalesce(string_agg(digest, ''::bytea ORDER BY place), '') AS digests,
           (SELECT xid FROM taken ORDER BY place DESC LIMIT 1) AS xid,
           (SELECT entry FROM taken ORDER BY place DESC LIMIT 1) AS entry
    INTO found_here FROM taken;
    IF found_here.entries = 0 AND last.cluster = here THEN
        RETURN;
    END IF;
    no := coalesce(last.no, 0) + 1;
    at := greatest(clock_timestamp(), last.at);
    entries := found_here.entries;
    previous := coalesce(last.root, decode(repeat('00', 32), 'hex'));
    digests := found_here.digests;
    -- A full batch leaves more behind it. What a copy brought along stays in no order until all is taken.
    IF entries < most THEN
        cluster := here;
        horizon := edge::text;
        horizon_entry := 0;
    ELSIF last.cluster = here THEN
        cluster := here;
        horizon := found_here.xid::text;
        horizon_entry := found_here.entry;
    ELSE
        cluster := coalesce(last.cluster, '');
        horizon := coalesce(last.horizon, '0')::text;
        horizon_entry := coalesce(last.horizon_entry, 0);
    END IF;
    RETURN NEXT;
END $$;

-- How old the oldest entry behind the last seal's horizon is; 0 where there is none. One that is not yet
-- committed is not seen here. For operators only: it says nothing of what was traced.
CREATE OR REPLACE FUNCTION jiuyi.seal_lag_seconds() RETURNS double precision
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH edge AS (
        SELECT coalesce(max(horizon), '0'::xid8) AS xid, coalesce(max(horizon_entry), 0) AS entry
        FROM (SELECT horizon, horizon_entry FROM seal ORDER BY no DESC LIMIT 1) AS last
    )
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::double precision FROM (
        (SELECT at FROM record_version
         WHERE (xid, entry) > ((SELECT xid FROM edge), (SELECT entry FROM edge)) ORDER BY xid, entry LIMIT 1)
        UNION ALL
        (SELECT at FROM access_log
         WHERE (xid, entry) > ((SELECT xid FROM edge), (SELECT entry FROM edge)) ORDER BY xid, entry LIMIT 1)
    ) AS oldest
$$;

-- The leaves of these seals beside what their entries are now, and nothing of what they say: for the worker,
-- who may read no trace.
CREATE OR REPLACE FUNCTION jiuyi.leaves_between(first bigint, last bigint) RETURNS TABLE (
    seal_no bigint, place integer, source text, entry bigint, at timestamptz, digest bytea, xid text, now bytea
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
    SELECT l.seal_no, l.place, l.source, l.entry, l.at, l.digest, coalesce(v.xid, a.xid)::text,
           CASE WHEN v.entry IS NOT NULL THEN jiuyi.leaf_digest(v)
                WHEN a.entry IS NOT NULL THEN jiuyi.leaf_digest(a) END
    FROM seal_leaf l
    LEFT JOIN record_version v ON l.source = 'record_version' AND v.entry = l.entry AND v.at = l.at
    LEFT JOIN access_log a ON l.source = 'access_log' AND a.entry = l.entry AND a.at = l.at
    WHERE l.seal_no BETWEEN first AND last
    ORDER BY l.seal_no, l.place
$$;

-- Entries between the horizons of these two seals of one server that have no leaf: nobody of ours wrote them.
-- `first` is 0 for all up to `last`.
CREATE OR REPLACE FUNCTION jiuyi.entries_without_leaf(first bigint, last bigint, most integer) RETURNS TABLE (
    source text, entry bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH bounds AS (
        SELECT coalesce(f.horizon, '0') AS low, coalesce(f.horizon_entry, 0) AS low_entry,
               l.horizon AS high, l.horizon_entry AS high_entry
        FROM seal l LEFT JOIN seal f ON f.no = first
        WHERE l.no = last AND (first = 0 OR l.cluster = f.cluster)
    )
    (SELECT 'record_version', kept.entry FROM bounds, record_version kept
     WHERE (kept.xid, kept.entry) > (low, low_entry) AND (kept.xid, kept.entry) <= (high, high_entry)
     AND NOT EXISTS (SELECT FROM seal_leaf s WHERE s.entry = kept.entry AND s.at = kept.at) LIMIT most)
    UNION ALL
    (SELECT 'access_log', kept.entry FROM bounds, access_log kept
     WHERE (kept.xid, kept.entry) > (low, low_entry) AND (kept.xid, kept.entry) <= (high, high_entry)
     AND NOT EXISTS (SELECT FROM seal_leaf s WHERE s.entry = kept.entry AND s.at = kept.at) LIMIT most)
$$;
