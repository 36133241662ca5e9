"""The whole suite: most of it side by side, whole hospitals alone, browsers in a process of their own.

Sync Playwright and async tests clash in one process.

`--coverage` measures both and their child processes, and holds the bounds of the house.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
BROWSER = ROOT / "tests" / "browser"
# What starts whole hospitals, or measures how long it takes to stop one, does not share the machine.
ALONE = (ROOT / "tests" / "launch", ROOT / "tests" / "journeys")
WORKERS = min(os.cpu_count() or 1, 4)  # each has embedded servers of its own
COVERAGE_MIN = 90
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
NO_TESTS = 5  # pytest's exit code

# How many of each kind a part of the run has looked through for identifiers; tests/recording prints it.
RECORDED = re.compile(r"^recorded: (.*);", re.MULTILINE)

summaries: list[str] = []
seen: Counter[str] = Counter()


def main() -> int:
    measured = "--coverage" in sys.argv[1:]
    if measured:
        run("coverage", "erase")
    apart = [argument for folder in (BROWSER, *ALONE) for argument in ("--ignore", str(folder))]
    parts = [
        pytest("tests", *apart, "-n", str(WORKERS), "--dist", "loadfile", measured=measured),
        pytest(*(str(folder) for folder in ALONE if folder.exists()), measured=measured),
    ]
    if BROWSER.exists():
        parts.append(browser_tests(measured=measured))
    parts.append(something_was_seen())
    if measured and not any(parts):
        parts.append(coverage_holds())
    for line in summaries:  # once more, where the eye ends up
        say(line)
    return int(any(parts))


def pytest(*arguments: str, measured: bool) -> int:
    runner = ("coverage", "run", "-m", "pytest") if measured else ("pytest",)
    colour = ("--color=yes",) if sys.stdout.isatty() else ()
    command = [sys.executable, "-m", *runner, "-m", "not long", *colour, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        summaries.append(passed_on(process.stdout))
    return 0 if process.returncode == NO_TESTS else process.returncode


def passed_on(output: IO[bytes]) -> str:
    """Shows what pytest says while it says it, and returns its last line: the summary."""
    tail = b""
    while chunk := os.read(output.fileno(), 65536):
        sys.stdout.buffer.write(chunk)
        sys.stdout.flush()
        tail = (tail + chunk)[-4000:]
    said = tail.decode(errors="replace")
    for told in RECORDED.findall(said):
        for part in told.split(", "):
            number, _, kind = part.partition(" ")
            seen[kind] += int(number)
    return (said.splitlines() or [""])[-1]


def something_was_seen() -> int:
    """A recorder that looked at nothing has found nothing: that says nothing."""
    unseen = [kind for kind, number in seen.items() if number == 0]
    summaries.append("recorded in all: " + ", ".join(f"{number} {kind}" for kind, number in seen.items()))
    if unseen or not seen:
        say(f"FAILED tests/recording: the recorder saw no {', '.join(unseen) or 'traffic at all'}")
    return int(bool(unseen or not seen))


def browser_tests(*, measured: bool) -> int:
    if any(shutil.which(name) for name in CHROMIUM):
        return pytest(str(BROWSER), measured=measured)
    if os.environ.get("CI") == "true":
        say("FAILED tests/browser: Chromium is missing, and CI=true demands it")
        return 1
    summaries.append("SKIPPED tests/browser: no Chromium on this machine (Debian: apt-get install chromium)")
    say(summaries[-1])
    return 0


def coverage_holds() -> int:
    run("coverage", "combine", "--quiet")
    report = ROOT / "var" / "coverage.json"
    report.parent.mkdir(exist_ok=True)
    run("coverage", "json", "--quiet", "-o", str(report))
    total = run("coverage", "report", "--skip-covered", "--sort=cover", f"--fail-under={COVERAGE_MIN}")
    return max(total, rules_hold(json.loads(report.read_text())["files"]))


def rules_hold(files: dict[str, dict[str, dict[str, float]]]) -> int:
    """A pure decision that no test has taken is a decision nobody has looked at."""
    short = {
        name: told["summary"]["percent_covered"]
        for name, told in files.items()
        if Path(name).name == "rules.py" and told["summary"]["percent_covered"] < 100
    }
    for name, percent in short.items():
        say(f"FAILED {name}: {percent:.1f} % covered, and rules.py must be 100 %")
    return int(bool(short))


def run(module: str, *arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=False).returncode


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
