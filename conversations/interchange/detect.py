"""Which reader a JSON text is for: by the shape of its first telling item, never by a file's name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from conversations.interchange.jsonstream import JsonItems
from conversations.interchange.readers import READERS, Reader
from conversations.interchange.records import Json

SAMPLE_BYTES = 4 << 20  # leading shells and empty conversations tell nothing: they are scanned past, but not for ever

_NOTHING: tuple[Json, ...] = ({"messages": []}, {"threads": []})  # lists that are asked for, and empty

_KEYS_SHOWN, _KEY_SHOWN = 30, 60


@dataclass(frozen=True, slots=True)
class Recognition:
    """The reader, or None where no shape is known; all items, those looked at included; the names at their top.

    `blank`: there is no item, or none but empty lists, so that there was nothing to recognise.
    """

    reader: Reader | None
    items: Iterator[Json]
    keys: tuple[str, ...] = ()
    blank: bool = False


def recognised(items: JsonItems) -> Recognition:
    """Look at items until one tells its format, the first in any case, then no further than `SAMPLE_BYTES`.

    Raises MalformedSource as the items do.
    """
    sample: list[Json] = []
    remaining = iter(items)
    for item in remaining:
        sample.append(item)
        for reader in READERS:
            if reader.recognises(item):
                return Recognition(reader, chain(sample, remaining))
        if items.bytes_read > SAMPLE_BYTES:
            break
    return Recognition(
        None,
        chain(sample, remaining),
        keys=shown_keys(key for item in sample if isinstance(item, dict) for key in item),
        blank=all(item in _NOTHING for item in sample),
    )


def shown_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Names only, in the order seen; cut and in ASCII, for a hostile name can be as long as a text, or hold a NUL."""
    return tuple(ascii(key[:_KEY_SHOWN])[1:-1] for key in islice(dict.fromkeys(keys), _KEYS_SHOWN))
