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

SELECT jiuyi.wall_by_person('admission');
SELECT jiuyi.wall_by_person('bed_binding');
SELECT jiuyi.wall_by_parent('wristband', 'admission_id', 'admission');
SELECT jiuyi.wall_by_parent('daily_charge', 'admission_id', 'admission');
SELECT jiuyi.wall_by_parent('bedside_session', 'admission_id', 'admission',
    also => 'device_id = (SELECT jiuyi.actor_related(''device''))');

GRANT SELECT ON wristband, bed_binding TO jiuyi_definer;
GRANT SELECT, UPDATE ON admission TO jiuyi_definer;  -- FOR SHARE asks for UPDATE
SET LOCAL ROLE jiuyi_definer;
-- Whose wristband it is: a terminal asks before it may see anybody. The stay is kept from ending meanwhile.
CREATE OR REPLACE FUNCTION jiuyi.stay_of_wristband(
    band_hash text, OUT admission_id uuid, OUT person_id uuid, OUT status text, OUT ended_at timestamptz,
    OUT bed_id uuid
) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT a.id, a.person_id, a.status::text, w.ended_at, b.bed_id
    FROM wristband w JOIN admission a ON a.id = w.admission_id
    LEFT JOIN bed_binding b ON b.admission_id = a.id AND b.to_at IS NULL
    WHERE w.token_hash = band_hash FOR SHARE OF a;
END $$;

-- Who lies in a terminal's bed: for its call button, and for a session that is used again.
CREATE OR REPLACE FUNCTION jiuyi.stay_in_bed(
    asked uuid, OUT admission_id uuid, OUT encounter_id uuid, OUT person_id uuid, OUT nurse_id uuid
) RETURNS SETOF record LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT a.id, a.encounter_id, a.person_id, a.nurse_id
    FROM bed_binding b JOIN admission a ON a.id = b.admission_id
    WHERE b.bed_id = asked AND b.to_at IS NULL AND a.status = 'in_ward';
END $$;

CREATE OR REPLACE FUNCTION jiuyi.person_of_stay(asked uuid) RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT person_id FROM admission WHERE id = asked);
END $$;
RESET ROLE;

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'admission', 'bed_binding', 'wristband', 'ward_rate', 'daily_charge', 'bedside_session'
]) AS kept;
