"""Every kind of wrong input through the real command: its exit code, one message worth reading, nothing on standard output."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from judge.shipped import shipped_dir
from tests.batch_harness import rewards
from tests.cli_harness import endpoint, judge  # noqa: F401  # fixtures
from tests.fake_endpoint import Canned, FakeEndpoint

GOOD = b'{"id": "a", "prompt": "2+2?", "response": "It is 4."}\n'
BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)
)


@pytest.fixture
def run(judge, endpoint, tmp_path):  # noqa: F811  # pytest's way
    """`judge run` with a configuration and a data set given as text; the engine's line is added."""

    def run(config="rubric: helpfulness\n", data=GOOD, name="d.jsonl", *more, engine=None):
        config = config if isinstance(config, bytes) else (config + (engine or endpoint.settings())).encode()
        (tmp_path / "c.yaml").write_bytes(config)
        (tmp_path / name).write_bytes(data)
        ended = judge("run", "c.yaml", "--data", name, "--output", "out", *more)
        assert "Traceback" not in ended.err
        return ended

    return run


def refused(ended, message, code=2):
    """The command said no, in one place, and wrote no result."""
    assert (ended.code, ended.out) == (code, ""), ended.err
    assert message in ended.err
    assert len(ended.err.splitlines()) <= 4
    assert not Path("out/rewards.parquet").exists()


CONFIGS = [
    pytest.param("rubrik: helpfulness\n", "c.yaml:1: no field `rubrik`; did you mean `rubric`?", id="unknown-field"),
    pytest.param("rubric: x\nvotes: {n: many}\n", "c.yaml:2: `votes.n`: input should be a valid integer, not 'many'", id="type"),
    pytest.param("seed: 1\nseed: 2\n", "c.yaml:2: `seed` stands twice here (first on line 1)", id="duplicate-key"),
    pytest.param(BOMB, "expands to more than 10000 values by its aliases", id="alias-bomb"),
    pytest.param(b"", "c.yaml: the file is empty", id="empty"),
    pytest.param("rubric: café\n".encode("latin-1"), "c.yaml:1: not UTF-8 (byte 0xe9); save the file as UTF-8", id="latin-1"),
    pytest.param(b"[" * 10_000, "c.yaml:1: ", id="deep"),
    pytest.param(b"rubric: [a\n", "not valid YAML", id="not-yaml"),
    pytest.param(b"rubric: \x00\n", "not valid YAML", id="nul"),
    pytest.param("rubric: helpfullness\n", "did you mean `helpfulness`?", id="no-such-rubric"),
    pytest.param("rubric: my.yaml\n", "my.yaml: no such file", id="no-such-rubric-file"),
    pytest.param("rubric: helpfulness\nrecipe: checklst\n", "did you mean `checklist`?", id="no-such-recipe"),
    pytest.param("recipe: checklist\n", "d.jsonl: no column `rubric`, which the recipe needs", id="no-rubric-anywhere"),
    pytest.param("rubric: helpfulness\nrecipe: verifier\n", "no column `reference`, which the recipe needs", id="no-reference"),
    pytest.param("rubric: helpfulness\norder: both_mean\n", "order `both_mean` needs several responses", id="order"),
    pytest.param(
        "rubric: helpfulness\nvotes: {n: 3}\nsampling: {temperature: 0}\n",
        "3 votes at temperature 0 are 3 copies of one",
        id="votes",
    ),
]


@pytest.mark.parametrize(("config", "message"), CONFIGS)
def test_run_settings(run, config, message):
    """File and line, what came, and what would do."""
    refused(run(config), message)


RUBRICS = [
    pytest.param("criteria: [{id: a, text: x, weight: .nan}]", "r.yaml:1: `.nan` is not a finite number", id="nan-weight"),
    pytest.param("criteria: [{id: a, text: x, weight: .inf}]", "not a finite number", id="infinite-weight"),
    pytest.param("criteria: [{id: a, text: x, weight: 0}, {id: b, text: x, weight: 0}]", "0 is not above 0", id="zero-weights"),
    pytest.param("criteria: [{id: a, text: x, weight: -1}]", "-1 is not above 0", id="negative-weight"),
    pytest.param("criteria: [{id: a, text: x, points: -1}]", "nothing to divide by", id="negative-points-only"),
    pytest.param("criteria: []", "criteria", id="no-criteria"),
    pytest.param("criteria: [{id: a, text: x}, {id: a, text: y}]", "two criteria are called `a`", id="twice-the-same-id"),
    pytest.param("criteria: [{id: a, text: x, wieght: 1}]", "did you mean `weight`?", id="unknown-field"),
    pytest.param("criteria: [{id: a, text: x, check: max_word}]", "did you mean `max_words`?", id="unknown-check"),
    pytest.param(
        "criteria: [{id: a, text: x, check: max_words, args: {n: ten}}]", "takes a whole number as `n`", id="check-args"
    ),
]


@pytest.mark.parametrize(("rubric", "message"), RUBRICS)
def test_rubrics(run, tmp_path, rubric, message):
    """A weight that is no weight is found before the first call is paid."""
    (tmp_path / "r.yaml").write_text(rubric + "\n")
    refused(run("rubric: r.yaml\n"), message)


TEMPLATES = [
    pytest.param(
        "{{ promt }}", "judge.md.j2:2: `promt` is not a variable of a recipe template; did you mean `prompt`?", id="undefined"
    ),
    pytest.param("{{ rubric.nope }}", "judge.md.j2:2: ", id="undefined-attribute"),
    pytest.param("{{ ''.__class__ }}", "judge.md.j2:2: `__class__`: names that begin with _ are closed", id="dunder"),
    pytest.param("{{ ''['__class__'] }}", "names that begin with _ are closed", id="dunder-item"),
    pytest.param("{{ ''|attr('__cl' ~ 'ass__') }}", "judge.md.j2:2: not a valid template: No filter named 'attr'", id="attr"),
    pytest.param("{{ ['x']|map(attribute='__class__')|list }}", "No filter named 'map'", id="map-attribute"),
    pytest.param("{{ 'a' * 10**9 }}", "judge.md.j2:2: `**` is not for recipe templates", id="power"),
    pytest.param("{{ 'a' * 1000000000 }}", "would make more than 10000 items", id="repetition"),
    pytest.param(
        "{% for i in range(10000000000) %}x{% endfor %}",
        "judge.md.j2:2: calling a function is not for recipe templates",
        id="range",
    ),
    pytest.param("{{ self.__init__ }}", "judge.md.j2:2: ", id="self"),
    pytest.param("{% include '../../../../etc/passwd' %}", "lies outside the recipe's folder", id="include-outside"),
    pytest.param("{{ response }}", "untrusted text must go through the `quote` filter", id="unquoted"),
    pytest.param("{% if %}", "judge.md.j2:2: not a valid template", id="syntax"),
]


@pytest.mark.parametrize(("template", "message"), TEMPLATES)
def test_templates(run, tmp_path, template, message):
    """A recipe is data: it cannot reach Python, and its mistakes have a file and a line."""
    shutil.copytree(shipped_dir("prompts") / "checklist", tmp_path / "mine")
    (tmp_path / "mine/judge.md.j2").write_text("Judge.\n" + template + '\n{{ response | quote("RESPONSE") }}\n')
    refused(run("rubric: helpfulness\nrecipe: ./mine\n"), message)


FILES = [
    pytest.param(b"", "d.jsonl", "d.jsonl: the file is empty", id="empty"),
    pytest.param(b"\n \n", "d.jsonl", "d.jsonl: the data set is empty", id="blank-lines"),
    pytest.param(
        b'{"question": "Q", "response": "x"}', "d.jsonl", "no column `prompt`; columns: question, response", id="no-prompt"
    ),
    pytest.param(b'{"prompt": "Q", "answer": "x"}', "d.jsonl", "map one: --map response=answer", id="no-response"),
    pytest.param(b"prompt,response\nQ,caf\xe9\n", "d.csv", "d.csv:2: not UTF-8", id="latin-1-csv"),
    pytest.param(b'prompt,response\nQ,"a" b\n', "d.csv", "d.csv:2: not valid CSV", id="bad-csv"),
    pytest.param(b"prompt,response\n", "d.csv", "d.csv: the data set is empty", id="header-only"),
    pytest.param(b"PAR1 and no more", "d.parquet", "d.parquet: not a readable Parquet file", id="no-parquet"),
    pytest.param(b"[{", "d.json", "d.json: not valid JSON", id="no-json"),
    pytest.param(b'["\xe9"]', "d.json", "d.json: not UTF-8 (byte 0xe9)", id="latin-1-json"),
    pytest.param(b'{"prompt":\n1}', "d.json", "expected a list of objects", id="json-object"),
    pytest.param(b"<x/>", "d.xml", "unknown file type `.xml`; known: .jsonl", id="unknown-type"),
]


@pytest.mark.parametrize(("data", "name", "message"), FILES)
def test_data_files(run, data, name, message):
    """A file that is no data set is found out before a model is loaded."""
    refused(run(data=data, name=name), message)


ARGUMENTS = [
    pytest.param(["--map", "promt=prompt"], "no field `promt`; did you mean `prompt`?", id="map-field"),
    pytest.param(
        ["--map", "response=respons"], "no column `respons` (mapped to response); did you mean `response`?", id="map-column"
    ),
    pytest.param(["--map", "response"], "expected FIELD=COLUMN", id="map-form"),
    pytest.param(["--set", "votes.m=1"], "--set votes.m=1: no field `m`", id="set-path"),
    pytest.param(["--set", "engine.model.x=1"], "`engine.model` is not a group of fields", id="set-through-a-value"),
    pytest.param(
        ["--set", "engine.api_key_env=NO_SUCH_VARIABLE"], "environment variable NO_SUCH_VARIABLE is not set", id="key-variable"
    ),
    pytest.param(["--set", "engine.base_url=localhost:8000"], "one looks like http://localhost:8000/v1", id="no-url"),
]


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_arguments(run, arguments, message):
    """Told by the argument's own text."""
    refused(run("rubric: helpfulness\n", GOOD, "d.jsonl", *arguments), message)


def test_files_that_are_not_there(judge):  # noqa: F811
    """The nearest name, where there is one."""
    Path("data.jsonl").write_bytes(GOOD)
    Path("c.yaml").write_text("rubric: helpfulness\n")
    refused(judge("run", "d.yaml", "--data", "data.jsonl", "--output", "out"), "d.yaml: no such file")
    refused(judge("run", ".", "--data", "data.jsonl", "--output", "out"), ".: cannot be read: Is a directory")
    refused(judge("run", "c.yaml", "--data", "dta.jsonl", "--output", "out"), "no such file; did you mean `data.jsonl`?")
    refused(judge("run", "c.yaml", "--data", "data.jsonl", "--output", "c.yaml"), "c.yaml: is a file; --output names a folder", 4)
    assert judge("run", "c.yaml").code == 2


ENGINES = [
    pytest.param("{kind: openai, model: mm, base_url: URL}", "has no model `mm`; did you mean `m`?", id="no-such-model"),
    pytest.param('{kind: openai, model: m, base_url: "http://127.0.0.1:9/v1"}', "is the server running?", id="endpoint-down"),
]


@pytest.mark.parametrize(("engine", "message"), ENGINES)
def test_an_engine_that_cannot_work(run, endpoint, engine, message):  # noqa: F811
    """Exit code 3 before anything is judged."""
    refused(run(engine="engine: " + engine.replace("URL", endpoint.url) + "\n"), message, code=3)


def test_a_wrong_key_is_refused_and_not_shown(run, endpoint, monkeypatch):  # noqa: F811
    """The server quotes the key in its refusal; the message and the run folder do not."""
    monkeypatch.setenv("MY_KEY", "sk-wrong-and-secret")
    endpoint.fake._key = "right"
    ended = run(engine=endpoint.settings(api_key_env="MY_KEY"))
    refused(ended, "refused the key from the environment variable MY_KEY", code=3)
    assert "secret" not in ended.err
    assert isinstance(endpoint.fake, FakeEndpoint)


def test_hostile_rows_among_good_ones(run, endpoint, tmp_path):  # noqa: F811
    """Each ends with its own reason, in its own row, and the good ones are judged."""
    endpoint.reply = lambda body: Canned("VERDICT: MET")
    rows = [
        {"id": "good", "prompt": "2+2?", "response": "It is 4."},
        {"id": "null", "prompt": "2+2?", "response": None},
        {"id": "role", "prompt": [{"role": "robot", "content": "2+2?"}], "response": "4"},
        {"id": "big", "prompt": "2+2?", "response": "x" * 10_000_000},
        {"id": "odd", "prompt": "2+2?", "response": "It is 4. \ud800 \x00"},
        {"id": "empty", "prompt": "2+2?", "response": " \u200b"},
        {
            "id": "code",
            "prompt": "2+2?",
            "response": "4",
            "rubric": {"criteria": [{"id": "a", "text": "x", "check": "os:abort"}]},
        },
    ]
    data = b"".join(json.dumps(r).encode() + b"\n" for r in rows) + b"{broken\n"
    ended = run("rubric: {criteria: [{id: a, text: Right.}]}\n", data)
    assert ended.code == 0
    told = {r["id"]: (r["reward"], r["reason"]) for r in rewards(tmp_path / "out")}
    assert told == {
        "good": (1.0, None),
        "null": (None, "invalid"),
        "role": (None, "invalid"),
        "big": (None, "over_length"),
        "odd": (1.0, None),
        "empty": (0.0, None),
        "code": (None, "invalid"),
        "7": (None, "invalid"),
    }
    assert "10,000,000 characters; at most 2,000,000 are judged" in ended.out


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    """`judge recipe list | head -1`."""
    shell = f"{sys.executable} -m judge.cli.main recipe list | head -c 1"
    ended = subprocess.run(["sh", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("n", "")
