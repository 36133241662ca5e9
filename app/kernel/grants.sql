-- What holds for all tables, and so is applied on every migrate, after all other files: ids without a
-- default, and what the application's role may do, which is everything but rewriting history and posting
-- by hand.

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

GRANT USAGE ON SCHEMA public, jiuyi TO jiuyi_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO jiuyi_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO jiuyi_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA jiuyi TO jiuyi_app;

REVOKE INSERT, UPDATE, DELETE ON journal, journal_leg FROM jiuyi_app;
REVOKE UPDATE, DELETE ON event FROM jiuyi_app;
REVOKE INSERT, UPDATE, DELETE ON sql_file, migration FROM jiuyi_app;
