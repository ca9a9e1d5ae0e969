"""A reply that is no completion -> what it is about: this request, the endpoint, or the key.

- A key must not reach a log or a record. Servers echo keys in their errors, so every text from a server is searched.
- A gateway may answer 403 to one hostile text. So 403 stops the run only while nothing has ever been answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from judge.engine.faults import error_message, is_filtered, is_out_of_credit, is_over_length, refused_field
from judge.engine.sender import CHAT, Endpoint, Fault, Reply
from judge.engine.wire import OPTIONAL, Wire
from judge.errors import EngineError
from judge.types import Completion


class ReplyReader:
    """How one server's replies are read where they hold no completion.

    Args:
        secrets: Never shown.
        key_source: Where the key came from, for messages; `keyless`: there is none.

    Attributes:
        answered: A request has been answered by this server.
    """

    def __init__(self, wire: Wire, secrets: Sequence[bytes], key_source: str, *, keyless: bool) -> None:
        self._wire = wire
        self._secrets = secrets
        self._key_source = key_source
        self._keyless = keyless
        self.answered = False

    def classify(self, reply: Reply) -> Fault | Literal["request"] | None:
        """What a reply other than 200 is about: this request, the endpoint, or (None) neither for certain."""
        status = reply.status
        if is_over_length(reply.body, status) or (status in (400, 403) and is_filtered(reply.body)):
            return "request"
        if is_out_of_credit(reply.body, status):
            return "no_credit" if self.answered else "request"
        if status == 401:
            return "refused" if self.answered else "request"
        return None

    def failure(self, reply: Reply, endpoint: Endpoint, latency_s: float, path: str = CHAT) -> Completion:
        """Turn a status that no retry mends into a completion, or into the error that ends the run."""
        url = endpoint.url(path)
        said = self.describe(reply)
        if reply.status in (400, 403) and is_filtered(reply.body):
            return Completion("", "content_filter", refusal=said, latency_s=latency_s)
        if is_over_length(reply.body, reply.status):
            return Completion("", "over_length", error=said, latency_s=latency_s)
        if is_out_of_credit(reply.body, reply.status):
            raise EngineError(f"{url} answered {said}; top up the account or raise its quota")
        if reply.status == 401 or (reply.status == 403 and not self.answered):
            raise self.refused(url, reply)
        if reply.status == 404:
            raise EngineError(f"{url} answered {said}; is `{self._wire.model}` served there, and does the base URL end in /v1?")
        return Completion("", "error", error=said + self._way_out(reply), latency_s=latency_s)

    def _way_out(self, reply: Reply) -> str:
        """The setting that leaves out a parameter the model does not take; empty where the reply is about something else."""
        if reply.status not in (400, 422):
            return ""
        if field := refused_field(reply.body, sorted(OPTIONAL - set(self._wire.omit))):
            return f"; if this model does not take `{field}`, leave it out: `engine.omit: [{field}]`"
        if field := refused_field(reply.body, sorted(self._wire.extra_body)):
            return f"; if this model does not take `{field}`, take it out of `engine.extra_body`"
        return ""

    def describe(self, reply: Reply) -> str:
        """Status and the server's own words, without keys."""
        said = error_message(self.redact(reply.body))
        return f"HTTP {reply.status}: {said}" if said else f"HTTP {reply.status}"

    def redact(self, body: bytes) -> bytes:
        """The same without keys."""
        for secret in self._secrets:
            body = body.replace(secret, b"***")
        return body

    def refused(self, url: str, reply: Reply) -> EngineError:
        """The error that says whose key is refused."""
        key = f"a request without a key ({self._key_source} is not set)" if self._keyless else f"the key from {self._key_source}"
        return EngineError(f"{url} refused {key}: {self.describe(reply)}")
