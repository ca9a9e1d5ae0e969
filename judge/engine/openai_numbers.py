"""Numbers instead of text from a server of the OpenAI API: log-probabilities of a given text, and what a scalar head says.

- A given text is scored by token ids: those of the prompt, as this very server would make them for a chat request (or a tokenizer
  named in the settings), and those of the text on its own. So what is scored is exactly this text, after exactly the prompt of a
  completion: chat template arguments, system role and an open assistant message included.
- Two ways to ask: vLLM's `prompt_logprobs`, and the older `echo` with `logprobs` of /completions, which other servers have too.
- A server with a reward model has no chat route. vLLM's has /classify (one value a text) or /pooling (one a token).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from judge.conversation import to_messages, without_system
from judge.engine.chat_template import ChatTokenizer
from judge.engine.faults import has_no_system_role, shorten
from judge.engine.wire import Wire
from judge.errors import EngineError, RequestFailed
from judge.types import Message

Scoring = Literal["prompt_logprobs", "echo"]
RATING = ("/classify", "/pooling")
PostJson = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Path and body -> the reply, read. Raises `RequestFailed`, `EngineError`."""


class Numbers:
    """How one server is asked for numbers.

    Args:
        wire: How chat requests are written for it.
        ask: Sends one request.
        scoring: How it gives log-probabilities of a prompt; None: not at all.
        may_fold: The system text may go into the first user message once the server says that the model has no system role.

    Attributes:
        chat: A tokenizer of our own with the model's chat template; None asks the server for token ids.
        rating: Path that gives the value of a scalar head; empty where the model writes text.
    """

    def __init__(self, wire: Wire, ask: PostJson, scoring: Scoring | None, *, may_fold: bool) -> None:
        self._wire = wire
        self._ask = ask
        self._may_fold = may_fold
        self.scoring = scoring
        self.chat: ChatTokenizer | None = None
        self.rating = ""

    async def score(self, messages: Sequence[Message], text: str) -> tuple[float, ...]:
        """Natural-log probability of each token of `text` after the conversation."""
        prompt, tokens = await asyncio.gather(self._prompt_ids(messages), self._text_ids(text))
        if not tokens:
            return ()
        scored = slice(len(prompt), len(prompt) + len(tokens))
        body: dict[str, Any] = {"prompt": prompt + tokens, "max_tokens": 1, "temperature": 0.0}
        if self.scoring == "echo":
            reply = await self._ask("completions", body | {"echo": True, "logprobs": 1})
            found = _read(lambda: reply["choices"][0]["logprobs"]["token_logprobs"][scored], reply)
        else:
            reply = await self._ask("completions", body | {"prompt_logprobs": 0})
            table = _read(lambda: reply["choices"][0]["prompt_logprobs"][scored], reply)
            found = _read(lambda: [at[str(token)]["logprob"] for at, token in zip(table, tokens, strict=True)], reply)
        if len(found) != len(tokens) or not all(isinstance(value, float | int) for value in found):
            raise RequestFailed(f"the server gave {len(found)} log-probabilities for {len(tokens)} tokens: {shorten(found)}")
        return tuple(map(float, found))

    async def rate(self, messages: Sequence[Message]) -> float:
        """What the scalar head says of a finished conversation, without an activation behind it."""
        body = {"add_generation_prompt": False, "use_activation": False, **self._wire.template_fields()}
        reply = await self._with_messages(self.rating, messages, body)
        item = _read(lambda: reply["data"][0], reply)
        values = item.get("probs", item.get("data")) if isinstance(item, dict) else None
        while isinstance(values, list) and values and isinstance(values[-1], list):
            values = values[-1]  # one value a token: the last counts
        if not isinstance(values, list) or not all(isinstance(value, float | int) for value in values):
            raise RequestFailed(f"the reply holds no number: {shorten(reply)!r}")
        if len(values) != 1:
            raise EngineError(f"{self._wire.model}: its head gives {len(values)} numbers, and a reward model's gives one")
        if not math.isfinite(values[0]):
            raise RequestFailed(f"the head of {self._wire.model} gave {values[0]}")
        return float(values[0])

    async def _prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        if self.chat is not None:
            try:
                return await self.chat.aprompt_ids(messages)
            except ValueError as why:
                raise RequestFailed(str(why)) from why
        prefill = messages[-1].role == "assistant"
        body = {"add_generation_prompt": not prefill, "continue_final_message": prefill, **self._wire.template_fields()}
        reply = await self._with_messages("/tokenize", messages, body)
        return list(_read(lambda: reply["tokens"], reply))

    async def _text_ids(self, text: str) -> list[int]:
        if self.chat is not None:
            return self.chat.text_ids(text)
        reply = await self._ask("/tokenize", {"prompt": text, "add_special_tokens": False})
        return list(_read(lambda: reply["tokens"], reply))

    async def _with_messages(self, path: str, messages: Sequence[Message], body: Mapping[str, Any]) -> Any:
        """PostJson about a conversation, with the system text where this model wants it."""
        wire = self._wire
        had_system = wire.system_role
        try:
            return await self._ask(path, {"messages": to_messages(messages if had_system else without_system(messages)), **body})
        except RequestFailed as why:
            has_one = any(m.role == "system" for m in messages)
            if not (self._may_fold and had_system and has_one and has_no_system_role(str(why).encode())):
                raise
        wire.system_role = False
        return await self._ask(path, {"messages": to_messages(without_system(messages)), **body})


def _read(get: Callable[[], Any], reply: object) -> Any:
    """A part of a reply. Raises `RequestFailed` where the server sent something else."""
    try:
        return get()
    except (KeyError, IndexError, TypeError, ValueError):
        raise RequestFailed(f"the reply has another form than asked for: {shorten(reply)!r}") from None
