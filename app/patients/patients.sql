-- Who is the same person, who may see whom, and the walls that follow from it. Applied again whenever this
-- file changes.

CREATE INDEX IF NOT EXISTS care_relation_staff ON care_relation (staff_id) WHERE staff_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS care_relation_department
    ON care_relation (department_id) WHERE department_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS care_relation_ward ON care_relation (ward_id) WHERE ward_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS care_relation_device ON care_relation (device_id) WHERE device_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS binding_of_account ON binding (account_id);

-- What stands between these two lines runs as jiuyi_definer, past the walls: otherwise the wall's own
-- question would stand behind the wall. Each is in the list of docs/decisions/0008.
DO $$
DECLARE
    made regprocedure;
BEGIN
    FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'jiuyi'::regnamespace
        AND proname IN ('same_person', 'account_acts_for', 'staff_cares_for', 'device_cares_for')
        AND proowner <> 'jiuyi_definer'::regrole
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO jiuyi_definer', made);
    END LOOP;
END $$;
GRANT SELECT ON clock_offset, staff, device, person_link, binding, person, care_relation TO jiuyi_definer;
GRANT INSERT, UPDATE ON person, care_relation TO jiuyi_definer;
SET LOCAL ROLE jiuyi_definer;

-- All rows of one human being: the survivor and its duplicates, whichever of them is asked for.
CREATE OR REPLACE FUNCTION jiuyi.same_person(asked uuid) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 2 SET search_path = public, pg_temp AS $$
DECLARE
    survivor uuid := coalesce(
        (SELECT survivor_id FROM person_link WHERE duplicate_id = asked), asked);
BEGIN
    RETURN NEXT survivor;
    RETURN QUERY SELECT duplicate_id FROM person_link WHERE survivor_id = survivor;
END $$;

CREATE OR REPLACE FUNCTION jiuyi.account_acts_for(asking uuid, asked uuid, wanted text)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM binding
        WHERE account_id = asking AND person_id IN (SELECT jiuyi.same_person(asked))
          AND wanted = ANY(scopes)
          AND (wanted <> 'read' OR read_until IS NULL OR read_until > jiuyi.now())
          AND valid_from <= jiuyi.now() AND (valid_to IS NULL OR valid_to > jiuyi.now()));
END $$;

-- The same as an array, for the two functions below. Hardly anybody has a duplicate: one look tells.
CREATE OR REPLACE FUNCTION jiuyi.persons_of(asked uuid) RETURNS uuid[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF EXISTS (SELECT FROM public.person_link WHERE duplicate_id = asked OR survivor_id = asked) THEN
        RETURN ARRAY(SELECT jiuyi.same_person(asked));
    END IF;
    RETURN ARRAY[asked];
END $$;

-- The two questions of the walls are asked for each row: a department's patients are many, a screen shows
-- few. Person by person, because a plan for several would begin with all patients of the department.
CREATE OR REPLACE FUNCTION jiuyi.staff_cares_for(asking uuid, asked uuid)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER COST 1000 SET search_path = public, pg_temp AS $$
DECLARE
    at timestamptz := jiuyi.now();
    one uuid;
BEGIN
    FOREACH one IN ARRAY jiuyi.persons_of(asked) LOOP
        IF EXISTS (
            SELECT FROM care_relation care
            JOIN staff ON staff.id = asking AND staff.active
            WHERE care.person_id = one
              AND (care.staff_id = staff.id OR care.department_id = staff.department_id
                   OR care.ward_id = staff.ward_id)
              AND care.valid_from <= at AND (care.valid_to IS NULL OR care.valid_to > at))
        THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;

-- A device sees whom it was opened for; a nurse station also whom its ward cares for.
CREATE OR REPLACE FUNCTION jiuyi.device_cares_for(asking uuid, asked uuid)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER COST 1000 SET search_path = public, pg_temp AS $$
DECLARE
    at timestamptz := jiuyi.now();
    one uuid;
BEGIN
    FOREACH one IN ARRAY jiuyi.persons_of(asked) LOOP
        IF EXISTS (
            SELECT FROM care_relation care
            JOIN device ON device.id = asking AND device.disabled_at IS NULL
            WHERE care.person_id = one
              AND (care.device_id = device.id
                   OR (device.kind = 'nurse_station' AND device.place_kind = 'ward'
                       AND care.ward_id = device.place_id))
              AND care.valid_from <= at AND (care.valid_to IS NULL OR care.valid_to > at))
        THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;

-- Whom the acting account is bound to now, with their duplicates. A finer scope is the first wall's matter.
-- Found once in a transaction: every wall of every statement asks for it.
CREATE OR REPLACE FUNCTION jiuyi.own_persons() RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account uuid := jiuyi.actor_related('account');
    found text := current_setting('app.related', true);
    at timestamptz;
    bound uuid[];
BEGIN
    IF account IS NULL THEN
        RETURN '{}';
    END IF;
    IF found <> '' THEN
        RETURN found::uuid[];
    END IF;
    at := jiuyi.now();
    bound := ARRAY(
        SELECT person_id FROM binding
        WHERE account_id = account AND valid_from <= at AND (valid_to IS NULL OR valid_to > at));
    IF EXISTS (SELECT FROM person_link WHERE duplicate_id = ANY(bound) OR survivor_id = ANY(bound)) THEN
        bound := ARRAY(SELECT jiuyi.same_person(one) FROM unnest(bound) one);
    END IF;
    PERFORM set_config('app.related', bound::text, true);
    RETURN bound;
END $$;

-- Who shows an ID number may be told whose it is: the row's id, and the name and phone to compare with.
CREATE OR REPLACE FUNCTION jiuyi.person_of_number(
    indexes text[], OUT id uuid, OUT name text, OUT phone_index text
) RETURNS SETOF record LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT p.id, p.name::text, p.phone_index::text FROM person p
    WHERE p.id_number_index = ANY(indexes);
END $$;

-- Registers a person whom the actor is not related to yet. False: somebody else has the number, under any
-- of its indexes; whoever registers the same number now waits, so that there is one row for one human being
-- also while index keys rotate.
CREATE OR REPLACE FUNCTION jiuyi.add_person(
    new_id uuid, name text, sex text, born_on date, id_kind text, id_number text, id_number_index text,
    id_number_indexes text[], no_id_reason text, phone text, phone_index text, address text
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM jiuyi.hold_indexes(add_person.id_number_indexes);
    IF EXISTS (SELECT FROM person p WHERE p.id_number_index = ANY(add_person.id_number_indexes)) THEN
        RETURN false;
    END IF;
    INSERT INTO person (id, name, sex, born_on, id_kind, id_number, id_number_index, no_id_reason, phone,
                        phone_index, address, created_at)
    VALUES (new_id, add_person.name, add_person.sex, add_person.born_on, add_person.id_kind,
            add_person.id_number, add_person.id_number_index, add_person.no_id_reason, add_person.phone,
            add_person.phone_index, add_person.address, pg_catalog.now());
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION jiuyi.is_person(asked uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM person WHERE id = asked);
END $$;

-- The name for a public display, which masks it, and the sealed number for a terminal, which compares its end.
CREATE OR REPLACE FUNCTION jiuyi.name_of(asked uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT name FROM person WHERE id = asked);
END $$;
CREATE OR REPLACE FUNCTION jiuyi.sealed_id_number_of(asked uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT id_number FROM person WHERE id = asked);
END $$;

-- How many live bindings the account and the person have; who comes second for the person waits here.
CREATE OR REPLACE FUNCTION jiuyi.count_bindings(
    account uuid, person uuid, OUT persons bigint, OUT accounts bigint, OUT same bigint, OUT selves bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM public.person p WHERE p.id = person FOR UPDATE;
    SELECT count(*) FILTER (WHERE b.account_id = account), count(*) FILTER (WHERE b.person_id = person),
           count(*) FILTER (WHERE b.account_id = account AND b.person_id = person),
           count(*) FILTER (WHERE b.account_id = account AND b.relation = '0')
    INTO persons, accounts, same, selves
    FROM binding b WHERE (b.account_id = account OR b.person_id = person)
      AND (b.valid_to IS NULL OR b.valid_to > jiuyi.now());
END $$;

-- The only writers of care_relation: who sees whom is not an ordinary row. Null ends: no end.
CREATE OR REPLACE FUNCTION jiuyi.relate(
    new_id uuid, person uuid, staff uuid, ward uuid, department uuid, device uuid, why text, until timestamptz
) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    known uuid;
BEGIN
    UPDATE care_relation SET valid_to = until
    WHERE person_id = person
      AND staff_id IS NOT DISTINCT FROM staff AND ward_id IS NOT DISTINCT FROM ward
      AND department_id IS NOT DISTINCT FROM department AND device_id IS NOT DISTINCT FROM device
      AND reason = why AND (valid_to IS NULL OR valid_to > jiuyi.now())
    RETURNING id INTO known;
    IF FOUND THEN
        RETURN known;
    END IF;
    INSERT INTO care_relation (id, person_id, staff_id, ward_id, department_id, device_id, reason,
                               valid_from, valid_to)
    VALUES (new_id, person, staff, ward, department, device, why, jiuyi.now(), until);
    RETURN new_id;
END $$;

CREATE OR REPLACE FUNCTION jiuyi.end_relation(person uuid, staff uuid, ward uuid, department uuid, device uuid)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE care_relation SET valid_to = jiuyi.now()
    WHERE person_id = person
      AND staff_id IS NOT DISTINCT FROM staff AND ward_id IS NOT DISTINCT FROM ward
      AND department_id IS NOT DISTINCT FROM department AND device_id IS NOT DISTINCT FROM device
      AND (valid_to IS NULL OR valid_to > jiuyi.now());
END $$;

RESET ROLE;

-- A binding or a link that changes under way changes who is related.
CREATE OR REPLACE FUNCTION jiuyi.forget_related() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.related', '', true);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER binding_forgets_related AFTER INSERT OR UPDATE OR DELETE ON binding
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.forget_related();
CREATE OR REPLACE TRIGGER person_link_forgets_related AFTER INSERT OR UPDATE OR DELETE ON person_link
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.forget_related();

-- The units the actor belongs to: a member of staff's department and wards, the place a device stands at.
CREATE OR REPLACE FUNCTION jiuyi.own_places() RETURNS uuid[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(
        SELECT unnest(ARRAY[department_id, ward_id]) FROM public.staff
        WHERE id = jiuyi.actor_related('staff') AND active
        UNION SELECT ward.id FROM public.staff JOIN public.ward ON ward.department_id = staff.department_id
        WHERE staff.id = jiuyi.actor_related('staff') AND staff.active AND staff.role = 'doctor'
        UNION SELECT place_id FROM public.device
        WHERE id = jiuyi.actor_related('device') AND disabled_at IS NULL);
END $$;

-- A row belongs to whoever is bound to its person or cares for it; `also` names rows shown for another reason.
CREATE OR REPLACE FUNCTION jiuyi.wall_by_person(
    walled text, person text DEFAULT 'person_id', also text DEFAULT 'false', commands text DEFAULT 'ALL'
) RETURNS void LANGUAGE sql AS $$
    SELECT jiuyi.wall(walled, format(
        '%2$s OR %1$I = ANY ((SELECT jiuyi.own_persons())::uuid[])'
        ' OR ((SELECT jiuyi.actor_related(''staff'')) IS NOT NULL'
        '     AND jiuyi.staff_cares_for((SELECT jiuyi.actor_related(''staff'')), %1$I))'
        ' OR ((SELECT jiuyi.actor_related(''device'')) IS NOT NULL'
        '     AND jiuyi.device_cares_for((SELECT jiuyi.actor_related(''device'')), %1$I))',
        person, also), commands)
$$;

SELECT jiuyi.wall_by_person('person', 'id');
SELECT jiuyi.wall_by_person('person_link', 'survivor_id');
SELECT jiuyi.wall_by_person('binding', also => 'account_id = (SELECT jiuyi.actor_related(''account''))');
SELECT jiuyi.wall_by_person('care_relation', commands => 'SELECT');
SELECT jiuyi.wall_by_person('allergy');

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'person', 'person_link', 'binding', 'invitation', 'consent_document', 'consent', 'break_glass',
    'care_relation', 'allergy'
]) AS kept;
