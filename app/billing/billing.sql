-- What billing promises beyond its tables' own constraints. Applied again whenever this file changes.

-- One live charge for one source; a void one made room.
CREATE UNIQUE INDEX IF NOT EXISTS charge_once ON charge (source_id) WHERE fulfilment <> 'void';

-- One live attempt per bill and channel: two terminals find each other's, two channels may race.
CREATE UNIQUE INDEX IF NOT EXISTS attempt_one_live ON attempt (bill_id, channel)
    WHERE status IN ('created', 'submitted', 'awaiting_payer', 'unknown');

CREATE INDEX IF NOT EXISTS attempt_to_look_at ON attempt (look_at)
    WHERE status IN ('created', 'submitted', 'awaiting_payer', 'unknown');
CREATE INDEX IF NOT EXISTS attempt_late ON attempt (bill_id) WHERE in_suspense;
CREATE INDEX IF NOT EXISTS bill_to_expire ON bill (expires_at) WHERE status IN ('open', 'locked', 'paying');
CREATE INDEX IF NOT EXISTS pay_alarm_open ON pay_alarm (raised_at) WHERE settled_at IS NULL;

INSERT INTO ledger_account (code, kind, name) VALUES
    ('patient_receivable', 'asset', '应收患者款'),
    ('insurance_receivable:pool', 'asset', '应收医保统筹款'),
    ('insurance_receivable:account', 'asset', '应收医保个人账户款'),
    ('cash_drawer', 'asset', '收费窗口现金'),
    ('bank', 'asset', '银行存款'),
    ('revenue', 'income', '医疗收入'),
    ('deposit_liability', 'liability', '住院预交金'),
    ('refund_payable', 'liability', '应付退款'),
    ('suspense_unmatched', 'liability', '待查收款'),
    ('hospital_borne', 'expense', '医院承担'),
    ('channel_fee', 'expense', '渠道手续费')
ON CONFLICT DO NOTHING;

SELECT jiuyi.wall_by_person('bill');
SELECT jiuyi.wall_by_person('charge');
SELECT jiuyi.wall_by_parent('attempt', 'bill_id', 'bill');
SELECT jiuyi.wall_by_parent('refund', 'bill_id', 'bill');
SELECT jiuyi.wall_by_parent('deposit_receipt', 'bill_id', 'bill');
-- A notice names its payer, and only the system reads what the channels tell.
SELECT jiuyi.wall('pay_notice', 'false');

SELECT jiuyi.keep_versions(kept) FROM unnest(ARRAY[
    'bill', 'charge', 'attempt', 'refund', 'deposit_receipt', 'pay_notice', 'pay_alarm'
]) AS kept;
