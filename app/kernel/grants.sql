-- What holds for all tables, and so is applied on every migrate, after all other files: ids without a
-- default, and what each role may do.

-- The query builder gives every uuid column a random default. A row that forgets whose it is must be
-- refused instead of belonging to nobody.
DO $$
DECLARE
    place record;
BEGIN
    FOR place IN SELECT table_name, column_name FROM information_schema.columns
                 WHERE table_schema = 'public' AND data_type = 'uuid' AND column_default LIKE '%uuid%'
    LOOP
        EXECUTE format('ALTER TABLE public.%I ALTER COLUMN %I DROP DEFAULT', place.table_name, place.column_name);
    END LOOP;
END $$;

-- Requests and our own background work: all rows that the walls show them, but no history is rewritten,
-- and nothing is posted by hand.
GRANT USAGE ON SCHEMA public, jiuyi TO jiuyi_app, jiuyi_worker, jiuyi_definer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO jiuyi_app, jiuyi_worker;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO jiuyi_app, jiuyi_worker;

-- Functions are for these roles only; each is granted by whoever owns it.
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN SELECT oid::regprocedure AS name, proowner::regrole::text AS owner FROM pg_proc
                WHERE pronamespace = 'jiuyi'::regnamespace
    LOOP
        IF made.owner = 'jiuyi_definer' THEN
            SET LOCAL ROLE jiuyi_definer;
        END IF;
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', made.name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO jiuyi_app, jiuyi_worker, jiuyi_definer', made.name);
        RESET ROLE;
    END LOOP;
END $$;

REVOKE INSERT, UPDATE, DELETE ON journal, journal_leg FROM jiuyi_app, jiuyi_worker;
REVOKE UPDATE, DELETE ON event FROM jiuyi_app, jiuyi_worker;
REVOKE INSERT, UPDATE, DELETE ON sql_file, migration, restoration FROM jiuyi_app, jiuyi_worker;
-- Who hears of a fact is the relay's matter: a request only adds to the outbox.
REVOKE SELECT, UPDATE, DELETE ON outbox FROM jiuyi_app;
REVOKE ALL ON delivery FROM jiuyi_app;

-- Traces are written by triggers, and what was looked at by whoever showed it; nobody of ours reads them here.
REVOKE ALL ON record_version FROM jiuyi_app, jiuyi_worker;
REVOKE SELECT, UPDATE, DELETE ON access_log FROM jiuyi_app, jiuyi_worker;
-- The sealer adds signed seals; their leaves only its function writes.
REVOKE ALL ON seal, seal_leaf, anchor_state, trace_watch FROM jiuyi_app;
REVOKE ALL ON seal_leaf FROM jiuyi_worker;
REVOKE ALL ON trace_archive FROM jiuyi_app, jiuyi_worker;
REVOKE UPDATE, DELETE ON seal FROM jiuyi_worker;
REVOKE EXECUTE ON FUNCTION jiuyi.seal_leaves(integer), jiuyi.leaves_between(bigint, bigint),
    jiuyi.entries_without_leaf(bigint, bigint, integer) FROM jiuyi_app, jiuyi_definer;

-- What may not be done to a table may not be done to a month of it.
DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT oid FROM pg_class
                WHERE relispartition AND relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('REVOKE ALL ON %s FROM jiuyi_app, jiuyi_worker', part);
    END LOOP;
END $$;

-- Copies everything and changes nothing. Where nobody could make it there is no such role.
DO $$ BEGIN
    IF to_regrole('jiuyi_backup') IS NOT NULL THEN
        GRANT USAGE ON SCHEMA public, jiuyi TO jiuyi_backup;
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO jiuyi_backup;
        GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO jiuyi_backup;
    END IF;
END $$;
