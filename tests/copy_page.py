"""Prints docs/copy.md from the sections: `python -m tests.copy_page > docs/copy.md`."""

import sys

from app.rights.copies import NOT_COPIED
from app.rights.exports import SCHEMA
from mini_program_api.rights import SECTIONS

HEAD = f"""# A patient's copy of their own data

Made from the code by `python -m tests.copy_page > docs/copy.md`; a test compares them.
`POST /api/mini-program/v1/persons/ID/exports` asks for one, `GET /api/mini-program/v1/exports/ID` makes it,
as often as wanted within 24 hours; nothing of it is stored. Why it is so: [rights](algorithms/retention.md).

One JSON document, `schema` "{SCHEMA}", UTF-8, instants in ISO 8601 with zone, days as dates, money in fen:

| field | what |
|---|---|
| `id`, `person_id`, `made_at` | which copy, of whom, as of when |
| `parts` | the sections below, each with `name`, `title`, `rows` and `complete` |
| `fields`, `codes` of a part | column to Chinese name; column, value, meaning |
| `accesses` | who has looked in the last ninety days, as on the phone |

ID numbers, phones and addresses are masked. What a doctor must say first (a dangerous value that nobody has
acknowledged, diagnoses and notes of a visit that goes on) joins the copy when it has been said.
"""


def copy_page() -> str:
    parts = [HEAD]
    for section in SECTIONS:
        parts.append(f"\n## {section.name}: {section.title}\n\n| column | 名称 | 取值 |\n|---|---|---|\n")
        for name, title in section.fields.items():
            codes = section.codes.get(name, {})
            words = "；".join(f"{code} {word}" for code, word in codes.items())
            parts.append(f"| {name} | {title} | {words} |\n")
    parts.append("\n## Not in it\n\n| table | why |\n|---|---|\n")
    parts += [f"| {table} | {why} |\n" for table, why in NOT_COPIED.items()]
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(copy_page())
