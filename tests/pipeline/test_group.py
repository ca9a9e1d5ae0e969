"""Groups judged by comparing, with scripted judges: from samples to rewards."""

from __future__ import annotations

import pickle

import pytest

from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError
from judge.pipeline.build import build_pipeline, plan
from judge.pipeline.group import GroupJudging
from judge.settings import load_settings
from judge.settings.group import GroupSettings
from judge.types import Flag, NoVerdict, Reason, Request, Reward, Sample

QUALITY = {"Paris is the capital.": 3, "It is Paris, I think.": 2, "Maybe Lyon or Paris?": 1, "It is Berlin.": 0}
TEXTS = tuple(QUALITY)


def shown(request: Request) -> list[str]:
    """The responses in the order in which the judge sees them."""
    text = "\n".join(m.content for m in request.messages if m.role == "user")
    return sorted((t for t in QUALITY if t in text), key=text.index)


def fair(request: Request) -> str:
    """Prefers the better response, wherever it stands."""
    first, second = shown(request)
    return f"I compared them.\n[[{'A' if QUALITY[first] > QUALITY[second] else 'B'}]]"


def biased(request: Request) -> str:
    """Always prefers the first."""
    return "I compared them.\n[[A]]"


def silent_on_berlin(request: Request) -> str:
    """Has no verdict when Berlin is among them."""
    return "Both have their merits." if "It is Berlin." in shown(request) else fair(request)


def made(reply, *, filtered: bool = True, single_order: bool = False, order: str = "both_mean", **fields):
    """A group judge on a scripted engine."""
    engine = ScriptedEngine(reply)
    settings, _ = load_settings({"engine": {"kind": "scripted"}, "recipe": "pairwise", "order": order})
    pipeline = build_pipeline(plan(settings), engine)

    def stopped(sample: Sample, index: int) -> Reward | None:
        text = sample.responses[index]
        if text == "":
            return Reward("", 0, 0.0, flags=(Flag("empty_response"),), explanation="empty")
        return Reward("", 0, None, NoVerdict(Reason.DROPPED, "dropped")) if text == "drop me" else None

    how = GroupSettings.model_validate(fields)
    return GroupJudging(pipeline, how, 0, stopped=stopped if filtered else None, single_order=single_order), engine


def group(*texts: str) -> list[Sample]:
    return [Sample.of("Capital of France?", text, id=f"s{k}", group="g") for k, text in enumerate(texts)]


async def test_a_group_of_samples():
    """Four completions of one prompt: win rates, the matrix row, and why, in each reward."""
    judging, engine = made(fair)
    rewards = await judging.judge_group(group(*TEXTS))
    assert [r.raw_reward for r in rewards] == [1.0, pytest.approx(2 / 3), pytest.approx(1 / 3), 0.0]
    assert [(r.sample_id, r.response_index, r.group) for r in rewards] == [(f"s{k}", 0, "g") for k in range(4)]
    assert rewards[1].components == {"vs:0": 0.0, "vs:2": 1.0, "vs:3": 1.0}
    assert rewards[1].criteria == {}  # wins are no criteria, so no step on criteria takes them for some
    assert rewards[1].explanation == "won 2 of 3 comparisons; round_robin, win_rate: 0.6667"
    assert len(engine.requests) == 12  # 6 pairs in both orders
    assert [c.order for c in rewards[1].calls] == [(0, 1), (1, 0), (1, 2), (2, 1), (1, 3), (3, 1)]
    assert rewards[1].uncertainty.order_gap == 0.0
    assert pickle.loads(pickle.dumps(rewards)) == rewards


async def test_one_sample_with_many_responses():
    """The same group in one sample gives the same values."""
    judging, _ = made(fair)
    rewards = await judging.judge(Sample.of("Capital of France?", *TEXTS, id="s"))
    assert [r.raw_reward for r in rewards] == [1.0, pytest.approx(2 / 3), pytest.approx(1 / 3), 0.0]
    assert [(r.sample_id, r.response_index) for r in rewards] == [("s", k) for k in range(4)]


async def test_a_biased_judge_gives_a_flat_group():
    """A judge that always says the first one rewards nobody, and the flags say so."""
    judging, _ = made(biased)
    rewards = await judging.judge_group(group(*TEXTS))
    assert [r.raw_reward for r in rewards] == [0.5] * 4
    assert {f.name for f in rewards[0].flags} == {"order_inconsistent"}
    assert "in 3 of 3 comparisons" in rewards[0].flags[0].detail
    assert rewards[0].uncertainty.order_gap == 1.0


async def test_a_recipe_of_one_order_is_asked_in_both():
    """With `order: single` the tournament itself cancels the position bias."""
    judging, engine = made(biased, order="single", single_order=True)
    rewards = await judging.judge_group(group(*TEXTS))
    assert [r.raw_reward for r in rewards] == [0.5] * 4
    assert rewards[0].uncertainty.order_gap == 1.0  # as in a recipe that asks both orders: the judge goes by the place
    assert len(engine.requests) == 12


@pytest.mark.parametrize("filtered", [pytest.param(True, id="filters-given"), pytest.param(False, id="seen-in-the-pairs")])
async def test_a_vetoed_response_loses_without_calls(filtered: bool):
    """An empty completion gets 0, costs nothing, and is a win for its group members."""
    judging, engine = made(fair, filtered=filtered)
    rewards = await judging.judge_group(group(TEXTS[0], "", TEXTS[3]))
    assert [r.raw_reward for r in rewards] == [1.0, 0.0, 0.5]
    assert [r.sample_id for r in rewards] == ["s0", "s1", "s2"]
    assert rewards[1].flags[0].name == "empty_response"
    assert rewards[1].calls == ()
    assert len(engine.requests) == 2


async def test_a_dropped_response_harms_nobody():
    """A dropped completion has no reward, and its group members' rewards are those of the group without it."""
    judging, _ = made(fair)
    rewards = await judging.judge_group(group(TEXTS[0], "drop me", TEXTS[3]))
    assert [r.raw_reward for r in rewards] == [1.0, None, 0.0]
    assert rewards[2].components == {"vs:0": 0.0}
    assert rewards[1].failure == NoVerdict(Reason.DROPPED, "dropped")


async def test_a_judge_that_fails_on_one_response():
    """One response never gets a verdict: it has no reward and a reason; the others are ranked among themselves."""
    judging, _ = made(silent_on_berlin)
    rewards = await judging.judge_group(group(*TEXTS))
    assert [r.raw_reward for r in rewards] == [1.0, 0.5, 0.0, None]
    failure = rewards[3].failure
    assert failure is not None
    assert failure.reason == Reason.MISSING
    assert "no comparison has a verdict (3 missing)" in failure.detail
    assert rewards[0].components["vs:3"] is None
    assert rewards[0].uncertainty.missing == pytest.approx(1 / 3)
    assert "1 without a verdict" in rewards[0].explanation


async def test_identical_responses_are_compared_once():
    """Copies tie, share the calls, and are not asked about twice."""
    judging, engine = made(fair)
    rewards = await judging.judge_group(group(TEXTS[0], TEXTS[3], TEXTS[0]))
    assert [r.raw_reward for r in rewards] == [0.75, 0.0, 0.75]  # (0.5 + 1) / 2
    assert len(engine.requests) == 2
    assert rewards[0].components == {"vs:1": 1.0, "vs:2": 0.5}
    assert rewards[2].calls == rewards[0].calls


@pytest.mark.parametrize("schedule", ["round_robin", "single_elimination", "swiss", "random_reference"])
async def test_the_order_of_the_batch_changes_nothing(schedule: str):
    """The same completions in another order ask the same requests and get the same rewards."""
    first, engine = made(fair, schedule=schedule)
    second, again = made(fair, schedule=schedule)
    forward = await first.judge_group(group(*TEXTS))
    backward = await second.judge_group(list(reversed(group(*TEXTS))))
    assert {r.sample_id: r.raw_reward for r in forward} == {r.sample_id: r.raw_reward for r in backward}
    assert {r.messages for r in engine.requests} == {r.messages for r in again.requests}


async def test_a_group_of_one_has_nothing_to_compare():
    """One completion cannot be judged relative to a group."""
    judging, engine = made(fair)
    [reward] = await judging.judge_group(group(TEXTS[0]))
    assert reward.raw_reward is None
    assert reward.failure == NoVerdict(Reason.INCOMPLETE, "nothing to compare with")
    assert engine.requests == []
    assert await judging.judge_group([]) == []


async def test_listwise():
    """A listwise recipe judges the whole group in a few calls."""

    class Lists:
        """Scores each list by quality."""

        async def judge(self, sample: Sample, *, filters: bool = True) -> tuple[Reward, ...]:
            return tuple(Reward(sample.id, k, QUALITY[t] / 3, components={"overall": 1}) for k, t in enumerate(sample.responses))

    judging = GroupJudging(Lists(), GroupSettings(schedule="listwise", ranking="win_rate"))
    rewards = await judging.judge_group(group(*TEXTS))
    assert [r.raw_reward for r in rewards] == [1.0, pytest.approx(2 / 3), pytest.approx(1 / 3), 0.0]


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        pytest.param([Sample.of("a", "x", id="1"), Sample.of("b", "y", id="2")], "different prompts", id="two-prompts"),
        pytest.param([Sample.of("a", "x", "y", id="1"), Sample.of("a", "z", id="2")], "have 1 each", id="mixed"),
    ],
)
async def test_what_is_not_a_group(samples: list[Sample], says: str):
    """Rewards relative to the wrong group members would be silent nonsense."""
    judging, _ = made(fair)
    with pytest.raises(DataError, match=says):
        await judging.judge_group(samples)
