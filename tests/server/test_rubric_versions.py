"""Rubrics that change while the server runs: what is in force, and a version that stays."""

from __future__ import annotations

import pytest

from judge.engine.scripted import ScriptedEngine
from judge.rubric.model import Rubric
from judge.rubric.versions import VersionFolder
from tests.server.harness import client_of

ONE = {"samples": [{"prompt": "Why?", "response": "It is so."}]}


def rubric(*texts: str) -> Rubric:
    return Rubric.model_validate({"criteria": [{"id": f"c{i}", "text": t} for i, t in enumerate(texts)]})


def engine() -> ScriptedEngine:
    return ScriptedEngine(lambda r: "VERDICT: UNMET" if "Criterion: Says why." in r.messages[-1].text else "VERDICT: MET")


def config(folder) -> dict:
    return {"recipe": "checklist", "rubric": str(folder.path), "filters": "off"}


def reward(answer):
    return answer.json()["results"][0]["rewards"][0]["reward"]


async def test_a_new_version_is_in_force_without_a_restart(tmp_path):
    """Somebody writes a version into the folder: the next request is judged by it, and the old one can still be asked for."""
    folder = VersionFolder(tmp_path)
    folder.add(rubric("Is so."), {"why": "first"})
    async with client_of(engine(), config=config(folder)) as client:
        assert reward(await client.post("/v1/score", json=ONE)) == 1.0
        VersionFolder(tmp_path).add(rubric("Is so.", "Says why."), {"why": "second"})
        assert reward(await client.post("/v1/score", json=ONE)) == 0.5
        assert reward(await client.post("/v1/rubric/v0001/score", json=ONE)) == 1.0
        assert reward(await client.post("/v1/rubric/current/score", json=ONE)) == 0.5
        told = (await client.get("/v1/rubric")).json()
        assert (told["version"], told["versions"], len(told["rubric"]["criteria"])) == ("v0002", ["v0001", "v0002"], 2)
        old = (await client.get("/v1/rubric/v0001")).json()
        assert old["hash"] == folder.load("v0001").hash != told["hash"]


async def test_a_frozen_version_loses_no_criterion_to_dropout(tmp_path):
    """An evaluation by a version is by all of it, whatever the training leaves out."""
    folder = VersionFolder(tmp_path)
    folder.add(rubric(*(f"Is {w}." for w in ("so", "it", "fine", "clear", "kind"))), {})
    async with client_of(engine(), config={**config(folder), "rubric_dropout": 0.8}) as client:
        body = {**ONE, "detail": True}
        whole = (await client.post("/v1/rubric/v0001/score", json=body)).json()["results"][0]["rewards"][0]
        thin = (await client.post("/v1/score", json=body)).json()["results"][0]["rewards"][0]
    assert len(whole["components"]) == 5 > len(thin["components"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/v1/rubric/v0009", 422, id="not-there"),
        pytest.param("/v1/rubric/v1", 422, id="not-the-form-of-a-version"),
        pytest.param("/v1/rubric/..%2Fv0001", 404, id="a-path"),
    ],
)
async def test_an_unknown_version_is_told(tmp_path, path, status):
    """With the versions that there are; a name is never a path."""
    folder = VersionFolder(tmp_path / "inner")
    folder.add(rubric("Is so."), {})
    VersionFolder(tmp_path).add(rubric("Secret."), {})
    async with client_of(engine(), config=config(folder)) as client:
        answer = await client.get(path)
    assert answer.status_code == status
    assert "Secret" not in answer.text


async def test_a_server_without_versions_has_the_one_in_force():
    """A plain rubric is `current`, and nothing else can be asked for."""
    async with client_of() as client:
        told = (await client.get("/v1/rubric")).json()
        assert (told["version"], told["versions"], told["rubric"]["name"]) == ("", [], "helpfulness")
        assert (await client.get("/v1/rubric/v0001")).json()["error"]["code"] == "unknown_version"
