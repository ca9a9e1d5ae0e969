"""Text -> vectors of its tokens, by a small local model or without one. Nothing here judges; `judge.similarity` compares.

- A sentence's vector is the mean of its tokens' vectors, which is how the sentence-transformers models of this kind are made.
- A long text is read in windows of the model's length, so that no part of it is left out.
- `hashing` needs no model and no torch: it sees spelling, not meaning. A paraphrase in other words is unlike to it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import threading
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from judge.arrays import Floats
from judge.engine.chat_template import first_line
from judge.engine.models import ENCODERS, LOADING, resolve_encoder
from judge.errors import EngineError, did_you_mean
from judge.shipped import install_command

HASHING = "hashing"
_DIMENSIONS = 1024
_WINDOW = 256  # tokens: what all-MiniLM-L6-v2 was trained on, and enough for others
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")  # a character where words are not spaced
_FINDING = threading.Lock()
_KEPT = 512  # texts whose vectors are kept: the references of a group are asked for again and again


@dataclass(frozen=True, slots=True)
class Encoded:
    """The tokens of one text.

    Attributes:
        vectors: Shape (tokens, dimensions), of any length.
        words: Which of them stand for text and not for its beginning or end, shape (tokens,).
    """

    vectors: Floats
    words: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def sentence(self) -> Floats:
        """One vector of length 1 for the whole text, shape (dimensions,); zeros where it has no token."""
        return unit(self.vectors.mean(axis=0)) if len(self.vectors) else np.zeros(self.vectors.shape[1])


class Encoder(Protocol):
    """Text -> vectors of its tokens. Safe to call from several threads."""

    def encode(self, text: str) -> Encoded:
        """The tokens of one text; none where it holds no word."""
        ...


def unit(vectors: Floats) -> Floats:
    """Vectors of length 1 along the last axis; zeros stay zeros."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0), dtype=np.float64)


def find_encoder(name: str) -> Encoder:
    """An encoder by name: `minilm-l6` (English, fetched at first use), `hashing`, or a folder or Hugging Face name.

    Each is loaded once: programs ask from several threads, and all but the first wait.

    Raises:
        EngineError: There is none of that name, or what it needs is not installed.
    """
    with _FINDING:
        return _find(name)


@lru_cache(maxsize=4)
def _find(name: str) -> Encoder:
    if name == HASHING:
        return HashingEncoder()
    missing = [need for need in ("torch", "transformers") if importlib.util.find_spec(need) is None]
    if missing:
        raise EngineError(
            f"encoder {name}: {' and '.join(missing)} not installed: {install_command('transformers')}; "
            f"`{HASHING}` needs neither, and compares spelling only"
        )
    try:
        return ModelEncoder(name)
    except EngineError as why:
        near = did_you_mean(name, [HASHING, *ENCODERS])
        raise EngineError(f"encoder {name}: {why}{near}") from None


class ModelEncoder:
    """A Hugging Face encoder on the CPU.

    Args:
        name: As in `find_encoder`.
    """

    def __init__(self, name: str) -> None:
        path = resolve_encoder(name)
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin take 10 to 100 times as long on a busy machine
        from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415  # seconds to import
        from transformers.utils import logging  # noqa: PLC0415

        logging.disable_progress_bar()
        try:
            with LOADING:
                self._tokenizer = AutoTokenizer.from_pretrained(path)
                self._model = AutoModel.from_pretrained(path, dtype="float32").eval()
        except (OSError, ValueError, RuntimeError, KeyError) as why:
            raise EngineError(f"transformers cannot load {name}: {first_line(why)}") from why
        made_for = getattr(self._model.config, "max_position_embeddings", _WINDOW)
        self._window = min(_WINDOW, made_for)
        self._lock = threading.Lock()
        self.encode = lru_cache(maxsize=_KEPT)(self._encode)

    def _encode(self, text: str) -> Encoded:
        import torch  # noqa: PLC0415

        with self._lock, torch.inference_mode():  # one text uses all cores; the tokenizer is not for several threads
            windows = self._tokenizer(
                text, truncation=True, max_length=self._window, return_overflowing_tokens=True, return_special_tokens_mask=True
            )
            hidden = [self._model(input_ids=torch.tensor([ids])).last_hidden_state[0] for ids in windows["input_ids"]]
        words = np.concatenate([np.array(mask) == 0 for mask in windows["special_tokens_mask"]])
        return Encoded(np.concatenate([rows.double().numpy() for rows in hidden]), words)


class HashingEncoder:
    """Words as hashed bags of their letters: equal words are equal, words that share most letters are near.

    Subword hashing as in Bojanowski et al. 2017 (fastText, arXiv:1607.04606, section 3.2), with signs and without training:
    each word, between marks of its ends, and each run of 3 to 5 characters of it, adds +1 or -1 in one of 1,024 places.

    Example:
        >>> encode = HashingEncoder().encode
        >>> water = encode("water boils").sentence
        >>> same, near, far = [float(water @ encode(text).sentence) for text in ("Boils, water.", "water boiled", "Oslo")]
        >>> same > 0.99 > near > 0.5 > far
        True
    """

    def __init__(self) -> None:
        self._vector = lru_cache(maxsize=20_000)(_hashed)

    def encode(self, text: str) -> Encoded:
        """One token a word."""
        vectors = [self._vector(word) for word in _WORD.findall(text.casefold())]
        return Encoded(np.array(vectors).reshape(-1, _DIMENSIONS), np.ones(len(vectors), dtype=bool))


def _hashed(word: str) -> Floats:
    marked = f"<{word}>"
    pieces = [marked, *(marked[i : i + n] for n in (3, 4, 5) for i in range(len(marked) - n + 1) if n < len(marked))]
    vector = np.zeros(_DIMENSIONS)
    for piece in pieces:
        place = zlib.crc32(piece.encode("utf-8", "surrogatepass"))
        vector[place % _DIMENSIONS] += 1.0 if place & 0x80000000 else -1.0
    return unit(vector)
