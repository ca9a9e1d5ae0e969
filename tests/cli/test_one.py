"""`judge one`: one answer, everything about it, from arguments or standard input."""

from __future__ import annotations

import json
import re

import pytest

from tests.fake_endpoint import Canned


@pytest.fixture
def one(judge, endpoint):
    """`judge one` with this test's endpoint."""
    return lambda *arguments, **more: judge("one", "--url", endpoint.url, "--model", "m", *arguments, **more)


ASK = ("--prompt", "Capital of France?", "--response", "Paris.")


def test_a_pointwise_grade(one, endpoint):
    """The reasoning, the verdict, the reward and where it comes from."""
    endpoint.reply = lambda body: Canned("It names the city.\nVERDICT: 4")
    ended = one(*ASK, "--recipe", "pointwise")
    assert (ended.code, ended.err) == (0, "")
    assert "    | It names the city.\n    | VERDICT: 4\n    verdict 4" in ended.out
    assert "reward 0.7500  (one verdict)" in ended.out


@pytest.mark.slow
def test_a_slow_judge_is_told_of(one, endpoint):
    """After two seconds the user sees that something happens; JSON is printed without it."""
    endpoint.reply = lambda body: Canned("It names the city.\nVERDICT: 4", delay_s=2.6)
    assert re.fullmatch(r"judging \.\.\. \d+ s\n", one(*ASK, "--recipe", "pointwise").err)
    assert one(*ASK, "--recipe", "pointwise", "--json").err == ""


def test_a_checklist(one, endpoint):
    """Each criterion with its kind, weight and text, and the arithmetic at the end."""
    endpoint.reply = lambda body: Canned("VERDICT: " + ("5" if "explicit part" in str(body) else "MET"))
    ended = one(
        *ASK, "--set", "rubric={criteria: [{id: city, text: Names Paris., weight: 3}, {id: rude, text: Is rude., kind: pitfall}]}"
    )
    assert "--- city (important, weight 3)\n    Names Paris.\n    | VERDICT: MET\n    verdict MET" in ended.out
    assert "--- rude (pitfall, weight 1)" in ended.out
    assert "reward 0.7500  (3 of 4 weight)" in ended.out


def test_a_pair(one, endpoint):
    """Both orders are asked; a judge that loves the first place gives both a half, and says so."""
    endpoint.reply = lambda body: Canned("[[A]]")
    ended = one("--prompt", "Say hi.", "--response", "Hi!", "--response", "No.", "--recipe", "pairwise")
    assert ended.out.count("reward 0.5000") == 2
    assert "=== response 1" in ended.out
    assert "flag order_inconsistent: 1 when shown in one order, 0 in the other" in ended.out


def test_a_verifier_needs_its_reference(one, endpoint):
    """Without it, the message says which option to add; with it, the verdict."""
    endpoint.reply = lambda body: Canned("VERDICT: CORRECT")
    missing = one(*ASK, "--recipe", "verifier")
    assert (missing.code, missing.out) == (2, "")
    assert "recipe `verifier` needs a reference: pass --reference TEXT" in missing.err
    assert "reward 1.0000" in one(*ASK, "--recipe", "verifier", "--reference", "Paris").out


def test_json(one, endpoint):
    """One JSON list on standard output and nothing beside it."""
    endpoint.reply = lambda body: Canned("Good \ud83d.\nVERDICT: 5")
    ended = one(*ASK, "--recipe", "pointwise", "--json")
    [record] = json.loads(ended.out)
    assert (record["reward"], record["failure"], record["explanation"]) == (1.0, None, "one verdict")
    assert record["calls"][0]["verdict"] in (5, "5")
    assert ended.err == ""


def test_no_verdict_is_no_reward(one, endpoint):
    """Said in words, and as null in JSON."""
    endpoint.reply = lambda body: Canned("Nice weather.")
    assert "no reward: missing" in one(*ASK, "--recipe", "pointwise").out
    [record] = json.loads(one(*ASK, "--recipe", "pointwise", "--json").out)
    assert (record["reward"], record["failure"]["reason"]) == (None, "missing")
    raised = one(*ASK, "--recipe", "pointwise", "--set", "on_no_verdict=raise")
    assert (raised.code, raised.out) == (5, "")


def test_standard_input(one, endpoint):
    """A row of a data set, piped; chat messages too."""
    endpoint.reply = lambda body: Canned("VERDICT: 5")
    row = {"prompt": [{"role": "user", "content": "Capital of France?"}], "response": "Paris \ud800."}
    ended = one("--recipe", "pointwise", stdin=json.dumps(row))
    assert "reward 1.0000" in ended.out
    assert "Capital of France?" in endpoint.asked[0]


def test_a_config_is_the_start_and_its_paths_stay_its_own(one, endpoint, judge, tmp_path):
    """Rubric and engine from a file in another folder; the model and URL from the command line win."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/r.yaml").write_text("criteria: [{id: city, text: Names Paris.}]\n")
    (tmp_path / "conf/c.yaml").write_text("rubric: r.yaml\n" + endpoint.settings(deadline_s=9))
    ended = judge("one", "conf/c.yaml", *ASK)
    assert "reward 1.0000  (1 of 1 weight)" in ended.out
    (tmp_path / "conf/c.yaml").write_text("rubric: r.yaml\nengin: {}\n")
    wrong = judge("one", "conf/c.yaml", *ASK)
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err.startswith("conf/c.yaml:2: no field `engin`; did you mean `engine`?")


BAD = [
    pytest.param(["--prompt", "x"], None, "give both --prompt and --response", id="half"),
    pytest.param([], "nope", "standard input: not valid JSON", id="not-json"),
    pytest.param([], "[]", "expected one JSON object with `prompt` and `response`", id="a-list"),
    pytest.param([], '{"prompt": "x"}', "standard input: `response` is null or missing", id="no-response"),
    pytest.param([*ASK, "--recipe", "pairwise"], None, "compares 2 responses, and this has 1", id="half-a-pair"),
    pytest.param([*ASK, "--rubric", "helpfullness"], None, "did you mean `helpfulness`?", id="rubric"),
    pytest.param([*ASK, "--recipe", "pointwis"], None, "did you mean `pointwise`?", id="recipe"),
]


@pytest.mark.parametrize(("arguments", "stdin", "message"), BAD)
def test_wrong_input(one, arguments, stdin, message):
    """Exit code 2, one message, nothing on standard output."""
    ended = one(*arguments, stdin=stdin)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_a_url_needs_a_model(judge, endpoint):
    """An endpoint serves models by name, and nobody guesses which."""
    ended = judge("one", "--url", endpoint.url, *ASK)
    assert (ended.code, ended.out) == (2, "")
    assert "--url needs --model" in ended.err
