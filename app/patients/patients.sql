-- Who is the same person, and who may see whom. Applied again whenever this file changes.

CREATE INDEX IF NOT EXISTS care_relation_staff ON care_relation (staff_id) WHERE staff_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS care_relation_department
    ON care_relation (department_id) WHERE department_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS care_relation_ward ON care_relation (ward_id) WHERE ward_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS care_relation_device ON care_relation (device_id) WHERE device_id IS NOT NULL;

-- All rows of one human being: the survivor and its duplicates, whichever of them is asked for.
CREATE OR REPLACE FUNCTION jiuyi.same_person(asked uuid) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    WITH survivor AS (
        SELECT coalesce((SELECT survivor_id FROM public.person_link WHERE duplicate_id = asked), asked) AS id
    )
    SELECT id FROM survivor
    UNION ALL
    SELECT link.duplicate_id FROM public.person_link link JOIN survivor ON link.survivor_id = survivor.id
$$;

CREATE OR REPLACE FUNCTION jiuyi.account_acts_for(asking uuid, asked uuid, wanted text)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM public.binding
        WHERE account_id = asking AND person_id IN (SELECT jiuyi.same_person(asked))
          AND wanted = ANY(scopes)
          AND (wanted <> 'read' OR read_until IS NULL OR read_until > jiuyi.now())
          AND valid_from <= jiuyi.now() AND (valid_to IS NULL OR valid_to > jiuyi.now()))
$$;

CREATE OR REPLACE FUNCTION jiuyi.staff_cares_for(asking uuid, asked uuid)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM public.care_relation care
        JOIN public.staff ON staff.id = asking AND staff.active
        WHERE care.person_id IN (SELECT jiuyi.same_person(asked))
          AND (care.staff_id = staff.id OR care.department_id = staff.department_id
               OR care.ward_id = staff.ward_id)
          AND care.valid_from <= jiuyi.now() AND (care.valid_to IS NULL OR care.valid_to > jiuyi.now()))
$$;

-- A device sees whom it was opened for; a nurse station also whom its ward cares for.
CREATE OR REPLACE FUNCTION jiuyi.device_cares_for(asking uuid, asked uuid)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM public.care_relation care
        JOIN public.device ON device.id = asking AND device.disabled_at IS NULL
        WHERE care.person_id IN (SELECT jiuyi.same_person(asked))
          AND (care.device_id = device.id
               OR (device.kind = 'nurse_station' AND device.place_kind = 'ward'
                   AND care.ward_id = device.place_id))
          AND care.valid_from <= jiuyi.now() AND (care.valid_to IS NULL OR care.valid_to > jiuyi.now()))
$$;
