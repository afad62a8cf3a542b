"""The report as Markdown: `python -m bench.report var/bench/report.json [--into docs/performance.md]`."""

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.goals import Verdict, evaluate, figure
from bench.run import REPORT

BEGIN, END = "<!-- bench: begin (python -m bench.report) -->", "<!-- bench: end -->"
FIGURES = {
    "app_ms": "app CPU, ms", "postgres_ms": "PostgreSQL CPU, ms", "total_ms": "together, ms",
    "per_second": "requests/s", "p50": "p50, ms", "p95": "p95, ms", "p99": "p99, ms",
}  # fmt: skip
Report = Mapping[str, Any]


def main() -> None:
    """Print the tables, or put them between the marks of a page."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("report", type=Path, nargs="?", default=REPORT)
    parser.add_argument("--into", type=Path, metavar="FILE", help="a page that has the two marks")
    options = parser.parse_args()
    text = markdown(json.loads(options.report.read_text(encoding="utf-8")))
    if options.into is None:
        print(text)
    else:
        options.into.write_text(placed(options.into.read_text(encoding="utf-8"), text), encoding="utf-8")


def placed(page: str, text: str) -> str:
    """The page with this text between its marks. Raises ValueError for a page without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The page has no marks: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def markdown(report: Report) -> str:
    """All tables that the report has figures for."""
    sections = (_head, _goals, _requests, _two_workers, _growth, _import, _others)
    return "\n\n".join("\n".join(lines) for section in sections if (lines := list(section(report))))


def _head(report: Report) -> Iterator[str]:
    machine, plan = report["machine"], report["plan"]
    sizes = plan["sizes"]
    versions = ", ".join(f"{name} {number}" for name, number in report["versions"].items())
    minutes = report["seconds"] / 60
    yield f"{report['date'][:10]}, {plan['name']} run of {minutes:.0f} minutes, medians of {plan['rounds']}."
    yield f"{sizes['users']:,} users, {sizes['conversations']:,} conversations, {sizes['messages']:,} messages."
    yield (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}; "
        f"load average at the beginning {machine['load_average']:.2f}."
    )
    yield ""
    yield f"Versions: {versions}."


def _goals(report: Report) -> Iterator[str]:
    yield "### Goals"
    yield ""
    yield from table(["goal", "figure", "spread", "one port", "wanted", ""], map(_goal, evaluate(report)))


def _goal(verdict: Verdict) -> list[str]:
    spread = "" if verdict.low is None else f"{verdict.low:.2f} to {verdict.high:.2f}"
    also = "" if verdict.also is None else f"{verdict.also:.2f}"
    relation = {"<=": "≤", ">=": "≥"}[verdict.relation]
    return [
        verdict.title, f"{verdict.value:.2f}{verdict.unit}", spread, also, f"{relation} {verdict.goal:g}{verdict.unit}",
        "reached" if verdict.reached else "**missed**",
    ]  # fmt: skip


def _requests(report: Report) -> Iterator[str]:
    yield from _samples("### One worker", report.get("requests", {}), report)


def _two_workers(report: Report) -> Iterator[str]:
    yield from _samples("### Two workers", report.get("two_workers", {}), report)


def _samples(title: str, by_work: Mapping[str, Any], report: Report) -> Iterator[str]:
    if not by_work:
        return
    yield title
    for work, by_side in by_work.items():
        name, _, clients = work.partition("@")
        yield ""
        yield f"{name}, {clients} clients"
        yield ""
        rows = [
            [side, *(f"{statistics.median(figure(sample, key) for sample in samples):.2f}" for key in FIGURES)]
            for side, samples in by_side.items()
        ]
        yield from table(["", *FIGURES.values()], rows)


def _growth(report: Report) -> Iterator[str]:
    if not (found := report.get("growth")):
        return
    yield "### Growth (one client, p50 in ms)"
    yield ""
    rows = [
        [f"{int(size):,}", *(f"{statistics.median(by_work[name]):.2f}" for name in ("history", "list"))]
        for size, by_work in found["sizes"].items()
    ]
    yield from table(["messages stored", "history", "list"], rows)
    if "depths" in found:
        yield ""
        by_depth = found["depths"].items()
        yield from table(
            ["depth of the page", "p50, ms"],
            ([f"{int(depth):,}", f"{statistics.median(values):.2f}"] for depth, values in by_depth),
        )


def _import(report: Report) -> Iterator[str]:
    if not (found := report.get("import")):
        return
    yield f"### Import of {found['messages']:,} messages ({found['file_mb']:.0f} MB)"
    yield ""
    seconds = [statistics.median(one[name] for one in found["rounds"]) for name in ("seconds", "copy_seconds")]
    rows = [
        [name, f"{time:.2f}", f"{found['messages'] / time:,.0f}"]
        for name, time in zip(("`import_chats`", "bare COPY of its message rows"), seconds, strict=True)
    ]
    yield from table(["", "seconds", "messages/s"], rows)


def _others(report: Report) -> Iterator[str]:
    rows = []
    for side, found in report.get("memory", {}).items():
        told = f"{found['begin']:.0f} MB, half-way {found['half']:.0f} MB, at the end {found['end']:.0f} MB"
        rows.append([f"memory, {found['requests']:,} mixed requests, {side}", f"at the start {told}"])
    if "start" in report:
        start = report["start"]
        rows.append(
            ["`make run` until it answers", f"{start['second']:.1f} s; with a new database {start['first']:.1f} s"]
        )
    for side, found in report.get("crowd", {}).items():
        told = f"{found['failures']} failures, {found['per_second']:.0f} requests/s, p50 {found['p50_ms']:.0f} ms"
        rows.append([f"200 clients at once, {side}", f"{told}, p99 {found['p99_ms']:.0f} ms"])
    for side, lost in report.get("slow", {}).items():
        rows.append(
            [f"8 slow readers, 3 slow senders, one connection in the pool, {side}", f"{lost} of 100 requests lost"]
        )
    if rows:
        yield "### And"
        yield ""
        yield from table(["", ""], rows)


def table(head: Sequence[str], rows: Any) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    main()
