-- What happened to the whole database: each restore leaves one row, in the transaction that filled the tables.
CREATE TABLE IF NOT EXISTS restoration (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    backup_id uuid NOT NULL,
    backup_at timestamptz NOT NULL,
    backup_program text NOT NULL,
    program text NOT NULL,
    restored_by text NOT NULL,  -- the operating system's login and machine
    tables integer NOT NULL,
    rows bigint NOT NULL,
    last_seal bigint
);
CREATE OR REPLACE TRIGGER restoration_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON restoration
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.refuse_change();
