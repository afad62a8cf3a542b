"""Structured logs: one JSON object a line on stderr, for structlog's loggers and the standard library's alike.

What people say never gets in. Our own events are names with figures and ids. Of an exception the type, SQLSTATE,
constraint and frames are kept and its message is not: PostgreSQL quotes rows, a KeyError its key, a decoder its input.
Of a library's record the template is kept and its arguments are not, but for the libraries in VERBATIM. There are no
query strings, bodies, headers, addresses or e-mails; ids are enough to find a request or a person in the database.

    log = get_logger("conversations.actions")
    log.info("conversation_purged", conversations=12)

On a terminal with CHATSTORE_DEBUG the same events are laid out for reading.
"""

import logging
import logging.config
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import orjson
import structlog
from psycopg import Error as DatabaseError
from structlog.contextvars import bind_contextvars
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

STDERR = 2
# Loggers whose messages speak of servers and connections, never of what a request holds.
VERBATIM = {"_granian", "psycopg", "chatstore", "accounts", "conversations"}
# The request log covers these, and they would log paths with query strings and the peers' addresses.
SILENT = ("django.server", "granian.access", "uvicorn.access")
MAX_FRAMES, MAX_CAUSES = 40, 5
_ROOTS = tuple(f"{Path(file).resolve().parent.parent}/" for file in (__file__, structlog.__file__, logging.__file__))


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger for events; `name` is the module's."""
    return cast(FilteringBoundLogger, structlog.get_logger(name))


def bind_user(user_id: Any) -> None:
    """From here on, every line of this request or job says whose it is."""
    bind_contextvars(user_id=str(user_id))


def configure(config: dict[str, Any]) -> None:
    """settings.LOGGING_CONFIG: `config` is settings.LOGGING, {"level": name, "console": bool}."""
    console = bool(config.get("console")) and sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            *_preparation(),
            _renderer(console),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(config["level"])),
        logger_factory=_Output,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(standard_library_config(config["level"], console=console))
    threading.excepthook = _thread_failed
    sys.excepthook = _process_failed


def standard_library_config(level: str, *, console: bool = False) -> dict[str, Any]:
    """What `logging.config.dictConfig` and granian's `log_dictconfig` take."""
    foreign = [structlog.contextvars.merge_contextvars, _message_of_foreign, *_preparation()]
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": foreign,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(console), _as_text],
        "use_get_message": False,
        "pass_foreign_args": True,
    }
    stream = open(STDERR, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    handler = {"class": "logging.StreamHandler", "formatter": "event", "stream": stream}
    inherit = {"handlers": [], "propagate": True, "level": "NOTSET"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"event": formatter},
        "handlers": {"stderr": handler},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": inherit,
            "django.request": {**inherit, "level": "ERROR"},  # refusals are in the request log
            "_granian": inherit,
            "procrastinate": {**inherit, "level": "WARNING"},  # chatstore.jobs says the same in fewer words
            "django.db.backends": {**inherit, "level": "WARNING"},  # below it are statements with their parameters
            **{name: {"handlers": [], "propagate": False, "level": "CRITICAL"} for name in SILENT},
        },
    }


def describe_exception(exc: BaseException | None, depth: int = 0) -> dict[str, Any]:
    """What may be told of an exception: its type, PostgreSQL's names for it, where it happened, and what caused it."""
    if exc is None:
        return {}
    kind = type(exc)
    told: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")}
    if sqlstate := getattr(exc, "sqlstate", None):
        told["sqlstate"] = sqlstate
    if constraint := getattr(getattr(exc, "diag", None), "constraint_name", None):
        told["constraint"] = constraint
    told["frames"] = list(_frames(exc.__traceback__))[-MAX_FRAMES:]  # the innermost: a recursion has a thousand
    cause = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
    if cause is not None and depth < MAX_CAUSES:
        told["cause"] = describe_exception(cause, depth + 1)
    return told


class _Output(structlog.BytesLogger):
    """Unbuffered, and straight to the file descriptor: a line is one write, whoever replaced sys.stderr."""

    def __init__(self, name: str = "") -> None:
        super().__init__(open(STDERR, "wb", buffering=0, closefd=False))  # noqa: SIM115
        self.name = name


def _frames(traceback: TracebackType | None) -> Iterator[str]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path = code.co_filename
        for root in _ROOTS:
            path = path.removeprefix(root)
        yield f"{path}:{traceback.tb_lineno}:{code.co_name}"
        traceback = traceback.tb_next


def _preparation() -> list[Any]:
    return [structlog.processors.add_log_level, _stamp, _exception_without_words]


def _stamp(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC)  # orjson writes it out, in a tenth of the time of structlog's TimeStamper
    return event


def _renderer(console: bool) -> Any:
    return _readable if console else structlog.processors.JSONRenderer(serializer=_encode)


def _encode(event: EventDict, **_: Any) -> bytes:
    return orjson.dumps(event, default=_unknown, option=orjson.OPT_UTC_Z)


def _unknown(value: Any) -> str:
    """An object that was logged: its `repr` may hold anything."""
    return f"<{type(value).__name__}>"


def _as_text(logger: WrappedLogger, method: str, line: bytes | EventDict) -> str:
    return line.decode() if isinstance(line, bytes) else str(line)


_console = structlog.dev.ConsoleRenderer(colors=True)


def _readable(logger: WrappedLogger, method: str, event: EventDict) -> bytes:
    if exception := event.pop("exception", None):
        event["exception"] = orjson.dumps(exception, option=orjson.OPT_INDENT_2).decode()
    return _console(logger, method, event).encode(errors="backslashreplace")


def _exception_without_words(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if given:
        exc = given if isinstance(given, BaseException) else (given if isinstance(given, tuple) else sys.exc_info())[1]
        event["exception"] = describe_exception(exc)
    return event


def _message_of_foreign(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A record of the standard library's: its template, and its arguments only where they cannot be content.

    In what Django says of requests the template is a client's words too (a path, a Host header).
    """
    record: logging.LogRecord = event["_record"]
    arguments = event.pop("positional_args", ())
    event["logger"] = record.name
    if record.name == "django.request":
        event["event"] = "request_failed"
    elif record.name.startswith("django.security"):
        event["event"] = "request_suspicious"
        event.pop("exc_info", None)  # always the same frames
    elif record.name.partition(".")[0] in VERBATIM and arguments:
        event["event"] = str(record.msg) % arguments
    event["event"] = event["event"].partition("\n")[0]  # granian puts a traceback into its message, words and all
    return event


def _thread_failed(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit:
        _log.error("thread_failed", exc_info=args.exc_value)


def _process_failed(kind: type[BaseException], exc: BaseException, traceback: TracebackType | None) -> None:
    """A command ends. Its operator needs the words, but a database's quote rows, and cron's mail is a log as well."""
    if any(isinstance(cause, DatabaseError) for cause in _causes(exc)):
        _log.critical("process_failed", exc_info=exc)
    else:
        sys.__excepthook__(kind, exc, traceback)


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        yield exc
        seen.add(id(exc))
        exc = exc.__cause__ or exc.__context__


_log = get_logger("chatstore.logs")
