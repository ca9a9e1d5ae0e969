"""A panel and a second opinion, from settings to reward, with scripted judges."""

from __future__ import annotations

import pytest

from judge.batch.describe import describe
from judge.engine.scripted import ScriptedEngine
from judge.errors import RecipeError, SettingsError
from judge.pipeline.build import plan
from judge.pipeline.judge import Judge
from judge.pipeline.opened import open_judges
from judge.settings import load_settings
from judge.types import Completion, Reason, Request, Reward, Sample
from tests.fake_endpoint import Canned, FakeEndpoint

PAIR = {"engine": {"kind": "scripted", "model": "first"}, "recipe": "pointwise", "rubric": "helpfulness"}
SAMPLE = Sample.of("Capital of France?", "The capital of France is Paris.", reference="Paris", id="s")


def by_recipe(grade: str, verdict: str):
    """A judge that says one thing as `pointwise` and another as `verifier`."""

    def reply(request: Request) -> str:
        system = request.messages[0].content
        return (
            f"RESPONSE SAYS: Paris\nVERDICT: {verdict}" if "reference answer" in system else f"Paris is named.\nVERDICT: {grade}"
        )

    return reply


def judged(config: dict[str, object], reply: object, *samples: Sample) -> list[Reward]:
    with Judge.from_config(config, engine=ScriptedEngine(reply)) as judge:  # type: ignore[arg-type]
        return judge.score(samples or (SAMPLE,))


PANEL = {**PAIR, "panel": {"members": [{"name": "strict", "recipe": "verifier"}], "fold": "lower_bound"}}


def test_a_panel_pays_for_agreement():
    """An answer that one judge loves and another refuses gets 0.5 - 0.5, not 0.5."""
    [agree] = judged(PANEL, by_recipe("5", "CORRECT"))
    [differ] = judged(PANEL, by_recipe("5", "INCORRECT"))
    assert (agree.raw_reward, differ.raw_reward) == (1.0, 0.0)
    assert differ.components == {"first": 1.0, "strict": 0.0}
    assert differ.criteria == {}
    assert differ.uncertainty.spread == 0.5
    assert [c.turn for c in differ.calls] == ["first:judge", "strict:judge"]
    assert differ.explanation == "0.5 - 1 x 0.5 (first 1, strict 0)"


def test_a_silent_member_is_not_a_zero():
    """Half of two judges is a quorum by default; with `quorum: 1` the reward is absent."""
    reply = by_recipe("4", "I cannot say")
    [lenient] = judged(PANEL, reply)
    [strict] = judged({**PANEL, "panel": {**PANEL["panel"], "quorum": 1.0}}, reply)  # type: ignore[dict-item]
    assert lenient.raw_reward == 0.75
    assert strict.raw_reward is None
    assert strict.failure is not None
    assert strict.failure.reason == Reason.LOW_QUORUM
    assert "strict: " in strict.failure.detail


def test_the_filters_are_asked_once_for_the_whole_panel():
    """A trivial response costs no call in any judge."""
    engine = ScriptedEngine(["VERDICT: 5"])
    with Judge.from_config(PANEL, engine=engine) as judge:
        [reward] = judge.score([Sample.of("Capital of France?", "\u200b", reference="Paris")])
    assert (reward.raw_reward, reward.calls, len(engine.requests)) == (0.0, (), 0)


SECOND = {**PAIR, "second_opinion": {"judge": {"name": "strict", "recipe": "verifier"}, "above": 0.9}}


@pytest.mark.parametrize(
    ("settings", "grade", "verdict", "value", "calls"),
    [
        pytest.param({}, "5", "CORRECT", 1.0, 2, id="high-and-confirmed"),
        pytest.param({}, "5", "INCORRECT", 0.0, 2, id="high-and-refused"),
        pytest.param({}, "4", "INCORRECT", 0.75, 1, id="not-high-enough-to-ask"),
        pytest.param({"fold": "mean"}, "5", "INCORRECT", 0.5, 2, id="mean"),
        pytest.param({"fold": "agree"}, "5", "INCORRECT", None, 2, id="disagreement-is-no-reward"),
        pytest.param({"above": 1.1, "share": 1.0}, "2", "CORRECT", 0.25, 2, id="drawn-for-comparison"),
        pytest.param({}, "5", "I cannot say", 1.0, 3, id="second-judge-fails-first-stands"),  # and is asked again
    ],
)
def test_second_opinion(settings: dict[str, object], grade: str, verdict: str, value: float | None, calls: int):
    """A second judge is paid for only where the first reward looks too good."""
    config = {**SECOND, "second_opinion": {**SECOND["second_opinion"], **settings}}  # type: ignore[dict-item]
    [reward] = judged(config, by_recipe(grade, verdict))
    assert reward.raw_reward == value
    assert len(reward.calls) == calls
    assert ("second_opinion" in {f.name for f in reward.flags}) == (calls > 1)
    assert "strict" not in reward.criteria
    if value is None:
        assert reward.failure is not None
        assert reward.failure.reason == Reason.AMBIGUOUS


async def test_members_with_other_engines_get_their_own():
    """Members with the same engine settings share one engine; the run's own is used where they say nothing."""
    async with FakeEndpoint({"other": [Canned("Paris is named.\nVERDICT: 3")]}) as server:
        other = {"kind": "openai", "model": "other", "base_url": server.url}
        members = [{"name": "a", "engine": other}, {"name": "b", "engine": other, "recipe": "verifier"}]
        settings, _ = load_settings({**PAIR, "panel": {"members": members, "fold": "mean", "quorum": 0.1}})
        made = plan(settings)
        opened = await open_judges(made, ScriptedEngine(["Paris is named.\nVERDICT: 5"], model="first"))
        try:
            [reward] = await opened.judging.judge(SAMPLE)
            described = describe(made, opened.engines, "")
        finally:
            await opened.close()
    assert [e.model for e in opened.engines] == ["first", "other"]
    assert reward.components == {"first": 1.0, "a": 0.5, "b": None}
    assert reward.raw_reward == 0.75
    assert [e["model"] for e in described["other_engines"]] == ["other"]
    assert described["panel"]["b"]["recipe"]["name"] == "verifier"


@pytest.mark.parametrize(("engine_down", "patience_s"), [("raise", 3.0), ("wait", float("inf"))])
async def test_all_engines_are_waited_for(engine_down, patience_s):
    """`engine_down: wait` holds for the run's own endpoint and for those of panel members, without a trainer too."""
    async with FakeEndpoint({"m": [Canned("Paris is named.\nVERDICT: 3")], "other": [Canned("VERDICT: 3")]}) as server:
        own = {"kind": "openai", "model": "m", "base_url": server.url, "patience_s": 3}
        panel = {"members": [{"name": "a", "engine": {**own, "model": "other"}}], "fold": "mean"}
        judge = Judge(recipe="pointwise", rubric="helpfulness", engine=own, panel=panel, engine_down=engine_down)
        await judge.ascore(SAMPLE)
        engines = judge.session._home.lives.opening.result().engines
        assert [(e.model, e._sender.patience_s) for e in engines] == [("m", patience_s), ("other", patience_s)]
        judge.close()


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        pytest.param({"panel": {"members": []}}, "at least 1 item", id="no-members"),
        pytest.param({"panel": {"members": [{"name": "a"}]}}, "copy of the run's judge", id="a-copy"),
        pytest.param(
            {"panel": {"members": [{"name": "first", "recipe": "verifier"}]}},
            "members are called `first`",
            id="name-taken",
        ),
        pytest.param(
            {"panel": {"members": [{"name": "a", "recipe": "pairwise"}]}}, "cannot judge the samples of", id="other-shape"
        ),
        pytest.param({"panel": {"members": [{"name": "a", "recipie": "verifier"}]}}, "did you mean `recipe`", id="typo"),
        pytest.param({"second_opinion": {"judge": {"name": "b", "recipe": "verifer"}}}, "verifer", id="no-such-recipe"),
    ],
)
def test_wrong_settings_are_found_before_the_first_request(extra: dict[str, object], says: str):
    """A panel that cannot work is refused with the reason."""
    with pytest.raises((SettingsError, RecipeError), match=says):
        Judge.from_config({**PAIR, **extra}, engine=ScriptedEngine([""]))


def test_truncated_second_judge_is_seen():
    """A second judge that runs out of tokens has said nothing: the first verdict stands and the flag tells."""

    def reply(request: Request) -> str | Completion:
        if "reference answer" in request.messages[0].content:
            return Completion("RESPONSE SAYS: Par", finish_reason="length")
        return "Paris is named.\nVERDICT: 5"

    config = {**SECOND, "second_opinion": {**SECOND["second_opinion"], "fold": "agree"}}  # type: ignore[dict-item]
    [reward] = judged(config, reply)
    assert reward.raw_reward == 1.0
    assert any(f.name == "second_opinion" and "no verdict" in f.detail for f in reward.flags)
