"""What the pages claim can be looked up: links lead somewhere, every variable and every code is explained."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from chatstore.development import BASE_DIR
from chatstore.problems import TITLES, DomainError

PAGES = [BASE_DIR / "README.md", BASE_DIR / "CHANGELOG.md", *sorted((BASE_DIR / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
# Refusals that are no DomainError: a probe's, and the front's (chatstore/bridge.py) before any code of Django runs.
BEFORE_DJANGO = {
    (503, "not_ready", "Not ready to serve"),
    (503, "overloaded", "Too many requests wait here; try again"),
}
READERS = ("env_str", "env_int", "env_bool", "env_list", "env_choice")
NOT_OURS = {"DJANGO_SETTINGS_MODULE"}
pytestmark = pytest.mark.interchange


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BASE_DIR)))
def test_links_lead_somewhere(page):
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file), target


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them from headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _rows(page: Path, columns: int) -> list[list[str]]:
    """The rows of its tables that have so many columns."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if len(row) == columns]


def test_every_code_is_in_the_table_of_the_api_page():
    for module in ("accounts.errors", "conversations.problems"):
        import_module(module)
    refusals = {(status, code, title) for status, (code, title) in TITLES.items()} | BEFORE_DJANGO
    refusals |= {
        (kind.status, kind.code, kind.title) for kind in _kinds(DomainError) if ".tests" not in kind.__module__
    }
    rows = _rows(BASE_DIR / "docs" / "api.md", 3)
    assert {(int(row[0]), row[1].strip("`"), row[2]) for row in rows if row[0].isdigit()} == refusals


def _kinds(kind: type[DomainError]) -> set[type[DomainError]]:
    return {kind}.union(*map(_kinds, kind.__subclasses__()))


def _variables() -> dict[str, str | None]:
    """The variables that the code reads, with their defaults where these are plain values."""
    found: dict[str, str | None] = {}
    files = [file for app in ("chatstore", "accounts", "conversations") for file in (BASE_DIR / app).rglob("*.py")]
    for file in [*files, BASE_DIR / "manage.py"]:
        if "tests" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name, reader = node.args[0].value, ast.unparse(node.func)
                if reader in READERS:
                    found[name] = _default(node) if file.name != "development.py" else found.get(name)
                elif reader == "os.environ.get":
                    found.setdefault(name, None)
    return {name: default for name, default in found.items() if name not in NOT_OURS}


def _default(node: ast.Call) -> str | None:
    if len(node.args) < 2:
        return None
    try:
        value = eval(ast.unparse(node.args[1]), {"__builtins__": {}})  # 30 * 86_400 is no literal
    except NameError:  # it depends on another setting
        return None
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_variable_is_in_the_table_of_the_readme_with_its_default():
    told = {row[0].strip("`"): row[1] for row in _rows(BASE_DIR / "README.md", 3) if row[0].startswith("`")}
    read = _variables()
    assert told.keys() == read.keys()
    plain = {name: cell.strip("`") for name, cell in told.items() if cell.startswith("`")}
    for name, default in read.items():
        if default is not None and name in plain:
            cell = plain[name]
            assert (cell.replace(",", "") if default.isdigit() else cell) == default, name


def test_no_page_explains_a_variable_that_nobody_reads():
    made_for_compose = {"CHATSTORE_VERSION", "CHATSTORE_WSGI_WORKERS", "CHATSTORE_URL"}
    known = set(_variables()) | made_for_compose
    for page in PAGES:
        for name in re.findall(r"\b(?:CHATSTORE|DATABASE)_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")):
            assert name.removesuffix("_FILE") in known or name in known, f"{page.name}: {name}"
