"""The planner's statistics after a large import: without, plans are made for empty tables and kept."""

from django.db import DatabaseError, connection, transaction

from chatstore.logs import get_logger

TABLES = ("conversations_conversation", "conversations_message", "conversations_change")
MANY = 10_000  # messages; fewer change no plan

log = get_logger("chatstore.statistics")


def statistics_refresh() -> None:
    """ANALYZE what an import fills. It samples, so its cost does not grow with the tables.

    Nothing depends on it: PostgreSQL skips a table that is not ours with a warning, and what it refuses is logged.
    """
    for table in TABLES:
        try:
            with transaction.atomic(), connection.cursor() as cursor:  # a caller's transaction outlives a refusal
                cursor.execute("SELECT set_config('statement_timeout', '60s', true)")
                cursor.execute(f"ANALYZE {table}")
        except DatabaseError as error:
            log.warning("analyze_failed", table=table, error=type(error).__name__)
            return
