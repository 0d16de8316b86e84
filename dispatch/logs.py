"""Logs: one JSON object a line on standard error, with the request's id; no personal data, no keys."""

import logging
import sys

import structlog


def configure_logs(level: str) -> None:
    """Set up structlog and the standard library's logging for this process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    if level != "debug":
        # While the database is away it tells of every try in fifty lines; the follower says it in one.
        logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)
