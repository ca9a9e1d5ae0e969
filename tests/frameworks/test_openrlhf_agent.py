"""`judge.adapters.openrlhf_agent` under OpenRLHF 0.11.2: found by its path, from the data set to the advantages.

What is real and what is not: `openrlhf_cluster.py`.
"""

from __future__ import annotations

import asyncio
import math
import re

import pytest

from judge.adapters import openrlhf, openrlhf_agent
from judge.adapters._shared.process_judge import close_shared
from judge.errors import EngineError, NoVerdictError, SettingsError
from tests.adapters.stand_ins import prefers_longer
from tests.fake_endpoint import Canned
from tests.frameworks import openrlhf_cluster
from tests.frameworks.openrlhf_cluster import MIXED, NEUTRAL, RIGHT, RUBRIC, UNREADABLE, WRONG, response_shown, rewards_of

from openrlhf.trainer.ppo_trainer import compute_eval_metrics  # isort: skip  # after `openrlhf_cluster`

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(60)]

AGENT = openrlhf_agent.__file__
MEAN = NEUTRAL.replace("on_no_verdict: constant", "on_no_verdict: group_mean")
TOURNAMENT = "recipe: pairwise\nrubric: helpfulness\ngroup: {schedule: round_robin}\nno_verdict_constant: 0.5\n"
ONE_ANSWER = ("It is Paris, it is.", "It is Paris, France.")
loop, step, log = openrlhf_cluster.loop, openrlhf_cluster.step, openrlhf_cluster.log  # fixtures


@pytest.fixture
def agent(step):
    """One step with our executor."""

    def make(text=MEAN, said=(), **options):
        close_shared()  # of another file at the same path
        made = step(text)
        made.rollout([], said, agent=AGENT, **options)
        made.samples.sort(key=lambda sample: sample.prompts)  # they come as they are done
        return made

    return make


def rows_of(*questions):
    return [{"input": question, "label": "Paris"} for question in questions]


def answers(*lengths):
    """Judged by `prefers_longer`."""
    return [f"answer {'a' * n}." for n in lengths]


def pending(loop):
    """What still runs in the rollout actor's loop, when a moment has gone by."""

    async def others():
        await asyncio.sleep(0.05)
        return asyncio.all_tasks() - {asyncio.current_task()}

    return asyncio.run_coroutine_threadsafe(others(), loop).result(10)


# ---- groups ----------------------------------------------------------------------------------------------------------------


def test_a_tournament(agent, endpoint):
    """Each of a prompt's responses meets all others, whichever is done first."""
    endpoint.reply = lambda body: Canned(prefers_longer(str(body["messages"])))
    said = [(text, seconds) for text, seconds in zip(answers(3, 1, 4, 2), (0.0, 0.2, 0.1, 0.0), strict=True)]
    made = agent(TOURNAMENT, said)
    assert rewards_of(made.samples) == pytest.approx([2 / 3, 0, 1, 1 / 3])  # of three matches each won 2, 0, 3, 1
    assert made.advantages() == pytest.approx([0.3873, -1.1619, 1.1619, -0.3873], abs=1e-3)


def test_equal_prompts_of_a_batch_do_not_mix(agent, endpoint):
    """Two rows with the same question are two groups, of four each: in one of them all are longer than in the other."""
    endpoint.reply = lambda body: Canned(prefers_longer(str(body["messages"])))
    said = [*answers(1, 2, 3, 4), *answers(5, 6, 7, 8)]
    made = agent(TOURNAMENT, said, rows=rows_of("Which?", "Which?"), prompts=2)
    first, second = rewards_of(made.samples[:4]), rewards_of(made.samples[4:])
    assert first == second == sorted(first)
    assert len(set(first)) == 4
    shown = [sorted(len(found) for found in re.findall(r"answer (a+)\.", text)) for text in endpoint.asked]
    assert {pair[0] <= 4 < pair[-1] for pair in shown} == {False}


def test_evaluation_has_groups_of_another_size(agent, endpoint):
    """Nothing says the size: it is how often OpenRLHF asks."""
    endpoint.reply = lambda body: Canned(prefers_longer(str(body["messages"])))
    made = agent(TOURNAMENT, [*answers(1, 2, 3, 4), *answers(9, 8), *answers(6, 7)], rows=rows_of("One?", "Two?"))
    evaluated = made.generator.generate_eval_samples(max_len=4096, max_new_tokens=64, n_samples_per_prompt=2)
    assert rewards_of(evaluated) == [1.0, 0.0, 0.0, 1.0]
    assert compute_eval_metrics(made.prompts, evaluated, 2)["eval_default_pass1"] == 0.5  # as ever: they compare with each other


def test_steps_of_the_shaping_chain_see_the_group(agent):
    """Ranks are of group members: of two prompts each is ranked alone."""
    shaped = MEAN + "reward: {shape: [{kind: rank}]}\n"
    made = agent(shaped, [RIGHT, WRONG, WRONG + "!", WRONG + "?"], size=2, prompts=2, rows=rows_of("a", "b"))
    assert rewards_of(made.samples) == [1.0, 0.0, 0.5, 0.5]
    assert [s.scores.item() for s in made.samples] == [1.0, 0.0, 0.0, 0.0]


def test_a_group_of_one_where_group_members_are_needed(agent):
    """A tournament of one compares with nobody: said at the first prompt, and not trained on."""
    with pytest.raises(SettingsError, match=r"`group` needs whole groups, and this prompt has one.*n_samples_per_prompt"):
        agent(TOURNAMENT, answers(1), size=1)
    assert rewards_of(agent(MEAN, [RIGHT], size=1).samples) == [1.0]


# ---- no reward -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "wanted"),
    [
        # 1, 0, 1 and their mean 2/3: the deviation is sqrt((2 * (1/3)^2 + (2/3)^2) / 3) = 0.4714
        pytest.param("group_norm", [0.7071, -1.4142, 0.7071, 0], id="group_norm"),
        pytest.param("dr_grpo", [1 / 3, -2 / 3, 1 / 3, 0], id="dr_grpo"),
        pytest.param("rloo", [4 / 9, -8 / 9, 4 / 9, 0], id="rloo"),
    ],
)
def test_a_missing_reward_is_the_mean_of_its_group_members(agent, estimator, wanted):
    """No advantage for the response, and the group's mean stays where it was."""
    made = agent(said=MIXED, estimator=estimator)
    assert rewards_of(made.samples) == pytest.approx([1, 0, 1, 2 / 3], abs=1e-6)
    assert [s.info["judge/missing"].item() for s in made.samples] == [0, 0, 0, 1]
    assert made.advantages() == pytest.approx(wanted, abs=1e-3)


def test_a_failure_among_equals_teaches_nothing(agent):
    """Where a declared number gives it -1.5, as `test_openrlhf.py` shows."""
    made = agent(said=[RIGHT, "It is Paris!", UNREADABLE, "It is Paris, France."])
    assert made.advantages() == [0, 0, 0, 0]


@pytest.mark.parametrize("estimator", ["group_norm", "rloo", "dr_grpo"])
@pytest.mark.parametrize("text", [pytest.param(MEAN, id="mean"), pytest.param(NEUTRAL, id="constant")])
def test_a_group_without_any_reward(agent, log, text, estimator):
    """Equal rewards: it is no worse than the other group, which keeps its advantages, and the log says why."""
    said = [UNREADABLE, UNREADABLE + "!", RIGHT, WRONG]
    made = agent(text, said, size=2, prompts=2, rows=rows_of("a", "b"), estimator=estimator)
    assert rewards_of(made.samples) == [0.5, 0.5, 1.0, 0.0]
    assert [math.isnan(s.scores.item()) for s in made.samples] == [True, True, False, False]
    aside = {"group_norm": 0.7071, "rloo": 1.0, "dr_grpo": 0.5}[estimator]
    assert made.advantages() == pytest.approx([0, 0, aside, -aside], abs=1e-3)
    [said_why] = [r.getMessage() for r in log.records if r.name == "judge.openrlhf"]
    assert "a group of 2 has no reward at all" in said_why


def test_a_group_without_any_reward_is_not_shaped(agent):
    """A constant stands for a reward as it is after shaping, so lengths do not make better and worse of nothing but constants."""
    shaped = NEUTRAL + "reward: {shape: [{kind: overlong, limit: 38, cache: 20, weight: 1.0}]}\n"
    mixed = agent(shaped, [UNREADABLE, UNREADABLE + " " * 20, RIGHT], size=3)
    assert rewards_of(mixed.samples) == [0.5, 0.5, 1.0]
    lost = agent(shaped, [UNREADABLE, UNREADABLE + " " * 20], size=2)
    assert rewards_of(lost.samples) == [0.5, 0.5]
    assert lost.advantages() == [0, 0]


def test_dynamic_filtering_replaces_a_group_without_any_reward(agent):
    """NaN is in no range: the next prompt is rolled out in its place, as a group of its own."""
    said = [UNREADABLE, UNREADABLE + "!", RIGHT, UNREADABLE, RIGHT, WRONG]
    made = agent(NEUTRAL, said, rows=rows_of("one", "two", "three"), size=2, filtering=True)
    assert ["two" in s.prompts[0] for s in made.samples] == [True, True]
    assert [s.scores.item() for s in made.samples] == [1.0, 0.5]
    assert made.pass_rate == 100.0  # samples a prompt, in per cent


@pytest.mark.parametrize("text", [pytest.param(RUBRIC, id="rubric"), pytest.param(NEUTRAL, id="verifier")])
def test_with_a_constant_it_gives_what_the_file_form_gives(agent, step, text):
    """Rewards, scores, figures and advantages: only the way there differs."""
    said = [UNREADABLE, RIGHT, WRONG, "..."]
    ours, file = agent(text, said), step(text)
    file.rollout([openrlhf.__file__], said)
    assert rewards_of(ours.samples) == rewards_of(file.samples) == [0.5, 1.0, 0.0, 0.0]
    infos = [[{k: v for k, v in s.info.items() if "latency" not in k} for s in made] for made in (ours.samples, file.samples)]
    assert infos[0] == infos[1]
    assert ours.advantages() == file.advantages()
    assert ours.batch().info.keys() == file.batch().info.keys() > {"judge/missing", "judge/filtered", "score"}


def test_raise_ends_the_run_with_its_reason(agent, loop):
    """What the file form cannot do, since there it is swallowed."""
    with pytest.raises(NoVerdictError, match="1 of 4 responses have no reward"):
        agent("recipe: verifier\non_no_verdict: raise\n", MIXED)
    assert not pending(loop)


def test_a_judge_that_cannot_work_ends_the_run_with_its_reason(agent, endpoint, loop):
    """And not later, elsewhere, without it."""
    endpoint.reply = lambda _: Canned(status=401, error="no such key")
    with pytest.raises(EngineError, match="no such key"):
        agent(said=MIXED)
    assert not pending(loop)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("recipe: verifier\n", "requires a number for every response", id="no-number"),
        pytest.param("recipe: verifier\non_no_verdict: constant\n", "no_verdict_constant", id="no-constant"),
        pytest.param("recipe: verifer\n", "verifier", id="no-such-recipe"),
    ],
)
def test_a_wrong_run_file_stops_the_rollout_actor(step, text, says):
    """Its own error, while the actor is being made."""
    with pytest.raises(Exception, match=says):
        step(text).engine([], [], agent=AGENT)


# ---- generation ------------------------------------------------------------------------------------------------------------


def test_a_generation_that_fails_ends_the_run_and_nobody_waits(agent, endpoint, loop):
    """As with OpenRLHF's own executor; the group members do not wait for it, and are not judged."""
    with pytest.raises(RuntimeError, match="no memory"):
        agent(said=[RIGHT, RuntimeError("no memory"), (WRONG, 0.01), RIGHT])
    assert not pending(loop)
    assert not endpoint.asked
    assert rewards_of(agent(said=[RIGHT, WRONG], size=2).samples) == [1.0, 0.0]


def test_a_call_that_is_cancelled_leaves_nothing_behind(step, endpoint, loop):
    """`ray.cancel` ends the group members with it."""
    made = step(MEAN)
    engine = made.engine([], [(RIGHT, 30.0), RIGHT], agent=AGENT)
    tokenizer = openrlhf_cluster.tokenizer_of()
    given = {"prompt": "Capital of France?", "label": "Paris", "max_length": 100, "hf_tokenizer": tokenizer, "num_samples": 2}
    params = openrlhf_cluster.SimpleNamespace(max_tokens=64, logprobs=None)
    asked = engine.generate_responses.remote(sampling_params=params, **given)
    assert len(pending(loop)) > 2
    asked.cancel()
    assert not pending(loop)
    assert not engine.actor.executor._joining
    assert not endpoint.asked


def test_a_truncated_response_is_judged_with_its_group_members(agent):
    """It is whole enough for the judge, and OpenRLHF knows that it was cut."""
    made = agent(said=[RIGHT + " " * 60, WRONG], size=2, max_new_tokens=20)
    assert [s.truncated.item() for s in made.samples] == [True, False]
    assert rewards_of(made.samples) == [1.0, 0.0]


def test_lengths_are_counted_by_the_policy(agent):
    """`overlong` goes by tokens, of which an endpoint has no count: 13 with the closing mark, 23 and 33."""
    shaped = MEAN + "reward: {shape: [{kind: overlong, limit: 38, cache: 20, weight: 1.0}]}\n"
    made = agent(shaped, [RIGHT, RIGHT + " " * 10, RIGHT + " " * 20], size=3)
    assert [s.action_mask.sum().item() for s in made.samples] == [13, 23, 33]
    assert rewards_of(made.samples) == pytest.approx([1.0, 0.75, 0.25], abs=1 / 64)


@pytest.mark.parametrize("spelled", ["bytes", "spaced"])
def test_the_response_is_told_by_its_tokens(agent, endpoint, spelled):
    """So short an end of a cut prompt could not be found in a text, and the response repeats it."""
    question = "Lost. " * 50 + "Which?"
    said = f"Which?<|im_end|>\n<|im_start|>assistant\n{RIGHT}"
    made = agent(RUBRIC, [said], rows=[{"input": question, "label": ""}], size=1, max_len=64 + 45, spelled=spelled)
    assert rewards_of(made.samples) == [1.0]
    assert response_shown(endpoint).startswith("Which?")
    assert question in endpoint.asked[0]
    assert "im_start" not in endpoint.asked[0].partition("BEGIN RESPONSE")[0]


def test_a_label_may_bring_the_question(agent, endpoint):
    """As in the file form."""
    label = '{"answer": "Paris", "question": "Which city?", "principle": "Be brief."}'
    made = agent(RUBRIC, [RIGHT, WRONG], rows=[{"input": "Capital of France?", "label": label}], size=2)
    assert rewards_of(made.samples) == [1.0, 0.0]
    assert "Which city?" in endpoint.asked[0]
    assert "Capital of France?" not in endpoint.asked[0]
