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
