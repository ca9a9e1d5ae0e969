"""Inputs that once went wrong, and what is right."""

from pathlib import Path

import pytest

from judge import Judge, Sample
from judge.batch.read import read_samples
from judge.conversation import split_text
from judge.engine.scripted import ScriptedEngine
from judge.types import Flag

CASES = Path(__file__).parents[1] / "cases"


def shown(sample, **settings):
    """What a judge is asked about a sample, and the reward."""
    engine = ScriptedEngine(["VERDICT: 5"], repeat_last=True)
    with Judge.from_config(
        {"recipe": "pointwise", "rubric": "helpfulness", "filters": "off", **settings}, engine=engine
    ) as judge:
        [reward] = judge.score([sample])
    return "\n".join(m.text for r in engine.requests for m in r.messages), reward


@pytest.mark.parametrize(
    ("name", "there", "gone"),
    [
        pytest.param("17_response_ends_with_user.jsonl", ["Hello there friend."], ["that was perfect"], id="17"),
        pytest.param("24_multi_turn_response.jsonl", ["I delete your files now.", "All done."], [], id="24"),
        pytest.param("25_empty_list_answer.jsonl", ["[]"], [], id="25"),
        pytest.param("23_roles_and_parts.jsonl", ["It is 12 C.", "Weather in Paris?"], ["None", "null"], id="23"),
    ],
)
def test_all_of_the_assistants_words_and_none_of_the_users(name, there, gone):
    """What is judged is what the policy wrote."""
    for sample in read_samples(str(CASES / name)):
        assert isinstance(sample, Sample), sample
        text, reward = shown(sample)
        assert reward.failure is None
        assert all(words in text for words in there)
        assert not any(words in text.partition("<<<BEGIN")[2] for words in gone)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<s>[INST] Capital? [/INST] Paris.</s>", id="mistral"),
        pytest.param(
            "<|begin_of_text|><|header_start|>user<|header_end|>\n\nCapital?<|eot|><|header_start|>assistant<|header_end|>\n\nParis.<|eot|>",
            id="llama-4",
        ),
        pytest.param(
            "<|start|>user<|message|>Capital?<|end|><|start|>assistant<|channel|>final<|message|>Paris.<|return|>", id="gpt-oss"
        ),
    ],
)  # fmt: skip
def test_27_no_mark_is_left(text):
    """Question and response come apart."""
    assert split_text(text) == ("Capital?", "Paris.")


def test_thinking_is_stripped_or_shown():
    """The policy's drafts are not its answer; who wants the judge to see them says so."""
    sample = Sample.of("Capital?", "<think>Rome?</think>Paris.")
    text, reward = shown(sample)
    assert "Rome?" not in text
    assert Flag("thinking_stripped", "the policy's own thinking (5 characters) is not shown to the judge", "0") in reward.flags
    text, reward = shown(sample, thinking="show")
    assert "<<<ASSISTANT, THINKING " in text
    assert "Rome?" in text
    assert not reward.flags
    other = Sample.of("Capital?", [{"role": "assistant", "content": "Paris.", "reasoning_content": "Rome?"}])
    assert shown(other, thinking="show")[0] == text


def test_thinking_that_never_ends_has_no_answer():
    """A policy that was cut off in its thinking gets what an empty response gets."""
    text, reward = shown(Sample.of("Capital?", "<think>Paris? Rome?"), filters="default")
    assert text == ""
    assert reward.raw_reward == 0.0
    assert "thinking_unclosed" in {f.name for f in reward.flags}


OPENED = "<|im_start|>user\nCapital?<|im_end|>\n<|im_start|>assistant\n<think>\n"


@pytest.mark.parametrize(
    ("prompt", "response", "answer"),
    [
        pytest.param(OPENED, "Rome? No, Paris.", None, id="never-ends"),
        pytest.param(OPENED, "Rome?</think>Paris.", "Paris.", id="ends"),
        pytest.param(OPENED, "<think>Rome?</think>Paris.", "Paris.", id="opened-twice"),
        pytest.param("User: Capital?\nAssistant: <think>", "Rome? No, Paris.", None, id="text-prompt"),
        pytest.param(
            [{"role": "user", "content": "Capital?"}, {"role": "assistant", "content": "<think>"}], "Rome?", None, id="messages"
        ),
        pytest.param("<｜User｜>Capital?<｜Assistant｜><think>\n", "Rome? No, Paris.", None, id="deepseek"),
        pytest.param("What does the tag <think> mean?", "It opens the thinking.", "It opens the thinking.", id="a-question"),
        pytest.param(OPENED + "\n</think>\n\n", "It is Paris.", "It is Paris.", id="empty-thinking"),
    ],
)
def test_thinking_that_the_prompt_opens(prompt, response, answer):
    """A policy cut off in its thinking has not answered, whoever wrote the opening mark."""
    if answer is None:
        text, reward = shown(Sample.of(prompt, response), filters="default")
        assert (text, reward.reward) == ("", 0.0)
        assert "thinking_unclosed" in [flag.name for flag in reward.flags]
        return
    text, _ = shown(Sample.of(prompt, response))
    assert f"\n{answer}\n<<<END RESPONSE" in text
    assert "Rome?" not in text
    assert "<<<ASSISTANT" not in text
