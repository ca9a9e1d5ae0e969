"""`judge preflight --data`: the data as a trainer's reward function gets them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from judge.adapters import areal, openrlhf, skyrl, slime, swift, tinker, trl, verifiers, verl
from judge.adapters._shared.failure_policy import FRAMEWORKS
from judge.adapters._shared.process_judge import ProcessJudge
from judge.adapters.preflight_data import STANDS_IN, Names, examine_data
from judge.pipeline.build import plan
from judge.settings import load_settings
from tests.cli_harness import run_judge

SAID = STANDS_IN.format(number=1)
ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital of France?"}]
TEXT = "Capital of France?"
SHOWN = {"context": [{"title": "Paris", "text": "It is a city."}]}
RUN = "recipe: verifier\nfilters: off\non_no_verdict: constant\nno_verdict_constant: 0.5\n"  # a number where OpenRLHF wants one


def said(prompt: Any) -> Any:
    return [{"role": "assistant", "content": SAID}] if isinstance(prompt, list) else SAID


def by_trl(path: str, row: dict[str, Any]) -> None:
    reward = trl.JudgeReward(path)
    columns = {name: [value] for name, value in row.items() if name != "prompt"}
    reward(prompts=[row["prompt"]], completions=[said(row["prompt"])], **columns)
    reward.close()


def by_swift(path: str, row: dict[str, Any]) -> None:
    reward = swift.JudgeORM(SimpleNamespace(num_generations=1), path)
    columns = {name: [value] for name, value in row.items() if name != "messages"}
    reward([SAID], messages=[[*row["messages"], {"role": "assistant", "content": SAID}]], **columns)
    reward.close()


def by_verl(path: str, row: dict[str, Any]) -> None:
    asyncio.run(verl.compute_score("d", SAID, row["reward_model"]["ground_truth"], row["extra_info"], config=path))


def by_openrlhf(path: str, row: dict[str, Any]) -> None:
    pytest.importorskip("torch")
    openrlhf.reward_func([row["input"] + SAID], [row["input"]], [row["label"]])


def by_slime(path: str, row: dict[str, Any]) -> None:
    given = SimpleNamespace(prompt=row["input"], response=SAID, label=row["label"], metadata=row["metadata"])
    asyncio.run(slime.custom_rm(None, given))


def by_skyrl(path: str, row: dict[str, Any]) -> None:
    skyrl.judged_step(SAID, row["prompt"], {k: v for k, v in row.items() if k != "prompt"}, config=path)


def by_areal(path: str, row: dict[str, Any]) -> None:
    asyncio.run(areal.score("", SAID, row))


def by_tinker(path: str, row: dict[str, Any]) -> None:
    asyncio.run(tinker.group_rewards([SAID], row["prompt"], row, config=path))


def by_verifiers(path: str, row: dict[str, Any]) -> None:
    judge = ProcessJudge("verifiers", path)
    trace = SimpleNamespace(
        last_reply=SAID,
        agent=SimpleNamespace(config=SimpleNamespace(timeout=SimpleNamespace(scoring=None))),
        timing=SimpleNamespace(scoring=SimpleNamespace(start=None, end=None)),
        record_metrics=lambda found: None,
    )
    asyncio.run(verifiers.score_trace(judge, row, trace))
    judge.close()


VERL = {"prompt": ASK, "reward_model": {"ground_truth": ["Paris", "Lutetia"]}, "extra_info": {"question": TEXT, **SHOWN}}
LABEL = json.dumps({"answer": ["Paris", "Lutetia"], "context": SHOWN["context"]})


@pytest.mark.parametrize(
    ("framework", "row", "names", "call"),
    [
        pytest.param("trl", {"prompt": ASK, "answer": ["Paris", "Lutetia"], **SHOWN}, Names(), by_trl, id="trl"),
        pytest.param("trl", {"prompt": TEXT, "solution": 42.0}, Names(), by_trl, id="trl-text"),
        pytest.param("ms-swift", {"messages": ASK, "solution": "Paris", **SHOWN}, Names(), by_swift, id="ms-swift"),
        pytest.param("verl", VERL, Names(), by_verl, id="verl"),
        pytest.param("openrlhf", {"input": TEXT, "label": LABEL}, Names(reference="label"), by_openrlhf, id="openrlhf"),
        pytest.param(
            "slime", {"input": ASK, "label": "Paris", "metadata": SHOWN}, Names(reference="label"), by_slime, id="slime"
        ),
        pytest.param("skyrl", {"prompt": ASK, "reward_spec": {"ground_truth": "Paris"}, **SHOWN}, Names(), by_skyrl, id="skyrl"),
        pytest.param("areal", {"messages": ASK, "answer": "Paris", **SHOWN}, Names(), by_areal, id="areal"),
        pytest.param("tinker", {"prompt": ASK, "answer": "Paris", **SHOWN}, Names(), by_tinker, id="tinker"),
        pytest.param("verifiers", {"prompt": TEXT, "answer": "Paris", **SHOWN}, Names(), by_verifiers, id="verifiers"),
    ],
)
@pytest.mark.parametrize("recipe", ["verifier", "pointwise\nrubric: helpfulness"])
def test_what_it_shows_is_what_the_judge_is_sent(framework, row, names, call, recipe, endpoint, run_file, monkeypatch):
    """The preview is worth reading only if it is the real thing: byte by byte the adapter's own request."""
    monkeypatch.delenv("JUDGE_SERVER", raising=False)
    path = run_file(RUN.replace("verifier", recipe))
    monkeypatch.setenv("JUDGE_CONFIG", path)
    settings, base = load_settings(path)
    report = examine_data(framework, plan(settings, base), [("row 0", row)], names)
    call(path, row)
    assert report.refused == []
    assert [{"role": m.role, "content": m.content} for m in report.asked[0].messages] == endpoint.fake.bodies[0]["messages"]


def examined(framework: str, *rows: Any, names: Names | None = None, **settings: Any) -> Any:
    made = plan(load_settings({"recipe": "verifier", **settings})[0])
    return examine_data(framework, made, [(f"row {i}", row) for i, row in enumerate(rows)], names or Names())


@pytest.mark.parametrize(
    ("framework", "row", "says"),
    [
        pytest.param("trl", {"question": TEXT, "answer": "4"}, "reads the prompt from the column `prompt`", id="no-prompt"),
        pytest.param("trl", {"prompt": [{"role": "narrator", "content": "x"}], "answer": "4"}, "narrator", id="role"),
        pytest.param("trl", {"prompt": TEXT, "answer": "4", "rubric": {"x": 1}}, "column rubric", id="rubric"),
        pytest.param("trl", "line 3 is not JSON", "line 3 is not JSON", id="unreadable"),
        pytest.param("openrlhf", {"prompt": TEXT}, "column `input`", id="another-column"),
        pytest.param("ms-swift", {"query": TEXT}, "column `messages`", id="swift"),
    ],
)
def test_a_row_that_would_be_refused(framework, row, says):
    """Found before a GPU is paid for, with the row's place and the reason that training would give."""
    good = {"prompt": TEXT, "messages": ASK, "input": TEXT, "answer": "4"}
    report = examined(framework, row, good, names=Names(reference="answer"))
    [refused] = report.refused
    assert refused.where == "row 0"
    assert says in refused.why


def test_which_column_is_which():
    """A reference under another name in some rows, NaN in others: counted, so that a wrong column is seen."""
    report = examined(
        "trl",
        {"prompt": TEXT, "answer": "Paris", "level": 3},
        {"prompt": TEXT, "solution": "Rome", "level": 4},
        {"prompt": TEXT, "answer": "Paris", "level": 5},
        rubric="helpfulness",
        recipe="pointwise",
    )
    assert {about: dict(found) for about, found in report.fields.items()} == {
        "prompt": {"`prompt`": 3},
        "reference": {"`answer`": 2, "`solution`": 1},
    }
    assert report.unseen == ("level",)
    assert report.repeated == 1


def test_a_tournaments_first_match():
    """Several responses stand for those of a group."""
    report = examined("trl", {"prompt": TEXT}, recipe="pairwise", group={"schedule": "swiss"})
    assert all(STANDS_IN.format(number=n) in str(report.asked[0].messages) for n in (1, 2))


@pytest.mark.parametrize("framework", list(FRAMEWORKS))
def test_every_framework_reads_a_row(framework):
    """None is left out of the table."""
    row = {"prompt": ASK, "messages": ASK, "input": TEXT, "question": TEXT, "extra_info": {"question": TEXT}, "answer": "Paris"}
    report = examined(framework, row, recipe="pointwise", rubric="helpfulness")
    assert report.refused == []
    assert TEXT in str(report.asked[0].messages)


def test_the_command(tmp_path, monkeypatch):
    """What a person reads: columns, refusals with their lines, and the request as it is."""
    monkeypatch.chdir(tmp_path)
    Path("judge.yaml").write_text("rubric: helpfulness\nrecipe: pointwise\nengine: {kind: openai, model: m}\n")
    rows = [{"prompt": ASK, "answer": "Paris", "source": "a"}, {"question": TEXT, "answer": "Paris"}]
    Path("train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = run_judge("preflight", "judge.yaml", "--framework", "trl", "--data", "train.jsonl")
    assert ended.code == 1
    for line in (
        "  prompt     `prompt` in 1 rows",
        "  reference  `answer` in 1 rows",
        "  not shown  `source`, `question` (no judge sees these columns)",
        "  refused    train.jsonl:2: trl reads the prompt from the column `prompt`",
        "--- user",
        SAID,
    ):
        assert line in ended.out
    facts = json.loads(run_judge(*"preflight judge.yaml --framework trl --data train.jsonl --json".split()).out)
    assert facts["data"]["fields"]["prompt"] == {"`prompt`": 1}
    assert facts["data"]["refused"][0]["row"] == "train.jsonl:2"
