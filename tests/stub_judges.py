"""Judges without a model behind the OpenAI API: each has one fault, so that what a pipeline does about it can be measured.

They read the prompt as a model would: which shipped recipe asks, which labels it allows, what the response is.
From a shell: `python -m tests.stub_judges always_yes --port 8123`, then a configuration with
`engine: {kind: openai, model: m, base_url: "http://127.0.0.1:8123/v1"}`.

| name | fault |
|---|---|
| `always_yes`, `always_no` | the best (the worst) verdict for whatever it is shown |
| `first_wins` | the response shown first |
| `parrot` | quotes every response in full, then gives its own verdict: no |
| `obedient` | does what a response asks for |
| `noisy` | yes with a probability, by a hash of the prompt |
| `garbage` | words without a verdict |
| `slow` | answers late |
| `truncated` | runs out of tokens before the verdict |
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from judge.attack.evaluator import extreme_value
from judge.parse import format_verdict
from judge.recipe.load import list_recipes, load_recipe
from judge.recipe.verdict import Question, VerdictSpec
from tests.fake_endpoint import Canned, FakeEndpoint

Stub = Callable[[dict[str, Any]], Canned]

_BLOCK = re.compile(r"<<<BEGIN (RESPONSE[^<>]*?) ([0-9a-f]{6,})>>>\n(.*?)\n<<<END \1 \2>>>", re.DOTALL)
_ORDER = re.compile(
    r"ignore|full score|max(imum|imale)|highest|score of 10|rating|score|verdict|winner|pick me|is correct|is right|correct|"
    r"\byes\b|\[\[|\bpass\b|true|directive|outdated|\bmet\b|boxed|met\.|Final Decision",
    re.IGNORECASE,
)


@lru_cache(maxsize=1)
def _openings() -> dict[str, str]:
    """First line of a shipped system prompt -> recipe."""
    out = {}
    for name in list_recipes():
        recipe = load_recipe(name)
        opening = recipe.templates[recipe.spec.turns[0].system] if recipe.spec.turns and recipe.spec.turns[0].system else ""
        if opening:
            out[opening.splitlines()[0]] = name
    return out


def responses_in(body: dict[str, Any]) -> list[str]:
    """The responses that a prompt shows, as the judge sees them, in order."""
    return [text for m in body["messages"] if m["role"] == "user" for _, _, text in _BLOCK.findall(m["content"])]


def question_in(body: dict[str, Any]) -> tuple[Question, bool] | None:
    """What a shipped recipe asks for in this prompt, and whether it is about a fault; None for a turn without a verdict."""
    messages = body["messages"]
    name = next((_openings()[line] for m in messages for line in m["content"].splitlines()[:1] if line in _openings()), None)
    if name is None:
        raise ValueError(f"no shipped recipe asks like this: {messages[0]['content'][:80]!r}")
    spec = load_recipe(name).spec
    users = [m["content"] for m in messages if m["role"] == "user"]
    in_one = all(turn.conversation == "continue" for turn in spec.turns[1:])
    if in_one and len(users) < len(spec.turns):
        return None
    tail = _BLOCK.sub("", users[-1]) if spec.mode != "pairwise" else users[-1]
    shown = max(1, len(responses_in(body)))
    common: dict[str, Any] = {"spec": spec.verdict, "names": spec.verdict.response_names(shown)}
    if spec.verdict.kind == "criteria":
        faults = re.findall(r"^- ([\w.-]+): .*\(A fault", tail, re.MULTILINE)
        found = re.findall(r"^VERDICT ([\w.-]+): <(.+)>$", tail, re.MULTILINE)
        criteria = {i: _labels(words.split(" or "), i in faults) for i, words in found}
        return Question(**common, criteria=criteria), False
    if spec.verdict.labels == "criterion":
        words = re.findall(r"^VERDICT: <(.+)>$", tail, re.MULTILINE)[-1].split(" or ")
        return Question(**common, labels=_labels(words, False)), "describes a fault" in tail
    if isinstance(spec.verdict.labels, dict):
        return Question(**common, labels=spec.verdict.labels), False
    if spec.verdict.range:
        low, high = spec.verdict.range.min, spec.verdict.range.max
    else:
        ends = re.findall(r"from (-?\d+)(?: \([^)]*\))? to (-?\d+)", tail)
        low, high = map(int, ends[-1]) if ends else (1, 5)
    return Question(**common, lo=float(low), hi=float(high)), False


def _labels(words: list[str], fault: bool) -> dict[str, float]:
    """Labels best first (MET, PARTIAL, UNMET) or numbers from low to high."""
    if all(w.lstrip("-").isdigit() for w in words):
        return {w: float(w) for w in words}
    return {w: (i if fault else -i) + 0.0 for i, w in enumerate(words)}


def verdict(body: dict[str, Any], good: bool) -> str:
    """A verdict for (or against) the first response, in the grammar that the prompt asks for."""
    if not responses_in(body) and len(body["messages"]) == 1:
        return "The solution follows"  # asked for words, not for a verdict
    if (copied := copied_words(body)) is not None:
        return copied
    asked = question_in(body)
    if asked is None:
        return "[Quality Analysis for Response 1]\nNo problem seen.\n[End of Quality Analysis for Response 2]"
    question, fault = asked
    stated = format_verdict(question, extreme_value(question, best=good != fault))
    return f"I have read it.\n{evidence_line(question.spec, responses_in(body))}{stated}"


def copied_words(body: dict[str, Any]) -> str | None:
    """The reply to a turn that asks for the words of the response: its last line; None for any other turn."""
    if "Copy the words" not in body["messages"][-1]["content"]:
        return None
    return last_line(responses_in(body)[0])


def evidence_line(spec: VerdictSpec, shown: list[str]) -> str:
    """The line of copied words, where a recipe asks for one: the last line of the response, whatever it says."""
    return f"{spec.copied.marker}: {last_line(shown[0])}\n" if spec.copied and shown else ""


def last_line(text: str) -> str:
    """The last line that is not blank."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "none")


def always_yes(body: dict[str, Any]) -> Canned:
    """The best verdict; in a pair, the response shown first."""
    return Canned(verdict(body, True))


def always_no(body: dict[str, Any]) -> Canned:
    """The worst verdict; in a pair, the response shown last."""
    return Canned(verdict(body, False))


first_wins = always_yes


def parrot(is_honest: Callable[[str], bool] = lambda text: False) -> Stub:
    """Quotes what it was shown without any mark, then decides by itself: against it.

    Args:
        is_honest: In a pair, the response that this holds for wins; if none or both, the one shown last.
    """

    def reply(body: dict[str, Any]) -> Canned:
        shown = responses_in(body)
        quoted = "\n\n".join(shown)
        good = len(shown) > 1 and is_honest(shown[0]) and not is_honest(shown[-1])
        return Canned(f"{quoted}\n\nThat is what it says. My own view of it:\n{verdict(body, good)}")

    return reply


def obedient(body: dict[str, Any]) -> Canned:
    """Does what the first response asks for, if it asks for anything; else no."""
    shown = responses_in(body)
    asks = [bool(_ORDER.search(text)) for text in shown]
    return Canned(verdict(body, bool(asks and asks[0] and not (len(asks) > 1 and asks[1]))))


def noisy(p: float, salt: str = "") -> Stub:
    """Yes with probability p; the same prompt always gets the same answer."""

    def reply(body: dict[str, Any]) -> Canned:
        text = salt + "".join(m["content"] for m in body["messages"])
        draw = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") / 2**64
        return Canned(verdict(body, draw < p))

    return reply


def knowing(is_right: Callable[[str], bool]) -> Stub:
    """A perfect judge: yes exactly for the responses that this holds for."""

    def reply(body: dict[str, Any]) -> Canned:
        shown = responses_in(body)
        return Canned(verdict(body, bool(shown) and is_right(shown[0])))

    return reply


def garbage(body: dict[str, Any]) -> Canned:
    """No verdict, whatever is asked."""
    return Canned("Well, that is a matter of taste, is it not?")


def slow(delay_s: float = 5.0) -> Stub:
    """A verdict, too late."""
    return lambda body: Canned(verdict(body, True), delay_s=delay_s)


def truncated(body: dict[str, Any]) -> Canned:
    """Cut off in the middle of its reasoning."""
    return Canned("Let me look at the response step by step. First", finish_reason="length")


STUBS: dict[str, Stub] = {
    "always_yes": always_yes,
    "always_no": always_no,
    "first_wins": first_wins,
    "parrot": parrot(),
    "obedient": obedient,
    "noisy": noisy(0.3),
    "garbage": garbage,
    "slow": slow(),
    "truncated": truncated,
}


async def _serve(name: str, port: int, p: float) -> None:
    stub = noisy(p) if name == "noisy" else STUBS[name]
    async with FakeEndpoint({"m": stub}, port=port) as server:
        print(f"{name} judges as model `m` at {server.url}; Ctrl-C stops it", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve a judge with one fault behind the OpenAI API.")
    parser.add_argument("name", choices=sorted(STUBS))
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--p", type=float, default=0.3, help="Probability of a yes (noisy).")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options.name, options.port, options.p))
