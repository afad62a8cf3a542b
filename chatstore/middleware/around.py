"""A middleware for WSGI and ASGI alike, without a change of thread under either."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Answer = HttpResponseBase | Awaitable[HttpResponseBase]
Fields = dict[str, tuple[str, str]]


def fields(answer: HttpResponseBase) -> Fields:
    """The headers as Django keeps them, lower-case name -> (name, value), for values of our own making.

    `headers[name] = value` checks and encodes each: at ten headers an answer a third of all middleware's time.
    """
    return answer.headers._store


class Around:
    """What comes next is `get_response`; with `is_async` it has to be awaited."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)  # type: ignore[type-var]
