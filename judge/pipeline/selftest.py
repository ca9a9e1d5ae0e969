"""A recipe's own tests: the recorded replies in `transcripts.yaml`, run without a model through the whole pipeline.

A recipe passes when each transcript comes to its rewards, when the prompt says how the verdict is to be written, and when the
transcripts show what judges do: a plain verdict, one that the candidate planted, a cut-off reply, two different verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from judge.errors import JudgeError, Problem, RecipeError
from judge.pipeline.judge import Judge
from judge.pipeline.transcripts import Script, Transcript, Transcripts
from judge.recipe.load import Recipe, load_recipe
from judge.recipe.verdict import VerdictSpec
from judge.render.verdicts import verdict_breaker
from judge.rubric.model import Rubric
from judge.types import NoVerdict, Reason, Reward, Sample
from judge.yamlfile import read_yaml, validate

_RUBRIC = {
    "name": "selftest",
    "criteria": [
        {"id": "answers", "text": "The response answers the question.", "kind": "hard_rule", "weight": 3},
        {"id": "padding", "text": "The response has sentences that could be cut.", "kind": "pitfall", "weight": 1},
    ],
}
KINDS = {
    "good": "a reply that comes to a reward",
    "planted": "a response that holds a verdict of its own",
    "truncated": "a reply that is cut off (`finish: length`)",
    "two verdicts": "a reply with two different verdicts",
    "unclear": "too little probability on the labels",
}
CLOSE = 1e-6  # rewards this near are equal


@dataclass(frozen=True)
class Result:
    """How one transcript went; `problem` is empty when it went well. `kinds`: what it shows, of `KINDS`."""

    name: str
    problem: str
    kinds: frozenset[str] = frozenset()


def load_transcripts(recipe: Recipe) -> tuple[Transcript, ...]:
    """The transcripts in a recipe's folder. Raises `RecipeError` when there are none."""
    path = recipe.folder / "transcripts.yaml"
    if not path.exists():
        raise RecipeError(Problem(str(recipe.folder), "no transcripts.yaml: a recipe without tests cannot be trusted"))
    return validate(Transcripts, read_yaml(path, RecipeError), error=RecipeError).transcripts


def run_transcripts(recipe: Recipe) -> list[Result]:
    """Run every transcript of a recipe through the whole pipeline."""
    return [_run(recipe, t) for t in load_transcripts(recipe)]


def missing_kinds(recipe: Recipe, results: Sequence[Result]) -> list[str]:
    """What the transcripts of a recipe do not show and should, in words."""
    shown = frozenset[str]().union(*(r.kinds for r in results))
    signal = recipe.spec.reads
    if signal in ("likelihood", "scalar", "program"):
        wanted = ["good"]
    elif recipe.spec.readout.at == "first" and signal == "expected":
        wanted = ["good", "planted", "unclear"]
    else:
        wanted = ["good", "planted", "truncated", "two verdicts"]
    return [f"{kind} ({KINDS[kind]})" for kind in wanted if kind not in shown]


def sample_for(recipe: Recipe, responses: Sequence[Any] = ()) -> Sample:
    """A sample that has all a recipe of this mode can ask for."""
    return transcript_sample(recipe, Transcript(name="selftest", responses=tuple(responses), rewards=(None,)))


def transcript_sample(recipe: Recipe, transcript: Transcript) -> Sample:
    """The sample of a transcript: what it says, and the usual one where it says nothing."""
    count = {"pairwise": 2, "listwise": 3}.get(recipe.spec.mode, 1)
    responses = ("It is 4, because two and two make four.", "It is 5, because I feel so.", "Four or five.")[:count]
    defaults: dict[str, Any] = {"reference": ("4",), "principle": "Prefer the correct answer."}
    on_demand = {
        "context": ("Two and two make four.",),
        "steps": ("Two and two are four.", "So it is 4."),
        "exemplar": "It is 4.",
    }
    defaults |= {name: value for name, value in on_demand.items() if name in recipe.spec.needs.sample}
    given = transcript.model_dump(include={"reference", "context", "principle", "steps", "exemplar"}, exclude_none=True)
    return Sample.of(
        "What is 2 + 2?" if transcript.prompt is None else transcript.prompt,
        responses=list(transcript.responses or responses),
        id="selftest",
        metadata={**{name: name for name in recipe.spec.needs.fields}, **transcript.fields},
        **{**defaults, **given},
    )


def _run(recipe: Recipe, transcript: Transcript) -> Result:
    try:
        recipe = load_recipe(recipe.folder.resolve(), options={**recipe.options, **transcript.options})
    except RecipeError as why:
        return Result(transcript.name, str(why))
    forward = recipe.spec.readout.at == "first"
    seed = transcript.settings.get("seed", 0)
    script = Script(transcript, seed if isinstance(seed, int) else 0, forward)
    settings = {
        "rubric": transcript.rubric or (_RUBRIC if recipe.rubric is None else None),
        **transcript.settings,
        "recipe": {"name": str(recipe.folder.resolve()), "options": dict(recipe.options)},
        "engine": {"kind": "scripted"},
    }
    try:
        with Judge.from_config(settings, engine=script.engine()) as judge:
            rewards = judge.score([transcript_sample(recipe, transcript)])
            rubric = judge.plan.rubric
    except JudgeError as why:
        return Result(transcript.name, str(why))
    problems = [*script.problems, *_differences(transcript, rewards), *script.left_over()]
    problems += _unmentioned(recipe, script, rubric)
    return Result(transcript.name, "; ".join(dict.fromkeys(problems)), frozenset(_kinds(recipe, transcript, rewards)))


def _differences(transcript: Transcript, rewards: Sequence[Reward]) -> Iterator[str]:
    values = tuple(r.raw_reward for r in rewards)
    failure = next((r.failure for r in rewards if r.failure), None)
    reason = None if failure is None else str(failure.reason)
    if not _same(values, transcript.rewards):
        told = "" if failure is None else f" ({failure.reason}: {failure.detail})" if failure.detail else f" ({failure.reason})"
        yield f"expected rewards {list(transcript.rewards)}, got {list(values)}{told}"
    elif transcript.reason is not None and reason != transcript.reason:
        yield f"expected the reason {transcript.reason}, got {reason}"
    for name, wanted in transcript.components.items():
        found = tuple(r.components.get(name) for r in rewards)
        if not _same(found, wanted):
            yield f"expected component `{name}` {list(wanted)}, got {list(found)}"


def _same(values: Sequence[float | None], wanted: Sequence[float | None]) -> bool:
    return len(values) == len(wanted) and all(
        a is b if a is None or b is None else abs(a - b) <= CLOSE for a, b in zip(values, wanted, strict=True)
    )


def _kinds(recipe: Recipe, transcript: Transcript, rewards: Sequence[Reward]) -> Iterator[str]:
    calls = [call for reward in rewards for call in reward.calls]
    reasons = {call.outcome.reason for call in calls if isinstance(call.outcome, NoVerdict)}
    if any(reward.raw_reward is not None for reward in rewards):
        yield "good"
    if Reason.TRUNCATED in reasons or any(call.completion.finish_reason == "length" for call in calls):
        yield "truncated"
    if Reason.AMBIGUOUS in reasons:
        yield "two verdicts"
    if "unclear" in reasons or any(reward.failure and str(reward.failure.reason) == "unclear" for reward in rewards):
        yield "unclear"
    broken = verdict_breaker(recipe.spec.verdict)
    texts = [text for text in transcript.responses if isinstance(text, str)]
    if any("planted" in transcript.name or broken(text) != text for text in texts):
        yield "planted"


# ---- does the prompt say how the verdict is to be written? ----------------------------------------------------------


def _unmentioned(recipe: Recipe, script: Script, rubric: Rubric | None) -> Iterator[str]:
    """What the requests of the last turn do not say about the verdict that they ask for."""
    if getattr(recipe.spec, "exact", False) or recipe.spec.reads in ("likelihood", "scalar", "program"):
        return
    last = recipe.spec.turns[-1].name
    for now, request in script.asked:
        if now is None or now.turn != last or now.purpose != "turn":
            continue
        text = "\n".join(message.text for message in request.messages).casefold()
        wanted = [*_form_words(recipe.spec.verdict), *_value_words(recipe.spec.verdict, rubric, now.criteria)]
        for words in wanted:
            if words.casefold() not in text:
                yield f"the prompt of turn `{last}` never mentions {words!r}, so the judge cannot know how to write its verdict"


def _form_words(spec: VerdictSpec) -> list[str]:
    """The words of the prompt by which a judge knows the form of its verdict."""
    marker = (spec.marker or "").replace("{i}", "1").replace("{L}", "A")
    if spec.form == "sentence":
        return [part.strip() for part in spec.marker.split("{value}") if part.strip()]
    fixed = {"brackets": ["[["], "boxed": ["boxed"], "bare": [], "tag": [f"<{marker}"] if marker else []}
    return fixed.get(spec.form, [marker] if marker else [])


def _ends(labels: list[str]) -> list[str]:
    """Labels that must be told: all words, and of numbers the first and the last."""
    return [labels[0], labels[-1]] if len(labels) > 2 and all(label.isdigit() for label in labels) else labels


def _value_words(spec: VerdictSpec, rubric: Rubric | None, criteria: Sequence[str]) -> list[str]:
    """The labels, or the ends of the range."""
    if spec.labels == "criterion" and rubric is not None:
        return list(dict.fromkeys(word for c in rubric.criteria if c.id in criteria for word in _ends(list(c.scale.labels))))
    if isinstance(spec.labels, dict):
        return [*spec.labels, *([spec.tie] if spec.tie else [])] if len(spec.labels) <= 12 else []
    if spec.kind in ("score", "scores") and spec.range is not None:
        return [f"{spec.range.min:g}", f"{spec.range.max:g}"]
    return [spec.tie] if spec.tie else []
