"""What most tests of conversations begin with."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def files_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests' attachments lie: never in the checkout's own data."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(autouse=True)
def _files_apart(settings: Any, files_root: Path) -> None:
    default = settings.STORAGES["default"]
    options = {**default["OPTIONS"], "location": files_root}
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": options}}


@pytest.fixture
def conversation(owner: Any) -> dict[str, Any]:
    """A conversation of the owner's, with a question and an answer."""
    answer = owner.post(
        "/api/v1/conversations",
        {
            "messages": [
                {"role": "user", "content": "How high is the Matterhorn?"},
                {"role": "assistant", "content": "4,478 metres.", "model": "gpt-5", "tokens_used": 12},
            ]
        },
        format="json",
    )
    assert answer.status_code == 201, answer.content
    return answer.json()


@pytest.fixture
def url(conversation: dict[str, Any]) -> str:
    return f"/api/v1/conversations/{conversation['id']}"


@pytest.fixture
def messages_url(url: str) -> str:
    return f"{url}/messages"
