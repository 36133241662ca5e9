-- Outpatient's partial indexes (the last walls of booking) and the claim of a number.

CREATE UNIQUE INDEX IF NOT EXISTS appointment_live_number ON appointment (number_id)
    WHERE status IN ('held', 'booked', 'arrived', 'fulfilled', 'no_show');
CREATE UNIQUE INDEX IF NOT EXISTS appointment_live_half_day
    ON appointment (person_id, department_id, held_on, half_day) WHERE status IN ('held', 'booked', 'arrived');
CREATE INDEX IF NOT EXISTS appointment_of_person_day ON appointment (person_id, held_on);
CREATE INDEX IF NOT EXISTS appointment_of_account_day ON appointment (account_id, held_on);
CREATE INDEX IF NOT EXISTS appointment_hold_end ON appointment (expires_at) WHERE status = 'held';
CREATE INDEX IF NOT EXISTS appointment_visit_end ON appointment (ends_at) WHERE status = 'booked';
CREATE INDEX IF NOT EXISTS number_for_sale ON number (window_id, seq_no)
    WHERE status IN ('unreleased', 'free', 'recycling');
CREATE INDEX IF NOT EXISTS number_to_free ON number (free_at) WHERE status IN ('unreleased', 'recycling');
CREATE INDEX IF NOT EXISTS clinic_session_of_department ON clinic_session (department_id, held_on);
CREATE INDEX IF NOT EXISTS kiosk_identification_device ON kiosk_identification (device_id, made_at);

-- Takes the lowest number of a window that may be sold now, without waiting for anybody: who comes
-- second passes over a row in other hands. No row: the window is full. Moves FREE, and UNRELEASED or
-- RECYCLING whose instant has come, to HELD; a test compares these moves with the Flow.
CREATE OR REPLACE FUNCTION jiuyi.claim_number(wanted uuid, OUT id uuid, OUT seq_no smallint)
RETURNS SETOF record LANGUAGE sql AS $$
    UPDATE public.number taken SET status = 'held'
    WHERE taken.id = (
        SELECT n.id FROM public.number n
        WHERE n.window_id = wanted AND n.status IN ('unreleased', 'free', 'recycling')
          AND (n.status = 'free' OR n.free_at <= jiuyi.now())
        ORDER BY n.seq_no LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING taken.id, taken.seq_no
$$;

-- The department's desk, and any registrar, sees who is booked before they come; an account sees what it
-- booked.
CREATE OR REPLACE FUNCTION jiuyi.is_registrar() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM public.staff
                   WHERE id = jiuyi.actor_related('staff') AND active AND role = 'registrar');
END $$;
SELECT jiuyi.wall_by_person('appointment', also =>
    '(account_id = (SELECT jiuyi.actor_related(''account''))'
    ' OR department_id = ANY ((SELECT jiuyi.own_places())::uuid[]) OR (SELECT jiuyi.is_registrar()))');
SELECT jiuyi.wall_by_parent('consultation_note', 'encounter_id', 'encounter');
SELECT jiuyi.wall('kiosk_identification', 'device_id = (SELECT jiuyi.actor_related(''device''))');

-- Who shows a booking code may be told whose visit it opens.
GRANT SELECT ON appointment TO jiuyi_definer;
SET LOCAL ROLE jiuyi_definer;
CREATE OR REPLACE FUNCTION jiuyi.visit_of_code(code text, OUT id uuid, OUT person_id uuid)
RETURNS SETOF record LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT a.id, a.person_id FROM appointment a
    WHERE a.booking_code = code AND a.status IN ('held', 'booked', 'arrived');
END $$;
RESET ROLE;

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'schedule_template', 'clinic_session', 'session_window', 'number', 'appointment',
    'consultation_note', 'kiosk_identification'
]) AS kept;
