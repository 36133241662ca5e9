-- The walls around orders and what comes of them. Applied again whenever this file changes.

SELECT jiuyi.wall_by_person('order_submission');
SELECT jiuyi.wall_by_person('clinical_order');
SELECT jiuyi.wall_by_parent('lab_request', 'id', 'clinical_order');
SELECT jiuyi.wall_by_parent('prescription', 'id', 'clinical_order');
SELECT jiuyi.wall_by_parent('prescription_line', 'prescription_id', 'clinical_order');
SELECT jiuyi.wall_by_person('controlled_registration');
SELECT jiuyi.wall_by_person('report');
SELECT jiuyi.wall_by_person('critical_value');
