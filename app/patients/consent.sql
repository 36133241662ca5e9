-- What an account may read, with the person's consent. Applied again whenever this file changes.

CREATE UNIQUE INDEX IF NOT EXISTS consent_live ON consent (person_id, code, version) WHERE withdrawn_at IS NULL;
CREATE INDEX IF NOT EXISTS break_glass_waiting ON break_glass (review_by) WHERE reviewed_at IS NULL;
CREATE INDEX IF NOT EXISTS binding_majority ON binding (read_until)
    WHERE read_until IS NOT NULL AND majority_told_at IS NULL;

INSERT INTO consent_document
    (id, code, version, title, purpose, text, effective_from, grace_days, needed_to_read, under_age)
VALUES
    (gen_random_uuid(), 'privacy', 1, '隐私政策', '建立就诊档案、预约、缴费和通知',
     '我们处理您的姓名、证件号码和手机号码，用于建立就诊档案、预约挂号、缴费和就诊通知。您可以查询、更正您的信息。',
     '2020-01-01', 0, TRUE, NULL),
    (gen_random_uuid(), 'sensitive_health', 1, '敏感个人信息（医疗健康）单独同意', '在手机上查看报告、处方和就诊记录',
     '医疗健康信息属于敏感个人信息。经您单独同意，我们在手机上向您展示检验报告、处方和就诊记录。您可以随时撤回；撤回不影响诊疗，病历按法律规定的年限保存。',
     '2020-01-01', 0, TRUE, NULL),
    (gen_random_uuid(), 'minors', 1, '未满十四周岁未成年人信息监护人同意', '处理未满十四周岁未成年人的个人信息',
     '未满十四周岁未成年人的个人信息均属于敏感个人信息。请监护人阅读并同意我们为其诊疗处理这些信息。',
     '2020-01-01', 0, TRUE, 14),
    (gen_random_uuid(), 'family_sharing', 1, '与家人共享', '允许您邀请的家人查看您的报告、处方和就诊记录',
     '经您同意，您邀请的家人可以在授权期限内查看您的报告、处方和就诊记录。您可以随时撤销授权或撤回同意。',
     '2020-01-01', 0, FALSE, NULL),
    (gen_random_uuid(), 'research', 1, '医学研究（可选）', '在去除个人标识后用于医学研究',
     '您可以选择同意我们在去除个人标识后将您的诊疗数据用于医学研究。不同意不影响就诊。',
     '2020-01-01', 0, FALSE, NULL)
ON CONFLICT (code, version) DO NOTHING;

-- A guardian's reading ends on the eighteenth birthday, whether or not the sweep has come by.
CREATE OR REPLACE FUNCTION jiuyi.live_scopes(granted varchar[], read_until timestamptz)
RETURNS varchar[] LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN read_until <= jiuyi.now() THEN array_remove(granted, 'read'::varchar) ELSE granted END
$$;

-- What stands between these two lines runs as jiuyi_definer, past the walls: see patients.sql. The questions
-- are asked for every result, so that each is one short statement with a kept plan.
DO $$
DECLARE
    made regprocedure;
BEGIN
    FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'jiuyi'::regnamespace
        AND proname IN ('consent_holds', 'consents_missing', 'account_follows', 'account_reads',
                        'persons_read_by', 'account_uses', 'account_speaks_for')
        AND proowner <> 'jiuyi_definer'::regrole
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO jiuyi_definer', made);
    END LOOP;
END $$;
GRANT SELECT ON consent, consent_document, invitation, break_glass TO jiuyi_definer;
GRANT UPDATE ON binding, invitation TO jiuyi_definer;  -- a row that is held must be one that may be changed
SET LOCAL ROLE jiuyi_definer;

-- What the rows of one human being have agreed to. A later version asks again once its grace is over.
CREATE OR REPLACE FUNCTION jiuyi.consents_held(persons uuid[]) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    at timestamptz := jiuyi.now();
BEGIN
    RETURN ARRAY(
        SELECT given.code::text FROM public.consent given
        WHERE given.person_id = ANY(persons)
          AND given.withdrawn_at IS NULL AND (given.valid_to IS NULL OR given.valid_to > at)
          AND NOT EXISTS (
              SELECT FROM public.consent_document newer
              WHERE newer.code = given.code AND newer.version > given.version
                AND newer.effective_from + newer.grace_days * interval '1 day' <= at));
END $$;

CREATE OR REPLACE FUNCTION jiuyi.consent_holds(asked uuid, wanted text)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN wanted = ANY(jiuyi.consents_held(jiuyi.persons_of(asked)));
END $$;

-- What must be agreed to before anybody sees results of this person on a phone. age() counts completed
-- years as rules.age_on does; a test compares them.
CREATE OR REPLACE FUNCTION jiuyi.consents_missing(asked uuid) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 3 SET search_path = public, pg_temp AS $$
DECLARE
    held text[] := jiuyi.consents_held(jiuyi.persons_of(asked));
    at timestamptz := jiuyi.now();
BEGIN
    RETURN QUERY SELECT DISTINCT document.code::text FROM consent_document document
    JOIN person ON person.id = asked
    WHERE document.needed_to_read AND document.effective_from <= at AND document.code <> ALL(held)
      AND (document.under_age IS NULL OR document.under_age > extract(
          year FROM age((at AT TIME ZONE 'Asia/Shanghai')::date::timestamp, person.born_on::timestamp)));
END $$;

-- Whether the account's own standing shows it the person's visits, whoever booked them: it may read, or the
-- person invited it. Knowing a name and a number shows an account only what it booked itself.
CREATE OR REPLACE FUNCTION jiuyi.account_follows(asking uuid, asked uuid)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    persons uuid[] := jiuyi.persons_of(asked);
    at timestamptz := jiuyi.now();
BEGIN
    RETURN EXISTS (
        SELECT FROM binding
        WHERE account_id = asking AND person_id = ANY(persons)
          AND (proof = 'granted' OR 'read' = ANY(scopes)) AND (read_until IS NULL OR read_until > at)
          AND valid_from <= at AND (valid_to IS NULL OR valid_to > at));
END $$;

-- What is shared with a relative also needs the consent to share.
CREATE OR REPLACE FUNCTION jiuyi.account_reads(asking uuid, asked uuid)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER COST 1000 SET search_path = public, pg_temp AS $$
DECLARE
    persons uuid[] := jiuyi.persons_of(asked);
    at timestamptz := jiuyi.now();
    only_shared boolean;  -- null: no binding that reads
BEGIN
    SELECT bool_and(proof = 'granted') INTO only_shared FROM binding
    WHERE account_id = asking AND person_id = ANY(persons)
      AND 'read' = ANY(scopes) AND (read_until IS NULL OR read_until > at)
      AND valid_from <= at AND (valid_to IS NULL OR valid_to > at);
    RETURN only_shared IS NOT NULL
       AND (NOT only_shared OR jiuyi.consent_holds(asked, 'family_sharing'))
       AND NOT EXISTS (SELECT FROM jiuyi.consents_missing(asked));
END $$;

-- access.may_see for the acting actor, for a statement that reads the person's rows anyway. A yes holds until
-- the transaction ends.
CREATE OR REPLACE FUNCTION jiuyi.actor_sees(asked uuid)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER COST 1000 SET search_path = public, pg_temp AS $$
DECLARE
    actor uuid := nullif(current_setting('app.actor_id', true), '')::uuid;
    seen text := coalesce(current_setting('app.seen', true), '');
    sees boolean;
BEGIN
    IF position(asked::text IN seen) > 0 THEN
        RETURN true;
    END IF;
    sees := CASE current_setting('app.actor_kind', true)
        WHEN 'account' THEN jiuyi.account_reads(actor, asked)
        WHEN 'staff' THEN jiuyi.staff_cares_for(actor, asked)
        WHEN 'device' THEN jiuyi.device_cares_for(actor, asked)
        WHEN 'system' THEN true
        ELSE false
    END;
    IF sees THEN
        PERFORM set_config('app.seen', seen || asked::text, true);
    END IF;
    RETURN sees;
END $$;

-- Why members of staff see persons, for the access log: one row for each pair that a live relation joins, with
-- its reason, an ordinary one before broken glass. No row: the policy lets them see everybody. All pairs at once,
-- because a flush of the log holds thousands; each is a look into one person's relations, never a department's.
-- One plan is kept for few and many: to plan anew takes longer than to ask for ten.
DROP FUNCTION IF EXISTS jiuyi.care_reason(uuid, uuid);
CREATE OR REPLACE FUNCTION jiuyi.care_reasons(askers uuid[], persons uuid[])
RETURNS TABLE (asking uuid, asked uuid, why text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    at timestamptz := jiuyi.now();
BEGIN
    IF cardinality(askers) = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH pair AS (
        SELECT DISTINCT p.staff_id, p.person_id FROM unnest(askers, persons) AS p(staff_id, person_id)),
    human AS (
        SELECT pair.*, staff.department_id, staff.ward_id, coalesce(link.survivor_id, pair.person_id) AS survivor
        FROM pair JOIN staff ON staff.id = pair.staff_id
        LEFT JOIN person_link link ON link.duplicate_id = pair.person_id),
    same AS (
        SELECT human.*, human.survivor AS one FROM human
        UNION ALL
        SELECT human.*, link.duplicate_id FROM human JOIN person_link link ON link.survivor_id = human.survivor),
    found AS (
        SELECT DISTINCT ON (same.staff_id, same.person_id) same.staff_id, same.person_id, best.reason
        FROM same CROSS JOIN LATERAL (
            SELECT care.reason, care.valid_from FROM care_relation care
            WHERE care.person_id = same.one
              AND (care.staff_id = same.staff_id OR care.department_id = same.department_id
                   OR care.ward_id = same.ward_id)
              AND care.valid_from <= at AND (care.valid_to IS NULL OR care.valid_to > at)
            ORDER BY care.reason = 'break_glass', care.valid_from DESC LIMIT 1) best
        ORDER BY same.staff_id, same.person_id, best.reason = 'break_glass', best.valid_from DESC)
    SELECT found.staff_id, found.person_id,
           CASE found.reason WHEN 'break_glass' THEN 'break_glass: ' || coalesce((
               SELECT glass.reason FROM break_glass glass
               WHERE glass.staff_id = found.staff_id
                 AND glass.person_id IN (SELECT jiuyi.same_person(found.person_id))
               ORDER BY glass.opened_at DESC LIMIT 1), '')
           ELSE found.reason END::text
    FROM found;
END $$;

CREATE OR REPLACE FUNCTION jiuyi.persons_read_by(asking uuid) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 5 SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT same FROM binding bound CROSS JOIN LATERAL jiuyi.same_person(bound.person_id) same
    WHERE bound.account_id = asking AND jiuyi.account_reads(asking, bound.person_id);
END $$;

-- Acting for somebody holds the binding until the act commits: a revocation waits for it, and whatever
-- comes after the revocation finds it done.
CREATE OR REPLACE FUNCTION jiuyi.account_uses(asking uuid, asked uuid, wanted text)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM binding
    WHERE account_id = asking AND person_id IN (SELECT jiuyi.same_person(asked))
      AND wanted = ANY(scopes) AND (wanted <> 'read' OR read_until IS NULL OR read_until > jiuyi.now())
      AND valid_from <= jiuyi.now() AND (valid_to IS NULL OR valid_to > jiuyi.now())
    FOR SHARE;
    RETURN FOUND;
END $$;

-- Whether the account speaks for the person: oneself, or a minor's guardian. Never a relative who was invited,
-- nor who only knows a name and a number.
CREATE OR REPLACE FUNCTION jiuyi.account_speaks_for(asking uuid, asked uuid)
RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    persons uuid[] := jiuyi.persons_of(asked);
    at timestamptz := jiuyi.now();
BEGIN
    RETURN EXISTS (
        SELECT FROM binding
        WHERE account_id = asking AND person_id = ANY(persons)
          AND (relation = '0' OR guardian) AND proof <> 'granted' AND 'read' = ANY(scopes)
          AND (read_until IS NULL OR read_until > at)
          AND valid_from <= at AND (valid_to IS NULL OR valid_to > at));
END $$;

-- The person's row orders everybody's requests about who may act for them, also of who is invited and not
-- related yet. Null: no such person.
CREATE OR REPLACE FUNCTION jiuyi.lock_person(asked uuid) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    born date;
BEGIN
    SELECT born_on INTO born FROM person WHERE id = asked FOR UPDATE;
    RETURN born;
END $$;

-- Whose account it is: the name of its owner, for who may know who acts for them.
CREATE OR REPLACE FUNCTION jiuyi.holder_of(account uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (
        SELECT person.name FROM binding JOIN person ON person.id = binding.person_id
        WHERE binding.account_id = account AND binding.relation = '0'
          AND (binding.valid_to IS NULL OR binding.valid_to > jiuyi.now()) LIMIT 1);
END $$;

-- Whoever brings the code takes the invitation up. The first of many claims it; the others wait here and find
-- it taken. No row: unknown, used, withdrawn, over, or the account's own.
CREATE OR REPLACE FUNCTION jiuyi.claim_invitation(
    codes text[], account uuid, OUT id uuid, OUT person_id uuid, OUT scopes varchar[], OUT ends_at timestamptz
) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY UPDATE invitation sent SET accepted_by = account, accepted_at = jiuyi.now()
    WHERE sent.code_index = ANY(codes)
      AND sent.accepted_at IS NULL AND sent.withdrawn_at IS NULL AND sent.expires_at > jiuyi.now()
      AND sent.ends_at > jiuyi.now() AND sent.account_id IS DISTINCT FROM account
    RETURNING sent.id, sent.person_id, sent.scopes, sent.ends_at;
END $$;

RESET ROLE;

SELECT jiuyi.wall_by_person('consent');
SELECT jiuyi.wall_by_person('invitation', also =>
    'account_id = (SELECT jiuyi.actor_related(''account''))'
    ' OR staff_id = (SELECT jiuyi.actor_related(''staff''))');
SELECT jiuyi.wall_by_person('break_glass', also => 'staff_id = (SELECT jiuyi.actor_related(''staff''))');
