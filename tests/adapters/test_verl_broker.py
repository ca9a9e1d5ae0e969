"""verl's group members at the broker of a real server: judged as one group, though each call shows one response."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from judge.adapters._shared.metrics import SERVED_PARTS
from judge.adapters._shared.process_judge import close_shared
from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, NoVerdictError, SettingsError
from judge.settings.server import GroupServing, ServerSettings
from tests.adapters.stand_ins import grpo_advantages, prefers_longer, verl_assemble, verl_function, verl_reward
from tests.client.harness import KEY, real

GROUP_JUDGE = {"recipe": "pairwise", "group": {"schedule": "round_robin"}}
TEXTS = ["aaa", "aaaaa", "aa", "aaaa"]


@pytest.fixture(autouse=True)
def env(monkeypatch):
    monkeypatch.delenv("JUDGE_CONFIG", raising=False)
    monkeypatch.delenv("JUDGE_SERVER", raising=False)
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    yield
    close_shared()


def engine():
    return ScriptedEngine(lambda request: prefers_longer("\n".join(m.content for m in request.messages)))


def row(place, group="7.prompt-3", **extra):
    extra_info = {"question": f"{group}: which is longest?", "judge_group": group, "judge_index": np.int64(place), **extra}
    return {"data_source": "d", "reward_model": {"ground_truth": None}, "extra_info": extra_info}


def score(rows, texts, **reward_kwargs):
    function = verl_function("pkg://judge.adapters.verl", "compute_score", reward_kwargs)

    async def all_of_them():
        calls = (verl_reward(function, r, f"answer {t}.") for r, t in zip(rows, texts, strict=True))
        return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(all_of_them())


def test_group_members_are_judged_as_one_group():
    """Two groups at once, in any order; each response gets its own place, once, and the advantages follow."""
    script = engine()
    with real(script, config=GROUP_JUDGE) as (url, _):
        order = [3, 0, 2, 1]
        rows = [row(i, group) for group in ("7.a", "7.b") for i in order]
        made = score(rows, [TEXTS[i] for i in order] * 2, server=url, group="judge_group", group_size=4)
        asked = sum("answer a" in str(request.messages) for request in script.requests)
    scores, columns = verl_assemble(made)
    assert scores.tolist() == [pytest.approx(v) for v in [2 / 3, 1 / 3, 0.0, 1.0] * 2]
    assert asked == 2 * 12  # 6 pairs, both orders
    assert list(columns) == ["score", *(f"judge/{part}" for part in SERVED_PARTS)]
    assert sum(grpo_advantages(scores.tolist(), "aaaabbbb")) == pytest.approx(0.0, abs=1e-5)


def test_a_group_that_stays_incomplete_fails_for_all():
    """Nothing is left of the group; a partial ranking would be trained on."""
    settings = ServerSettings(group=GroupServing(size=3, incomplete_s=0.2))
    with real(engine(), settings, config=GROUP_JUDGE) as (url, _):
        made = score([row(0), row(2)], ["a", "aa"], server=url, group="judge_group")
    assert [type(each) for each in made] == [NoVerdictError] * 2
    assert "missing: 1" in str(made[0])


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"judge_group": None}, id="no-group"),
        pytest.param({"judge_index": None}, id="no-number"),
        pytest.param({"judge_index": "first"}, id="text"),
        pytest.param({"judge_index": True}, id="bool"),
    ],
)
def test_keys_that_are_not_there(extra):
    """Judged alone instead, the response would wait for nobody and be ranked among one."""
    with real(engine(), config=GROUP_JUDGE) as (url, _):
        [told] = score([row(0, **extra)], ["a"], server=url, group="judge_group", group_size=2)
    assert isinstance(told, DataError)
    assert "judge_index" in str(told)


def test_a_group_needs_a_server(monkeypatch, tmp_path):
    """Group members are in other processes."""
    path = tmp_path / "judge.yaml"
    path.write_text("recipe: verifier\nengine: {kind: openai, model: m}\n")
    [told] = score([row(0)], ["a"], config=str(path), group="judge_group")
    assert isinstance(told, SettingsError)
    assert "`group` needs `server`" in str(told)


def test_a_server_without_groups(monkeypatch):
    """One judge for all workers, named by the environment; each response alone."""
    with real() as (url, _):
        monkeypatch.setenv("JUDGE_SERVER", url)
        rome, paris, garbage = score([row(i) for i in range(3)], ["Rome", "Paris", "GARBAGE"])
        [kept] = score([row(0)], ["GARBAGE"], on_no_verdict="constant", constant=0.5)
    assert (rome["reward_score"], paris["reward_score"]) == (0.0, 1.0)
    assert isinstance(garbage, NoVerdictError)
    info = kept["reward_extra_info"]
    assert (info["score"], info["judge/raw_reward"], info["judge/missing"], info["judge/calls"]) == (0.5, 0.5, 1.0, 2.0)
