"""A recipe's own tests: recorded judge replies in `transcripts.yaml`, and the rewards they must come to.

Each recipe folder holds at least: a plain verdict, a verdict the candidate planted, a cut-off reply, two different
verdicts. They run without a model, through the whole pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from judge.engine.scripted import ScriptedEngine
from judge.errors import Problem, RecipeError
from judge.pipeline.judge import Judge
from judge.recipe.load import Recipe
from judge.rubric.model import Frozen
from judge.types import Completion, Sample
from judge.yamlfile import read_yaml, validate

_RUBRIC = {
    "name": "selftest",
    "criteria": [
        {"id": "answers", "text": "The response answers the question.", "kind": "hard_rule", "weight": 3},
        {"id": "padding", "text": "The response has sentences that could be cut.", "kind": "pitfall", "weight": 1},
    ],
}


class Transcript(Frozen):
    """One test: the replies in the order asked (the last repeats), and what must come of them.

    `rewards` holds one value a response, null where there must be none; `reason` is the failure's reason.
    """

    name: str
    replies: tuple[str, ...] = Field(min_length=1)
    finish: Literal["stop", "length", "content_filter"] = "stop"
    responses: tuple[str, ...] = ()
    rewards: tuple[float | None, ...]
    reason: str | None = None


class Transcripts(Frozen):
    """The contents of `transcripts.yaml`."""

    transcripts: tuple[Transcript, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Result:
    """How one transcript went; `problem` is empty when it went well."""

    name: str
    problem: str


def load_transcripts(recipe: Recipe) -> tuple[Transcript, ...]:
    """The transcripts in a recipe's folder. Raises `RecipeError` when there are none."""
    path = recipe.folder / "transcripts.yaml"
    if not path.exists():
        raise RecipeError(Problem(str(recipe.folder), "no transcripts.yaml: a recipe without tests cannot be trusted"))
    return validate(Transcripts, read_yaml(path, RecipeError), error=RecipeError).transcripts


def run_transcripts(recipe: Recipe) -> list[Result]:
    """Run every transcript of a recipe through the whole pipeline."""
    return [Result(t.name, _run(recipe, t)) for t in load_transcripts(recipe)]


def sample_for(recipe: Recipe, responses: tuple[str, ...] = ()) -> Sample:
    """A sample that has all a recipe of this mode can ask for."""
    count = {"pairwise": 2, "listwise": 3}.get(recipe.spec.mode, 1)
    defaults = ("It is 4, because two and two make four.", "It is 5, because I feel so.", "Four or five.")[:count]
    return Sample(
        prompt="What is 2 + 2?",
        responses=responses or defaults,
        reference=("4",),
        principle="Prefer the correct answer.",
        id="selftest",
    )


def _run(recipe: Recipe, transcript: Transcript) -> str:
    replies = [Completion(text, transcript.finish) for text in transcript.replies]
    engine = ScriptedEngine(replies, repeat_last=True)
    settings = {"recipe": str(recipe.folder.resolve()), "rubric": _RUBRIC, "engine": {"kind": "scripted"}}
    with Judge.from_config(settings, engine=engine) as judge:
        rewards = judge.score([sample_for(recipe, transcript.responses)])
    values = tuple(r.raw_reward for r in rewards)
    reason = next((str(r.failure.reason) for r in rewards if r.failure), None)
    if len(values) != len(transcript.rewards) or any(
        (a is None) != (b is None) or (a is not None and b is not None and abs(a - b) > 1e-9)
        for a, b in zip(values, transcript.rewards, strict=False)
    ):
        return f"expected rewards {list(transcript.rewards)}, got {list(values)}" + (f" ({reason})" if reason else "")
    if transcript.reason is not None and reason != transcript.reason:
        return f"expected the reason {transcript.reason}, got {reason}"
    return ""
