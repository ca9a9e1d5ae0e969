"""`mine` and `revise` where the judge fails: that says nothing about a rubric, and nothing is written from it."""

from __future__ import annotations

import pytest

from judge.engine.scripted import ScriptedEngine
from judge.errors import JudgeError
from judge.rubric.load import load_rubric
from judge.types import Completion, Request, Sample
from tests.rubric_harness import BAD, GOOD, asked, generate

SILENT = "I cannot tell."


def winner(request: Request, wanted: str) -> str:
    text = asked(request)
    return f"--- Final Judgment ---\nWinner: Response {'A' if (text.index(GOOD) < text.index(BAD)) == (wanted == GOOD) else 'B'}"


def pairs(count: int) -> list[Sample]:
    return [Sample.of(f"Question {i}?", f"{GOOD} {i}", f"{BAD} {i}", id=str(i), metadata={"label": "A"}) for i in range(count)]


def is_about(text: str, *numbers: int) -> bool:
    return any(f"Question {i}?" in text for i in numbers)


async def test_mine_leaves_out_pairs_without_a_verdict(tmp_path):
    """Pair 0 has no verdict: the share is over the other three, and the second round does not write from it."""

    def reply(request: Request) -> str:
        text = asked(request)
        if "Make one list" in text:
            return "\n".join(line for line in text.splitlines() if line[:1].isdigit())
        if "CHOSEN RESPONSE" in text:
            return "1. The response is right."
        return SILENT if is_about(text, 0) else winner(request, BAD if is_about(text, 2) else GOOD)

    engine = ScriptedEngine(reply)
    lines = await generate("mine", tmp_path, engine, *pairs(4), **{"mine.batch": 1, "mine.rounds": 4})
    wrote = [asked(r) for r in engine.requests if "CHOSEN RESPONSE" in asked(r)]
    rubric = load_rubric(tmp_path / "merged.yaml")
    assert rubric.lineage is not None
    assert rubric.lineage.scores == {"explained": 0.666667}
    assert not any(is_about(text, 0) for text in wrote)
    assert [line["reason"] for line in lines] == ["no_verdict", "explained", "kept", "kept"]
    assert lines[0]["detail"].startswith("under the merged rubric: no_verdict: ")


async def test_mine_without_any_verdict(tmp_path):
    """A judge that never answers gives the merged rubric no share, which is not a share of 0."""

    def reply(request: Request) -> str:
        return "1. The response is right." if any(w in asked(request) for w in ("Make one list", "CHOSEN RESPONSE")) else SILENT

    lines = await generate("mine", tmp_path, reply, *pairs(3), **{"mine.batch": 1})
    rubric = load_rubric(tmp_path / "merged.yaml")
    assert rubric.lineage is not None
    assert rubric.lineage.scores == {}
    assert sorted(line["reason"] for line in lines) == ["kept", "no_verdict", "no_verdict"]


async def test_revise_asks_for_no_revision_without_a_verdict(tmp_path):
    """Nobody said that the criteria lead to the wrong response, so they are not revised."""
    engine = ScriptedEngine(lambda r: "1. The response is right." if "CHOSEN RESPONSE" in asked(r) else SILENT)
    [line] = await generate("auto-rubric", tmp_path, engine, *pairs(1))
    assert (line["kept"], line["reason"]) == (False, "no_verdict")
    assert "after 0 revision(s)" in line["detail"]
    assert line["rejected_items"] == []
    assert len(engine.requests) == 3  # propose, two orders


@pytest.mark.parametrize(
    ("method", "option"),
    [
        pytest.param("auto-rubric", {"revise.recipe": "openrubric"}, id="revise"),
        pytest.param("mine", {"mine.recipe": "openrubric"}, id="mine"),
        pytest.param("support-vectors", {"support.recipe": "pointwize"}, id="support"),
        pytest.param("support-vectors", {"support.rubric": "helpfulnes"}, id="support-rubric"),
    ],
)
async def test_a_wrong_name_is_told_before_the_first_request(tmp_path, method, option):
    """A misspelt recipe or rubric of a later step costs nothing."""
    engine = ScriptedEngine(lambda r: "1. The response is right." if "CHOSEN RESPONSE" in asked(r) else winner(r, GOOD))
    with pytest.raises(JudgeError, match="did you mean"):
        await generate(method, tmp_path, engine, *pairs(2), **option)
    assert engine.requests == []


async def test_validation_adds_to_the_scores(tmp_path):
    """How many revisions there were, and that the label came back, both stand in the lineage."""
    engine = ScriptedEngine(lambda r: "1. The response is right." if "CHOSEN RESPONSE" in asked(r) else winner(r, GOOD))
    [line] = await generate("auto-rubric", tmp_path, engine, *pairs(1), validation={"recipe": "openrubrics"}, closing=None)
    assert line["rubric"]["lineage"]["scores"] == {"revisions": 0.0, "label_reproduced": 1.0}


async def test_the_line_names_seed_and_sampling_of_the_reply_it_shows(tmp_path):
    """The first draw is cut, so the second one is shown: with its seed, at the temperature of its turn."""
    turn = {"name": "draft", "user": "generate.md.j2", "draws": 2, "sampling": {"temperature": 0.7}}
    engine = ScriptedEngine(
        lambda r: Completion("1. cut", "length") if r.sampling.seed == 0 else "1. It is short. [2]\n2. It is true. [3]"
    )
    [line] = await generate("spct", tmp_path, engine, *pairs(1), user=None, turns=[turn])
    assert line["kept"], line["detail"]
    assert line["raw"].startswith("1. It is short.")
    assert (line["seed"], line["sampling"]["seed"], line["sampling"]["temperature"]) == (1, 1, 0.7)
