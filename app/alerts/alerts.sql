-- Alerts: the default ladder, what is open only once, and a story that nobody rewrites.

INSERT INTO alert_rung (id, level, rung, target, wait_seconds, outside)
SELECT gen_random_uuid(), level, rung, target, wait_seconds, outside
FROM unnest(ARRAY['critical', 'urgent', 'normal']) AS level,
     (VALUES (0, 'assigned', 60, false),
             (1, 'unit', 60, false),
             (2, 'charge_nurse', 120, false),
             (3, 'duty_doctor', 180, true),
             (4, 'duty_doctor', 120, true)) AS step (rung, target, wait_seconds, outside)
ON CONFLICT ON CONSTRAINT alert_rung_once DO NOTHING;

CREATE UNIQUE INDEX IF NOT EXISTS alert_open_once ON alert (once_key)
    WHERE status IN ('raised', 'delivered', 'displayed', 'accepted');
CREATE INDEX IF NOT EXISTS alert_overdue ON alert (ack_deadline)
    WHERE status IN ('raised', 'delivered', 'displayed');
CREATE INDEX IF NOT EXISTS alert_open_of_ward ON alert (ward_id, raised_at)
    WHERE status IN ('raised', 'delivered', 'displayed', 'accepted');
CREATE INDEX IF NOT EXISTS alert_open_of_department ON alert (department_id, raised_at)
    WHERE status IN ('raised', 'delivered', 'displayed', 'accepted');
CREATE INDEX IF NOT EXISTS alert_open_of_subject ON alert (subject_id)
    WHERE status IN ('raised', 'delivered', 'displayed', 'accepted');

CREATE UNIQUE INDEX IF NOT EXISTS alert_step_escalated_once ON alert_step (alert_id, escalation)
    WHERE kind = 'escalated';
CREATE UNIQUE INDEX IF NOT EXISTS alert_step_device_once ON alert_step (alert_id, kind, device_id)
    WHERE kind IN ('delivered', 'displayed');
CREATE OR REPLACE TRIGGER alert_step_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON alert_step
    FOR EACH STATEMENT EXECUTE FUNCTION jiuyi.refuse_change();

-- An alert is its unit's business, whoever the patient is; a terminal's call is its bed's.
SELECT jiuyi.wall_by_person('alert', also =>
    '(coalesce(ward_id, department_id) = ANY ((SELECT jiuyi.own_places())::uuid[])'
    ' OR bed_id = ANY ((SELECT jiuyi.own_places())::uuid[]))');
SELECT jiuyi.wall_by_parent('alert_step', 'alert_id', 'alert');

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'alert', 'alert_step', 'alert_rung'
]) AS kept;
