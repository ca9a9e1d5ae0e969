"""`judge compare`: two judges over the same data, judged now or read from two runs."""

from __future__ import annotations

import asyncio
import json

import pytest

from judge.batch.comparison import facts_of, text_of
from judge.batch.sides import JudgeSide, Opinion, ShownResponse, TwoJudges, judge_both
from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import plan
from judge.settings import RunSettings
from judge.types import Sample
from tests.cli_harness import judge

__all__ = ["judge"]


def compared(a: dict, b: dict, shown: dict | None = None) -> dict:
    """Figures of two judges whose rewards (or reasons) are given by place."""
    sides = [
        JudgeSide(name, opinions={p: Opinion(None, v) if isinstance(v, str) else Opinion(v) for p, v in given.items()})
        for name, given in (("a", a), ("b", b))
    ]
    texts = {p: ShownResponse(str(p[0]), "", f"prompt {p[0]}", f"response {p[1]}") for p in a}
    return facts_of(TwoJudges((sides[0], sides[1]), {**texts, **(shown or {})}))


def test_figures_by_hand():
    """Three pairs: the same choice, the opposite one, a tie in one; and one response that only A could judge.

    kappa: choices (1, 1), (1, -1), (0, 1): observed 1/3, chance (2 * 2 + 0 * 1 + 1 * 0) / 9 = 4/9, so (3/9 - 4/9) / (5/9) = -0.2.
    """
    a = {(0, 0): 1.0, (0, 1): 0.5, (1, 0): 0.75, (1, 1): 0.5, (2, 0): 0.5, (2, 1): 0.5, (3, 0): 0.25}
    b = {(0, 0): 1.0, (0, 1): 0.0, (1, 0): 0.0, (1, 1): 1.0, (2, 0): 1.0, (2, 1): 0.0, (3, 0): "truncated"}
    facts = compared(a, b)
    assert facts["pairs"] == {
        "pairs": 3, "both": 3, "same_choice": 1, "opposite": 1, "tie_in_one": 1, "tie_in_both": 0,
        "agreement": pytest.approx(1 / 3), "kappa": pytest.approx(-0.2),
    }  # fmt: skip
    assert {k: facts["responses"][k] for k in ("responses", "both", "only_a", "only_b", "neither", "equal")} == {
        "responses": 7, "both": 6, "only_a": 1, "only_b": 0, "neither": 0, "equal": 1,
    }  # fmt: skip
    assert facts["responses"]["mean_gap"] == pytest.approx((0 + 0.5 + 0.75 + 0.5 + 0.5 + 0.5) / 6)
    assert facts["b"]["no_reward"] == {"truncated": 1}
    assert facts["a"]["ties"] == 1
    assert [case["why"] for case in facts["disagreements"]] == ["opposite choices", "a tie in one", "a reward from one only"]
    assert facts["disagreements"][0]["id"] == "1"
    assert max(map(len, text_of(facts).splitlines())) <= 80


def test_a_label_tells_who_is_right():
    """Agreement is no merit: with labels the table says which of two judges to take."""
    a = {(row, i): float(i == 0) for row in range(6) for i in (0, 1)}
    b = {(row, i): float(i == 1) for row in range(6) for i in (0, 1)} | {(5, 0): "missing"}
    shown = {(row, i): ShownResponse(str(row), "", "", "", "A") for row in range(6) for i in (0, 1)}
    label = compared(a, b, shown)["label"]
    assert label == {"pairs": 6, "a_right": 6, "b_right": 0, "only_a_right": 6, "only_b_right": 0, "p": pytest.approx(2 / 64)}


def test_rows_of_one_group_compete():
    """The completions of a prompt stand in rows of their own, and are pairs all the same."""
    shown = {(row, 0): ShownResponse(str(row), "g" if row < 3 else "h", "", "") for row in range(4)}
    facts = compared({(r, 0): 0.25 * r for r in range(4)}, {(r, 0): 1 - 0.25 * r for r in range(4)}, shown)
    assert (facts["pairs"]["pairs"], facts["pairs"]["opposite"]) == (3, 3)


def test_both_are_in_flight_together_and_share_an_engine():
    """The slower of two judges does not wait for the other, and one model is loaded once."""
    rows = [Sample.of(f"Question {i}?", "first", "second", id=str(i)) for i in range(4)]
    order: list[str] = []

    async def reply(request):
        kind = "pair" if "RESPONSE B" in request.messages[-1].text else "point"
        order.append(kind)
        await asyncio.sleep(0.01)
        return "[[A]]" if kind == "pair" else "VERDICT: 4"

    engine = ScriptedEngine(reply)
    plans = tuple(
        plan(RunSettings.model_validate({"recipe": name, "rubric": "helpfulness", "engine": {"kind": "scripted", "reply": "x"}}))
        for name in ("pointwise", "pairwise")
    )
    found = asyncio.run(judge_both((plans[0], plans[1]), ("a", "b"), lambda: iter(rows), engine=engine, quiet=True))
    assert {kind: order.count(kind) for kind in ("point", "pair")} == {"point": 8, "pair": 8}
    assert set(order[:9]) == {"point", "pair"}
    assert found.sides[0].opinions.keys() == found.sides[1].opinions.keys() == {(row, i) for row in range(4) for i in (0, 1)}
    assert facts_of(found)["b"]["ties"] == 4


@pytest.fixture
def folder(tmp_path):
    for name, recipe, reply in (("a", "pointwise", "VERDICT: 4"), ("b", "pairwise", "[[A]]")):
        engine = f"engine: {{kind: scripted, reply: '{reply}'}}"
        (tmp_path / f"{name}.yaml").write_text(f"recipe: {recipe}\nrubric: helpfulness\n{engine}\n")
    rows = [{"prompt": f"Question {i}?", "response_a": "It is one.", "response_b": "It is two.", "label": "A"} for i in range(3)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_settings_and_their_runs_compare_alike(judge, folder, monkeypatch):
    """What was judged before is compared as what is judged now."""
    monkeypatch.chdir(folder)
    now = judge("compare", "a.yaml", "b.yaml", "--data", "d.jsonl", "--json", "--quiet")
    assert now.code == 0, now.err
    for name in "ab":
        assert judge("run", f"{name}.yaml", "--data", "d.jsonl", "--output", f"R{name}", "--quiet").code == 0
    then = judge("compare", "Ra", "Rb", "--json")
    assert then.code == 0, then.err
    left, right = json.loads(now.out), json.loads(then.out)
    for facts in (left, right):
        for side in "ab":
            facts[side].pop("name")
            facts[side].pop("seconds")
    assert left == right
    assert left["label"]["pairs"] == 3


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(["a.yaml", "b.yaml"], 2, "--data FILE is missing", id="no-data"),
        pytest.param(["a.yaml", "Ra", "--data", "d.jsonl"], 2, "Ra is a run folder and the other is not", id="mixed"),
        pytest.param(["Ra", "Ra", "--data", "d.jsonl"], 2, "--data goes with two settings files", id="runs-and-data"),
        pytest.param(["Ra", "Rc"], 2, "which is other data (by SHA-256)", id="other-data"),
        pytest.param(
            ["a.yaml", "silent.yaml", "--data", "d.jsonl"], 5, "no response has a reward from both judges", id="nothing"
        ),
        pytest.param(["a.yaml", "none.yaml", "--data", "d.jsonl"], 2, "none.yaml", id="no-settings"),
    ],
)
def test_what_cannot_be_compared(judge, folder, monkeypatch, arguments, code, told):
    """The exit code says whose fault it is, and the message what to do."""
    monkeypatch.chdir(folder)
    (folder / "silent.yaml").write_text((folder / "a.yaml").read_text().replace("VERDICT: 4", "I cannot say."))
    (folder / "e.jsonl").write_text((folder / "d.jsonl").read_text().replace("two", "three"))
    judge("run", "a.yaml", "--data", "d.jsonl", "--output", "Ra", "--quiet")
    judge("run", "a.yaml", "--data", "e.jsonl", "--output", "Rc", "--quiet")
    ended = judge("compare", *arguments, "--quiet")
    assert ended.code == code, ended.err
    assert told in ended.err
