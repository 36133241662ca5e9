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

-- A later version asks again once its grace is over.
CREATE OR REPLACE FUNCTION jiuyi.consent_holds(asked uuid, wanted text)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM public.consent given
        WHERE given.person_id IN (SELECT jiuyi.same_person(asked)) AND given.code = wanted
          AND given.withdrawn_at IS NULL AND (given.valid_to IS NULL OR given.valid_to > jiuyi.now())
          AND NOT EXISTS (
              SELECT FROM public.consent_document newer
              WHERE newer.code = given.code AND newer.version > given.version
                AND newer.effective_from + newer.grace_days * interval '1 day' <= jiuyi.now()))
$$;

-- What must be agreed to before anybody sees results of this person on a phone. age() counts completed
-- years as rules.age_on does; a test compares them.
CREATE OR REPLACE FUNCTION jiuyi.consents_missing(asked uuid) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT DISTINCT document.code::text FROM public.consent_document document
    JOIN public.person ON person.id = asked
    WHERE document.needed_to_read AND document.effective_from <= jiuyi.now()
      AND (document.under_age IS NULL OR document.under_age > extract(
          year FROM age((jiuyi.now() AT TIME ZONE 'Asia/Shanghai')::date::timestamp, person.born_on::timestamp)))
      AND NOT jiuyi.consent_holds(asked, document.code)
$$;

-- Whether the account's own standing shows it the person's visits, whoever booked them: it may read, or the
-- person invited it. Knowing a name and a number shows an account only what it booked itself.
CREATE OR REPLACE FUNCTION jiuyi.account_follows(asking uuid, asked uuid)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM public.binding
        WHERE account_id = asking AND person_id IN (SELECT jiuyi.same_person(asked))
          AND (proof = 'granted' OR 'read' = ANY(scopes)) AND (read_until IS NULL OR read_until > jiuyi.now())
          AND valid_from <= jiuyi.now() AND (valid_to IS NULL OR valid_to > jiuyi.now()))
$$;

-- What is shared with a relative also needs the consent to share.
CREATE OR REPLACE FUNCTION jiuyi.account_reads(asking uuid, asked uuid)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM public.binding
        WHERE account_id = asking AND person_id IN (SELECT jiuyi.same_person(asked))
          AND 'read' = ANY(scopes) AND (read_until IS NULL OR read_until > jiuyi.now())
          AND valid_from <= jiuyi.now() AND (valid_to IS NULL OR valid_to > jiuyi.now())
          AND (proof <> 'granted' OR jiuyi.consent_holds(asked, 'family_sharing')))
    AND NOT EXISTS (SELECT jiuyi.consents_missing(asked))
$$;

CREATE OR REPLACE FUNCTION jiuyi.persons_read_by(asking uuid) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    SELECT same FROM public.binding bound CROSS JOIN LATERAL jiuyi.same_person(bound.person_id) same
    WHERE bound.account_id = asking AND jiuyi.account_reads(asking, bound.person_id)
$$;

-- Acting for somebody holds the binding until the act commits: a revocation waits for it, and whatever
-- comes after the revocation finds it done.
CREATE OR REPLACE FUNCTION jiuyi.account_uses(asking uuid, asked uuid, wanted text)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM FROM public.binding
    WHERE account_id = asking AND person_id IN (SELECT jiuyi.same_person(asked))
      AND wanted = ANY(scopes) AND (wanted <> 'read' OR read_until IS NULL OR read_until > jiuyi.now())
      AND valid_from <= jiuyi.now() AND (valid_to IS NULL OR valid_to > jiuyi.now())
    FOR SHARE;
    RETURN FOUND;
END $$;

-- Whether the account speaks for the person: oneself, or a minor's guardian. Never a relative who was invited,
-- nor who only knows a name and a number.
CREATE OR REPLACE FUNCTION jiuyi.account_speaks_for(asking uuid, asked uuid)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM public.binding
        WHERE account_id = asking AND person_id IN (SELECT jiuyi.same_person(asked))
          AND (relation = '0' OR guardian) AND proof <> 'granted' AND 'read' = ANY(scopes)
          AND (read_until IS NULL OR read_until > jiuyi.now())
          AND valid_from <= jiuyi.now() AND (valid_to IS NULL OR valid_to > jiuyi.now()))
$$;
