"""Expected score and entropy from the judge's own log-probabilities, with the arithmetic shown."""

from __future__ import annotations

from dataclasses import replace
from math import log

import pytest
from parse_grammars import question

from judge.parse import read, read_forced
from judge.types import Completion, TokenLogprobs


def reply(*tokens, finish="stop"):
    """A completion from (text, {token: probability}) pairs; a plain string is a token nobody asked about."""
    made = [
        TokenLogprobs(t, {t: 0.0}) if isinstance(t, str) else TokenLogprobs(t[0], {k: log(p) for k, p in t[1].items()})
        for t in tokens
    ]
    return Completion("".join(t.text for t in made), finish, logprobs=tuple(made))


def expected(completion, q):
    """Expected score and entropy, rounded."""
    verdict = read(completion, q)
    return None if verdict.expected is None else (round(verdict.expected, 6), round(verdict.entropy, 6))


def test_worked_example():
    """0.6 on grade 4 and 0.2 on 5 of 1 to 5: (0.6 * 0.75 + 0.2 * 1) / 0.8 = 0.8125; the missing 0.2 is not invented."""
    completion = reply("VERDICT", ":", (" 4", {" 4": 0.6, " 5": 0.2}))
    entropy = -(0.75 * log(0.75) + 0.25 * log(0.25))
    assert expected(completion, question("score")) == (0.8125, round(entropy, 6))


@pytest.mark.parametrize(
    ("completion", "q", "value"),
    [
        pytest.param(reply("VERDICT", ": ", ("UN", {"UN": 0.75, "MET": 0.25}), "MET"), "binary", 0.25, id="label-in-two-tokens"),
        pytest.param(reply("VERDICT", ": **", ("MET", {"MET": 0.5, "UN": 0.5}), "**"), "binary", 0.5, id="bold"),
        pytest.param(reply("VERDICT", ":", (" A", {" A": 0.9, " B": 0.1})), "choice", 0.9, id="choice-first-shown"),
        pytest.param(reply("VERDICT", ":", (" B", {" A": 0.25, " B": 0.5, " tie": 0.25})), "choice", 0.375, id="tie-counts-half"),
        pytest.param(reply("VERDICT: Response", (" A", {" A": 0.9, " B": 0.1})), "choice", 0.9, id="prefix"),
        pytest.param(reply("[[", ("A", {"A": 0.8, "B": 0.2}), "]]"), "brackets", 0.8, id="brackets"),
        pytest.param(reply("[[", ("A]]", {"A]]": 0.8, "B]]": 0.2})), "brackets", 0.8, id="token-with-closing"),
        pytest.param(reply('{"VERDICT', '": "', ("MET", {"MET": 0.75, "UN": 0.25}), '"}'), "json", 0.75, id="json"),
        pytest.param(reply('{"VERDICT":', (' "MET', {' "MET': 0.75, ' "UN': 0.25}), '"}'), "json", 0.75, id="token-with-mark"),
        pytest.param(reply("<think>VERDICT: 5</think>VERDICT: ", ("2", {"2": 0.5, "3": 0.5})), "score", 0.375, id="no-draft"),
    ],
)  # fmt: skip
def test_expectation(completion, q, value):
    """The distribution is read where the deciding statement names its value, in every form."""
    binary = {"MET": 1.0, "UNMET": 0.0}
    q = {
        "binary": question("label", labels=binary),
        "json": question("label", "json", labels=binary),
        "choice": question("choice", tie="tie", prefixes=("Response",)),
        "brackets": question("choice", "brackets"),
        "score": question("score"),
    }[q]
    assert expected(completion, q)[0] == value


@pytest.mark.parametrize(
    ("completion", "q"),
    [
        pytest.param(Completion("VERDICT: 4"), question("score"), id="none-reported"),
        pytest.param(reply("VERDICT:", (" 4", {" 4": 0.4, "\n": 0.6})), question("score"), id="under-half-the-mass"),
        pytest.param(reply("VERDICT:", (" 1", {" 1": 0.6, " 5": 0.4})), question("score", lo=1, hi=10), id="one-or-ten"),
        pytest.param(reply("VERDICT:", (" 0.5", {" 0.5": 1.0})), question("score", lo=0, hi=1, integer=False), id="real-range"),
        pytest.param(
            replace(reply("VERDICT:", (" 4", {" 4": 1.0})), text="Well. VERDICT: 4"), question("score"), id="other-text"
        ),
    ],
)
def test_no_expectation(completion, q):
    """Better no soft score than a made-up one; the stated verdict stands."""
    verdict = read(completion, q)
    assert verdict.expected is None
    assert verdict.entropy is None


def test_traces_of_an_unclear_token_do_not_matter():
    """On 1 to 10 nearly every list of top tokens holds a trace of `1`: up to 1 % of the mass it is left out."""
    completion = reply("VERDICT:", (" 8", {" 8": 0.7, " 9": 0.299, " 1": 0.001}))
    value = (0.7 * 7 / 9 + 0.299 * 8 / 9) / 0.999
    assert expected(completion, question("score", lo=1, hi=10))[0] == round(value, 6)


FOUR = (" 4", {" 4": 0.6, " 5": 0.2})
EMOJI = ("\ufffd", "\ufffd", "\ufffd")  # one character in three tokens


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        pytest.param(["<think>", "a 5?", "</think>", "\n\n", "VERDICT", ":", FOUR], "VERDICT: 4", id="reasoning-parser"),
        pytest.param([" Fine", ".\n", "VERDICT", ":", FOUR], "Fine.\nVERDICT: 4", id="stripped-beginning"),
        pytest.param(["VERDICT", ":", FOUR, "\n", "<|im_end|>"], "VERDICT: 4", id="end-token-and-stripped-end"),
        pytest.param(["Good ", *EMOJI, ".\n", "VERDICT", ":", FOUR], "Good 🎉.\nVERDICT: 4", id="emoji-before"),
        pytest.param(["VERDICT", ":", FOUR, "\n", *EMOJI, " done"], "VERDICT: 4\n🎉 done", id="emoji-behind"),
        pytest.param([*EMOJI, *EMOJI, " VERDICT", ":", FOUR], "🎉🎉 VERDICT: 4", id="emoji-first"),
    ],
)
def test_tokens_that_are_not_quite_the_text(tokens, text):
    """Servers take thinking off the text only, and characters come in parts: the verdict's token is found from the end."""
    completion = replace(reply(*tokens), text=text)
    assert expected(completion, question("score"))[0] == 0.8125


def test_a_log_probability_that_is_no_number_is_not_reported():
    """NaN for grade 2 is not certainty: of 0.6 on grade 4 and 0.2 on 5 the score is 0.8125, as without it."""
    completion = reply("VERDICT", ":", (" 4", {" 4": 0.6, " 5": 0.2}))
    broken = replace(completion.logprobs[-1], top={**completion.logprobs[-1].top, " 2": float("nan")})
    found = read(replace(completion, logprobs=(*completion.logprobs[:-1], broken)), question("score"))
    assert round(found.expected, 6) == 0.8125


def test_names_with_a_common_beginning():
    """`Output (a)` and `Output (b)` differ at their ninth character; that token is the one to look at."""
    q = replace(question("choice"), names=("Output (a)", "Output (b)"))
    completion = reply("VERDICT:", " Output", " (", ("b", {"b": 0.75, "a": 0.25}), ")")
    assert expected(completion, q)[0] == 0.25


def test_forced_value():
    """A forced continuation starts with the value: positions are those of the continuation, not of the prompt."""
    q = question("score", "json", marker="rating")
    verdict = read_forced(reply(("4", {"4": 0.5, "2": 0.5})), q)
    assert (verdict.value, verdict.forced, verdict.expected) == (4, True, 0.5)
