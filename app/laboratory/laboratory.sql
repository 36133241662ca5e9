-- Barcodes and the one live tube of an order. Applied again whenever this file changes.

CREATE SEQUENCE IF NOT EXISTS specimen_number;

CREATE UNIQUE INDEX IF NOT EXISTS specimen_order_live ON specimen_order (order_id) WHERE live;
CREATE INDEX IF NOT EXISTS specimen_unfinished ON specimen (status, id)
    WHERE status NOT IN ('released', 'rejected', 'discarded');

SELECT jiuyi.wall_by_person('specimen');
SELECT jiuyi.wall_by_parent('specimen_order', 'specimen_id', 'specimen');
SELECT jiuyi.wall_by_parent('analyser_message', 'specimen_id', 'specimen');
SELECT jiuyi.wall_by_parent('lab_report', 'specimen_id', 'specimen');
SELECT jiuyi.wall_by_parent('lab_result', 'report_id', 'lab_report');

-- A report's whole content for a reader, in one look: who may see the patient is asked here, once, instead of
-- by four walls. No row: no such report, or not for this reader. A report without values is one row of nulls.
GRANT SELECT ON specimen, lab_report, lab_result, person TO jiuyi_definer;
SET LOCAL ROLE jiuyi_definer;
CREATE OR REPLACE FUNCTION jiuyi.lab_content(
    asked uuid, OUT result lab_result, OUT collected_at timestamptz, OUT patient text
) RETURNS SETOF record LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT l, s.collected_at, p.name::text
    FROM lab_report r JOIN specimen s ON s.id = r.specimen_id
    JOIN person p ON p.id = (SELECT same FROM jiuyi.same_person(s.person_id) AS same LIMIT 1)
    LEFT JOIN lab_result l ON l.report_id = r.id
    WHERE r.id = asked AND jiuyi.actor_sees(s.person_id)
    ORDER BY l.position;
END $$;
RESET ROLE;

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'specimen', 'specimen_order', 'analyser_message', 'lab_report', 'lab_result', 'analyzer_test_qc'
]) AS kept;
