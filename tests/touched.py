"""Runs the tests that the uncommitted change touches (or, on a clean tree, the last commit's).

Types are checked at the same time: each needs one core for most of the minute that `make quick` has.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS_MAX = 45  # what `make quick` has left of its minute after the linters
ALWAYS = ("tests/test_house.py",)


def main() -> int:
    with subprocess.Popen([sys.executable, "-m", "pyright"], cwd=ROOT, stdout=subprocess.PIPE) as types:
        tests = run_tests()
        say(types.communicate()[0].decode().strip())
    return tests or types.returncode


def run_tests() -> int:
    chosen = sorted({test for name in changed() for test in tests_of(Path(name))} | existing(ALWAYS))
    say("tests of the change: " + " ".join(chosen))
    try:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", *chosen]
        code = subprocess.run(command, cwd=ROOT, timeout=SECONDS_MAX, check=False).returncode
    except subprocess.TimeoutExpired:
        say(f"NOT FINISHED: stopped after {SECONDS_MAX} s, nothing failed so far; run `make test`")
        return 0
    return 0 if code == 5 else code  # 5: every chosen test is a long one


def changed() -> list[str]:
    names = git("diff", "--name-only", "HEAD") + git("ls-files", "--others", "--exclude-standard")
    return names or git("diff", "--name-only", "HEAD~1", "HEAD")


def git(*words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[:-1]


def tests_of(path: Path) -> set[str]:
    """The test tree mirrors the source: app/billing/x.py -> tests/billing or test_x.py in it."""
    parts = path.parts
    if parts[0] == "tests":
        if "browser" in parts or path.suffix != ".py":
            return set()
        own = path if path.name.startswith("test_") else path.parent
        return existing((str(own),)) if len(parts) > 2 or own != path.parent else set()
    inner = parts[1:] if parts[0] == "app" else parts
    if len(inner) == 1:
        return existing((f"tests/test_{path.stem}.py",))
    beside = f"tests/{'/'.join(inner[:-1])}/test_{path.stem}.py"
    return existing((beside,)) or existing((f"tests/{inner[0]}",))


def existing(names: tuple[str, ...]) -> set[str]:
    return {name for name in names if (ROOT / name).exists()}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
