"""How a process writes its log: one JSON object a line on standard error, and no library's chatter.

Libraries log addresses with what stands in them, a login code or a merchant's secret; so only their
warnings pass. What somebody typed may still reach an error's text: in every line the numbers of
persons are masked.
"""

import logging
import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, WrappedLogger

from app.patients.masking import mask_text

# Lines only: structlog's own choice adds the variables of every frame, and with them the patients.
TRACEBACK = ExceptionDictTransformer(show_locals=False)


_render = structlog.processors.JSONRenderer(ensure_ascii=False)


def _as_line(logger: WrappedLogger, method: str, said: EventDict) -> str:
    return mask_text(str(_render(logger, method, said)))


def configure_logs() -> None:
    """Once per process, before anything is logged."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s", force=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(TRACEBACK),
            _as_line,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
