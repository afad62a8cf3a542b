"""Records made by hypothesis: any tree, any text, any JSON that a database of PostgreSQL's can hold."""

import json
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import strategies as st

from conversations.interchange.records import ConversationRecord, MessageRecord

HOSTILE = st.sampled_from(
    [
        "\0",
        "\ud800",
        "\udfff",
        "\ufdd0",
        "\ufdd00000",
        "\ufdd0d800",
        "\u202e",
        "\U0001f600",
        "\r\n",
        "\u2028",
        "\\N",
        "é",
    ]
)


def _as_json_has_it(text):
    """Two halves of a pair that stand together are one character, in JSON and so in every chat that came as JSON."""
    return json.loads(json.dumps(text))


TEXT = (
    st.lists(st.text(max_size=8) | st.text(st.characters(), max_size=4) | HOSTILE, max_size=5)
    .map("".join)
    .map(_as_json_has_it)
)
# jsonb knows no -0.0, and numbers only by their digits: 1e23 comes back as the whole number it is.
FLOATS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15).map(lambda x: x + 0.0)
SCALARS = st.none() | st.booleans() | st.integers() | st.integers(2**63, 2**200) | FLOATS | TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(TEXT | st.just("chatstore"), JSON, max_size=3)
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
COUNTS = st.none() | st.integers(0, 2**31 - 1)


@st.composite
def messages(draw, external_id, parents):
    return MessageRecord(
        external_id=external_id,
        parent_external_id=draw(st.none() | st.sampled_from(parents)) if parents else None,
        role=draw(st.sampled_from(["user", "assistant", "system", "tool"])),
        content=draw(TEXT),
        parts=tuple(draw(st.lists(JSON, max_size=2))),
        status=draw(st.sampled_from(["complete", "interrupted", "failed", "streaming"])),
        model=draw(TEXT),
        created_at=draw(TIMES),
        updated_at=draw(st.none() | TIMES),
        hidden=draw(st.booleans()),
        tool_calls=draw(st.none() | st.lists(OBJECTS, max_size=2)),
        tool_results=draw(st.none() | st.lists(OBJECTS, max_size=2)),
        sources=draw(st.none() | st.lists(OBJECTS, max_size=2)),
        selected_text=draw(TEXT),
        metadata=draw(OBJECTS),
        language=draw(TEXT),
        tokens_in=draw(COUNTS),
        tokens_out=draw(COUNTS),
        tokens_used=draw(COUNTS),
        cost_cents=draw(st.none() | st.decimals(0, 1_000, places=8).map(lambda x: Decimal(str(x)))),
        response_cached=draw(st.none() | st.booleans()),
        response_time_ms=draw(COUNTS),
        raw=draw(JSON),
    )


@st.composite
def records(draw):
    """A sound record: parents first, the current message one of them."""
    ids = draw(st.lists(TEXT.filter(bool), unique=True, max_size=6))
    said = []
    for number, external_id in enumerate(ids):
        said.append(draw(messages(external_id, ids[:number])))
    return ConversationRecord(
        source=draw(st.sampled_from(["chatgpt", "claude", "chatstore"])),
        external_id=draw(TEXT.filter(bool)),
        title=draw(TEXT.filter(bool)),
        created_at=draw(TIMES),
        updated_at=draw(TIMES),
        model=draw(TEXT),
        metadata=draw(OBJECTS),
        tags=tuple(draw(st.lists(TEXT, max_size=3))),
        starred=draw(st.booleans()),
        archived=draw(st.booleans()),
        continues=draw(st.booleans()),
        current_external_id=draw(st.sampled_from(ids)) if ids else None,
        messages=tuple(said),
        raw=draw(JSON),
    )


def deep_tree(length):
    """One branch, each message below the one before it."""
    return ConversationRecord(
        source="chatgpt",
        external_id="deep",
        title="deep",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
        current_external_id=f"m{length - 1}",
        messages=tuple(
            MessageRecord(
                external_id=f"m{number}",
                parent_external_id=f"m{number - 1}" if number else None,
                role="assistant" if number % 2 else "user",
                content=f"text {number}",
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
            for number in range(length)
        ),
    )
