"""`judge one --server`: the answer of a running server, shown like one judged here."""

from __future__ import annotations

import json

import pytest

from tests.cli_harness import judge
from tests.client.harness import KEY, real

__all__ = ["judge"]

ASK = ["--prompt", "Capital of France?", "--response", "It is Paris."]


@pytest.fixture(scope="module")
def server():
    with real() as (url, _):
        yield url


def test_a_reward_with_its_reasoning(judge, server, monkeypatch):
    """The key comes from the environment; nothing is loaded here."""
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    ended = judge("one", "--server", server, *ASK)
    assert (ended.code, ended.err) == (0, "")
    assert "    | Reasoned." in ended.out
    assert "reward 1.0000  (one verdict)" in ended.out


def test_json(judge, server, monkeypatch):
    """The record of `judge one --json`; a failure is null."""
    monkeypatch.setenv("MY_KEY", KEY)
    ended = judge("one", "--server", server, "--api-key-env", "MY_KEY", "--json", "--prompt", "q", "--response", "GARBAGE")
    [record] = json.loads(ended.out)
    assert (record["reward"], record["raw_reward"], record["failure"]["reason"]) == (None, None, "missing")
    assert record["calls"][0]["no_verdict"] == "missing"


def test_a_rubric_from_a_file(judge, server, monkeypatch, tmp_path):
    """It goes to the server with the sample."""
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    (tmp_path / "r.yaml").write_text("criteria: [{id: city, text: Names Paris.}]\n")
    assert "reward 1.0000" in judge("one", "--server", server, "--rubric", "r.yaml", *ASK).out
    (tmp_path / "r.yaml").write_text("criterion: []\n")
    assert "r.yaml:1: no field `criterion`" in judge("one", "--server", server, "--rubric", "r.yaml", *ASK).err


@pytest.mark.parametrize(("more", "code", "says"), [
    pytest.param(["--model", "m"], 2, "--model does not go with --server", id="model"),
    pytest.param(["--set", "seed=1"], 2, "--set does not go with --server", id="set"),
    pytest.param(["--api-key-env", "UNSET_NAME"], 2, "UNSET_NAME (--api-key-env) is not set", id="no-variable"),
    pytest.param(["--rubric", "helpfullness"], 2, "the name of a shipped rubric: 'helpfullness'", id="rubric"),
    pytest.param(["--server", "127.0.0.1:1"], 2, "written like http://127.0.0.1:8421", id="url"),
])  # fmt: skip
def test_wrong_input(judge, server, monkeypatch, more, code, says):
    """Named, with what would do."""
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    ended = judge("one", "--server", server, *ASK, *more)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err
    assert "nothing was judged" in ended.err


def test_a_server_without_our_key(judge, server, monkeypatch):
    """Exit code 3, and what it wants."""
    monkeypatch.delenv("JUDGE_API_KEY", raising=False)
    ended = judge("one", "--server", server, *ASK)
    assert (ended.code, ended.out) == (3, "")
    assert "401 no_key: an API key is required; Authorization: Bearer KEY" in ended.err


def test_a_key_for_no_server(judge):
    """Half a command is told what is missing."""
    ended = judge("one", "--api-key-env", "X", *ASK)
    assert ended.code == 2
    assert "--api-key-env needs --server" in ended.err
