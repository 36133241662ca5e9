"""What the mini-program platform remembers: tokens, logins, phone numbers, consents, messages."""

SCHEMA = """
create table if not exists access_token (
    token text primary key,
    expires_at text not null
) strict;
create table if not exists forced_refresh (at text primary key) strict;
create table if not exists login (
    seq integer primary key,
    openid text not null,
    at text not null
) strict;
create index if not exists login_of on login (openid, at);
create table if not exists phone_number (
    openid text primary key,
    country_code text not null,
    number text not null
) strict;
create table if not exists template (
    template_id text primary key,
    fields text not null
) strict;
create table if not exists page (path text primary key) strict;
create table if not exists subscription (
    openid text not null,
    template_id text not null,
    remaining integer not null check (remaining >= 0),
    primary key (openid, template_id)
) strict;
create table if not exists message (
    seq integer primary key,
    openid text not null,
    template_id text not null,
    page text not null,
    data text not null,
    sent_at text not null
) strict;
"""
