"""What the bureau remembers of money: catalogue, fees, what was used, claims, checks, mobile orders."""

SCHEMA = """
create table if not exists catalogue (
    med_list_codg text primary key,
    name text not null,
    chrgitm_lv text not null check (chrgitm_lv in ('01', '02', '03')),
    selfpay_prop text not null,
    pric_uplmt text not null,
    med_chrgitm_type text not null
) strict;
create table if not exists fee (
    seq integer primary key,
    mdtrt_id text not null,
    feedetl_sn text not null,
    init_feedetl_sn text not null,
    chrg_bchno text not null,
    med_list_codg text not null,
    medins_list_codg text not null,
    occurred_at text not null,
    cnt text not null,
    pric text not null,
    amount_fen integer not null,
    own_fen integer not null,
    over_limit_fen integer not null,
    first_share_fen integer not null,
    in_scope_fen integer not null,
    item text not null,
    setl_id text,
    freed_from text,
    unique (mdtrt_id, feedetl_sn)
) strict;
create table if not exists earlier_use (
    psn_no text not null,
    year integer not null,
    care text not null check (care in ('outpatient', 'inpatient')),
    deductible_fen integer not null default 0,
    in_bands_fen integer not null default 0,
    pool_fen integer not null default 0,
    above_cap_fen integer not null default 0,
    self_paid_fen integer not null default 0,
    primary key (psn_no, year, care)
) strict;
create table if not exists help (
    psn_no text primary key,
    civil_servant_share text not null,
    assistance_share text not null
) strict;
create table if not exists claim (
    setl_id text primary key references settlement (setl_id),
    mdtrt_id text not null,
    psn_no text not null,
    insutype text not null,
    care text not null check (care in ('outpatient', 'inpatient')),
    year integer not null,
    day text not null,
    chrg_bchno text not null,
    medfee_fen integer not null,
    fund_fen integer not null,
    account_fen integer not null,
    cash_fen integer not null,
    deductible_fen integer not null,
    in_bands_fen integer not null,
    pool_fen integer not null,
    above_cap_fen integer not null,
    self_paid_fen integer not null,
    benefit text not null,
    cleared_by text
) strict;
create index if not exists claim_person on claim (psn_no, year);
create index if not exists claim_day on claim (day);
create table if not exists file (
    file_qury_no text primary key,
    filename text not null,
    content blob not null,
    expires_at text not null
) strict;
create table if not exists statement (
    seq integer primary key,
    begins text not null,
    ends text not null,
    insutype text not null,
    clr_type text not null,
    stmt_rslt text not null check (stmt_rslt in ('0', '1')),
    at text not null
) strict;
create table if not exists mobile_order (
    pay_ord_id text primary key,
    pay_token text not null,
    med_org_ord text not null unique,
    mdtrt_id text not null,
    psn_no text not null,
    asked text not null,
    pay_auth_no text,
    state text not null,
    benefit text,
    setl_id text,
    created_at text not null,
    expires_at text not null,
    paid_at text
) strict;
create table if not exists mobile_refund (
    app_refd_sn text primary key,
    pay_ord_id text not null references mobile_order (pay_ord_id),
    kind text not null check (kind in ('ALL', 'CASH', 'HI')),
    cash_fen integer not null,
    insured_fen integer not null,
    asked text not null,
    setl_id text,
    at text not null
) strict;
"""
