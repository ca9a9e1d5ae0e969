"""`on_over_length: truncate` behind an endpoint: the endpoint alone knows how long a text is."""

import asyncio

import pytest

from judge.engine.scripted import ScriptedEngine
from judge.pipeline.build import build_pipeline, plan
from judge.settings import load_settings
from judge.types import Completion, Sample

STORY = " ".join(f"word{n}" for n in range(3000))
LIMIT = 12_000  # characters
STATED = "This model's maximum context length is {limit} tokens. However, your request has {asked} input tokens."


class Endpoint(ScriptedEngine):
    """Refuses long prompts in its own words, and counts for nobody."""

    def __init__(self, words: str) -> None:
        super().__init__(self._answer)
        self._words = words

    def count_tokens(self, messages):
        return None

    def _answer(self, request):
        asked = sum(len(message.text) for message in request.messages)
        if asked > LIMIT:
            return Completion("", "over_length", error=self._words.format(limit=LIMIT // 4, asked=asked // 4))
        return "VERDICT: 4"


def judged(engine, prompt="Tell me a story.", response=STORY, policy="truncate"):
    loaded, _ = load_settings({"recipe": "pointwise", "rubric": "helpfulness", "on_over_length": policy})
    engine.requests.clear()
    [reward] = asyncio.run(build_pipeline(plan(loaded), engine).judge(Sample.of(prompt, response)))
    return reward


@pytest.mark.parametrize(
    ("words", "most"),
    [pytest.param(STATED, 3, id="with-counts"), pytest.param("Context size has been exceeded.", 5, id="without")],
)
def test_a_long_response_is_cut_until_the_endpoint_takes_it(words, most):
    """The setting works on an endpoint as it does in process, and the record says what was cut."""
    engine = Endpoint(words)
    reward = judged(engine)
    assert reward.reward == 0.75
    [flag] = [flag for flag in reward.flags if flag.name == "truncated_response"]
    assert flag.detail.startswith(f"cut from {len(STORY):,} to ")
    assert len(engine.requests) <= most
    assert "characters left out here" in engine.requests[-1].messages[-1].text
    assert [call.completion.text for call in reward.calls] == ["VERDICT: 4"]


def test_what_does_not_fit_by_itself_is_over_length():
    """A question that is too long leaves no room for any answer: the row says so, after a few refusals at most."""
    engine = Endpoint(STATED)
    reward = judged(engine, prompt=STORY, response="Once upon a time there was a word.")
    assert (reward.reward, str(reward.failure.reason)) == (None, "over_length")
    assert not [flag for flag in reward.flags if flag.name == "truncated_response"]
    assert len(engine.requests) <= 7


def test_without_the_setting_nothing_is_cut():
    """The default leaves texts alone."""
    engine = Endpoint(STATED)
    assert str(judged(engine, policy="no_verdict").failure.reason) == "over_length"
    assert len(engine.requests) == 1
