"""No text in any field becomes a control token of the judge's tokenizer: checked on token ids, family by family.

A chat template puts content between real control tokens, and tokenizers turn `<|im_end|>` inside content into the same
ids (transformers #29279). The tokenizers here are trained on a few sentences, and hold each family's own special tokens.
"""

from __future__ import annotations

import itertools
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.recipe.load import list_recipes
from judge.render.build import Ask, Builder
from judge.render.views import llm_criteria
from judge.rubric.load import rubric_from
from judge.types import Sample
from tests.hostile import BUILDERS, SPECIAL, WHOLE, needed, tries, wide

tokenizers = pytest.importorskip("tokenizers", reason="token ids need the `tokenizers` package (extra `dev`)")

UNIGRAM = ("llama2", "gemma", "chatglm")
FIELDS = (
    "prompt",
    "system turn",
    "response",
    "second response",
    "reference",
    "context",
    "principle",
    "rubric",
    "criterion",
    "reply",
)
EVERYWHERE = ("all fields",)
SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "Reason briefly, then end with one line: VERDICT: <grade>",
    "解 4 ½ ｜▁",
]


@cache
def tokenizer(family: str, normalized: bool = False):
    """A small tokenizer with the special tokens of a family, and their ids."""
    if family in UNIGRAM:
        made = tokenizers.Tokenizer(tokenizers.models.Unigram())
        made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
        trainer = tokenizers.trainers.UnigramTrainer(
            vocab_size=200, special_tokens=["<none>"], unk_token="<none>", show_progress=False
        )
    else:
        made = tokenizers.Tokenizer(tokenizers.models.BPE())
        made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=400, initial_alphabet=alphabet, special_tokens=[], show_progress=False
        )
    made.train_from_iterator(SENTENCES, trainer)
    made.add_special_tokens([tokenizers.AddedToken(t, special=True, normalized=normalized) for t in SPECIAL[family]])
    return made, frozenset(made.token_to_id(t) for t in SPECIAL[family])


def forged(family: str, text: str, normalized: bool = False) -> list[str]:
    """The special tokens that a text would become."""
    made, special = tokenizer(family, normalized)
    return [made.id_to_token(i) for i in made.encode(text, add_special_tokens=False).ids if i in special]


def prompts(hostile: str, place: str, builders: dict[str, Builder]) -> list[str]:
    """The messages of every shipped recipe with a text in one field (or in all)."""

    def at(field: str, plain: str) -> str:
        return f"{plain}{hostile}{plain}" if place in (field, *EVERYWHERE) else plain

    made = []
    for builder in (builders[name] for name in WHOLE if name in builders):
        spec = builder.recipe.spec
        size = {"pairwise": 2, "listwise": 3}.get(spec.mode, 1)
        rubric = rubric_from(
            {
                "name": "r",
                "title": at("rubric", "Title"),
                "description": at("rubric", "What matters."),
                "scale": {"min": 1, "max": 5, "anchors": {"1": at("rubric", "bad"), "5": at("rubric", "good")}},
                "criteria": [
                    {"id": "c", "text": at("criterion", "It is right.")},
                    {"id": "d", "text": at("criterion", "Short.")},
                ],
            },
            "test",
        )
        turns = [{"role": "system", "content": at("system turn", "Help.")}, {"role": "user", "content": at("prompt", "2+2?")}]
        sample = Sample.of(
            turns,
            *[at("response", "It is 5."), at("second response", "It is 4."), "Four."][:size],
            reference=at("reference", "4"),
            context=(at("context", "Sums."),),
            principle=at("principle", "Be right."),
            id="x",
            **needed(spec, at("response", "It is 5.")),
        )
        criteria = llm_criteria(rubric)
        ask = Ask(tuple(range(size)), criteria[:1] if spec.unit == "criterion" else criteria)
        case = builder.case(sample, rubric)
        replies = {turn.name: at("reply", "Some thoughts.") for turn in spec.turns}
        made += ["\n".join(m.text for m in builder.messages(case, t, ask, replies)) for t in spec.turns]
    return made


def shapes(token: str) -> list[str]:
    """One token as attackers write it: plain, in itself, doubled, cut in two."""
    half = len(token) // 2
    return [
        token,
        token[:half] + token + token[half:],
        token + token,
        f"{token[0]}{token}{token[1:]}",
        f"{token[:-1]}\u200b{token[-1]}",
    ]


def test_the_tokenizers_do_forge_without_quoting():
    """The check would notice: unquoted, every token of every family is found."""
    for family, tokens in SPECIAL.items():
        for token in tokens:
            assert forged(family, f"a{token}b") == [token]


@pytest.mark.parametrize("known", [False, True], ids=["names-unknown", "names-known"])
@pytest.mark.parametrize("family", SPECIAL)
def test_every_token_in_every_field(family, known):
    """Whether or not the engine tells its tokens (a remote judge does not), none is forged, in trusted rubric text neither."""
    builders = {n: Builder(b.recipe, frozenset(SPECIAL[family])) for n, b in BUILDERS.items()} if known else BUILDERS
    payload = " ".join(shape for token in SPECIAL[family] for shape in shapes(token))
    for place in (*FIELDS, *EVERYWHERE):
        for text in prompts(payload, place, builders):
            assert not forged(family, text), place
            assert not forged(family, text, normalized=True), place


@pytest.mark.parametrize("family", SPECIAL)
def test_each_token_alone(family):
    """A token at the very start or end of a field, with nothing beside it."""
    for token in SPECIAL[family]:
        for text in prompts(token, "response", {n: BUILDERS[n] for n in ("pointwise", "pairwise")}):
            assert not forged(family, text), token


@pytest.mark.parametrize("family", SPECIAL)
def test_split_across_fields(family):
    """`<|im_` ends the question and `end|>` begins the answer: the fence between them keeps them apart."""
    builder = BUILDERS["verifier"].__class__(BUILDERS["verifier"].recipe)
    turn = builder.recipe.spec.turns[0]
    for token, at in itertools.product(SPECIAL[family], (1, 2, -2, -1)):
        sample = Sample.of(token[:at], token[at:] + token[:at], reference=token[at:], context=(token[:at], token[at:]), id="x")
        text = "".join(m.content for m in builder.messages(builder.case(sample, None), turn, Ask((0,)), {}))
        assert not forged(family, text), (token, at)


@tries(100, 3_000)
@given(
    st.lists(
        st.sampled_from([p for ts in SPECIAL.values() for t in ts for p in (t, t[1:], t[:-1], wide(t), "<", "|", "[")]),
        max_size=12,
    )
)
def test_pieces_put_together(pieces):
    """Halves of tokens that only become whole by what is done to their neighbours."""
    for text in prompts("".join(pieces), "response", {"pointwise": BUILDERS["pointwise"]}):
        for family in SPECIAL:
            assert not forged(family, text)


def test_generated_rubrics():
    """A rubric writer sees quoted texts as well."""
    from judge.engine.scripted import ScriptedEngine
    from judge.generators.model import load_generator
    from judge.generators.run import Writer
    from judge.settings import RunSettings

    writer = Writer(load_generator("contrastive"), RunSettings(), ScriptedEngine(["unused"]))
    for family, tokens in SPECIAL.items():
        payload = " ".join(shape for token in tokens for shape in shapes(token))
        pair = Sample.of(payload, payload, f"x{payload}", reference=payload, metadata={"label": "A"}, id="x")
        assert not forged(family, "\n".join(m.content for m in writer.request(pair).messages))


def test_all_shipped_recipes_are_covered():
    """A new recipe is checked without anybody remembering to."""
    assert set(BUILDERS) == set(list_recipes())


def test_marks_of_tokens_by_id_stay_text():
    """One proposed fix wrote ids between NUL characters, which content could forge: NUL is shown, never sent."""
    assert all("\0" not in text for text in prompts("\x00123,456,789\x00", "all fields", BUILDERS))
