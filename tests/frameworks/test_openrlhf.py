"""`judge.adapters.openrlhf` and the server's `/get_reward` under OpenRLHF 0.11.2, from the data set to the advantages.

What is real and what is not: `openrlhf_cluster.py`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from judge.adapters import openrlhf
from judge.adapters._shared.metrics import metric_names
from judge.errors import SettingsError
from judge.pipeline.judge import Judge
from judge.server.app import make_app
from judge.server.auth import Keys
from judge.settings.server import ServerSettings
from tests.fake_endpoint import Canned
from tests.frameworks import openrlhf_cluster
from tests.frameworks.openrlhf_cluster import MIXED, NEUTRAL, RIGHT, RUBRIC, UNREADABLE, WRONG, response_shown, rewards_of
from tests.server.harness import KEY, served

from openrlhf.trainer.ppo_trainer import compute_eval_metrics  # isort: skip  # after `openrlhf_cluster`

pytestmark = pytest.mark.filterwarnings("default")  # OpenRLHF's own

FILE = [openrlhf.__file__]
loop, step, log = openrlhf_cluster.loop, openrlhf_cluster.step, openrlhf_cluster.log  # fixtures

# ---- the file form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "wanted"),
    [
        # 1, 0, 1 and 0.5: mean 0.625, deviation sqrt((2 * 0.375^2 + 0.625^2 + 0.125^2) / 3) = 0.4787
        pytest.param("group_norm", [0.7833, -1.3056, 0.7833, -0.2611], id="group_norm"),
        pytest.param("dr_grpo", [0.375, -0.625, 0.375, -0.125], id="dr_grpo"),
        pytest.param("rloo", [0.5, -0.8333, 0.5, -0.1667], id="rloo"),  # less the mean of the other three
    ],
)
def test_a_group_with_one_failed_judgement(step, estimator, wanted):
    """The declared constant is trained on, and moves the baseline of the group members: no other way is open there."""
    made = step()
    assert rewards_of(made.rollout(FILE, MIXED, estimator=estimator)) == [1.0, 0.0, 1.0, 0.5]
    assert [s.info["judge/missing"].item() for s in made.samples] == [0, 0, 0, 1]
    assert made.advantages() == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("constant", [pytest.param("0.5", id="half"), pytest.param("0.0", id="as-a-wrong-answer")])
def test_a_failure_among_equals_reads_as_the_worst(step, constant):
    """Why failures have to be rare. Less the mean, c is at 3/4 (c - 1); the deviation is (1 - c) / 2, and c cancels out."""
    made = step(NEUTRAL.replace("0.5", constant))
    made.rollout(FILE, [RIGHT, "It is Paris!", UNREADABLE, "It is Paris, France."])
    assert made.advantages() == pytest.approx([0.5, 0.5, -1.5, 0.5], abs=1e-3)


def test_nan_instead_of_the_constant_would_reach_the_group_members(step):
    """Why the adapter gives a number and not NaN: one is enough for the group, and with whitening for the batch."""
    made = step()
    made.rollout(FILE, [RIGHT, UNREADABLE, WRONG, RIGHT], size=2, prompts=2, rows=[{"input": q, "label": "Paris"} for q in "ab"])
    made.samples[1].rewards = torch.tensor([math.nan])
    assert [math.isnan(a) for a in made.advantages()] == [True, True, False, False]
    made.strategy.args.algo.advantage.estimator = made.maker.advantage_estimator = "reinforce_baseline"
    assert [math.isnan(a) for a in made.advantages()] == [True] * 4


def test_figures_survive_batching(step):
    """Each sample brings the same names, so a batch splits and joins, and what is logged is a mean of finite numbers."""
    made = step(RUBRIC)
    made.rollout(FILE, [UNREADABLE, RIGHT, WRONG, "\u200b"])
    made.advantages()
    info = made.batch().info
    figures = {
        name: torch.tensor(column, dtype=torch.float).tolist() for name, column in info.items() if name.startswith("judge/")
    }
    assert list(figures) == list(metric_names(("right", "brief"), "judge"))
    assert {name: figures[name] for name in figures if not name.endswith(("tokens", "latency_s"))} == {
        "judge/reward": [0.5, 1, 0, 0],
        "judge/raw_reward": [0.5, 1, 0, 0],
        "judge/missing": [1, 0, 0, 0],
        "judge/missing_criteria": [2, 0, 0, 2],
        "judge/filtered": [0, 0, 0, 1],
        "judge/flagged": [1, 0, 0, 1],
        "judge/cached": [0, 0, 0, 0],
        "judge/calls": [figures["judge/calls"][0], 2, 2, 0],
        "judge/criterion/right": [0.5, 1, 0, 0],
        "judge/criterion/brief": [0.5, 1, 0, 0],
    }
    assert figures["judge/calls"][0] >= 2


def test_dynamic_filtering_goes_by_the_judge_and_not_by_the_shaping(step):
    """A prompt that all answers get right is replaced by the next; `rewards` are shaped, and would have passed the filter."""
    shaped = NEUTRAL + "reward: {shape: [{kind: clip, low: 0.25, high: 0.75}]}\n"
    made = step(shaped)
    rows = [{"input": f"{at}. Capital of France?", "label": "Paris"} for at in range(2)]
    made.rollout(FILE, [RIGHT, RIGHT, RIGHT, WRONG], rows=rows, size=2, filtering=True)
    assert [s.prompts[0].count("1. Capital") for s in made.samples] == [1, 1]
    assert [s.scores.item() for s in made.samples] == [1.0, 0.0]
    assert rewards_of(made.samples) == [0.75, 0.25]


def test_a_failure_lets_a_group_pass_the_filter(step):
    """The constant is a score there: right answers and one failure are kept, as right and wrong ones would be."""
    made = step()
    made.rollout(FILE, [RIGHT, UNREADABLE], size=2, filtering=True)
    assert [s.scores.item() for s in made.samples] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("broken", "error", "says"),
    [
        pytest.param(0, ValueError, "reward_model_group is required", id="first"),
        pytest.param(1, AttributeError, "'NoneType' object has no attribute 'size'", id="second-of-a-micro-batch"),
        pytest.param(2, AttributeError, "'NoneType' object has no attribute 'to'", id="first-of-another-micro-batch"),
    ],
)
def test_an_engine_that_cannot_work_ends_the_run(step, endpoint, log, broken, error, says):
    """OpenRLHF keeps the reason at INFO and ends elsewhere, by the sample's place: so ours is an error in the log."""
    answers = endpoint.reply
    endpoint.reply = lambda body: Canned(status=401, error="no such key") if WRONG in str(body) else answers(body)
    made = step()
    made.rollout(FILE, [WRONG if at == broken else f"{RIGHT} {at}" for at in range(4)])
    assert [s.rewards is None for s in made.samples] == [at == broken for at in range(4)]
    [swallowed] = [r for r in log.records if "Failed to fetch reward" in r.message]
    [ours] = [r for r in log.records if r.name == "judge.openrlhf"]
    assert (swallowed.levelname, ours.levelname) == ("INFO", "ERROR")
    assert "no such key" in ours.message
    with pytest.raises(error, match=says):
        made.advantages()


def test_a_wrong_run_file_stops_the_rollout_actor(step):
    """Its own error, while the actor is being made: later it would be swallowed."""
    with pytest.raises(SettingsError, match="requires a number for a missing reward"):
        step("recipe: verifier\n").engine(FILE, [])


def test_calls_overlap_up_to_the_thread_pool(step, endpoint):
    """The file form judges side by side, and no more at once than an actor's threads: Python gives it so many."""
    threads = min(32, (os.cpu_count() or 1) + 4)
    endpoint.reply = lambda _: Canned("RESPONSE SAYS: It is Paris\nVERDICT: CORRECT", delay_s=0.3)
    made = step()
    made.rollout(FILE, [f"{RIGHT} {at}" for at in range(threads + 6)], size=threads + 6)
    assert endpoint.fake.peak_in_flight == threads
    assert rewards_of(made.samples) == [1.0] * (threads + 6)


# ---- texts and labels, as its data set and its tokens make them ------------------------------------------------------------

EXAMPLES = "An example of a question and of its answer.\n" * 20
QUESTION = "The question ends here, and what comes next is the answer that is asked for. " * 4


@pytest.mark.parametrize("spelled", ["bytes", "spaced"])
@pytest.mark.parametrize(
    ("prompt", "kept"),
    [
        pytest.param("Capital of France?", 4096, id="whole"),
        pytest.param(EXAMPLES + QUESTION, 500, id="cut-from-the-left"),
    ],
)
def test_the_response_is_told_from_the_prompt(step, endpoint, spelled, prompt, kept):
    """The query is decoded from tokens: a long prompt has lost its start, and special tokens may have got spaces."""
    made = step(RUBRIC)
    made.rollout(FILE, [RIGHT], rows=[{"input": prompt, "label": ""}], size=1, spelled=spelled, max_len=kept + 64)
    assert rewards_of(made.samples) == [1.0]
    assert response_shown(endpoint) == RIGHT
    assert "im_start" not in endpoint.asked[0]


@pytest.mark.parametrize("kept", [900, 901])  # one of the two goes through a letter of two bytes
def test_a_cut_prompt_that_holds_its_own_end_twice(step, endpoint, kept):
    """It is known by its end: an earlier turn that ends alike is not taken for it, or later turns would pass for the response."""
    made = step(RUBRIC)
    chat = [("user", "é" * 500 + QUESTION), ("assistant", "It is Rome."), ("user", QUESTION)]
    rows = [{"input": [{"role": role, "content": content} for role, content in chat], "label": ""}]
    made.rollout(FILE, [RIGHT], rows=rows, size=1, max_len=kept + 64)
    assert response_shown(endpoint) == RIGHT


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        pytest.param("Paris", "Paris", id="text"),
        pytest.param(42, "42", id="number"),
        pytest.param({"answer": "Paris", "question": "Which?"}, "Paris", id="mapping"),
        pytest.param(json.dumps({"answer": "Paris"}), "Paris", id="json"),
        pytest.param('{"city": "Paris"}', '{"city": "Paris"}', id="answer-in-json"),
    ],
)
def test_labels_of_the_data_set(step, endpoint, label, shown):
    """Whatever the label column holds reaches the adapter as it is."""
    made = step()
    made.rollout(FILE, ["It is Paris 42."], rows=[{"input": "Capital of France?", "label": label}], size=1)
    assert rewards_of(made.samples) == [1.0]
    assert endpoint.asked[0].partition("BEGIN REFERENCE ANSWER")[2].splitlines()[1] == shown


def test_no_label_is_no_reference(step, endpoint, caplog):
    """Without `--data.label_key` OpenRLHF says an empty text: a judge that compares must not be asked to compare with that."""
    made = step()
    made.rollout(FILE, [RIGHT], rows=[{"input": "Capital of France?", "label": ""}], size=1)
    assert made.samples[0].rewards is None
    assert not endpoint.asked
    assert "reference" in caplog.text


# ---- the HTTP form, against a real server ----------------------------------------------------------------------------------


@pytest.fixture
def server(run_file):
    """A reward server with a key, which judges as the file form does; gives the URL for `--reward.remote_url`."""

    @contextmanager
    def make(**settings: Any) -> Iterator[str]:
        with Judge.from_config(run_file("recipe: verifier\n")) as judge:
            app = make_app(judge, ServerSettings(**settings), keys=Keys((KEY,)))
            with served(app) as url:
                yield url.replace("http://", f"http://judge:{KEY}@") + "/get_reward"

    return make


def test_the_http_form_gives_the_same(step, server):
    """Lists of one instead of tensors: the shapes differ, and rewards, advantages, columns and evaluation do not."""
    with server(neutral=0.5) as one, server(neutral=0.5) as other:
        http, file = step(), step()
        http.rollout([one, other], MIXED)  # as the command line splits at a comma
        file.rollout(FILE, MIXED)
    assert rewards_of(http.samples) == rewards_of(file.samples) == [1.0, 0.0, 1.0, 0.5]
    assert http.advantages() == file.advantages()
    assert torch.tensor(http.batch().info["judge_failed"]).tolist() == [0, 0, 0, 1]
    evaluated = [compute_eval_metrics(made.prompts, made.samples, 4) for made in (http, file)]
    assert evaluated[0] == evaluated[1]
    assert evaluated[0]["eval_default_pass1"] == 0.625  # the constant counts there, too


def test_the_http_form_without_a_declared_number(step, server, log):
    """503 is asked five times, a second apart; then the reward is missing and the run ends, with the reason at INFO only."""
    made = step()
    with server() as url:
        made.rollout([url], MIXED)
    assert [s.rewards is None for s in made.samples] == [False, False, False, True]
    assert sum("503" in r.message for r in log.records if r.levelname == "INFO") == 5
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'size'"):
        made.advantages()
