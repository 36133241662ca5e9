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

-- The queues an actor serves or shows: its department's, a service window's for who may sit there, a
-- display's zone's.
CREATE OR REPLACE FUNCTION jiuyi.own_queues() RETURNS uuid[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN ARRAY(
        SELECT queue.id FROM public.queue JOIN public.staff ON staff.id = jiuyi.actor_related('staff')
        WHERE staff.active AND (queue.department_id = staff.department_id
            OR (queue.window_id IS NOT NULL AND staff.role IN ('pharmacist', 'technician', 'cashier')))
        UNION SELECT queue.id FROM public.queue JOIN public.device ON device.id = jiuyi.actor_related('device')
        WHERE device.disabled_at IS NULL AND device.kind IN ('hall_display', 'window_display')
          AND device.place_id IN (queue.zone_id, queue.window_id));
END $$;

-- Tickets bear masked names only, so that whoever calls a line may see the whole line.
SELECT jiuyi.wall_by_person('ticket', also => 'queue_id = ANY ((SELECT jiuyi.own_queues())::uuid[])');
SELECT jiuyi.wall_by_parent('ticket_call', 'ticket_id', 'ticket');

-- Who waits in a line, without saying who they are: what "people ahead" is counted from.
GRANT SELECT ON ticket TO jiuyi_definer;
SET LOCAL ROLE jiuyi_definer;
CREATE OR REPLACE FUNCTION jiuyi.line_of(
    asked uuid, day date, OUT id uuid, OUT list text, OUT status text
) RETURNS SETOF record LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT t.id, t.list::text, t.status::text FROM ticket t
    WHERE t.queue_id = asked AND t.held_on = day
      AND t.status IN ('waiting', 'room_wait', 'called', 'in_consult')
    ORDER BY t.status = 'waiting', t.door_at, t.order_key, t.seq;
END $$;
RESET ROLE;

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'queue', 'queue_day', 'ticket', 'ticket_call', 'desk'
]) AS kept;
