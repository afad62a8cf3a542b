"""Looking into JSON that may have any shape: a value of another type is as good as none."""

from collections.abc import Collection

from conversations.interchange.records import Json


def as_dict(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def text_or_none(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def first_text(values: dict[str, Json], *keys: str) -> str:
    """The first of `keys` that holds text, and any at all; otherwise ""."""
    for key in keys:
        if isinstance(text := values.get(key), str) and text:
            return text
    return ""


def plain_facts(
    values: dict[str, Json], *, structures: Collection[str] = (), without: Collection[str] = ()
) -> dict[str, Json]:
    """What is worth a place in `metadata`: every short scalar, and the `structures` named; nulls and empties left out.

    The rest stays in `raw`, which holds all: a page of search results in both would double the row.
    """
    return {
        key: value
        for key, value in values.items()
        if key not in without and (_is_short_scalar(value) or (key in structures and value not in (None, "", [], {})))
    }


def _is_short_scalar(value: Json) -> bool:
    return 0 < len(value) <= 1000 if isinstance(value, str) else isinstance(value, int | float)
