"""Exact recipes: the bytes of a published prompt, and no text in them that becomes a control token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.errors import RecipeError
from judge.recipe.load import load_recipe
from judge.render.build import Ask, Builder
from judge.render.quoting import disarm
from judge.rubric.load import rubric_from
from judge.types import ImagePart, Message, Sample, TextPart
from tests.hostile import SPECIAL

TOKENS = [token for family in SPECIAL.values() for token in family]
OWN = frozenset({"§turn§", "<eot-x>", "~~"})  # of one engine's tokenizer
CRITERIA = [{"id": "short", "text": "Is short.", "points": 5}, {"id": "wordy", "text": "Is wordy.", "points": -2}]
RUBRIC = rubric_from({"criteria": CRITERIA}, "r")
RECIPE = (
    "{name: e, summary: s, mode: pairwise, exact: true, source: {title: t}, verdict: {kind: choice, form: brackets},"
    " turns: [{name: judge, user: u.j2}]}"
)


def builder(folder: Path, template: str, recipe: str = RECIPE, tokens: frozenset[str] = frozenset()) -> Builder:
    folder.mkdir(exist_ok=True)
    (folder / "recipe.yaml").write_text(recipe)
    (folder / "u.j2").write_text(template)
    return Builder(load_recipe(folder), tokens)


def text_of(made: Builder, sample: Sample) -> str:
    [message] = made.messages(made.case(sample, RUBRIC), made.recipe.spec.turns[0], Ask((0, 1), RUBRIC.criteria[1:]), {})
    assert isinstance(message.content, str)
    return message.content


CONVERSATION = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "2+2?"}]


@pytest.mark.parametrize(
    ("template", "prompt", "responses", "expected"),
    [
        pytest.param("\n{{ prompt }}\n###Feedback: ", " 2+2? ", ("4", "5"), "\n 2+2? \n###Feedback: ", id="white-space-stays"),
        pytest.param("{{ response }}\n", "q", ("VERDICT: [[A]]\n| x", "5"), "VERDICT: [[A]]\n| x", id="verdict-marks-stay"),
        pytest.param("{{ response }}", "q", ("a\u200bb <b>\u2028&", "5"), "a\u200bb <b>\u2028&", id="no-token-no-change"),
        pytest.param("{{ response }}", "q", ("<|im_end|>", "5"), "< |im_end| >", id="control-token"),
        pytest.param("{{ response }}", "q", ("a\ud800", "5"), "a[U+D800]", id="half-a-pair-cannot-be-sent"),
        pytest.param("<{{ response }}>", "q", ("/s", "5"), "< /s >", id="token-of-template-and-text"),
        pytest.param("{{ response }}{{ responses[1].text }}", "q", ("<|im", "_end|>"), "< |im_end| >", id="token-of-two-texts"),
        pytest.param("{{ prompt ~ response }}", "</", ("s>", ""), "</ s>", id="token-of-joined-texts"),
        pytest.param(
            "{% for m in messages %}\n{{ m.role | capitalize }}: {{ m.content }}\n{% endfor %}", CONVERSATION, ("4", "5"),
            "User: Hi\nAssistant: Hello\nUser: 2+2?\n", id="role-lines",
        ),
        pytest.param(
            "{{ prompt }}", CONVERSATION, ("4", "5"), "USER:\nHi\nASSISTANT:\nHello\nUSER:\n2+2?", id="conversation-as-text"
        ),
        pytest.param(
            '{"p": {{ prompt | tojson }}, "r": {{ names | tojson }}}', 'say "é"\n</s>', ("4", "5"),
            '{"p": "say \\"é\\"\\n< /s>", "r": ["A", "B"]}', id="json",
        ),
        pytest.param('{{ response | before("<answer>") }}|', "q", ("So. <answer>4</answer>", ""), "So. |", id="before"),
        pytest.param('{{ response | after("####") }}|', "q", ("a #### b #### 4", ""), " 4|", id="after"),
        pytest.param("{{ response | last_paragraph }}|", "q", ("a\n\nb\nc\n \n", ""), "b\nc|", id="last-paragraph"),
        pytest.param("{{ response | trim | lower }}|", "q", (" AB ", ""), "ab|", id="trimmed"),
        pytest.param(
            "{% for c in rubric.criteria %}[{{ c.points }}] [{{ c.points | signed }}] {{ c.text }}\n{% endfor %}",
            "q", ("4", "5"),
            "[5.0] [+5] Is short.\n[-2.0] [-2] Is wordy.\n", id="signed-points",
        ),
        pytest.param('{{ response | quote("R") }}', "q", ("a</s>", ""), None, id="quote-still-fences"),
    ],
)  # fmt: skip
def test_bytes_of_an_exact_recipe(tmp_path, template, prompt, responses, expected):
    """A checkpoint trained on one text gets that text: nothing is added, cut or put in a block."""
    text = text_of(builder(tmp_path / "r", template), Sample.of(prompt, *responses))
    if expected is None:
        assert text.startswith("<<<BEGIN R ")
        return
    assert text == expected


piece = st.one_of(
    st.sampled_from([*TOKENS, *OWN]), st.sampled_from("<>|[]/_ \n"), st.text(max_size=4), st.sampled_from([t[:3] for t in TOKENS])
)  # fmt: skip
hostile = st.one_of(
    st.lists(piece, max_size=12).map("".join),
    st.sampled_from([*TOKENS, *OWN]).flatmap(lambda t: st.integers(1, max(1, len(t) - 1)).map(lambda n: t[n:])),
    st.sampled_from([*TOKENS, *OWN]).flatmap(lambda t: st.integers(1, max(1, len(t) - 1)).map(lambda n: t[:n])),
)


@settings(max_examples=400, deadline=None)
@given(hostile, hostile, hostile)
def test_no_text_forges_a_control_token(tmp_path_factory, prompt, first, second):
    """Side by side, in JSON or cut: whatever the texts are, the prompt holds no control token that the template did not write."""
    made = _MADE or _MADE.append(builder(tmp_path_factory.mktemp("e") / "r", FORGE, tokens=OWN)) or _MADE
    text = text_of(made[0], Sample.of(prompt, first, second))
    assert not [token for token in (*TOKENS, *OWN) if len(token) > 1 and token in text]
    assert disarm(text, OWN) == text


FORGE = (
    "{{ prompt }}{{ response }}{{ responses[1].text }}\n"
    '{{ prompt | tojson }}{{ response | before("a") }}{{ responses[1].text | after("b") }}{{ prompt ~ response }}'
)
_MADE: list[Builder] = []


def test_filters_of_untrusted_text_still_need_quote_elsewhere(tmp_path):
    """In an ordinary recipe a cut text is as untrusted as the whole one."""
    plain = RECIPE.replace("exact: true, ", "")
    with pytest.raises(RecipeError, match="must go through the `quote` filter"):
        text_of(builder(tmp_path / "r", '{{ response | before("x") }}', plain), Sample.of("q", "axb", "5"))
    text = text_of(
        builder(tmp_path / "r", '{{ response | before("x") | tojson | quote("R") }}', plain), Sample.of("q", "axb", "5")
    )
    assert text.split("\n")[1] == json.dumps("a")


def test_an_image_is_refused(tmp_path):
    """A published text prompt has no place for an image, so the row has no reward instead of a judge that does not see it."""
    made = builder(tmp_path / "r", "{{ prompt }} {{ response }}")
    sample = Sample((Message("user", (TextPart("What?"), ImagePart("data:image/png;base64,AA"))),), ("4", "5"))
    assert "sends the exact text of a prompt" in made.cannot_show(sample)
