"""How alike a response and its references are, as the reward of recipes with `signal: program`; no judge is asked.

- Likeness is not rightness: "It is not 4" is very like "It is 4". These rewards are for explanations and other long texts whose
  wording is free, beside a check of the answer.
- A policy can copy words of the question to come near a reference. Watch lengths and copies while it trains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from judge.arrays import Floats
from judge.engine.encoder import Encoded, Encoder, find_encoder, unit
from judge.errors import RecipeError, did_you_mean
from judge.types import Sample

ENCODER = "minilm-l6"
PARTS = ("f1", "precision", "recall")


def bert_score(response: Encoded, reference: Encoded) -> tuple[float, float, float] | None:
    """Precision, recall and F1 of the best-matching tokens of two texts, each at most 1; None where one has no word.

    BERTScore (Zhang et al. 2020, arXiv:1904.09675, section 3), without weights by rarity.

    Example:
        >>> encode = find_encoder("hashing").encode
        >>> precision, recall, f1 = bert_score(encode("cats sleep"), encode("cats sleep all day"))
        >>> round(precision, 6), 0.5 <= recall < 1
        (1.0, True)
    """
    ours, theirs = (unit(text.vectors[text.words]) for text in (response, reference))
    if not len(ours) or not len(theirs):
        return None
    alike = ours @ theirs.T
    precision, recall = float(alike.max(axis=1).mean()), float(alike.max(axis=0).mean())
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total > 0 else 0.0


def cosine(response: Encoded, reference: Encoded) -> float | None:
    """Cosine of the two texts' vectors, in [-1, 1]; None where one has no word."""
    if not response.words.any() or not reference.words.any():
        return None
    return float(response.sentence @ reference.sentence)


def rescaled(value: float, baseline: float) -> float:
    """What lies between a baseline, which is what unlike texts come to, and 1, as a number in [0, 1].

    Rescaling with a baseline (BERTScore, section 3, "Baseline rescaling"); ours: below the baseline is 0.

    Example:
        >>> rescaled(0.9, 0.8), rescaled(0.5, 0.8)
        (0.5, 0.0)
    """
    return min(1.0, max(0.0, round((value - baseline) / (1.0 - baseline), 12)))


def alike_texts(encoder: str = ENCODER) -> Callable[[Sequence[str]], Floats]:
    """A function of texts: how alike each two of them are, shape (texts, texts), in [-1, 1], 1 for the same meaning.

    Args:
        encoder: See `judge.engine.encoder.find_encoder`; `hashing` compares spelling only, and needs no torch.

    Raises:
        EngineError: The encoder cannot be loaded.

    Example:
        >>> alike_texts("hashing")(["names the dose", "names the dose", "is short"]).round(2)[0].tolist()
        [1.0, 1.0, 0.0]
    """
    encode = find_encoder(encoder).encode

    def compare(texts: Sequence[str]) -> Floats:
        vectors = np.array([encode(text).sentence for text in texts])
        return np.asarray(vectors @ vectors.T, dtype=np.float64)

    return compare


def token_similarity(sample: Sample, index: int, options: Mapping[str, Any]) -> float | None:
    """BERTScore of the response against the nearest reference, in [0, 1].

    Learning from Reference Answers (RefAlign, arXiv:2504.09895).

    Args:
        options: `encoder` (see `judge.engine.encoder.find_encoder`), `part` (`f1`, `precision` or `recall`), `baseline` (what
            unlike texts come to, in [0, 1)).

    Returns:
        None without a reference, and where a text has no word.

    Raises:
        RecipeError: An option is unusable.
        EngineError: The encoder cannot be loaded.
    """
    part = _choice(options, "part", PARTS)

    def compare(response: Encoded, reference: Encoded) -> float | None:
        found = bert_score(response, reference)
        return None if found is None else {"precision": found[0], "recall": found[1], "f1": found[2]}[part]

    return _nearest(sample, index, options, compare)


def sentence_similarity(sample: Sample, index: int, options: Mapping[str, Any]) -> float | None:
    """Cosine of the response's vector and the nearest reference's, in [0, 1].

    Semantic rewards by encoder-only transformers ("Shaping Explanations").

    Args, Returns, Raises: As in `token_similarity`, without `part`.
    """
    return _nearest(sample, index, options, cosine)


def _nearest(
    sample: Sample, index: int, options: Mapping[str, Any], compare: Callable[[Encoded, Encoded], float | None]
) -> float | None:
    baseline = options.get("baseline", 0.0)
    if not isinstance(baseline, int | float) or not 0 <= baseline < 1:
        raise RecipeError(f"option `baseline` must be a number of at least 0 and below 1, not {baseline!r}")
    encoder: Encoder = find_encoder(str(options.get("encoder", ENCODER)))
    response = encoder.encode(sample.texts[index])
    found = [compare(response, encoder.encode(text)) for text in sample.reference or ()]
    values = [value for value in found if value is not None]
    return rescaled(max(values), float(baseline)) if values else None


def _choice(options: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    value = str(options.get(name, known[0]))
    if value not in known:
        raise RecipeError(f"option `{name}`: no `{value}`{did_you_mean(value, known)}; known: {', '.join(known)}")
    return value
