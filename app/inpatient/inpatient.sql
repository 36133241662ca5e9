-- Beds, wristbands, days and terminals: what a stay promises beyond its tables' own constraints.

-- "Not the same bed at overlapping times" compares a uuid and a range in one index: btree_gist. It ships
-- with the embedded server and in Debian's postgresql package, and since PostgreSQL 13 whoever owns the
-- database may create it.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist') THEN
        CREATE EXTENSION btree_gist SCHEMA public;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION '数据库缺少扩展 btree_gist，当前用户无权创建：请数据库管理员在该库执行 CREATE EXTENSION btree_gist，然后重新启动。'
            USING ERRCODE = 'insufficient_privilege';
    WHEN feature_not_supported OR undefined_file THEN
        RAISE EXCEPTION '数据库服务器没有安装扩展 btree_gist：请安装 postgresql-contrib（Debian 的 postgresql 软件包已包含），然后重新启动。'
            USING ERRCODE = 'feature_not_supported';
END $$;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'bed_binding_one_person_a_bed') THEN
        ALTER TABLE bed_binding ADD CONSTRAINT bed_binding_one_person_a_bed
            EXCLUDE USING gist (bed_id WITH =, tstzrange(from_at, to_at) WITH &&);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'bed_binding_one_bed_a_person') THEN
        ALTER TABLE bed_binding ADD CONSTRAINT bed_binding_one_bed_a_person
            EXCLUDE USING gist (person_id WITH =, tstzrange(from_at, to_at) WITH &&);
    END IF;
END $$;

CREATE SEQUENCE IF NOT EXISTS admission_number;

CREATE UNIQUE INDEX IF NOT EXISTS bed_binding_open ON bed_binding (admission_id) WHERE to_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS admission_open ON admission (person_id) WHERE status = 'in_ward';
CREATE UNIQUE INDEX IF NOT EXISTS wristband_worn ON wristband (admission_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS daily_charge_night_once ON daily_charge (admission_id, item_id, day)
    WHERE kind = 'nightly';
CREATE INDEX IF NOT EXISTS daily_charge_day ON daily_charge (admission_id, day);
CREATE UNIQUE INDEX IF NOT EXISTS bedside_session_open ON bedside_session (device_id)
    WHERE ended_at IS NULL;
