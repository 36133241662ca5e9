"""The streams this house has: who may listen to each, and what a newcomer is shown first."""

from notifications.streams import StreamKind

KINDS: dict[str, StreamKind] = {}
