-- What the tables of identity need beyond their columns.

-- A patient's data stands on one screen: at most one terminal at a bed.
CREATE UNIQUE INDEX IF NOT EXISTS device_one_terminal_at_a_bed ON device (place_id)
    WHERE kind = 'bedside' AND disabled_at IS NULL;

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'account', 'account_login', 'signing_key', 'device', 'device_enrolment', 'login_session', 'oauth_client'
]) AS kept;
-- Of a secret its history is the day on which it changed.
SELECT jiuyi.keep_versions('staff_login', '{password_hash}'),
       jiuyi.keep_versions('totp_seed', '{seed, pending_seed}'),
       jiuyi.keep_versions('recovery_code', '{code_hash}');
