-- What the application's role may do: everything but rewriting history and posting by hand.
-- Applied on every migrate, after all other files, because it speaks of all tables.

GRANT USAGE ON SCHEMA public, jiuyi TO jiuyi_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO jiuyi_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO jiuyi_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA jiuyi TO jiuyi_app;

REVOKE INSERT, UPDATE, DELETE ON journal, journal_leg FROM jiuyi_app;
REVOKE UPDATE, DELETE ON event FROM jiuyi_app;
REVOKE INSERT, UPDATE, DELETE ON sql_file, migration FROM jiuyi_app;
