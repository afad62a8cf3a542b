"""The times on a page of Google's activities, in the words of the person's language and zone.

Only what cannot mean anything else is taken: "Apr 12, 2026, 3:34:31 PM EDT", "12.04.2026, 15:34:31 MESZ",
"12 de abr. de 2026, 15:34:31 BRT". Not "04/12/2026", where day and month may stand either way, and no zone that several
countries call alike: CST is Chicago's and Shanghai's, IST India's, Ireland's and Israel's, BST London's and Dhaka's.
"""

import re
from datetime import UTC, datetime, timedelta

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar jänner januari janv janvier ene enero gen gennaio janeiro",
            "feb february februar febr févr février febrero febbraio fev fevereiro februari",
            "mar march mär märz mars marzo março mrt maart",
            "apr april avr avril abr abril aprile",
            "may mai mayo mag maggio maio mei",
            "jun june juni juin junio giu giugno junho",
            "jul july juli juil juillet julio lug luglio julho",
            "aug august août agosto ago augustus",
            "sep sept september septembre septiembre set settembre setembro",
            "oct october okt oktober octobre octubre ott ottobre out outubro",
            "nov november novembre noviembre novembro",
            "dec december dez dezember déc décembre dic diciembre dicembre dezembro",
        ),
        start=1,
    )
    for name in names.split()
}
_ZONES = {
    name: hours
    for hours, names in (
        (-10, "HST"),
        (-9, "AKST"),
        (-8, "PST AKDT"),
        (-7, "MST PDT"),
        (-6, "MDT"),
        (-5, "EST CDT"),
        (-4, "EDT"),
        (-3, "BRT"),
        (0, "UTC GMT Z WEZ WET"),
        (1, "MEZ CET WESZ WEST"),
        (2, "MESZ CEST OEZ EET SAST"),
        (3, "OESZ EEST MSK"),
        (8, "HKT AWST"),
        (9, "JST KST"),
        (10, "AEST"),
        (11, "AEDT"),
        (12, "NZST"),
        (13, "NZDT"),
    )
    for name in names.split()
}
_OFFSET = re.compile(r"(?:GMT|UTC)([+\u2212-])([0-9]{1,2})(?::?([0-9]{2}))?")
_CLOCK = r"(?P<hour>[0-9]{1,2})[:.](?P<minute>[0-9]{2})[:.](?P<second>[0-9]{2})(?: ?(?P<half>[AaPp])\.? ?[Mm]\.?)?"
_ZONE = r"(?P<zone>[A-Za-z]{1,5}(?:[+\u2212-][0-9]{1,2}(?::?[0-9]{2})?)?)"
_NAME = r"(?P<name>[^\W\d_]{3,12})\.?"
_DATES = (
    rf"{_NAME} (?P<day>[0-9]{{1,2}}),? (?P<year>[0-9]{{4}})",
    rf"(?P<day>[0-9]{{1,2}})\.? (?:de )?{_NAME},? (?:de )?(?P<year>[0-9]{{4}})",
    r"(?P<day>[0-9]{1,2})\. ?(?P<month>[0-9]{1,2})\. ?(?P<year>[0-9]{4})",
    r"(?P<year>[0-9]{4})(?P<dash>[-/.])(?P<month>[0-9]{1,2})(?P=dash)(?P<day>[0-9]{1,2})",
)
_MOMENTS = tuple(re.compile(rf"{date},?(?: (?:at|um))? {_CLOCK} {_ZONE}") for date in _DATES)
_SPACE = re.compile(r"\s+")  # with U+00A0, and U+202F, which stands before PM
_YEAR = re.compile(r"(?<![0-9])[0-9]{4}(?![0-9])")
_TIME = re.compile(r"(?<![0-9])[0-9]{1,2}([:.])[0-9]{2}\1[0-9]{2}(?![0-9])")

MAX_CHARACTERS = 80


def looks_like_time(text: str) -> bool:
    """Whether a line can be a time, in whatever language: it is short and has a year and a clock's time."""
    return len(text) <= MAX_CHARACTERS and bool(_YEAR.search(text) and _TIME.search(text))


def activity_time(text: str) -> datetime | None:
    """The moment that a line says for certain, in UTC; None for any doubt."""
    line = _SPACE.sub(" ", text[: MAX_CHARACTERS + 1]).strip()
    found = next((match for moment in _MOMENTS if (match := moment.fullmatch(line))), None)
    if found is None:
        return None
    parts = found.groupdict()
    month = _MONTHS.get(parts["name"].lower()) if parts.get("name") else int(parts["month"])
    hour, offset = _hour(int(parts["hour"]), (parts["half"] or "").lower()), _offset(parts["zone"])
    if month is None or hour is None or offset is None:
        return None
    try:
        local = datetime(
            int(parts["year"]), month, int(parts["day"]), hour, int(parts["minute"]), int(parts["second"]), tzinfo=UTC
        )
        return local - offset
    except (ValueError, OverflowError):
        return None


def _hour(hour: int, half: str) -> int | None:
    if not half:
        return hour
    return hour % 12 + (12 if half == "p" else 0) if 1 <= hour <= 12 else None


def _offset(zone: str) -> timedelta | None:
    if zone.upper() in _ZONES:
        return timedelta(hours=_ZONES[zone.upper()])
    if (found := _OFFSET.fullmatch(zone.upper())) is None:
        return None
    east = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return (east if found[1] == "+" else -east) if east <= timedelta(hours=14) else None
