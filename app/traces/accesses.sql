-- Who reads the access log: the person it tells of, and the audit administrator. Applied again whenever this
-- file changes.

GRANT SELECT ON access_log, staff_login TO jiuyi_definer;
SET LOCAL ROLE jiuyi_definer;

-- Whether the acting one is a member of staff whose live login audits, in a request that the policy lets
-- reach everybody.
CREATE OR REPLACE FUNCTION jiuyi.actor_audits() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN current_setting('app.actor_kind', true) = 'staff' AND current_setting('app.reach', true) = 'everybody'
       AND EXISTS (
           SELECT FROM staff_login
           WHERE staff_id = nullif(current_setting('app.actor_id', true), '')::uuid
             AND role = 'audit_admin' AND disabled_at IS NULL);
END $$;

-- Who has seen the data of this human being, newest first: for the account that speaks for the person, for the
-- audit administrator, and for our own background work. Anybody else is shown nothing. `since` and `until` may
-- be null; `before` is the last entry of the page before, or null for the first page. From where it was asked
-- is left out: that is the reader's own data.
CREATE OR REPLACE FUNCTION jiuyi.accesses_of_person(
    person uuid, since timestamptz, until timestamptz, before bigint, at_most integer
) RETURNS TABLE (
    entry bigint, at timestamptz, actor_kind text, actor_id uuid, role text, channel text, permission text,
    status smallint, reason text
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    persons uuid[] := jiuyi.persons_of(person);
BEGIN
    IF (CASE current_setting('app.actor_kind', true)
        WHEN 'account' THEN jiuyi.account_speaks_for(nullif(current_setting('app.actor_id', true), '')::uuid, person)
        WHEN 'staff' THEN jiuyi.actor_audits()
        ELSE coalesce(current_setting('app.actor_kind', true) = 'system', false)
    END) THEN
        RETURN QUERY
        SELECT log.entry, log.at, log.actor_kind, log.actor_id, log.role, log.channel, log.permission, log.status,
               log.reason
        FROM access_log log
        WHERE log.person_id = ANY(persons)
          AND (since IS NULL OR log.at >= since) AND (until IS NULL OR log.at < until)
          AND (before IS NULL OR log.entry < before)
        ORDER BY log.entry DESC LIMIT at_most;
    END IF;
END $$;

-- The log itself, newest first, for the audit administrator alone; each condition may be null.
CREATE OR REPLACE FUNCTION jiuyi.accesses(
    person uuid, actor uuid, asked_for text, since timestamptz, until timestamptz, before bigint, at_most integer
) RETURNS TABLE (
    entry bigint, at timestamptz, actor_kind text, actor_id uuid, role text, channel text, session_id uuid,
    request_id text, address text, permission text, status smallint, person_id uuid, reason text
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    persons uuid[] := CASE WHEN person IS NULL THEN NULL ELSE jiuyi.persons_of(person) END;
BEGIN
    IF jiuyi.actor_audits() THEN
        RETURN QUERY
        SELECT log.entry, log.at, log.actor_kind, log.actor_id, log.role, log.channel, log.session_id,
               log.request_id, log.address, log.permission, log.status, log.person_id, log.reason
        FROM access_log log
        WHERE (persons IS NULL OR log.person_id = ANY(persons)) AND (actor IS NULL OR log.actor_id = actor)
          AND (asked_for IS NULL OR log.permission = asked_for)
          AND (since IS NULL OR log.at >= since) AND (until IS NULL OR log.at < until)
          AND (before IS NULL OR log.entry < before)
        ORDER BY log.entry DESC LIMIT at_most;
    END IF;
END $$;

RESET ROLE;
