"""`judge.adapters.verl` under a stand-in of verl's calling code; under its own code in `tests/frameworks/test_verl.py`."""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import time
from pathlib import Path

import pytest

from judge.adapters import verl
from judge.adapters._shared.metrics import metric_names
from judge.adapters.verl_manager import JudgeRewardManager
from judge.errors import DataError, NoVerdictError, SettingsError
from tests.adapters.stand_ins import RUBRIC, grpo_advantages, verl_assemble, verl_function, verl_reward
from tests.fake_endpoint import Canned


def row(**extra):
    return {
        "data_source": "geo",
        "reward_model": {"style": "rule", "ground_truth": "Paris"},
        "extra_info": {"question": "Capital of France?", "index": 7, **extra},
    }


def score(responses, rows=None, **reward_kwargs):
    function = verl_function("pkg://judge.adapters.verl", "compute_score", reward_kwargs)

    async def all_of_them():
        return await asyncio.gather(*(verl_reward(function, r, t) for r, t in zip(rows, responses, strict=True)))

    rows = rows or [row() for _ in responses]
    return asyncio.run(all_of_them())


def test_verl_takes_it_for_asynchronous():
    """A callable object would be run as a plain function, and its coroutine become the score."""
    assert inspect.iscoroutinefunction(verl.compute_score)
    assert inspect.signature(verl.compute_score).parameters.keys() >= {
        "data_source",
        "solution_str",
        "ground_truth",
        "extra_info",
    }


def test_scores_and_columns(run_file):
    """Whatever a sample is, it brings the same columns, and nothing in them can poison a mean."""
    texts = ["It is Paris.", "It is Rome.", " ", "It is Paris, of course."]
    scores, columns = verl_assemble(score(texts, config=run_file(RUBRIC)))
    assert scores.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert list(columns) == ["score", *metric_names(("right", "brief"), "judge")]
    assert columns["judge/filtered"].tolist() == [0, 0, 1, 0]
    assert all(math.isfinite(v) for values in columns.values() for v in values)


def test_a_missing_verdict_raises(run_file):
    """verl leaves out a sample that raises; NaN would make the whole group NaN, and 0 would be a grade."""
    with pytest.raises(NoVerdictError, match="judge: no reward: missing"):
        score(["It is Paris.", "It is Oslo."], config=run_file())


def test_a_declared_constant(run_file):
    """Who would rather keep the group says which number, and sees in a column how often it was used."""
    kept = {"config": run_file(RUBRIC), "on_no_verdict": "constant", "constant": 0.5}
    scores, columns = verl_assemble(score(["It is Oslo.", "It is Paris.", "It is Rome."], **kept))
    assert scores.tolist() == [0.5, 1.0, 0.0]
    assert columns["judge/missing"].tolist() == [1, 0, 0]
    assert columns["judge/missing_criteria"].tolist() == [2, 0, 0]
    assert all(math.isfinite(v) for values in columns.values() for v in values)
    assert all(map(math.isfinite, grpo_advantages(scores.tolist(), "aaa")))


def test_the_run_file_can_name_the_constant(run_file):
    """One file is the reward everywhere, its policy included."""
    [made] = score(["It is Oslo."], config=run_file("recipe: verifier\non_no_verdict: constant\nno_verdict_constant: 0.25\n"))
    assert made["reward_score"] == 0.25


def test_what_verl_does_with_other_keys_and_nan():
    """Why the above matters: these are its own lines."""
    fine = {"reward_score": 1.0, "reward_extra_info": {"score": 1.0, "a": 1.0}}
    with pytest.raises(KeyError):
        verl_assemble([fine, {"reward_score": 0.0, "reward_extra_info": {"error": "x"}}])
    assert all(map(math.isnan, grpo_advantages([1.0, math.nan, 0.0], "aaa")))


@pytest.mark.parametrize(
    ("recipe", "extra", "options", "asked"),
    [
        pytest.param(RUBRIC, {}, {}, "Capital of France?", id="known-name"),
        pytest.param(RUBRIC, {"q": "Which city?"}, {"question": "q"}, "Which city?", id="named-key"),
        pytest.param(RUBRIC, {"question": [{"role": "user", "content": "As a message?"}]}, {}, "As a message?", id="messages"),
    ],
)
def test_the_question_comes_from_extra_info(run_file, endpoint, recipe, extra, options, asked):
    """Without it the judge would grade an answer to a question it never saw."""
    score(["It is Paris."], [row(**extra)], config=run_file(recipe), **options)
    assert asked in endpoint.asked[-1]


def test_without_a_question_it_says_so(run_file):
    """The commonest mistake in a verl data set, told with what is there; a recipe that shows no question needs none."""
    bare = {**row(), "extra_info": {"index": 7}}
    with pytest.raises(DataError, match=r"extra_info is missing the prompt.*\(found: index, num_turns"):
        score(["It is Paris."], [bare], config=run_file(RUBRIC))


def test_a_recipe_without_question_needs_none(run_file):
    """`verifier` compares with the reference alone."""
    [made] = score(["It is Paris."], [{**row(), "extra_info": {}}], config=run_file())
    assert made["reward_score"] == 1.0


def test_extra_info_is_left_alone(run_file):
    """verl keeps and reuses that dict."""
    given = row()
    score(["It is Paris."], [given], config=run_file())
    assert set(given["extra_info"]) == {"question", "index", "num_turns", "rollout_reward_scores"}


def test_a_rubric_of_its_own(run_file, endpoint):
    """Instance rubrics travel in extra_info, as JSON text, since arrow would fill the gaps of dicts."""
    rubric = json.dumps({"criteria": [{"id": "x", "text": "It mentions the Seine."}]})
    score(["It is Paris."], [row(rubric=rubric)], config=run_file(RUBRIC))
    assert "It mentions the Seine." in endpoint.asked[-1] + str(endpoint.fake.bodies[-1])


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        pytest.param("recipe: pairwise\ngroup: {schedule: round_robin}\n", "`group`", id="group"),
        pytest.param("recipe: verifier\nreward: {shape: [{kind: rank}]}\n", "`reward.shape`", id="shape"),
        pytest.param("recipe: verifier\non_no_verdict: group_mean\n", "`impute_group_mean`", id="mean-of-group-members"),
    ],
)
def test_what_needs_group_members_is_refused(run_file, text, cause):
    """verl sends group members to different processes: a rank among one would be a silent constant."""
    with pytest.raises(SettingsError, match=f"{cause} needs the other responses"):
        score(["It is Paris."], config=run_file(text))


def test_a_mistyped_option(run_file):
    """It would otherwise be ignored in silence."""
    with pytest.raises(SettingsError, match="no option `questoin`; did you mean `question`"):
        score(["It is Paris."], config=run_file(), questoin="q")


def test_one_judge_for_all_calls(run_file, endpoint):
    """Each new one would open its own connections; calls overlap."""
    endpoint.reply = lambda body: Canned("RESPONSE SAYS: It is Paris\nVERDICT: CORRECT", delay_s=0.5)
    config = run_file()
    score(["It is Paris."], config=config)
    started = time.monotonic()
    score([f"It is Paris {k}." for k in range(8)], config=config)
    assert time.monotonic() - started < 8 * 0.5
    assert len(endpoint.asked) == 9


def test_the_environment_names_the_run_file(run_file, monkeypatch):
    """Hosts that pass nothing."""
    with pytest.raises(SettingsError, match="set JUDGE_CONFIG"):
        score(["It is Paris."])
    monkeypatch.setenv("JUDGE_CONFIG", run_file())
    assert score(["It is Paris."])[0]["reward_score"] == 1.0


def test_the_judge_that_verl_serves(run_file, endpoint):
    """With `use_router` the run file's address does not matter."""
    path = Path(run_file())
    path.write_text(path.read_text().replace(endpoint.url, "http://127.0.0.1:9/v1"))
    address = endpoint.url.removeprefix("http://").removesuffix("/v1")
    function = verl_function("pkg://judge.adapters.verl", "compute_score", {"config": str(path), "use_router": True})
    call = {"data_source": "d", "solution_str": "It is Paris.", "ground_truth": "Paris", "extra_info": {}}
    made = asyncio.run(function(**call, reward_router_address=address, reward_model_tokenizer=None))
    assert made["score"] == 1.0


def test_the_reward_manager_without_verl():
    """Its module can be imported, for `judge preflight` and for reading; making one says what is missing."""
    with pytest.raises(SettingsError, match="verl is not installed here"):
        JudgeRewardManager(None, None)
