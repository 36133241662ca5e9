-- The walls around orders and what comes of them. Applied again whenever this file changes.

SELECT jiuyi.wall_by_person('order_submission');
SELECT jiuyi.wall_by_person('clinical_order');
SELECT jiuyi.wall_by_parent('lab_request', 'id', 'clinical_order');
SELECT jiuyi.wall_by_parent('prescription', 'id', 'clinical_order');
SELECT jiuyi.wall_by_parent('prescription_line', 'prescription_id', 'clinical_order');
SELECT jiuyi.wall_by_person('controlled_registration');
SELECT jiuyi.wall_by_person('report');
SELECT jiuyi.wall_by_person('critical_value');

-- A dangerous value that no doctor has acknowledged yet.
CREATE OR REPLACE FUNCTION jiuyi.needs_handover(asked uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM public.critical_value WHERE report_id = asked AND status IN ('flagged', 'confirmed'))
$$;

-- A released report's header for a reader, in one look that asks for itself. No row: no such report, or not for
-- this reader.
GRANT SELECT ON report, critical_value TO jiuyi_definer;
SET LOCAL ROLE jiuyi_definer;
CREATE OR REPLACE FUNCTION jiuyi.report_for_reader(asked uuid, OUT header report, OUT needs_handover boolean)
RETURNS SETOF record LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT r, jiuyi.needs_handover(r.id) FROM report r
    WHERE r.id = asked AND r.status = 'released' AND jiuyi.actor_sees(r.person_id);
END $$;
RESET ROLE;

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'order_submission', 'clinical_order', 'lab_request', 'prescription', 'prescription_line',
    'controlled_registration', 'report', 'critical_value'
]) AS kept;
