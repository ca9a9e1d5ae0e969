"""How far a pair is to be trusted: figures by hand from runs with votes, with both orders, with probabilities, and without."""

from __future__ import annotations

import json
import random

import pytest

from judge.batch.select import preference_pairs, read_reliability, read_run
from judge.batch.select.model import ScoredResponse
from judge.batch.select.pairs import PairHints, PreferencePair, pair_hint
from judge.batch.select.reliability import PairReliability, Reliabilities
from judge.report.items import item
from judge.report.run_tables import load_tables
from tests.cli_harness import run_judge
from tests.select_harness import judged

TWO = [{"id": "q", "prompt": "Which?", "responses": ["One.", "Two."]}]
OPTIONS = {"strategy": "best_worst", "min_margin": 0.0, "ties": "drop", "max_pairs": None, "filtered": True}


def the_pair(run, **options) -> PairReliability:
    [pair] = preference_pairs(read_run(run).candidates, **options).pairs
    return read_reliability(run).of(pair)


def test_one_vote_says_nothing_of_agreement(tmp_path):
    """One verdict each: their number, and null for all else."""
    run = judged(tmp_path, TWO, {"One": "VERDICT: 5", "Two": "VERDICT: 1"})
    assert the_pair(run) == PairReliability(1, None, None, None)


def test_votes_on_single_responses(tmp_path):
    """Three votes each, 5 5 1 against 3 3 3: two of three are above, so six of nine vote pairs."""
    given = {"One": iter(["5", "5", "1"]), "Two": iter(["3", "3", "3"])}

    def reply(request):
        return f"VERDICT: {next(given['One' if 'One.' in str(request) else 'Two'])}"

    run = judged(tmp_path, TWO, reply, votes=3, sampling={"temperature": 0.7})
    found = the_pair(run)
    assert (found.verdicts, found.votes_agree, found.orders_agree) == (3, pytest.approx(6 / 9), None)


def test_comparisons_in_both_orders(tmp_path):
    """Three votes in both orders; in one of them the judge names the place. Five of six comparisons prefer the winner."""
    order = {}

    def reply(request):
        shown_first = str(request).index("One.") < str(request).index("Two.")
        order.setdefault(shown_first, []).append(request)
        return "[[A]]" if shown_first or len(order[False]) == 3 else "[[B]]"

    run = judged(tmp_path, TWO, reply, recipe="pairwise", votes=3, sampling={"temperature": 0.7}, order="both_mean")
    found = the_pair(run)
    assert (found.verdicts, found.votes_agree, found.orders_agree) == (6, pytest.approx(5 / 6), pytest.approx(2 / 3))


@pytest.mark.parametrize("shape", ["rows", "one-sample"])
def test_a_group_given_as_rows_has_its_calls(tmp_path, shape):
    """Three responses, each pair compared once: each response has two calls and each pair one, however the group came."""
    texts = ["One.", "Two.", "Three."]
    apart = [{"id": f"q{i}", "group": "q", "prompt": "Which?", "response": text} for i, text in enumerate(texts)]
    other = {"id": "z", "group": "z", "prompt": "Else?", "response": "Alone."}
    rows = [apart[0], other, *apart[1:]] if shape == "rows" else [{"id": "q", "prompt": "Which?", "responses": texts}]

    def reply(request):
        first, second = sorted(texts, key=lambda text: str(request).index(text) if text in str(request) else 10**9)[:2]
        return "[[A]]" if texts.index(first) > texts.index(second) else "[[B]]"

    run = judged(tmp_path, rows, reply, recipe="pairwise", rubric=None, order="single", group={"schedule": "round_robin"})
    found = preference_pairs(read_run(run).candidates, strategy="all").pairs
    trust = read_reliability(run)
    assert [trust.of(pair).verdicts for pair in found] == [2, 2, 2]
    held = [one for name in dict.fromkeys(r.get("id") for r in rows if r is not other) for one in item(load_tables(run), name)]
    assert [len(one["calls"]) for one in held] == [4, 4, 4]


def test_failed_verdicts_do_not_count(tmp_path):
    given = iter(["VERDICT: 5", "hm", "VERDICT: 5"])

    def reply(request):
        return next(given, "hm") if "One." in str(request) else "VERDICT: 1"

    run = judged(tmp_path, TWO, reply, votes={"n": 3, "quorum": 0.3}, sampling={"temperature": 0.7})
    assert (the_pair(run).verdicts, the_pair(run).votes_agree) == (2, 1.0)


def test_variance_of_a_margin_is_the_sum():
    """Each reward's own variance under the judge's probabilities; unknown where one is."""
    a, b = (ScoredResponse("g", "?", text, reward, response_index=i) for i, (text, reward) in enumerate([("x", 1.0), ("y", 0.0)]))
    [pair] = preference_pairs([a, b]).pairs
    assert Reliabilities([], {(0, 0): 0.04, (0, 1): 0.01}).of(pair).variance == 0.05
    assert Reliabilities([], {(0, 0): 0.04}).of(pair).variance is None
    assert Reliabilities([], {}).of(pair).verdicts == 0


@pytest.mark.parametrize(
    ("rewards", "options", "expected"),
    [
        pytest.param([1.0, 1.0, 0.0], {}, ("--strategy best_each", 1, 2), id="shared-best"),
        pytest.param([1.0, 0.5, 0.0], {}, None, id="nothing-to-gain"),
        pytest.param([1.0, 0.9], {"min_margin": 0.5}, ("--min-margin 0", 1, 1), id="margin"),
        pytest.param([1.0, 1.0], {}, ("--ties keep", 1, 1), id="equal-texts-apart"),
        pytest.param([1.0, None], {}, None, id="one-reward"),
    ],
)
def test_hint_keeps_most_groups(rewards, options, expected):
    """The mildest change that gives pairs in the most groups; position decides only where nothing else helps."""
    drawn = [ScoredResponse("g", "?", f"text {i}", r, response_index=i) for i, r in enumerate(rewards)]
    given = {**OPTIONS, **options}
    found = pair_hint(drawn, preference_pairs(drawn, **given), **given)
    assert (None if found is None else (found.options, found.groups, found.pairs)) == expected


@pytest.mark.parametrize("filtered", [True, False])
@pytest.mark.parametrize("most", [None, 2])
def test_hint_counts_what_its_options_give(filtered, most):
    """It counts pairs without making them: the figures are those of the options that it names, twins and filtered ones too."""
    draw = random.Random(3)
    given = {"strategy": "best_worst", "min_margin": 0.5, "ties": "drop", "max_pairs": most, "filtered": filtered}
    for size in range(12):
        group = [
            ScoredResponse("g", "?", draw.choice("abcdefgh"), draw.choice([None, 0.0, 0.25, 1.0]), draw.random() < 0.2, row=row)
            for row in range(size)
        ]
        hints = PairHints(**given)
        hints.add(group)
        for words, ties, margin, strategy in hints._options:
            made = preference_pairs(group, **given | {"strategy": strategy, "min_margin": margin, "ties": ties}).pairs
            assert hints._counts[words] == [bool(made), len(made)]


def test_hint_of_a_large_group_makes_no_pairs(monkeypatch):
    """Two thousand responses to one prompt are two million pairs: half a minute for a hint, and their memory."""
    monkeypatch.setattr(PreferencePair, "margin", property(lambda pair: pytest.fail("a pair was made")))
    group = [ScoredResponse("g", "?", str(row), row % 7 / 7, row=row) for row in range(50)]
    hints = PairHints(strategy="best_worst", min_margin=0.0, ties="drop", max_pairs=None, filtered=True)
    hints.add(group)
    assert hints.best(0) is not None


def test_command_writes_the_columns_and_the_hint(tmp_path, monkeypatch):
    """JSONL and Parquet have the same columns, null where nothing was asked; the hint names what to type."""
    monkeypatch.chdir(tmp_path)
    run = judged(tmp_path)
    ended = run_judge("pairs", str(run), "--strategy", "all", "--output", "pairs.jsonl")
    assert ended.code == 0, ended.err
    row = next(r for r in map(json.loads, (tmp_path / "pairs.jsonl").read_text().splitlines()) if r["rejected"] == ":")
    assert {k: row[k] for k in ("verdicts", "votes_agree", "orders_agree", "variance")} == {
        "verdicts": 0,
        "votes_agree": None,
        "orders_agree": None,
        "variance": None,
    }
    assert run_judge("pairs", str(run), "--strategy", "all", "--output", "pairs.parquet").code == 0
    import pyarrow.parquet as pq

    schema = pq.read_schema(tmp_path / "pairs.parquet")
    assert [str(schema.field(n).type) for n in ("verdicts", "votes_agree", "variance")] == ["int64", "double", "double"]
    tied = [{"id": "q", "prompt": "?", "responses": ["A great one.", "Another great one.", "A poor one."]}]
    (tmp_path / "b").mkdir()
    run = judged(tmp_path / "b", tied)
    ended = run_judge("pairs", str(run))
    assert "hint: --strategy best_each gives pairs in 1 of 1 groups (2 pairs)" in ended.out
    assert json.loads(run_judge("pairs", str(run), "--json").out)["hint"]["pairs"] == 2
