"""What the bureau remembers besides its money: people, sign-ins, messages, visits, settlements."""

SCHEMA = """
create table if not exists setting (
    name text primary key,
    value text not null
) strict;
create table if not exists person (
    psn_no text primary key,
    psn_name text not null,
    certno text not null unique,
    gend text not null check (gend in ('1', '2')),
    brdy text not null,
    insutype text not null check (insutype in ('310', '390')),
    psn_type text not null,
    psn_insu_stas text not null check (psn_insu_stas in ('1', '2')),
    cvlserv_flag text not null check (cvlserv_flag in ('0', '1')),
    insuplc_admdvs text not null,
    card_no text not null unique,
    card_sn text not null,
    created_at text not null
) strict;
create table if not exists credential (
    token text primary key,
    psn_no text not null references person (psn_no),
    expires_at text not null,
    mdtrt_id text,
    spent_by text
) strict;
create table if not exists sign_in (
    sign_no text primary key,
    opter_no text not null,
    at text not null,
    expires_at text not null
) strict;
create table if not exists exchange (
    msgid text primary key,
    infno text not null,
    psn_no text not null,
    at text not null,
    state text not null check (state in ('done', 'refused', 'reversed')),
    infcode text not null,
    input text not null,
    output text not null
) strict;
create table if not exists visit (
    mdtrt_id text primary key,
    psn_no text not null references person (psn_no),
    kind text not null check (kind in ('outpatient', 'inpatient')),
    state text not null check (state in ('open', 'discharged', 'cancelled')),
    insutype text not null,
    ipt_otp_no text not null,
    med_type text not null,
    begntime text not null,
    endtime text,
    cert text not null,
    told text not null,
    informed integer not null default 0
) strict;
create index if not exists visit_person on visit (psn_no);
create unique index if not exists visit_number on visit (ipt_otp_no) where state <> 'cancelled';
create unique index if not exists visit_one_stay on visit (psn_no)
    where kind = 'inpatient' and state = 'open';
create table if not exists settlement (
    seq integer primary key,
    setl_id text not null unique,
    mdtrt_id text not null references visit (mdtrt_id),
    psn_no text not null,
    msgid text not null unique,
    infno text not null,
    at text not null,
    reverses text unique references settlement (setl_id),
    reversed_at text,
    setlinfo text not null,
    setldetail text not null
) strict;
create index if not exists settlement_visit on settlement (mdtrt_id);
"""
