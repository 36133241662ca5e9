"""One hand for all screens: colours and sizes are named in one file only."""

import re
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "web" / "src"
TOKENS = SOURCES / "shared" / "tokens.css"
# The one-pixel box of a text that is only heard is a technique, not a size.
HEARD = re.compile(r"\.heard \{.*?\}", re.DOTALL)
NAMED_VALUE = re.compile(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(|\d+(?:\.\d+)?(?:px|rem|pt)\b")


def styles_of(source: Path) -> str:
    text = source.read_text(encoding="utf-8")
    if source.suffix == ".vue":
        text = "\n".join(re.findall(r"<style.*?</style>", text, re.DOTALL))
    return HEARD.sub("", text)


def test_only_the_tokens_name_a_colour_or_a_size() -> None:
    sources = [path for path in SOURCES.rglob("*") if path.suffix in {".css", ".vue"}]

    named = {
        str(path.relative_to(SOURCES)): found
        for path in sources
        if path != TOKENS and (found := NAMED_VALUE.findall(styles_of(path)))
    }

    assert named == {}


def test_the_check_finds_a_colour_and_a_size() -> None:
    assert NAMED_VALUE.findall(TOKENS.read_text(encoding="utf-8"))
    assert NAMED_VALUE.findall("color: #fff; width: 12px; fill: rgb(0 0 0)")


def test_no_style_attribute_is_written_which_the_policy_would_refuse() -> None:
    pages = [*SOURCES.rglob("*.vue")]

    assert pages
    assert [page.name for page in pages if re.search(r"\sstyle=", page.read_text("utf-8"))] == []
