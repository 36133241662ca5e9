"""What of a failure may be shown, and what may be left undone."""

import re

from app.patients.masking import mask_text

REASON_LENGTH_MIN = 4
REASON_LENGTH_MAX = 200
RETRY_ALL_MAX = 100  # letters that one press of the button gives another chance
STUCK_SECONDS = 60  # a living relay takes a fact up within a second
ERROR_LENGTH_MAX = 300

# An error's text is English, its class and what the database or a library said. Chinese in it is a name, an
# address or a sentence about somebody.
CHINESE = re.compile(r"[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af·]+")


def shown_error(stored: str) -> str:
    """An error for somebody who may not read patients: numbers are masked, Chinese is left out, and cut."""
    return CHINESE.sub("…", mask_text(stored))[:ERROR_LENGTH_MAX]


def only_tells(subscriber: str) -> bool:
    """Does this subscriber only show or retell what has happened: a board, a phone, a line of a timeline?

    Money and care hang on all others, so their letters are retried until they succeed.
    """
    house, _, work = subscriber.partition(".")
    return house == "notifications" or work.startswith("tell_")
