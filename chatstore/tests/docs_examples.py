"""The examples of a documentation page: how they are found, run, and compared with the answers shown there.

A section is a heading with a block of code in some languages, and after them a block of `json` or `text`: what each of
the examples prints. In it `…` stands for anything, as a value, as a part of text, or as a key (`"…": "…"`) for the
members left out; an id, a time, a token or an address stands for any of its kind.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHOWN_BASE = "http://127.0.0.1:8000"
ANSWERS = ("json", "text")
COMMANDS = {"bash": ["bash", "-eu"], "python": [sys.executable, "-W", "error"], "javascript": ["node"]}
SUFFIXES = {"bash": "sh", "python": "py", "javascript": "mjs"}
MARK = "\x1e"  # printed before each section's examples
MARKERS = {
    "bash": "printf '\\036%s\\n' '{}'\n",
    "python": "print('\\x1e{}', flush=True)\n",
    "javascript": "console.log('\\x1e{}');\n",
}
KINDS = [
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"), "<time>"),
    (re.compile(r"eyJ([\w.-]+|…)"), "<token>"),
    (re.compile(r"[\w.]+@example\.com"), "<address>"),
    (re.compile(r"cursor=([\w-]+|…)"), "cursor=<cursor>"),
]


@dataclass
class Section:
    """A heading and what stands below it, down to the next one."""

    heading: str
    code: dict[str, str] = field(default_factory=dict)
    answer: tuple[str, str] | None = None  # (json or text, the block)


def sections(page: Path) -> list[Section]:
    """Those of a page, in order."""
    found, language, lines = [Section("")], "", list[str]()
    for line in page.read_text(encoding="utf-8").splitlines():
        if language and line == "```":
            text = "\n".join(lines) + "\n"
            if language in COMMANDS:
                found[-1].code[language] = found[-1].code.get(language, "") + text
            elif language in ANSWERS:
                found[-1].answer = language, text
            language = ""
        elif language:
            lines.append(line)
        elif line.startswith("```"):
            language, lines = line[3:] or "plain", []
        elif line.startswith("#"):
            found.append(Section(line.lstrip("#").strip()))
    return found


def run(found: list[Section], language: str, *, base: str, directory: Path, env: dict[str, str]) -> dict[str, str]:
    """All examples of one language as one program: what each section printed, by heading. Fails with the program."""
    program = directory / f"examples.{SUFFIXES[language]}"
    parts = [
        MARKERS[language].format(number) + section.code[language]
        for number, section in enumerate(found)
        if language in section.code
    ]
    program.write_text("\n".join(parts), encoding="utf-8")
    done = subprocess.run(
        [*COMMANDS[language], program.name],
        cwd=directory,
        env={**env, "CHATSTORE_URL": base},
        capture_output=True,
        timeout=120,  # a busy machine takes its time
        check=False,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, (
        f"{language} ended with {done.returncode}:\n{done.stdout[-500:]}\n{done.stderr[-2000:]}"
    )
    printed = [part.partition("\n") for part in done.stdout.split(MARK)[1:]]
    return {found[int(number)].heading: text for number, _, text in printed}


def differs(answer: tuple[str, str], printed: str, *, base: str) -> str:
    """Where what was printed is not what is shown, in words; "" where it is."""
    kind, shown = answer[0], answer[1].replace(SHOWN_BASE, base)
    if kind == "json":
        try:
            return _differs(json.loads(shown), json.loads(printed), "")
        except ValueError:
            return f"no JSON was printed: {printed!r}"
    expected, lines = shown.split("\n"), printed.replace("\r", "").split("\n")
    return "" if len(expected) == len(lines) and all(map(_fits, expected, lines)) else f"printed: {printed!r}"


def _differs(shown: Any, real: Any, where: str) -> str:
    if shown == "…":
        return ""
    if isinstance(shown, dict) and isinstance(real, dict):
        missing, surplus = shown.keys() - real.keys() - {"…"}, real.keys() - shown.keys()
        if missing or (surplus and "…" not in shown):
            return f"{where}: missing {sorted(missing)}, not shown {sorted(surplus)}"
        return next(
            filter(None, (_differs(shown[key], real[key], f"{where}/{key}") for key in shown if key != "…")), ""
        )
    if isinstance(shown, list) and isinstance(real, list):
        if len(shown) != len(real):
            return f"{where}: {len(shown)} are shown, {len(real)} came"
        pairs = enumerate(zip(shown, real, strict=True))
        return next(filter(None, (_differs(one, other, f"{where}/{index}") for index, (one, other) in pairs)), "")
    if isinstance(shown, str) and isinstance(real, str):
        return "" if _fits(shown, real) else f"{where}: {shown!r} is shown, {real!r} came"
    return "" if type(shown) is type(real) and shown == real else f"{where}: {shown!r} is shown, {real!r} came"


def _fits(shown: str, real: str) -> bool:
    for pattern, name in KINDS:
        shown, real = pattern.sub(name, shown), pattern.sub(name, real)
    return re.fullmatch(re.escape(shown).replace("…", ".*"), real, re.IGNORECASE | re.DOTALL) is not None
