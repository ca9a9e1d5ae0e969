"""How alike two texts are: by the formulas, and as a reward."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from judge.engine.encoder import Encoded, find_encoder
from judge.engine.models import resolve_encoder
from judge.errors import EngineError, RecipeError
from judge.similarity import bert_score, cosine, rescaled, sentence_similarity, token_similarity
from judge.types import Sample

HASHING = {"encoder": "hashing"}
of_a_model = pytest.mark.vllm  # needs torch and a small model


def encoded(*vectors: tuple[float, float], words: tuple[bool, ...] | None = None) -> Encoded:
    return Encoded(np.array(vectors, dtype=float).reshape(-1, 2), np.array(words or (True,) * len(vectors), dtype=bool))


def test_bert_score_by_hand():
    """Response (1,0), (0,2); reference (3,4), whose unit is (.6,.8): likeness .6 and .8; P = .7, R = .8, F1 = 1.12 / 1.5."""
    precision, recall, f1 = bert_score(encoded((1, 0), (0, 2)), encoded((3, 4)))
    assert (precision, recall, f1) == pytest.approx((0.7, 0.8, 1.12 / 1.5))


@pytest.mark.parametrize("seed", range(5))
def test_bert_score_as_its_paper_writes_it(seed):
    """A second implementation, from the formulas of section 3, token by token."""
    rng = np.random.default_rng(seed)
    ours, theirs = (rng.normal(size=(n, 2)) for n in (4, 3))
    unit = [[v / math.hypot(*v) for v in text] for text in (ours, theirs)]
    recall = sum(max(float(y @ x) for x in unit[0]) for y in unit[1]) / 3
    precision = sum(max(float(x @ y) for y in unit[1]) for x in unit[0]) / 4
    found = bert_score(encoded(*map(tuple, ours)), encoded(*map(tuple, theirs)))
    assert found[:2] == pytest.approx((precision, recall))
    assert found[2] == pytest.approx(2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0)


def test_marks_of_beginning_and_end_are_no_words():
    """They are alike in all texts, and would make unlike texts alike."""
    marked = encoded((1, 0), (0, 1), (1, 0), words=(False, True, False))
    assert bert_score(marked, marked)[2] == pytest.approx(1.0)
    assert bert_score(marked, encoded((1, 0), (-0.5, 0), words=(False, True)))[2] == pytest.approx(0.0)
    assert bert_score(marked, encoded((1, 0), words=(False,))) is None
    assert cosine(marked, encoded((1, 0), words=(False,))) is None


@pytest.mark.parametrize(
    ("value", "baseline", "expected"), [(0.8, 0.0, 0.8), (0.9, 0.8, 0.5), (0.7, 0.8, 0.0), (1.0, 0.8, 1.0), (-1.0, 0.0, 0.0)]
)
def test_rescaled(value, baseline, expected):
    """Unlike texts come to 0, not to the middle of the range."""
    assert rescaled(value, baseline) == pytest.approx(expected)


@pytest.mark.parametrize("program", [token_similarity, sentence_similarity])
class TestPrograms:
    """What both recipes have in common."""

    def test_the_nearest_reference_counts(self, program):
        """One of several right answers is enough."""
        sample = Sample.of("Why?", "Water boils at 100 degrees.", reference=["Stocks fell.", "Water boils at 100 degrees."])
        assert program(sample, 0, HASHING) == pytest.approx(1.0)

    def test_order_of_likeness(self, program):
        """More of the reference's words, more reward."""
        answers = ["Water boils at 100 degrees.", "Water boils at some degree.", "Ask me about cats."]
        sample = Sample.of("Why?", *answers, reference="Water boils at 100 degrees.")
        one, two, three = [program(sample, i, HASHING) for i in range(3)]
        assert one > two > three >= 0

    @pytest.mark.parametrize(
        ("response", "reference"),
        [
            pytest.param("It is 4.", None, id="no-reference"),
            pytest.param("...", "It is 4.", id="no-word"),
            pytest.param("4", "?!", id="no-word-in-it"),
        ],
    )
    def test_nothing_to_compare_is_no_score(self, program, response, reference):
        """A row without a reference has no reward; it has not the reward 0."""
        assert program(Sample.of("2+2?", response, reference=reference), 0, HASHING) is None

    def test_a_baseline_is_taken_off(self, program):
        """What unlike texts come to is no merit."""
        sample = Sample.of("Why?", "Water boils at some degree.", reference="Water boils at 100 degrees.")
        plain, above = (program(sample, 0, HASHING | {"baseline": b}) for b in (0.0, 0.5))
        assert above == pytest.approx((plain - 0.5) / 0.5)

    @pytest.mark.parametrize("baseline", [1.0, -0.1, "0.5"])
    def test_an_unusable_baseline(self, program, baseline):
        """A slip is found at the first row, in words."""
        with pytest.raises(RecipeError, match="`baseline` must be a number of at least 0 and below 1"):
            program(Sample.of("a", "b", reference="c"), 0, HASHING | {"baseline": baseline})


def test_an_unknown_part():
    """A slip in an option is not the default in silence."""
    with pytest.raises(RecipeError, match="no `recal`; did you mean `recall`"):
        token_similarity(Sample.of("a", "b", reference="c"), 0, HASHING | {"part": "recal"})


def test_parts():
    """Precision asks what of the response is in the reference; recall what of the reference is in the response."""
    sample = Sample.of("Why?", "Cats sleep.", reference="Cats sleep all day and night.")
    precision, recall = (token_similarity(sample, 0, HASHING | {"part": part}) for part in ("precision", "recall"))
    assert precision == pytest.approx(1.0)
    assert recall < 0.8


@of_a_model
@pytest.mark.filterwarnings("ignore")  # of torch's own making
def test_threads_load_one_encoder(tmp_path: Path):
    """Samples are judged in threads: two loads at once would leave the models loaded after them without tied weights."""
    pytest.importorskip("torch", reason="needs the extra `transformers`, `cpu` or `vllm`")
    from transformers import PreTrainedModel

    tying = PreTrainedModel.tie_weights
    again = tmp_path / "again"  # another name of the same model, which no test before this one has loaded
    again.symlink_to(resolve_encoder("minilm-l6"))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(find_encoder, [str(again)] * 8))
    assert len(set(map(id, found))) == 1
    assert PreTrainedModel.tie_weights is tying


@of_a_model
@pytest.mark.filterwarnings("ignore")  # of torch's own making
def test_it_is_the_published_model():
    """Cosines that its authors print for these sentences, and a paraphrase that spelling would not find."""
    pytest.importorskip("torch", reason="needs the extra `transformers`, `cpu` or `vllm`")
    encode = find_encoder("minilm-l6").encode
    food = encode("A man is eating food.")
    assert cosine(food, encode("A man is eating a piece of bread.")) == pytest.approx(0.7553, abs=1e-3)
    boils, same = (
        encode("Water boils at 100 degrees Celsius at sea level."),
        encode("At sea level the boiling point of water is 100 °C."),
    )
    assert cosine(boils, same) > 0.85 > 0.2 > cosine(boils, food)


@of_a_model
@pytest.mark.filterwarnings("ignore")  # of torch's own making
def test_no_part_of_a_long_text_is_left_out():
    """The end of a long explanation counts as its beginning does."""
    pytest.importorskip("torch", reason="needs the extra `transformers`, `cpu` or `vllm`")
    encode = find_encoder("minilm-l6").encode
    news = encode("Stock markets fell sharply on Monday.")
    short, long = (encode("A man is eating food. " * 60 + end) for end in ("", "Stock markets fell sharply on Monday."))
    assert int(long.words.sum()) == 60 * 6 + 7
    assert bert_score(news, long)[0] > 0.6 > 0.4 > bert_score(news, short)[0]


@of_a_model
@pytest.mark.filterwarnings("ignore")  # of torch's own making
def test_no_such_encoder():
    """A slip is told from a missing network."""
    pytest.importorskip("torch", reason="needs the extra `transformers`, `cpu` or `vllm`")
    with pytest.raises(EngineError, match="did you mean `minilm-l6`"):
        find_encoder("minilm-16")
