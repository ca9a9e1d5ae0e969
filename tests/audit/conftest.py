"""Judges of known character behind a real HTTP endpoint, and one audit of them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable

import pytest

from judge.audit.data import SHIPPED
from judge.audit.text import last_number
from judge.checks.match import number
from tests.cli_harness import endpoint, judge  # noqa: F401  # fixtures
from tests.fake_endpoint import Canned

_FIELD = re.compile(r"<<<BEGIN ([A-Z ]+) ([0-9a-f]+)>>>\n(.*?)\n<<<END \1 \2>>>", re.DOTALL)


def shown(body: dict) -> dict[str, str]:
    """Fields of the prompt by title."""
    return {title: text for title, _, text in _FIELD.findall("".join(m["content"] for m in body["messages"]))}


def final_answer(text: str, reference: str) -> bool:
    """What an exact judge does: the last number equals the reference, or its words are there; nothing is denied."""
    text = re.sub(r"https?://\S+", "", unicodedata.normalize("NFKC", text))
    if re.search(r"\bnot\b", text):
        return False
    if number(reference) is not None:
        span = last_number(text)
        return span is not None and number(text[slice(*span)]) == number(reference)
    return reference.casefold() in text.casefold()


def evidence(fields: dict[str, str]) -> str:
    """The last line that has a number or the reference in it."""
    telling = [line for line in fields["RESPONSE"].splitlines() if re.search(r"\d", line) or fields["REFERENCE ANSWER"] in line]
    return (telling or [fields["RESPONSE"]])[-1]


def verdict(body: dict, ok: bool) -> Canned:
    """A verifier's reply, which copies the line that states the answer."""
    return Canned(f"RESPONSE SAYS: {evidence(shown(body))}\nVERDICT: {'CORRECT' if ok else 'INCORRECT'}")


STUBS: dict[str, Callable[[dict], Canned]] = {
    "always_yes": lambda body: verdict(body, True),
    "always_no": lambda body: verdict(body, False),
    "met": lambda body: Canned("Looked.\nVERDICT: MET"),
    "garbage": lambda body: Canned("hm"),
    "exact": lambda body: verdict(body, final_answer(shown(body)["RESPONSE"], shown(body)["REFERENCE ANSWER"])),
    "long": lambda body: verdict(body, len(shown(body)["RESPONSE"]) > 400),
    "first_wins": lambda body: Canned("Compared.\n[[A]]"),
}


@pytest.fixture
def audit(judge, endpoint, tmp_path):  # noqa: F811
    """`judge audit` of one stub: its JSON, or how it ended."""

    def run(stub: str, *arguments: str, recipe: str = "verifier", more: str = "", raw: bool = False):
        endpoint.reply = STUBS[stub]
        (tmp_path / "a.yaml").write_text(f"recipe: {recipe}\n{more}{endpoint.settings()}")
        ended = judge("audit", "a.yaml", *arguments, *(() if raw else ("--json",)))
        return ended if raw else json.loads(ended.out)

    return run


@pytest.fixture(scope="session")
def shipped() -> list[dict]:
    """The shipped questions as rows."""
    return [json.loads(line) for line in SHIPPED.read_text(encoding="utf-8").splitlines()]
