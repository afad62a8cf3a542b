"""`python -m bench`: measure, say of each goal whether it is reached, write `var/bench/report.json`."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import plots, run
from bench.compare import DifferentError
from bench.goals import evaluate
from bench.plan import FULL, GROUPS, HOME, ROOT, WORK, Plan, Sizes, plan_of
from bench.profiling import SCENARIOS


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every goal that was measured is reached. 1: one is missed. 2: the sides do not do the same work."""
    options = _parser().parse_args(arguments)
    if options.profile:
        command = [sys.executable, "-m", "bench.profiling", options.profile]
        if options.quick:
            command.append("--quick")
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    plan = _plan(options)
    print(f"{plan.name} run: {plan.sizes.messages:,} messages, medians of {plan.rounds}", flush=True)
    try:
        report = run.run(plan)
    except DifferentError as error:
        print(f"\nNothing was timed: {error}", file=sys.stderr)
        return 2
    run.save(report, options.report)
    drawn = plots.draw(report, options.plots)
    verdicts = evaluate(report)
    if "compared" in report:
        print(f"\n{report['compared']} answers were compared before: all sides do the same work.")
    print("\n".join(["", *(verdict.line for verdict in verdicts)]))
    missed = sum(not verdict.reached for verdict in verdicts)
    files = ", ".join(str(path) for path in (options.report, *drawn))
    print(f"\n{len(verdicts) - missed} of {len(verdicts)} goals reached, in {report['seconds']:.0f} s. {files}")
    return 1 if missed else 0


def _plan(options: argparse.Namespace) -> Plan:
    base = plan_of(quick=options.quick).sizes
    sizes = Sizes(
        options.users or base.users, options.conversations or base.conversations, options.messages or base.messages
    )
    return plan_of(quick=options.quick, sizes=sizes, only=options.only, rounds=options.rounds)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, text.split(",")))
    if unknown := set(names) - {*GROUPS, *WORK}:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: choose of {', '.join((*WORK, *GROUPS))}")
    return names


def _positive(text: str) -> int:
    number = int(text.replace("_", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("expected a number of at least 1")
    return number


def _parser() -> argparse.ArgumentParser:
    sizes = FULL.sizes
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a first answer within two minutes, on a small data set")
    parser.add_argument("--only", type=_names, default=(), metavar="NAME,…", help=", ".join((*WORK, *GROUPS)))
    parser.add_argument("--profile", choices=SCENARIOS, help="where the product's time goes, instead of measuring")
    parser.add_argument("--users", type=_positive, help=f"default: {sizes.users}")
    parser.add_argument("--conversations", type=_positive, help=f"default: {sizes.conversations}")
    parser.add_argument("--messages", type=_positive, help=f"default: {sizes.messages}")
    parser.add_argument("--rounds", type=_positive, help="of each timed run; the report says medians of them")
    parser.add_argument("--report", type=Path, default=run.REPORT, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--plots", type=Path, default=HOME, metavar="DIRECTORY", help="for the PNG files: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
