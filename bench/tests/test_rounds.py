"""Order, figures, and what a run makes of them."""

import json

import pytest

from bench.goals import Verdict, evaluate, ratio
from bench.load import Outcome
from bench.plan import FULL, QUICK, Sizes, plan_of
from bench.report import BEGIN, END, markdown, placed
from bench.rounds import interleaved, quantile, sample_of


def sample(**figures):
    told = {"requests": 10, "failures": {}, "per_second": 100.0, "app_ms": 1.0, "postgres_ms": 1.0}
    return {**told, "p50": 1.0, "p95": 2.0, "p99": 3.0, **figures}


def test_sides_take_turns_in_both_directions():
    assert ["".join(order) for _, order in interleaved("ABC", 4)] == ["ABC", "CBA", "ABC", "CBA"]


def test_a_ratio_is_the_median_of_the_rounds_and_keeps_their_spread():
    mine, theirs = [sample(app_ms=value) for value in (1, 3, 2)], [sample(app_ms=value) for value in (10, 10, 4)]
    found = ratio({"product": mine, "tuned": theirs}, "app_ms", "product", "tuned")
    assert (found.value, found.low, found.high) == (0.3, 0.1, 0.5)


def test_application_and_database_together_is_a_sum():
    samples = {"product": [sample(app_ms=1, postgres_ms=2)], "idiomatic": [sample(app_ms=4, postgres_ms=2)]}
    assert ratio(samples, "total_ms", "product", "idiomatic").value == 0.5


def test_figures_are_of_good_answers_only():
    outcome = Outcome(seconds=2.0, latencies=[0.001, 0.002, 0.003, 0.1])
    outcome.failures["503"] += 1
    found = sample_of(outcome, app_seconds=0.008, postgres_seconds=0.004)
    assert (found.requests, found.failures, found.per_second) == (4, {"503": 1}, 2.0)
    assert (found.app_ms, found.postgres_ms, found.p50, found.p99) == (2.0, 1.0, 2.5, 100.0)


def test_a_run_without_a_good_answer_is_no_figure():
    outcome = Outcome(seconds=1.0)
    outcome.failures["500"] += 3
    with pytest.raises(RuntimeError, match="500"):
        sample_of(outcome, 1.0, 1.0)


def test_quantiles_of_few_values():
    assert [quantile([1, 2, 3, 4], share) for share in (0, 0.5, 0.95, 1)] == [1, 3, 4, 4]


@pytest.mark.parametrize(
    ("value", "relation", "is_reached"), [(0.3, "<=", True), (0.31, "<=", False), (2.5, ">=", True), (2.4, ">=", False)]
)
def test_a_goal_includes_its_bound(value, relation, is_reached):
    assert Verdict("x", "x", value, relation, 0.3 if relation == "<=" else 2.5).reached is is_reached


def report_of(app_ms, failures=None):
    by_side = {
        "product": [sample(app_ms=app_ms, failures=failures or {})],
        "one-port": [sample(app_ms=2)],
        "idiomatic": [sample(app_ms=10)],
        "tuned": [sample(app_ms=2)],
    }
    return {
        "requests": {"history@8": by_side},
        "memory": {"product": {"begin": 90.0, "half": 118.0, "end": 119.0, "growth": None, "requests": 10}},
    }


def test_only_what_was_measured_is_judged():
    verdicts = {verdict.name: verdict for verdict in evaluate(report_of(2.9))}
    assert verdicts["history.app"].reached
    assert verdicts["history.app"].also == 0.2
    assert verdicts["memory.product"].reached
    assert not {"append.app", "growth.product", "import.speed"} & set(verdicts)


def test_a_request_that_failed_is_a_goal_missed():
    verdicts = {verdict.name: verdict for verdict in evaluate(report_of(2.9, {"500": 1}))}
    assert not verdicts["requests.failures"].reached
    assert not {verdict.name: verdict for verdict in evaluate(report_of(3.1))}["history.app"].reached


def test_the_tables_go_between_the_marks_and_nowhere_else():
    head = {
        "date": "2026-11-22T00:00:00+00:00", "seconds": 60, "versions": {"python": "3"},
        "plan": {"name": "quick", "rounds": 3, "sizes": {"users": 1, "conversations": 1, "messages": 1}},
        "machine": {"processor": "x", "cores": 2, "memory_gb": 1, "system": "L", "load_average": 0.1},
    }  # fmt: skip
    text = markdown(json.loads(json.dumps(head | report_of(2.9))))
    page = placed(f"before\n{BEGIN}\nold\n{END}\nafter", text)
    assert page.startswith("before\n")
    assert page.endswith(f"{END}\nafter")
    assert "old" not in page
    assert "| history: app CPU | 0.29 |" in page
    with pytest.raises(ValueError, match="marks"):
        placed("no marks", text)


def test_a_step_of_growth_is_more_people_with_as_much_each():
    small = FULL.sizes.with_messages(10_000)
    assert small == Sizes(2, 200, 10_000)
    assert FULL.sizes.conversations / FULL.sizes.users == small.conversations / small.users


def test_the_full_run_takes_medians_of_seven_and_the_quick_one_has_every_goal():
    assert FULL.rounds >= 7
    assert not {"concurrency", "workers"} & set(QUICK.groups)
    assert set(FULL.groups) - set(QUICK.groups) == {"concurrency", "workers"}
    assert plan_of(quick=True, only=("history",)).work == ("history",)
    assert plan_of(quick=False, sizes=Sizes(4, 40, 2_000)).growth == (2_000,)
