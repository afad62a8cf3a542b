"""Most requests are about what is there: with ids made up at random nearly all would end with 404.

`FUZZ_KNOWN` names a file of `[[conversation, [message, …]], …]`. A third of the requests keep the ids that they were
made with.
"""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import schemathesis

KNOWN: list[tuple[str, list[str]]] = json.loads(Path(os.environ["FUZZ_KNOWN"]).read_text())


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Which one is decided by the id that was made up: the same case again asks for the same."""
    if not path_parameters:
        return path_parameters
    dice = zlib.crc32(repr(sorted(path_parameters.items())).encode())
    if dice % 3 == 0:
        return path_parameters
    conversation, messages = KNOWN[dice % len(KNOWN)]
    if "conversation_id" in path_parameters:
        known = {"conversation_id": conversation, "id": messages[dice % len(messages)]}
        return {name: known.get(name, value) for name, value in path_parameters.items()}
    return {name: conversation if name == "id" else value for name, value in path_parameters.items()}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """The ids in a body too."""
    if isinstance(body, dict):
        dice = zlib.crc32(repr(body).encode())
        _, messages = KNOWN[dice % len(KNOWN)]
        for name in ("parent_id", "current_message_id", "message_id"):
            if dice % 2 and isinstance(body.get(name), str):
                body = {**body, name: messages[dice % len(messages)]}
    return body
