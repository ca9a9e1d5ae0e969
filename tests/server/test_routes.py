"""Score and rank over HTTP: what comes back, in which shape, and what a failure looks like."""

from __future__ import annotations

import json
import time

import pytest

from judge.errors import EngineError
from judge.settings.server import ServerSettings
from tests.server.harness import ONE, Scripted, client_of


def sample(response: str, **fields: object) -> dict[str, object]:
    return {"prompt": "Capital of France?", "response": response, **fields}


async def test_rewards_come_in_the_order_of_the_samples():
    """A trainer matches rewards to completions by place."""
    async with client_of() as client:
        body = {"samples": [sample("It is Paris.", id="a"), sample("It is Rome."), sample("It is Paris, on the Seine.")]}
        answer = (await client.post("/v1/score", json=body)).json()
    assert [r["rewards"][0]["reward"] for r in answer["results"]] == [1.0, 0.0, 1.0]
    assert [r["id"] for r in answer["results"]] == ["a", "1", "2"]
    assert (answer["recipe"], answer["rubric"], answer["no_reward"]) == ("pointwise", "helpfulness", 0)


async def test_a_failed_judge_is_null_with_its_reason():
    """A judge that says nothing usable has not given a low grade, and its group members keep theirs."""
    async with client_of() as client:
        answer = (await client.post("/v1/score", json={"samples": [sample("GARBAGE in."), sample("It is Paris.")]})).json()
    first, second = (r["rewards"][0] for r in answer["results"])
    assert first["reward"] is None
    assert first["failure"]["reason"] == "missing"
    assert second["reward"] == 1.0
    assert second["failure"] is None
    assert answer["no_reward"] == 1


async def test_detail_adds_the_judges_words():
    """Whoever doubts a reward can read where it comes from."""
    async with client_of() as client:
        plain = (await client.post("/v1/score", json=ONE)).json()
        full = (await client.post("/v1/score", json={**ONE, "detail": True})).json()
    assert "calls" not in plain["results"][0]["rewards"][0]
    assert full["results"][0]["rewards"][0]["calls"][0]["text"] == "Reasoned.\nVERDICT: 5"


async def test_a_shaping_step_sees_the_whole_group():
    """Rewards that depend on the group are made from all of it; the failed one takes no part, `raw_reward` stays the judge's."""
    config = {"reward": {"shape": [{"kind": "z"}]}}
    texts = ("It is Paris.", "It is Rome.", "GARBAGE in.", "It is Paris, sure.")
    async with client_of(config=config) as client:
        answer = (await client.post("/v1/score", json={"samples": [sample(t, group="g") for t in texts]})).json()
    rewards = [r["rewards"][0] for r in answer["results"]]
    assert [r["reward"] for r in rewards] == [pytest.approx(0.5**0.5), pytest.approx(-(2**0.5)), None, pytest.approx(0.5**0.5)]
    assert [r["raw_reward"] for r in rewards] == [1.0, 0.0, None, 1.0]


async def test_rank_orders_and_sets_aside():
    """Best first; a response without a reward has no place among them."""
    async with client_of() as client:
        body = {"prompt": "Capital of France?", "responses": ["It is Rome.", "GARBAGE in.", "It is Paris."]}
        answer = (await client.post("/v1/rank", json=body)).json()
    assert answer["ranking"] == [2, 0]
    assert answer["unranked"] == [1]
    assert [r["response_index"] for r in answer["rewards"]] == [0, 1, 2]


async def test_rank_with_a_pairwise_recipe_needs_two_or_a_group():
    """One pair is compared; more need a schedule, and the error says so."""
    async with client_of(config={"recipe": "pairwise"}) as client:
        answer = await client.post("/v1/rank", json={"prompt": "q", "responses": ["a", "b", "c"]})
    assert answer.status_code == 422
    assert "round_robin" in answer.json()["error"]["hint"]


async def test_streamed_results_come_as_they_are_done():
    """A client need not wait for the slowest; the last line says that nothing is missing."""
    engine = Scripted()
    body = {"samples": [sample("SLOW one.", id="slow"), sample("It is Paris.", id="quick")], "stream": True}
    async with client_of(engine, ServerSettings(item_timeout_s=0.5)) as client:
        answer = await client.post("/v1/score", json=body)
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line.get("id") for line in lines] == ["quick", "slow", None]
    assert lines[1]["rewards"][0]["failure"]["reason"] == "timeout"
    assert (lines[-1]["type"], lines[-1]["results"], lines[-1]["no_reward"]) == ("done", 2, 1)
    assert answer.headers["content-type"] == "application/x-ndjson"


async def test_one_slow_sample_costs_the_others_nothing():
    """The deadline is each sample's own; its call is cancelled in the engine."""
    engine = Scripted()
    async with client_of(engine, ServerSettings(item_timeout_s=0.4)) as client:
        answer = (await client.post("/v1/score", json={"samples": [sample("SLOW."), sample("It is Paris.")]})).json()
    assert [r["rewards"][0]["reward"] for r in answer["results"]] == [None, 1.0]
    assert answer["results"][0]["rewards"][0]["failure"]["reason"] == "timeout"
    assert engine.cancelled == 1


async def test_a_sample_that_lacks_something_is_one_failure():
    """A missing reference in one row is said there, and the other rows are judged."""
    async with client_of(config={"recipe": "verifier", "rubric": None}) as client:
        answer = await client.post("/v1/score", json={"samples": [sample("It is Paris."), sample("x", reference="Paris")]})
    failures = [r["rewards"][0]["failure"] for r in answer.json()["results"]]
    assert failures[0]["reason"] == "invalid"
    assert "reference" in failures[0]["detail"]


async def test_numbers_and_nan_mean_what_they_mean_in_a_file():
    """Python's client writes NaN where a table has a gap: no reference. A number or a boolean is an answer as text."""
    engine = Scripted()
    body = b'{"samples": [{"prompt": "q", "response": 42.0, "reference": NaN}, {"prompt": "q", "responses": [true]}]}'
    async with client_of(engine) as client:
        engine.requests.clear()
        answer = await client.post("/v1/score", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    shown = [r.messages[-1].text for r in engine.requests]
    assert any("\n42\n" in text for text in shown), shown
    assert any("\ntrue\n" in text for text in shown)
    assert not any("nan" in text.lower().split() for text in shown)


@pytest.mark.parametrize(
    ("body", "where", "words"),
    [
        pytest.param({"samples": [{"prompt": "q", "respons": "a"}]}, "samples[0].respons", "response", id="misspelt"),
        pytest.param({"samples": []}, "samples", "at least 1", id="no-samples"),
        pytest.param({}, "samples", "missing", id="nothing"),
        pytest.param([], "", "", id="a-list"),
        pytest.param({"samples": [{"prompt": "q"}]}, "samples[0]", "response", id="no-response"),
        pytest.param(
            {"samples": [{"prompt": "q", "response": "a", "responses": ["b"]}]}, "samples[0]", "not both", id="two-forms"
        ),
        pytest.param({"samples": [{"prompt": 3, "response": "a"}]}, "samples[0].prompt", "text", id="number-as-prompt"),
        pytest.param(
            {"samples": [{"prompt": [{"role": "root", "content": "x"}], "response": "a"}]},
            "samples[0].prompt",
            "system",
            id="unknown-role",
        ),
        pytest.param({**ONE, "model": "other"}, "model", "no field", id="model-path"),
        pytest.param({**ONE, "extra_body": {}}, "extra_body", "no field", id="extra-body"),
        pytest.param({**ONE, "chat_template": "{{ x }}"}, "chat_template", "no field", id="chat-template"),
        pytest.param({**ONE, "chat_template_kwargs": {}}, "chat_template_kwargs", "no field", id="chat-template-kwargs"),
        pytest.param({**ONE, "n": 5}, "n", "no field", id="n"),
        pytest.param({**ONE, "logprobs": 5}, "logprobs", "no field", id="logprobs"),
        pytest.param({"samples": [sample("a", sampling={"n": 9})]}, "samples[0].sampling", "no field", id="sampling"),
        pytest.param({"samples": [sample("a", rubric="/etc/passwd")]}, "samples[0].rubric", "rubric", id="rubric-is-a-path"),
        pytest.param(
            {"samples": [sample("a", rubric={"criteria": [{"id": "a", "text": "t", "check": "os:system"}]})]},
            "samples[0].rubric",
            "code",
            id="rubric-names-code",
        ),
        pytest.param(
            {
                "samples": [
                    sample("a", rubric={"criteria": [{"id": "a", "text": "t", "check": "regex", "args": {"pattern": "x"}}]})
                ]
            },
            "samples[0].rubric",
            "judge only",
            id="rubric-with-a-program",
        ),
    ],
)
async def test_what_is_refused_and_where(body, where, words):
    """Nothing a client sends reaches an engine unlisted, and the error says which field and what was meant."""
    engine = Scripted()
    async with client_of(engine) as client:
        asked = len(engine.requests)
        answer = await client.post("/v1/score", json=body)
    error = answer.json()["error"]
    assert answer.status_code == 422
    assert set(error) == {"code", "message", "where", "hint"}
    assert error["where"] == where
    assert words in f"{error['message']} {error['hint']}"
    assert len(engine.requests) == asked


@pytest.mark.parametrize(
    ("raw", "headers", "status", "code"),
    [
        pytest.param(b"{", {}, 400, "bad_json", id="half"),
        pytest.param(b"", {}, 400, "bad_json", id="empty"),
        pytest.param(b'{"samples": Infinity}', {}, 400, "bad_json", id="infinity"),
        pytest.param(b'{"a": 1, "a": 2}', {}, 400, "bad_json", id="key-twice"),
        pytest.param(b"[" * 5000 + b"]" * 5000, {}, 400, "bad_json", id="deep"),
        pytest.param(b"\xff\xfe", {}, 400, "bad_json", id="not-utf8"),
        pytest.param(b"{}", {"content-type": "text/plain"}, 415, "not_json", id="plain-text"),
        pytest.param(b"a=b", {"content-type": "application/x-www-form-urlencoded"}, 415, "not_json", id="form"),
        pytest.param(b"{}", {"content-encoding": "gzip"}, 415, "compressed", id="compressed"),
    ],
)
async def test_bodies_that_are_no_json(raw, headers, status, code):
    """Two readers would understand these differently, or one of them would fall over."""
    async with client_of() as client:
        answer = await client.post("/v1/score", content=raw, headers={"content-type": "application/json", **headers})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_half_a_surrogate_pair_is_judged_and_sent_back_safely():
    """A policy can write it; it must not end an encoder on the way."""
    async with client_of() as client:
        raw = b'{"detail": true, "samples": [{"prompt": "q", "response": "Paris \\ud800 it is."}]}'
        answer = await client.post("/v1/score", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["results"][0]["rewards"][0]["reward"] == 1.0


async def test_a_rubric_of_the_samples_own():
    """Rubrics that come with the data are used; the answer's components carry their names."""
    rubric = {"criteria": [{"id": "names_it", "text": "The response names the city."}]}

    async with client_of(Unmet(), config={"recipe": "checklist"}) as client:
        answer = (await client.post("/v1/score", json={"samples": [sample("It is Paris.", rubric=rubric)]})).json()
        off = ServerSettings(client_rubrics="off")
        async with client_of(Unmet(), off, config={"recipe": "checklist"}) as strict:
            refused = await strict.post("/v1/score", json={"samples": [sample("It is Paris.", rubric=rubric)]})
    assert answer["results"][0]["rewards"][0]["components"] == {"names_it": 0.0}
    assert refused.json()["error"]["code"] == "rubric_not_allowed"


class Unmet(Scripted):
    """A judge that grants nothing."""

    async def _answer(self, request):
        return "Looked.\nVERDICT: UNMET"


async def test_unknown_routes_and_methods_have_the_same_shape():
    """One reader of errors is enough for a client."""
    async with client_of() as client:
        for answer, code in ((await client.get("/nope"), "no_such_route"), (await client.get("/v1/score"), "wrong_method")):
            assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"samples": [1] * 300_000}, id="wrong-items"),
        pytest.param({"samples": [{}] * 300_000}, id="empty-samples"),
        pytest.param({"samples": [{"prompt": [1] * 500_000, "response": "a"}]}, id="wrong-messages"),
        pytest.param({"samples": ONE["samples"], "x" * 1_000_000: 1}, id="long-name"),
    ],
)
async def test_a_large_mistake_costs_little(body):
    """One wrong request of some megabytes took 44 s and 3 GB while every problem in it was listed; now the first ends it."""
    async with client_of() as client:
        began = time.perf_counter()
        answer = await client.post("/v1/score", json=body)
        assert time.perf_counter() - began < 10
    assert answer.status_code == 422
    assert len(answer.content) < 5000


async def test_a_stream_that_fails_says_so_in_its_last_line():
    """The status has gone out already; a client that finds no `done` knows that something is missing, and here also what."""

    class Gone(Scripted):
        async def complete(self, request):
            if "DIE" in request.messages[-1].content:
                raise EngineError("gone")
            return await super().complete(request)

    async with client_of(Gone()) as client:
        answer = await client.post("/v1/score", json={"samples": [sample("It is Paris."), sample("DIE.")], "stream": True})
    last = json.loads(answer.text.splitlines()[-1])
    assert (last["type"], last["error"]["code"]) == ("error", "engine_failed")


async def test_requests_have_names():
    """A line of the log can be found from an answer; a client's own name is kept when it is one."""
    async with client_of() as client:
        own = await client.post("/v1/score", json=ONE, headers={"X-Request-ID": "step-7.rank-3"})
        bad = await client.post("/v1/score", json=ONE, headers={"X-Request-ID": 'a" b'})
        wrong = await client.delete("/v1/score")
    assert own.headers["x-request-id"] == "step-7.rank-3"
    assert len(bad.headers["x-request-id"]) == 16
    assert wrong.headers["allow"] == "POST"
    assert all(a.headers["x-content-type-options"] == "nosniff" for a in (own, bad, wrong))
