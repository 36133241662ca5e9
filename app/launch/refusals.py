"""Why a start is refused: one plain sentence for the person at the terminal."""


class CannotStart(Exception):
    """Something outside our power is in the way; the message says what, and what to do."""


class StopRequested(Exception):
    """Somebody pressed Ctrl-C or sent SIGTERM while we were busy."""
