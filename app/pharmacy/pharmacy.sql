-- The walls around what the pharmacy did, and its windows' load. Applied again whenever this file changes.

SELECT jiuyi.wall_by_parent('prescription_review', 'prescription_id', 'clinical_order');
SELECT jiuyi.wall_by_parent('dispensing', 'prescription_id', 'clinical_order');
SELECT jiuyi.wall_by_parent('dispensed_line', 'dispensing_id', 'dispensing');

-- How many wait at each window, and whether this person does: counts of everybody, rows of nobody.
GRANT SELECT ON prescription, clinical_order TO jiuyi_definer;
SET LOCAL ROLE jiuyi_definer;
CREATE OR REPLACE FUNCTION jiuyi.window_loads(
    person uuid, OUT window_id uuid, OUT waiting bigint, OUT has_patient boolean
) RETURNS SETOF record LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT p.window_id, count(*), bool_or(o.person_id = person)
    FROM prescription p JOIN clinical_order o ON o.id = p.id
    WHERE p.dispense IN ('to_review', 'to_prepare', 'ready') AND p.window_id IS NOT NULL
    GROUP BY p.window_id;
END $$;
RESET ROLE;

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'prescription_review', 'dispensing', 'dispensed_line'
]) AS kept;
