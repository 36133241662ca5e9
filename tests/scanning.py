"""Looking for identifiers in whole files, in every form in which bytes could carry them."""

import base64
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

BASE64_TURNS = 3  # where in a group of three bytes a text may begin
SCAN_SECONDS_MAX = 120.0


def forms_of(text: str) -> Iterator[bytes]:
    """The text as it is, in hex, in base64 at each turn, and as JSON escapes it."""
    plain = text.encode()
    yield plain
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for turn in range(BASE64_TURNS):
        # Only the characters that depend on nothing but the text.
        first, last = -(-turn * 8 // 6), (turn + len(plain)) * 8 // 6
        yield base64.b64encode(bytes(turn) + plain)[first:last]
    if not text.isascii():
        yield text.encode("unicode_escape")


def found(texts: Iterable[str], files: Iterable[Path], patterns: Path) -> set[str]:
    """What of the texts stands anywhere in these files, in any form. `patterns` is a file to work with."""
    wanted = {form: text for text in texts for form in forms_of(text)}
    patterns.write_bytes(b"\n".join(wanted) + b"\n")
    done = subprocess.run(
        ["grep", "-a", "-o", "-h", "-F", "-f", str(patterns), "--", *map(str, files)],
        capture_output=True,
        timeout=SCAN_SECONDS_MAX,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr[:500]
    return {wanted[form] for form in done.stdout.splitlines()}
