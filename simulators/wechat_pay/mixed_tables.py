"""What WeChat Pay remembers of orders that insurance pays a share of."""

SCHEMA = """
create table if not exists mixed_order (
    mix_trade_no text primary key,
    out_trade_no text not null unique,
    openid text not null,
    callback_url text not null,
    signer text not null,
    asked text not null,
    state text not null check (state in ('MIX_PAY_CREATED', 'MIX_PAY_SUCCESS', 'MIX_PAY_FAIL')),
    med_ins_state text not null check (med_ins_state in
        ('NO_MED_INS_PAY', 'MED_INS_PAY_CREATED', 'MED_INS_PAY_SUCCESS', 'MED_INS_PAY_FAIL')),
    fail_reason text,
    created_at text not null,
    expires_at text not null,
    settles_at text,
    paid_at text
) strict;
create table if not exists med_ins_refund (
    mix_trade_no text primary key references mixed_order (mix_trade_no),
    out_refund_no text not null,
    total_fen integer not null check (total_fen = gov_fen + self_fen + other_fen),
    gov_fen integer not null check (gov_fen >= 0),
    self_fen integer not null check (self_fen >= 0),
    other_fen integer not null check (other_fen >= 0),
    refund_time text not null,
    notified_at text not null
) strict;
create table if not exists medical_credential (
    openid text primary key,
    name text not null,
    id_digest text not null
) strict;
"""
