"""requests.parquet and `judge call`: every judge call of a run can be sent again, byte for byte."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from judge.batch.requests import _NAMES, find_request, record, request_of
from judge.cli.main import main
from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, InputError
from judge.types import Capability, ImagePart, Message, Request, Sample, Sampling, Structured, TextPart
from tests.batch_harness import run, samples, verdicts

FULL = Sampling(0.7, 0.9, 20, 77, 5, ("</answer>",), 3)
REQUESTS = [
    pytest.param(Request((Message("user", "Hi \u00e9 \u4f60"),), Sampling()), id="plain"),
    pytest.param(Request((Message("user", "half \ud800 a pair"),), Sampling()), id="lone-surrogate"),
    pytest.param(
        Request((Message("system", "S"), Message("user", "U"), Message("assistant", "VERDICT: ")), FULL), id="continued"
    ),
    pytest.param(Request((Message("user", "U"),), FULL, Structured(choice=("MET", "UNMET"))), id="choice"),
    pytest.param(Request((Message("user", "U"),), FULL, Structured(regex="[1-5]")), id="regex"),
    pytest.param(Request((Message("user", "U"),), Sampling(max_tokens=0), scored="half \ud800"), id="scored-text"),
    pytest.param(Request((Message("user", "U"), Message("assistant", "A")), Sampling(max_tokens=0), rated=True), id="rated"),
    pytest.param(Request((Message("user", "U"),), FULL, Structured(json_schema='{"type":"object"}')), id="schema"),
    pytest.param(
        Request((Message("user", (TextPart("See"), ImagePart("data:image/png;base64,AA==", "low"))),), FULL), id="image"
    ),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_comes_back_as_it_was(request_):
    """Messages, sampling, seed and output constraint: what is left out would give another reply."""
    row = dict(zip(_NAMES, record("k", "m", request_), strict=True))
    assert request_of(row) == request_


def test_every_verdict_leads_to_what_the_engine_was_sent(tmp_path):
    """Votes, forced continuations and all: the hash in verdicts.parquet names the request that went out."""
    engine = ScriptedEngine(
        lambda r: "VERDICT: MET" if r.structured is None and "is right" in str(r.messages) else "Hard to tell.",
        capabilities=frozenset({Capability.SEED, Capability.STRUCTURED, Capability.PREFILL}),
    )
    run(tmp_path, samples(3), engine, votes={"n": 2})
    rows = verdicts(tmp_path)
    found = {row["request_hash"]: find_request(tmp_path, row["request_hash"]) for row in rows}
    assert any(known.request.structured for known in found.values())
    assert {known.request.sampling.seed for known in found.values()} >= {0, 1}
    assert {known.model for known in found.values()} == {engine.model}
    first = {known.request for known in found.values() if known.request.sampling.seed == 0}
    assert first <= set(engine.requests)
    assert len({known.request for known in found.values()}) == len(found)


def test_a_second_run_has_all_requests(tmp_path):
    """A run that costs nothing still leaves a whole file; --no-requests leaves none, not even the old one."""
    run(tmp_path, samples(3))
    before = sorted(pq.read_table(tmp_path / "requests.parquet")["request_hash"].to_pylist())
    _, engine = run(tmp_path, samples(3))
    assert engine.requests == []
    assert sorted(pq.read_table(tmp_path / "requests.parquet")["request_hash"].to_pylist()) == before
    assert len(before) == 6
    run(tmp_path, samples(3), requests=False)
    assert not (tmp_path / "requests.parquet").exists()


def test_requests_are_written_while_the_run_goes_on(tmp_path, monkeypatch):
    """Memory stays flat: a few megabytes of text are held, then they are in the file."""
    monkeypatch.setattr("judge.batch.requests._CHARS", 20_000)
    run(tmp_path, [Sample.of("Q", " ".join(f"w{n}" for n in range(1500)) + str(i), id=str(i)) for i in range(20)])
    assert pq.ParquetFile(tmp_path / "requests.parquet").num_row_groups > 5
    assert {row["request_hash"] for row in verdicts(tmp_path)} == set(
        pq.read_table(tmp_path / "requests.parquet")["request_hash"].to_pylist()
    )


def test_judge_call(tmp_path, capsys):
    """A person goes from a row to the exact prompt and the reply, and to a body that can be posted."""

    def call(*arguments):
        try:
            main(["call", str(tmp_path), *arguments])
        except SystemExit as end:
            assert end.code in (None, 0)  # noqa: PT017  # the command's own end
        return capsys.readouterr().out

    run(tmp_path, samples(2))
    listed = call().splitlines()
    assert len(listed) == 4
    assert "s1  " in listed[-1]
    assert len(call("--item", "s1").splitlines()) == 2
    name = listed[0].split()[0]
    shown = call(name[:10])
    assert f"=== {name}" in shown
    assert "model judge-model, seed 0" in shown
    assert "What is 0 + 0?" in shown
    assert '--- verdict "MET"' in shown
    body = json.loads(call(name, "--json"))
    assert (body["model"], body["seed"]) == ("judge-model", 0)
    assert body["messages"][-1]["content"] in shown


def test_what_is_not_there(tmp_path):
    """Whoever mistypes a hash, or left the requests out, is told which it is."""
    run(tmp_path, samples(1))
    with pytest.raises(InputError, match="no call with a request_hash that begins with `zz`"):
        find_request(tmp_path, "zz")
    with pytest.raises(InputError, match="2 calls with a request_hash"):
        find_request(tmp_path, "")
    run(tmp_path, samples(1), requests=False)
    with pytest.raises(DataError, match=r"no requests\.parquet here: .*--no-requests"):
        find_request(tmp_path, "aa")
