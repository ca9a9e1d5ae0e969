"""`judge.adapters.tinker` in an `EnvGroupBuilder` as tinker-cookbook 0.6.1 uses it: pickled, asked once a group."""

from __future__ import annotations

import asyncio
import math
import pickle
import time
from dataclasses import dataclass
from typing import Any

import pytest

from judge.adapters.tinker import group_rewards, replies
from judge.errors import DataError, NoVerdictError
from tests.adapters.stand_ins import prefers_longer
from tests.client.harness import KEY, real
from tests.fake_endpoint import Canned


@dataclass
class Action:
    tokens: list[int]


@dataclass
class Transition:
    ac: Action
    reward: float = 0.0


@dataclass
class Trajectory:
    transitions: list[Transition]


@dataclass
class Termination:
    is_clean: bool


class Renderer:
    """Tokens are code points, and a newline ends the reply; in one that has ended, what stands before `|` is thinking."""

    def parse_response(self, tokens: list[int]) -> tuple[dict[str, Any], Termination]:
        whole = "".join(map(chr, tokens))
        thought, bar, text = whole.removesuffix("\n").rpartition("|")
        ended = Termination(whole.endswith("\n"))
        if not bar or not ended.is_clean:
            return {"role": "assistant", "content": whole.removesuffix("\n")}, ended
        return {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": thought}, {"type": "text", "text": text}],
        }, ended


@dataclass(frozen=True)
class Geography:
    """A builder of a user."""

    options: tuple[tuple[str, Any], ...]

    async def compute_group_rewards(self, trajectory_group, env_group):
        texts = replies(trajectory_group, Renderer())
        return await group_rewards(texts, "Capital of France?", {"answer": "Paris"}, **dict(self.options))


def trajectories(*texts, end="\n"):
    return [Trajectory([Transition(Action([ord(c) for c in text + end]))]) for text in texts]


def totals(*texts, **options):
    """`do_group_rollout`: the builder travels by pickling; the group's rewards are added to the steps'."""
    builder = pickle.loads(pickle.dumps(Geography(tuple(options.items()))))
    group = trajectories(*texts)
    found = asyncio.run(builder.compute_group_rewards(group, [object()] * len(group)))
    sums = [sum(t.reward for t in each.transitions) + final for each, (final, _) in zip(group, found, strict=True)]
    return sums, [metrics for _, metrics in found]


def test_rewards_and_metrics(run_file):
    """In the order of the environments; metrics are averaged, so they are finite."""
    sums, metrics = totals("It is Paris.", "It is Rome.", config=run_file())
    assert sums == [1.0, 0.0]
    assert all(math.isfinite(v) for each in metrics for v in each.values())


def test_thinking_is_left_out(run_file, endpoint):
    """The judge grades the answer."""
    totals("It is Rome, or not?|It is Paris.", config=run_file())
    assert "or not?" not in endpoint.asked[-1]
    assert "It is Paris." in endpoint.asked[-1]


def test_a_reply_that_was_cut_off():
    """Its renderer leaves the thinking in: an unfinished thought is no reply."""
    texts = ("<think>It is Paris, I", "<think>Rome?</think>It is Par", "It is Par")
    assert replies(trajectories(*texts, end=""), Renderer()) == ["", "It is Par", "It is Par"]


def test_no_verdict(run_file):
    """The run fails, or leaves the group out; or the group keeps its mean."""
    texts = ("It is Paris.", "It is Oslo.", "It is Rome.")
    with pytest.raises(NoVerdictError, match="response 1 of 3"):
        totals(*texts, config=run_file())
    sums, metrics = totals(*texts, config=run_file(), on_no_verdict="impute_group_mean")
    assert sums == [1.0, 0.5, 0.0]
    assert [m["judge/missing"] for m in metrics] == [0, 1, 0]


def test_groups_compete(run_file, endpoint):
    """Pairs are judged at once, not one after the other."""
    endpoint.reply = lambda body: Canned(prefers_longer(str(body["messages"])), delay_s=0.4)
    text = "recipe: pairwise\ngroup: {schedule: round_robin}\n"
    started = time.monotonic()
    sums, _ = totals("answer aaa.", "answer aa.", "answer aaaa.", config=run_file(text))
    assert sums == [0.5, 0.0, 1.0]
    assert time.monotonic() - started < 6 * 0.4


def test_several_turns():
    """The environment's texts are not in a trajectory, so a dialogue would be judged by halves."""
    twice = [Trajectory([Transition(Action([65])), Transition(Action([66]))])]
    with pytest.raises(DataError, match="trajectory 0 has 2 turns"):
        replies(twice, Renderer())


def test_a_server(monkeypatch):
    """No judge in the process."""
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    with real() as (url, _):
        sums, metrics = totals("It is Paris.", "It is Rome.", server=url)
    assert sums == [1.0, 0.0]
    assert [m["judge/calls"] for m in metrics] == [1.0, 1.0]
