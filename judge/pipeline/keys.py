"""The name of a request: a hash of everything that decides its reply, under which journals and caches keep that."""

from __future__ import annotations

import hashlib

from judge.engine.protocol import Engine
from judge.types import Request, Sampling

_AT_HAND = 256  # ways of drawing: one a turn and vote


class RequestKeys:
    """Request -> hash (32 hex digits) of model, messages, sampling and structure."""

    def __init__(self, engine: Engine) -> None:
        self._identity = "\x1e".join([engine.model, *(f"{k}={v}" for k, v in sorted(engine.identity.items()))]).encode()
        self._begun: dict[int, tuple[Sampling, hashlib.blake2b]] = {}

    def __call__(self, request: Request) -> str:
        """The key of one request."""
        digest = self._drawn(request.sampling).copy()
        for message in request.messages:
            digest.update(f"\x1d{message.role}\x1f{message.exact}".encode("utf-8", "surrogatepass"))
        if request.structured is not None:
            digest.update(f"\x1d{request.structured!r}".encode("utf-8", "surrogatepass"))
        if request.scored is not None or request.rated:
            digest.update(f"\x1d{request.rated} {request.scored!r}".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def _drawn(self, s: Sampling) -> hashlib.blake2b:
        """The hash so far, of the model and of how it draws: most requests of a run share both. Kept by identity."""
        kept = self._begun.get(id(s))
        if kept is None or kept[0] is not s:
            digest = hashlib.blake2b(self._identity, digest_size=16)
            digest.update(
                f"\x1d{s.temperature!r} {s.top_p!r} {s.top_k} {s.max_tokens} {s.seed} {s.stop!r} {s.top_logprobs}".encode()
            )
            further = (s.min_p, s.repetition_penalty, s.presence_penalty)
            if further != (0.0, 1.0, 0.0):  # requests without them keep the keys that they had
                digest.update(f"\x1d{further!r}".encode())
            if len(self._begun) >= _AT_HAND:
                self._begun.clear()
            kept = self._begun[id(s)] = (s, digest)
        return kept[1]
