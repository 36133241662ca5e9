"""`jiuyi import icd10 FILE.csv`: a national clinical or insurance edition with Chinese names.

Columns: code, name_zh (needed); name_en, billable (optional; 1 or 0, 1 where empty). A code replaces
the known one with the same code; codes that the file does not name stay.
"""

import re
from collections.abc import Sequence

from app.catalog.loading import Icd10Row, put_icd10
from app.imports.loading import Advance, Importer, Row, RowWrong, batches
from app.kernel.actor import Actor

# A00, A00.0, A00.000x001, M80000/3 (morphology), with the dagger and asterisk of the dual system.
CODE = re.compile(r"[A-Z]\d{2,5}(/\d)?(\.[0-9A-Za-z]{1,8})?[+*†]?")
NAME_LENGTH_MAX = 250


async def prepare(actor: Actor) -> None:
    """Nothing to know: a code stands for itself."""


def read(row: Row, known: None) -> Icd10Row:
    code = row["code"]
    if not CODE.fullmatch(code):
        raise RowWrong("code 不是 ICD-10 编码，例如 J06.9 或 J06.900x001")
    if max(len(row["name_zh"]), len(row.get("name_en", ""))) > NAME_LENGTH_MAX:
        raise RowWrong(f"名称超过 {NAME_LENGTH_MAX} 个字")
    if row.get("billable", "") not in {"", "0", "1"}:
        raise RowWrong("billable 只能是 1 或 0")
    return Icd10Row(
        code=code,
        name_zh=row["name_zh"],
        name_en=row.get("name_en", ""),
        billable=row.get("billable", "") != "0",
    )


async def write(actor: Actor, rows: Sequence[Icd10Row], advance: Advance) -> None:
    for batch in batches(rows):
        await put_icd10(actor, rows=batch)
        advance(len(batch))


ICD10 = Importer(
    kind="icd10",
    required=("code", "name_zh"),
    optional=("name_en", "billable"),
    prepare=prepare,
    read=read,
    key=lambda row: row.code,
    write=write,
)
