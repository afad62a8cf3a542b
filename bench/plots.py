"""Two pictures: latency against concurrency, and against the size of the data."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLOURS = {"product": "#1b6ca8", "one-port": "#6fb1e0", "idiomatic": "#c0504d", "tuned": "#8a8a8a"}
SIZE = (7.5, 4.2)


def draw(report: Mapping[str, Any], directory: Path) -> list[Path]:
    """The pictures that the report has figures for."""
    if not ("concurrency" in report or "growth" in report):
        return []
    import matplotlib as mpl

    mpl.use("agg")
    directory.mkdir(parents=True, exist_ok=True)
    drawn = []
    if "concurrency" in report:
        drawn.append(_concurrency(report, directory / "latency-concurrency.png"))
    if "growth" in report:
        drawn.append(_growth(report, directory / "latency-size.png"))
    return drawn


def _concurrency(report: Mapping[str, Any], path: Path) -> Path:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=SIZE)
    by_clients = report["concurrency"]
    clients = [int(number) for number in by_clients]
    for side in report["sides"]:
        for name, style in (("p50", "-"), ("p95", "--")):
            values = [statistics.median(sample[name] for sample in by_clients[str(number)][side]) for number in clients]
            axes.plot(clients, values, style, color=COLOURS[side], marker=".", label=f"{side}, {name}")
    axes.set(xscale="log", yscale="log", xlabel="clients", ylabel="milliseconds", title="History, last 50 messages")
    axes.set_xticks(clients, [str(number) for number in clients])
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8, ncols=2)
    return _save(figure, path)


def _growth(report: Mapping[str, Any], path: Path) -> Path:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=SIZE)
    by_size = report["growth"]["sizes"]
    sizes = [int(size) for size in by_size]
    for name, colour in (("history", COLOURS["product"]), ("list", COLOURS["idiomatic"])):
        values = [statistics.median(by_size[str(size)][name]) for size in sizes]
        axes.plot(sizes, values, color=colour, marker="o", label=f"{name}, p50")
    axes.set(xscale="log", xlabel="messages stored", ylabel="milliseconds", title="chatstore, one client")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return _save(figure, path)


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot

    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
    return path
