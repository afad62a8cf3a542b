"""Throttle rates as an operator writes them."""

from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured

SECONDS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3_600, "hour": 3_600, "d": 86_400, "day": 86_400}


class Rate(NamedTuple):
    """At most `requests` within `seconds`."""

    requests: int
    seconds: int


DEFAULT_RATES = {
    "user": Rate(1_200, 60),  # every authenticated request of one person
    "login": Rate(10, 60),  # failed sign-ins of one address for one account
    "login_address": Rate(60, 60),  # failed sign-ins of one address, whatever the account
    "register": Rate(300, 3_600),  # new accounts from one address
    "refresh": Rate(60, 60),  # token refreshes of one address
}


def parse_rates(text: str) -> dict[str, Rate]:
    """`user=600/min,login=5/min` over the defaults; `off` is no throttling at all (load tests)."""
    if text.strip().lower() == "off":
        return {}
    rates = dict(DEFAULT_RATES)
    for part in filter(None, (part.strip() for part in text.split(","))):
        scope, _, rate = part.partition("=")
        number, _, period = rate.partition("/")
        if (
            scope not in rates
            or not (number.isascii() and number.isdigit())
            or int(number) < 1
            or period not in SECONDS
        ):
            known = ", ".join(rates)
            raise ImproperlyConfigured(
                f"CHATSTORE_THROTTLE_RATES={part!r}: expected scope=number/period, with a scope of {known} "
                f"and a period of {', '.join(SECONDS)}, or 'off'"
            )
        rates[scope] = Rate(int(number), SECONDS[period])
    return rates
