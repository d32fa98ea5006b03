"""JSON log lines on standard output, with the request's id and nothing that identifies a person.

    logs.configure("INFO")
    logging.getLogger("coworking").info("started", extra={"fields": {"port": 5153}})

A line contains only what the code names in `fields`: no query string, no body, no address, no
header but the request id. Credentials can't get in, because nothing logs a setting.
"""

from __future__ import annotations

import json
import logging
import logging.config
import time
from typing import Any

LOGGER = logging.getLogger("coworking")


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, then the record's fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _utc(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            # The last frames are for the operator; what a client gets says nothing of them.
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(level: str) -> None:
    """Send every logger's lines to standard output as JSON, from `level` on."""
    logging.config.dictConfig(settings(level))


def settings(level: str) -> dict[str, Any]:
    """The same for `logging.config.dictConfig`, as the server's own loggers want it."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "json",
            }
        },
        "root": {"level": "WARNING", "handlers": ["stdout"]},
        "loggers": {"coworking": {"level": level}},
    }


def info(message: str, **fields: object) -> None:
    """Log a line of the service's own."""
    LOGGER.info(message, extra={"fields": fields})


def warning(message: str, **fields: object) -> None:
    """Log something that an operator should look at."""
    LOGGER.warning(message, extra={"fields": fields})


def error(message: str, **fields: object) -> None:
    """Log an event that a person must act on, with fields of its own."""
    LOGGER.error(message, extra={"fields": fields})


def _utc(seconds: float) -> str:
    whole = int(seconds)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{moment}.{int((seconds - whole) * 1000):03d}Z"
