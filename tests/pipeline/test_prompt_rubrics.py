"""A rubric for each prompt: the same from Python, a run and a trainer's session, and typed errors for files that are none."""

from __future__ import annotations

import asyncio
import json
import pickle
import re
from pathlib import Path

import pytest

from judge import Judge
from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, RubricError
from judge.pipeline.build import needed_columns, plan
from judge.rubric.per_prompt import load_prompt_rubrics
from judge.settings import RunSettings
from judge.types import Message, Request, Sample
from tests.cli_harness import run_judge
from tests.rubric_harness import generate

CHAT = (Message("system", "Be kind."), Message("user", "Name a drink."))


def reply(request: Request) -> str:
    """Each prompt's rubric names what the prompt names; a response that says it meets the criterion."""
    text = request.messages[-1].content
    if "CONSTRAINT" in text.upper() and "INSTRUCTION" in text:
        return f"1. The response names {'a drink' if 'drink' in text else 'a town'}. [Constraint]"
    return (
        "The text shows it.\nVERDICT: MET"
        if ("names a drink" in text) == ("Water" in text)
        else "It is not there.\nVERDICT: UNMET"
    )


async def written(folder: Path) -> Path:
    rows = [Sample.of("Name a drink?", id="a"), Sample.of("Name a town?", id="b"), Sample.of(list(map(plain, CHAT)), id="c")]
    lines = await generate("constraints", folder, reply, *rows)
    assert [line["kept"] for line in lines] == [True, True, True]
    return folder


def plain(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": str(message.content)}


async def test_each_prompt_has_its_own(tmp_path):
    """Texts and chats find theirs; a row's own rubric comes first; a prompt without one has the run's."""
    rubrics = load_prompt_rubrics(await written(tmp_path))
    assert len(rubrics) == 3
    for again in (rubrics, pickle.loads(pickle.dumps(rubrics))):
        assert [again.find(p) and again.find(p).criteria[0].text for p in ("Name a town?", CHAT, "Name a tree?")] == [
            "The response names a town.",
            "The response names a drink.",
            None,
        ]
    own = Sample.of("Name a town?", "Oslo", rubric=["It is short."])
    assert rubrics.given(own) is own


def test_from_python_and_from_a_run(tmp_path):
    """The same samples get the same rewards by `rubrics` in the settings and by `--rubrics`."""
    folder = asyncio.run(written(tmp_path / "out"))
    samples = [("Name a drink?", "Water"), ("Name a town?", "Water"), ("Name a town?", "Oslo"), ("Name a tree?", "Oslo")]
    settings = {"rubrics": str(folder), "rubric": ["The response names a drink."], "recipe": "checklist"}
    with Judge(**settings, engine=ScriptedEngine(reply)) as judge:
        rewards = judge.score([Sample.of(*each) for each in samples])
    assert [r.reward for r in rewards] == [1.0, 0.0, 1.0, 0.0]
    data, run = tmp_path / "rows.jsonl", tmp_path / "run"
    data.write_text("\n".join(json.dumps({"prompt": p, "response": r}) for p, r in samples[:3]))
    replies = {"names a drink": "It is there.\nVERDICT: MET", "names a town": "It is not.\nVERDICT: UNMET"}
    (tmp_path / "replies.yaml").write_text(json.dumps(replies))
    (tmp_path / "c.yaml").write_text("engine: {kind: scripted, replies: replies.yaml}\n")
    done = run_judge(
        "run", str(tmp_path / "c.yaml"), "--data", str(data), "--output", str(run), "--rubrics", str(folder), "--jsonl"
    )
    assert done.code == 0, done.err
    assert [json.loads(line)["reward"] for line in (run / "rewards.jsonl").read_text().splitlines()] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("recipe", [pytest.param("checklist", id="checklist"), pytest.param("pointwise", id="by-needs")])
def test_a_prompt_without_one_is_told_where_it_was_looked_for(tmp_path, recipe):
    """ "The sample has none" sent people to their data; the folder may be of other prompts, or of few of them."""
    folder = asyncio.run(written(tmp_path / "out"))
    where = re.escape(str(folder / "rubrics.jsonl"))
    refused = pytest.raises(DataError, match=rf"none of the 3 in {where} \(`rubrics`\) is for this prompt")
    with Judge(rubrics=str(folder), recipe=recipe, engine=ScriptedEngine(reply)) as judge, refused:
        judge.score([Sample.of("Name a tree?", "Oslo")])


async def test_no_rubric_is_asked_of_the_data(tmp_path):
    """Data without a column `rubric` can be judged when their prompts have rubrics."""
    made = plan(RunSettings(rubrics=str(await written(tmp_path)), recipe="checklist"))
    assert "rubric" not in needed_columns(made)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(None, "nor a folder with rubrics.jsonl", id="no-file"),
        pytest.param('{"id": "a"}\n', r"rubrics.jsonl:1: not a line of `judge rubric generate`", id="other-file"),
        pytest.param('{"kept": false, "rubric": null, "prompt_key": ""}\n', "no rubric was kept", id="none-kept"),
        pytest.param("{\n", r"rubrics.jsonl:1: not a line", id="no-json"),
    ],
)
def test_what_is_no_output_of_generate(tmp_path, text, message):
    """A wrong path is told of before anything is judged."""
    if text is not None:
        (tmp_path / "rubrics.jsonl").write_text(text)
    with pytest.raises(RubricError, match=message):
        plan(RunSettings(rubrics=str(tmp_path), recipe="checklist"))
