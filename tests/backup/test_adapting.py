"""A dump's statements fit another owner and an older server; its rows are never touched."""

import pytest

from app.backup.adapting import Lines, Target, adapted
from app.backup.clients import connection_to

OLDER = Target(major=15, owner="医院", has_backup_role=False, must_inherit=False)
SAME = Target(major=18, owner="jiuyi", has_backup_role=True, must_inherit=False)

STATEMENTS = {
    "SET transaction_timeout = 0;\n": "",
    "SET lock_timeout = 0;\n": "SET lock_timeout = 0;\n",
    "ALTER TABLE public.person OWNER TO jiuyi;\n": 'ALTER TABLE public.person OWNER TO "医院";\n',
    "ALTER FUNCTION jiuyi.same_person(a uuid) OWNER TO jiuyi_definer;\n": (
        "ALTER FUNCTION jiuyi.same_person(a uuid) OWNER TO jiuyi_definer;\n"
    ),
    "ALTER SCHEMA jiuyi OWNER TO jiuyi;\n": (
        'ALTER SCHEMA jiuyi OWNER TO "医院";\nGRANT USAGE, CREATE ON SCHEMA jiuyi TO jiuyi_definer;\n'
    ),
    "GRANT ALL ON FUNCTION jiuyi.now() TO jiuyi;\n": 'GRANT ALL ON FUNCTION jiuyi.now() TO "医院";\n',
    "GRANT ALL ON FUNCTION jiuyi.now() TO jiuyi_app;\n": "GRANT ALL ON FUNCTION jiuyi.now() TO jiuyi_app;\n",
    "GRANT SELECT ON TABLE public.person TO jiuyi_backup;\n": "",
    "CREATE POLICY owner ON public.person TO jiuyi USING (true);\n": (
        'CREATE POLICY owner ON public.person TO "医院" USING (true);\n'
    ),
    "CREATE POLICY reach ON public.person FOR SELECT TO jiuyi_app USING ((a = ' TO jiuyi '));\n": (
        "CREATE POLICY reach ON public.person FOR SELECT TO jiuyi_app USING ((a = ' TO jiuyi '));\n"
    ),
}


@pytest.mark.parametrize("line", STATEMENTS, ids=lambda line: line[:40])
def test_a_statement_fits_an_older_server_and_its_owner(line: str):
    assert adapted("jiuyi", OLDER)(line.encode()).decode() == STATEMENTS[line]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_rows_stay_as_they_are_however_the_stream_is_cut(size: int):
    rows = b"ALTER TABLE x OWNER TO jiuyi;\t1\nGRANT ALL ON x TO jiuyi;\nodd\rrow\n\xe5\xbc\xa0\t\\N\n\\.\n"
    dump = b"COPY public.note (a) FROM stdin;\n" + rows + b"ALTER TABLE x OWNER TO jiuyi;\nlast"
    out: list[bytes] = []
    lines = Lines(adapted("jiuyi", OLDER), out.append)
    for start in range(0, len(dump), size):
        lines.write(dump[start : start + size])
    lines.end()
    expected = dump.replace(
        b"ALTER TABLE x OWNER TO jiuyi;\nlast", 'ALTER TABLE x OWNER TO "医院";\nlast'.encode()
    )
    assert b"".join(out) == expected


def test_for_the_same_owner_and_version_nothing_is_lost():
    change = adapted("jiuyi", SAME)
    for line in STATEMENTS:
        assert change(line.encode()).decode().startswith(line)


def test_a_password_stands_in_no_argument():
    for url in (
        "postgresql://jiuyi:se%20cret@db.example:5433/hospital?sslmode=verify-full&sslrootcert=/ca.pem",
        "postgresql://jiuyi@db.example:5433/hospital?password=se%20cret&sslmode=verify-full&sslrootcert=/ca.pem",
    ):
        told = connection_to(url)
        assert "cret" not in told.url
        assert told.url.startswith("postgresql://jiuyi@db.example:5433/hospital?sslmode=verify-full")
        assert told.environment["PGPASSWORD"] == "se cret"
