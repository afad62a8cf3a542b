"""The rows of the data set, the same for the same sizes: people, their sessions, conversations, messages, changes.

They are what the product itself would have written: trees by parent, figures kept with the conversation, a change row
for each object, numbered per person.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from bench.plan import Sizes
from bench.texts import Texts
from conversations.actions.titles import title_from

SEED = 20_250_101
VERSION = 3  # of what this module makes: another one loads anew
# In the past on any machine: the product dates nothing before what is there.
BEGIN, END = datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 12, 1, tzinfo=UTC)
DEEP_MESSAGES = 10_200  # one conversation long enough for a page at depth 10,000, where there is room for it
ROOM_FOR_DEEP = 40_000
BRANCHED = 25  # every 25th conversation has an answer that was regenerated
NULL = r"\N"
NAMESPACE = UUID("6f0d9d9c-51c5-4d62-9d2e-0123456789ab")

TABLES = {
    "accounts_user": "id, email, password, is_superuser, is_staff, is_active, date_joined, security_stamp",
    "accounts_session": "id, user_id, security_stamp, refresh_jti, created_at, refreshed_at, expires_at, revoked_at, "
    "revoked_reason",
    "conversations_conversation": "user_id, id, title, title_is_generated, model, metadata, tags, starred, archived, "
    "message_count, current_message_id, linear, version, created_at, updated_at, last_message_at",
    "conversations_message": "user_id, conversation_id, id, parent_id, role, content, model, metadata, tokens_in, "
    "tokens_out, tokens_used, cost_cents, response_time_ms, created_at, updated_at",
    "conversations_change": "user_id, id, kind, object_id, conversation_id, op, recorded_at",
    "conversations_changecounter": "user_id, value",
}


class Person(NamedTuple):
    """Somebody of the data set; known by number, so that requests can be made without asking the database."""

    user_id: UUID
    session_id: UUID
    ended_session_id: UUID


def person(number: int) -> Person:
    """The ids of the person with this number, in every data set."""
    return Person(*(uuid5(NAMESPACE, f"{kind} {number}") for kind in ("user", "session", "ended")))


@dataclass(slots=True)
class Rows:
    """One person's lines for COPY, by table."""

    lines: dict[str, list[str]]

    def add(self, table: str, *values: object) -> None:
        self.lines[table].append("\t".join(map(str, values)))


def people(sizes: Sizes) -> Iterator[Rows]:
    """All rows, person by person: memory holds one person's."""
    texts = Texts(SEED)
    lengths = conversation_lengths(sizes)
    for number in range(sizes.users):
        rng = random.Random(f"{SEED} {number}")
        rows = Rows({table: [] for table in TABLES})
        yield _of_person(rows, number, lengths[number :: sizes.users], texts, rng)


def conversation_lengths(sizes: Sizes) -> list[int]:
    """How many messages each conversation has: many short, few long; in all exactly as many as asked for."""
    rng = random.Random(f"{SEED} lengths {sizes.conversations}")
    weights = [rng.lognormvariate(0, 0.9) for _ in range(sizes.conversations)]
    deep = DEEP_MESSAGES if sizes.messages >= ROOM_FOR_DEEP else 0
    shared = sizes.messages - deep
    total = sum(weights)
    lengths = [max(2, round(weight / total * shared)) for weight in weights]
    spare = shared - sum(lengths)
    by_length = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    step, turn = (1 if spare > 0 else -1), 0
    while spare:
        index = by_length[turn % len(by_length)]
        if lengths[index] + step >= 2:
            lengths[index] += step
            spare -= step
        turn += 1
        if turn > 100 * len(by_length):
            raise ValueError("A conversation has two messages at least: ask for more messages")
    if deep:
        lengths[-1] += deep
    return lengths


def _of_person(rows: Rows, number: int, lengths: Sequence[int], texts: Texts, rng: random.Random) -> Rows:
    who = person(number)
    stamp, joined = UUID(int=rng.getrandbits(128), version=4), BEGIN - timedelta(days=30)
    rows.add(
        "accounts_user", who.user_id, f"person{number}@bench.example", "!", "f", "f", "t", joined.isoformat(), stamp
    )
    for session, ended in ((who.session_id, False), (who.ended_session_id, True)):
        rows.add(
            "accounts_session", session, who.user_id, stamp, UUID(int=rng.getrandbits(128), version=4),
            joined.isoformat(), joined.isoformat(), "2099-01-01T00:00:00Z",
            joined.isoformat() if ended else NULL, "logout" if ended else "",
        )  # fmt: skip
    changes = 0
    for place, length in enumerate(lengths):
        is_branched = (number + place) % BRANCHED == 0 and 4 <= length < DEEP_MESSAGES
        changes = _conversation(rows, who.user_id, length, is_branched, changes, texts, rng)
    rows.add("conversations_changecounter", who.user_id, changes)
    return rows


def _conversation(
    rows: Rows, user: UUID, length: int, is_branched: bool, changes: int, texts: Texts, rng: random.Random
) -> int:
    moment = BEGIN + (END - BEGIN) * rng.random()
    begun = moment = moment.replace(microsecond=rng.randint(1, 999_999))
    conversation = _uuid7(moment, rng)
    title, role = "", ""
    parents = [NULL]
    for place in range(length):
        is_second_answer = is_branched and place == length - 1
        role = role if is_second_answer else "assistant" if place % 2 else "user"
        moment = _later(moment, rng)
        message = _uuid7(moment, rng)
        content = texts.take(role, rng)
        title = title or (title_from(content) if role == "user" else "")
        _message(rows, user, conversation, message, parents[-2 if is_second_answer else -1], role, content, moment, rng)
        parents.append(message)
        changes += 1
        rows.add("conversations_change", user, changes, "message", message, conversation, "upsert", moment.isoformat())
    changes += 1
    rows.add(
        "conversations_change", user, changes, "conversation", conversation, conversation, "upsert", moment.isoformat()
    )
    rows.add(
        "conversations_conversation", user, conversation, escaped(title), "t" if title else "f",
        rng.choice(("gpt-5", "claude-4", "llama-4", NULL)), '{"client": "web"}' if rng.random() < 0.2 else "{}",
        rng.choice(("{}", "{}", "{}", '{"work"}', '{"work","ideas"}')), "t" if rng.random() < 0.05 else "f",
        "t" if rng.random() < 0.1 else "f", length, parents[-1], "f" if is_branched else "t", length + 1,
        begun.isoformat(), moment.isoformat(), moment.isoformat(),
    )  # fmt: skip
    return changes


def _message(
    rows: Rows, user: UUID, conversation: str, message: str, parent: str, role: str, content: str, moment: datetime,
    rng: random.Random,
) -> None:  # fmt: skip
    figures: tuple[object, ...] = (NULL, NULL, NULL, NULL, NULL, NULL)
    if role == "assistant":
        tokens_in, tokens_out = rng.randint(50, 4_000), len(content) // 4 + 1
        cost = f"{rng.randint(1, 99_999) / 10_000:.4f}"
        figures = ("gpt-5", tokens_in, tokens_out, tokens_in + tokens_out, cost, rng.randint(300, 9_000))
    metadata = '{"client": "web", "version": 3}' if rng.random() < 0.2 else "{}"
    model, *numbers = figures
    at = moment.isoformat()
    rows.add(
        "conversations_message", user, conversation, message, parent, role, escaped(content), model, metadata, *numbers,
        at, at,
    )  # fmt: skip


def _later(moment: datetime, rng: random.Random) -> datetime:
    """Never on a whole second: such a time is written without a fraction by some, and with one by others."""
    later = moment + timedelta(seconds=1 + rng.expovariate(1 / 60))
    return later if later.microsecond else later.replace(microsecond=1)


def _uuid7(moment: datetime, rng: random.Random) -> str:
    """RFC 9562, version 7: the time in milliseconds, then chance."""
    chance = rng.getrandbits(74)
    value = int(moment.timestamp() * 1000) << 80 | 7 << 76 | (chance >> 62) << 64 | 2 << 62 | chance & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def escaped(text: str) -> str:
    """For COPY's text format."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
