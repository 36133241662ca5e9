"""Prints docs/flows.md from the Flows themselves: `python -m tests.flow_page > docs/flows.md`."""

import sys

from app.kernel.flow import FLOWS
from app.piccolo_app import TABLES

HEAD = """# Flows: every status and its allowed moves

Made from the code by `python -m tests.flow_page > docs/flows.md`; a test compares them. A status changes
only through its Flow, by compare-and-set: who finds another status than the move needs is refused with
`wrong_state` or a refusal of its own.
"""


def flow_page() -> str:
    assert TABLES  # importing them declared every Flow
    parts = [HEAD]
    for flow in sorted(FLOWS, key=lambda flow: flow.name):
        parts.append(f"\n## {flow.name}\n\n| from | to |\n|---|---|\n")
        for start in flow.statuses:
            ends = [str(end) for end in flow.statuses if end in flow.moves[start]]
            parts.append(f"| {start} | {', '.join(ends) or '(end)'} |\n")
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(flow_page())
