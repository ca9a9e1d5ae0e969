"""Steps that go beyond one response's verdicts: columns of the data, other wordings, labels in doubt, earlier batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from judge.adapters.trl import JudgeReward
from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, OutputError, SettingsError
from judge.pipeline.judge import Judge
from judge.types import Request, Sample
from tests.batch_harness import run
from tests.cli_harness import run_judge

RUBRIC = {"criteria": [{"id": "right", "text": "The sum is right."}, {"id": "brief", "text": "It is brief.", "weight": 1}]}


def marks(request: Request) -> str:
    """A judge that looks for the words of the criterion in the response."""
    text = request.messages[-1].content
    word = "brief" if "It is brief." in text else "correct"
    return "VERDICT: MET" if f"so {word}" in text else "VERDICT: UNMET"


def judge(shape: list[dict[str, Any]], reply: Any = marks, **settings: Any) -> Judge:
    reward = {"shape": shape, **settings.pop("reward", {})}
    return Judge.from_config(
        {"recipe": "checklist", "rubric": RUBRIC, "filters": "off", "reward": reward, **settings}, engine=ScriptedEngine(reply)
    )


def batch(*texts: str, **fields: Any) -> list[Sample]:
    return [Sample.of("1 + 1?", text, id=str(k), **fields) for k, text in enumerate(texts)]


# ---- thresholds over batches --------------------------------------------------------------------------------------------

PRICED = {"kind": "constrained", "constraints": [{"component": "brief", "at_least": 0.75}], "rate": 1.0}


def test_a_threshold_that_is_missed_gets_a_price():
    """The first batch pays nothing for brevity; having missed 0.75 by 0.25, the next pays 0.25 for it, over 1.25."""
    with judge([PRICED]) as judging:
        first, second = (judging.score(batch("so correct, so brief", "so correct", step)) for step in ("so brief", "so brief!"))
    assert [r.reward for r in first] == [1.0, 0.5, 0.5]
    price = 0.75 - 2 / 3
    assert [r.reward for r in second] == pytest.approx([1.0, 0.5 / (1 + price), (0.5 + price) / (1 + price)])


def test_the_price_goes_on_in_the_next_process(tmp_path: Path):
    """What one process has learned is in the file; the same batch coming again moves nothing twice."""
    settings = {"reward": {"state": str(tmp_path / "memory" / "state.json")}}
    batches = [batch("so correct", f"so correct and so brief {k}") for k in range(3)]
    with judge([PRICED]) as whole:
        wanted = [[r.reward for r in whole.score(each, step=k)] for k, each in enumerate(batches)]
    found = []
    for k, each in enumerate(batches):
        for _ in range(2):  # a step repeated after a crash
            with judge([PRICED], **settings) as judging:
                rewards = [r.reward for r in judging.score(each, step=k)]
        found.append(rewards)
    assert found == wanted
    held = json.loads((tmp_path / "memory" / "state.json").read_text())
    assert held["batches"] == 3
    assert held["after"] == {"constrained": {"multipliers": {"brief": pytest.approx(0.75)}, "updates": 3}}
    assert [p.name for p in (tmp_path / "memory").iterdir()] == ["state.json"]


def test_a_run_that_is_finished_again_is_shaped_as_before(tmp_path: Path):
    """`judge run` on a folder that is done: the file has seen these rewards."""
    common = {"rubric": RUBRIC, "recipe": "checklist", "filters": "off"}
    common |= {"reward": {"shape": [{**PRICED, "start": 1.0}], "state": str(tmp_path / "state.json")}}
    data = batch("so correct", "so brief")
    tables = []
    for _ in range(2):
        run(tmp_path / "run", data, ScriptedEngine(marks), **common)
        tables.append(pq.read_table(tmp_path / "run" / "rewards.parquet").column("reward").to_pylist())
    assert tables[0] == tables[1] == pytest.approx([0.25, 0.75])
    assert json.loads((tmp_path / "state.json").read_text())["batches"] == 1
    told = json.loads((tmp_path / "run" / "run.json").read_text())["shaping"]
    assert told == ["constrained: multipliers: brief 1 -> 1.25"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("{", "state.json", id="no-json"),
        pytest.param("[1]", "is not the memory of a shaping chain", id="no-memory"),
        pytest.param(
            '{"batches": 1, "last": "", "before": {}, "after": {"laser_d": {}}}',
            "holds the memory of `laser_d`, and the steps of `reward.shape` are `constrained`",
            id="another-chain",
        ),
    ],
)
def test_a_file_that_is_no_memory_of_this_chain(text, said, tmp_path: Path):
    """Told before anything is judged, and the file stays as it is."""
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=said):
        judge([PRICED], reward={"state": str(path)})
    assert path.read_text() == text


def test_a_memory_that_cannot_be_written_is_an_error(tmp_path: Path):
    """A run that would forget what it learned must not go on as if it did not."""
    (tmp_path / "file").write_text("")
    with judge([PRICED]) as judging:
        judging.finish.shaping.memory.path = tmp_path / "file" / "state.json"
        with pytest.raises(OutputError, match=r"`reward\.state` cannot be written"):
            judging.score(batch("so correct"))


@pytest.mark.parametrize(
    ("shape", "settings", "said"),
    [
        pytest.param([{"kind": "z"}], {"reward": {"state": "x.json"}}, "remembers anything", id="nothing-to-remember"),
        pytest.param([{**PRICED, "constraints": [{"component": "brif", "at_most": 1}]}], {}, "did you mean `brief`?", id="name"),
        pytest.param([{**PRICED, "constraints": [{"component": "brief"}]}], {}, "give one of", id="no-threshold"),
        pytest.param([{"kind": "objectives", "weights": {"rigt": 1}}], {}, "did you mean `right`?", id="objective"),
        pytest.param(
            [{"kind": "objectives", "weights": {"right": 1}, "caps": {"rigth": 1}}], {}, "did you mean `right`?", id="cap"
        ),
        pytest.param([{"kind": "objectives", "weights": {"right": 1}, "join": "log_sigmoid"}], {}, "go together", id="zero"),
        pytest.param([{"kind": "shrink"}], {}, "several opinions on each response", id="one-opinion"),
        pytest.param([{"kind": "flip"}], {}, "nothing is flipped", id="no-flip"),
        pytest.param([{"kind": "flip", "false_positive": 0.1, "by": "respons"}], {}, "'response' or 'question'", id="by"),
        pytest.param([{"kind": "pattern", "phrases": []}], {}, "phrases", id="no-phrase"),
        pytest.param([{"kind": "add", "column": "x", "low": 2}], {}, "is below `high`", id="range"),
        pytest.param([{"kind": "rank"}, {"kind": "co_reward", "question": "q"}], {}, "would have no", id="replaces"),
    ],
)
def test_a_step_that_cannot_work_is_refused(shape, settings, said):
    with pytest.raises(SettingsError) as caught:
        judge(shape, **settings)
    assert said in str(caught.value)


# ---- labels, wordings, similar examples ---------------------------------------------------------------------------------


def test_a_wrong_reference_is_repaired_by_what_the_policy_comes_to_agree_on():
    """The judge goes by the reference, which is wrong: the answer that gains ground is paid, and stays so."""
    groups = [["2", "2", "3", "3"], ["2", "2", "2", "3"], ["2.0", "2", "2", "2"]]
    settings = {"recipe": "pointwise", "rubric": "helpfulness", "filters": "off"}
    config = {**settings, "reward": {"shape": [{"kind": "repair_label", "window": 2, "least_stability": 0.5}]}}
    shown = lambda request: "VERDICT: 5" if "answer is 3" in request.messages[-1].content else "VERDICT: 1"  # noqa: E731
    with Judge.from_config(config, engine=ScriptedEngine(shown)) as judging:
        paid = [
            [r.reward for r in judging.score(batch(*(f"The answer is {a}." for a in group), reference="3"))] for group in groups
        ]
    assert paid == [[0, 0, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert "`2` in place of `3`" in judging.finish.shaping.notes[0]


WORDINGS = [
    *({"prompt": "1 + 1?", "response": f"The answer is {a}.", "sum": "a"} for a in (2, 2, 3)),
    *({"prompt": "One and one?", "response": f"So \\boxed{{{a}}}", "sum": "a"} for a in (2, 3, 3)),
]


def test_wordings_reward_each_other_from_a_data_file(tmp_path: Path):
    """`judge run`: the column names the question, and a wording is paid by the majority of the other."""
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, WORDINGS)))
    (tmp_path / "judge.yaml").write_text(
        "recipe: pointwise\nrubric: helpfulness\nengine: {kind: scripted, reply: 'VERDICT: 3'}\nfilters: off\n"
        "reward: {shape: [{kind: co_reward, question: sum}]}\n"
    )
    ended = run_judge(
        "run", str(tmp_path / "judge.yaml"), "--data", str(tmp_path / "data.jsonl"), "--output", str(tmp_path / "o")
    )
    assert ended.code == 0, ended.err
    found = pq.read_table(tmp_path / "o" / "rewards.parquet").to_pylist()
    assert [r["reward"] for r in found] == [0, 0, 1, 1, 0, 0]
    assert {r["raw_reward"] for r in found} == {0.5}
    lacking = tmp_path / "lacking.jsonl"
    lacking.write_text(json.dumps({"prompt": "?", "response": "2", "summ": "a"}))
    ended = run_judge("run", str(tmp_path / "judge.yaml"), "--data", str(lacking), "--output", str(tmp_path / "p"))
    assert ended.code == 2
    assert "`sum`" in ended.err


def test_wordings_reward_each_other_in_a_trainer():
    """TRL passes the columns of the data set; one that it does not pass is named at once."""
    config = {"recipe": "pointwise", "rubric": "helpfulness", "filters": "off"}
    config |= {"reward": {"shape": [{"kind": "co_reward", "question": "sum"}]}}
    reward = JudgeReward(config, engine=ScriptedEngine(lambda r: "VERDICT: 3"), num_generations=3)
    texts = [row["response"] for row in WORDINGS]
    prompts = [row["prompt"] for row in WORDINGS]
    assert reward(prompts, texts, sum=[row["sum"] for row in WORDINGS]) == [0, 0, 1, 1, 0, 0]
    with pytest.raises(DataError, match=r"`reward\.shape` names the column `sum`, which the trainer does not pass"):
        reward(prompts, texts, summ=["a"] * 6)
    reward.close()


def test_similar_examples_are_judged_alike():
    """Two near-equal examples move towards each other; one that is like no other stays as it is."""
    texts = ["It is two, so correct", "It is two then, so correct or not", "Bananas"]
    reply = lambda r: "VERDICT: 5" if "then" in r.messages[-1].content else "VERDICT: 1"  # noqa: E731
    with Judge.from_config(
        {"recipe": "pointwise", "rubric": "helpfulness", "filters": "off", "reward": {"shape": [{"kind": "fuse"}]}},
        engine=ScriptedEngine(reply),
    ) as judging:
        assert [r.reward for r in judging.score(batch(*texts))] == [0.5, 0.5, 0.0]


# ---- numbers of the data, doubt, noise ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "paid"),
    [
        pytest.param(90, 0.7, id="number"),
        pytest.param("90", 0.7, id="text"),
        pytest.param(None, None, id="absent"),
        pytest.param([90], 0.7, id="list"),
    ],
)
def test_a_metric_of_the_data_is_added(value, paid):
    """(0.5 + 0.9) / 2; a row whose metric is unknown has no reward."""
    with judge([{"kind": "add", "column": "comet", "high": 100}]) as judging:
        [reward] = judging.score(batch("so correct", metadata={"comet": value}))
    assert reward.raw_reward == 0.5
    assert reward.reward == (None if paid is None else pytest.approx(paid))


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        pytest.param(
            {"comte": 1}, r"needs the column `comet`, which this row does not have; did you mean `comte`\?", id="missing"
        ),
        pytest.param({"comet": 1.5}, r"`comet` is 1.5, outside of \[0, 1\]", id="range"),
        pytest.param({"comet": "good"}, "`comet` is 'good'", id="word"),
        pytest.param({"comet": [1, 0]}, r"holds 2 numbers for 1 response", id="count"),
    ],
)
def test_a_metric_that_is_none_is_told_before_judging(metadata, said):
    engine = ScriptedEngine(marks)
    config = {"recipe": "checklist", "rubric": RUBRIC, "reward": {"shape": [{"kind": "add", "column": "comet"}]}}
    with Judge.from_config(config, engine=engine) as judging, pytest.raises(DataError, match=said):
        judging.score(batch("so correct", metadata=metadata))
    assert not engine.requests


def test_doubt_shrinks_a_reward_towards_its_group():
    """Two judges agree on the first response and differ by 1 on the second, whose variance of 0.25 leaves a sixth."""
    panel = {"members": [{"name": "other", "sampling": {"temperature": 0.5}}], "fold": "mean"}

    def reply(request: Request) -> str:
        text = request.messages[-1].content
        return "VERDICT: 1" if "Nice" in text or ("Lyon" in text and request.sampling.temperature) else "VERDICT: 5"

    config = {"recipe": "pointwise", "rubric": "helpfulness", "panel": panel, "reward": {"shape": [{"kind": "shrink"}]}}
    with Judge.from_config(config, engine=ScriptedEngine(reply)) as judging:
        rewards = judging.score(batch("It is Paris.", "It is Lyon.", "It is Nice."))
    assert [r.raw_reward for r in rewards] == [1.0, 0.5, 0.0]
    assert [r.reward for r in rewards] == pytest.approx([1.0, 0.5, 0.0])
    with Judge.from_config(config, engine=ScriptedEngine(reply)) as judging:
        sure, unsure = judging.score(batch("It is Paris.", "It is Lyon."))
    assert (sure.reward, unsure.reward) == pytest.approx((1.0, 0.75 - 0.25 * 0.05 / 0.3))


def test_flips_follow_the_content_and_spare_what_a_filter_decided():
    """A rate of 1 turns every verdict round; an empty answer, which no judge saw, stays at 0."""
    shape = [{"kind": "flip", "false_positive": 1.0, "false_negative": 1.0}]
    config = {"recipe": "pointwise", "rubric": "helpfulness", "reward": {"shape": shape}}
    reply = lambda r: "VERDICT: 5" if "Paris" in r.messages[-1].content else "VERDICT: 2"  # noqa: E731
    with Judge.from_config(config, engine=ScriptedEngine(reply)) as judging:
        assert [r.reward for r in judging.score(batch("It is Paris.", "It is Lyon.", " "))] == [0.0, 0.75, 0.0]


def test_sound_reasoning_lifts_what_a_judge_marked_down():
    """Two phrases of 0.25 give back a half of strength 0.5 of the gap to 0.5."""
    shape = [{"kind": "pattern", "phrases": ["let me check", "first, i need"], "each": 0.25, "ngram": None}]
    config = {"recipe": "pointwise", "rubric": "helpfulness", "reward": {"shape": shape}}
    with Judge.from_config(config, engine=ScriptedEngine(lambda r: "VERDICT: 1")) as judging:
        rewards = judging.score(batch("First, I need two. Let me check it.", "It is two."))
    assert [r.reward for r in rewards] == [0.125, 0.0]


def test_hard_unit_tests_count_more():
    """Three programs, two tests: what only one of three passes has weight 2/3, what two pass 1/3."""
    tests = "assert add(2, 2) == 4\nassert add(1, 2) == 3"
    programs = ["def add(a, b):\n    return a + b", "def add(a, b):\n    return 4", "def add(a, b):\n    return 0"]
    samples = [Sample.of("Add.", f"```python\n{code}\n```", reference=tests, id=str(k)) for k, code in enumerate(programs)]
    config = {"recipe": "code", "reward": {"shape": [{"kind": "verpo", "mix": 1.0}]}}
    with Judge.from_config(config) as judging:
        rewards = judging.score(samples)
    assert [dict(r.components)["test_1"] for r in rewards] == [1.0, 1.0, 0.0]
    assert [r.reward for r in rewards] == pytest.approx([1.0, 1 / 3, 0.0])
