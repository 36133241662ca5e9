-- Queueing's partial indexes: one queue per owner, one waiting ticket per subject, one call per desk.

CREATE UNIQUE INDEX IF NOT EXISTS queue_of_department ON queue (department_id) WHERE kind = 'department';
CREATE UNIQUE INDEX IF NOT EXISTS queue_of_doctor ON queue (department_id, staff_id) WHERE kind = 'doctor';
CREATE UNIQUE INDEX IF NOT EXISTS queue_of_window ON queue (window_id) WHERE kind = 'window';
CREATE UNIQUE INDEX IF NOT EXISTS queue_prefix_in_zone ON queue (zone_id, prefix) WHERE zone_id IS NOT NULL;

-- Checking in twice finds the first ticket; the last wall against two.
CREATE UNIQUE INDEX IF NOT EXISTS ticket_of_subject ON ticket (subject_kind, subject_id)
    WHERE status <> 'done';
-- A desk calls one person at a time: two clicks on "next" call one patient.
CREATE UNIQUE INDEX IF NOT EXISTS ticket_called_to_room ON ticket (room_id)
    WHERE status = 'called' AND room_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS ticket_live ON ticket (queue_id, held_on)
    WHERE status IN ('waiting', 'room_wait', 'called', 'in_consult', 'missed');
