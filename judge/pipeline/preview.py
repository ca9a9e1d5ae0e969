"""What would be sent for a sample, without sending it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from judge.engine.protocol import Engine
from judge.engine.scripted import ScriptedEngine
from judge.loops import run as run_loop
from judge.pipeline.build import Plan, build_pipeline
from judge.pipeline.opened import compared
from judge.pipeline.pipeline import Outlook, Pipeline
from judge.pipeline.scored import UNDRAWN
from judge.pipeline.turns import Said, drawn_for, opened
from judge.recipe.model import WRITTEN
from judge.recipe.parts import UnitSpec
from judge.recipe.verdict import Question
from judge.render.build import Ask, Case
from judge.settings import EngineSettings
from judge.settings.group import GroupSettings
from judge.types import Capability, Completion, Message, Request, Reward, Sample, Sampling

_REPLY = "(the judge's reply to this turn stands here)"
FIXED = ("round_robin", "anchor", "random_reference", "listwise")  # schedules that make the same comparisons whoever wins


@dataclass(frozen=True)
class Preview:
    """One request as it would be sent. `key` is its journal key, exact for the first turn of a recipe."""

    title: str
    model: str
    messages: tuple[Message, ...]
    sampling: Sampling
    key: str
    allowed: str
    turn: str
    judge: str = ""  # which one of several
    scored: str | None = None  # a text whose probability is asked for, instead of a reply


class _Ties:
    """A judging that notes what a group shows it, and says nothing of who is better."""

    def __init__(self) -> None:
        self.shown: list[Sample] = []

    async def judge(self, sample: Sample, *, filters: bool = True) -> tuple[Reward, ...]:
        self.shown.append(sample)
        return tuple(Reward(sample.id, index, 0.5) for index in range(len(sample.responses)))


def fixed(settings: GroupSettings | None) -> bool:
    """Whether the number of comparisons is known before any of them: it does not depend on who wins."""
    return settings is None or (settings.schedule in FIXED and settings.top is None)


def no_count(settings: GroupSettings | None) -> str:
    """Why the comparisons of these groups cannot be counted without a judge."""
    which = "" if settings is None else "`group.top`" if settings.top is not None else f"schedule `{settings.schedule}`"
    return f"group: {which} compares as the verdicts go, so nothing can be counted without them; judge some groups: no --dry"


def spared(plan: Plan) -> list[str]:
    """The settings by which a row may take fewer calls than its prompts are, as the verdicts go."""
    parts = (plan, *plan.members.values(), *filter(None, (plan.second, plan.cheap)))
    units = (part.recipe.spec.unit for part in parts)
    said = {
        "`votes.stop`": any(part.votes.stop is not None for part in parts),
        "`unit.stop_when_decided`": any(isinstance(unit, UnitSpec) and unit.stop_when_decided for unit in units),
        "`cascade`": plan.cheap is not None,
        "`second_opinion`": plan.second is not None,
    }
    return [name for name, is_set in said.items() if is_set]


class Previewer:
    """Every request of a run by all its judges: its own, the panel's, and the one for second opinions."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._group = plan, plan.settings.group
        parts = {"": plan, **{f"panel `{name}`": member for name, member in plan.members.items()}}
        if plan.second is not None and plan.settings.second_opinion is not None:
            parts[f"second opinion `{plan.settings.second_opinion.judge.name}`, where asked for"] = plan.second
        if plan.cheap is not None and plan.settings.cascade is not None:
            parts[f"cascade `{plan.settings.cascade.first.name}`, asked first"] = plan.cheap
        self._parts = {
            who: (part, build_pipeline(part, _stand_in(part.settings.engine), baseline=_other(part)))
            for who, part in parts.items()
        }

    def of(self, sample: Sample) -> list[Preview]:
        """The requests of one sample. Of a group that competes, the first pair (or list) stands for all."""
        sample = self._shown(sample)
        return [
            replace(each, title=f"{who}: {each.title}" if who else each.title, judge=who)
            for who, (part, pipeline) in self._parts.items()
            for each in _requests(part, pipeline, sample)
        ]

    def shown(self, unit: Sequence[Sample]) -> list[Sample]:
        """What is judged of samples that belong together: they themselves, or the pairs (lists) that their group compares.

        Where that depends on the verdicts (see `fixed`), as if all were ties.
        """
        if self._group is None or not unit:
            return list(unit)
        ties = _Ties()
        group = compared(self._plan, self._group, ties, self._parts[""][1])
        run_loop(group.judge_group([self._plan.given(sample) for sample in unit]))
        return ties.shown

    def fates(self, unit: Sequence[Sample]) -> Counter[str]:
        """What decides how many of their responses: `judge`, `filter`, `rule`, `program`."""
        first = self._parts[""][1]
        if self._group is None:
            return Counter(fate for sample in unit for fate in first.outlook(sample).fates)
        given = [self._plan.given(sample) for sample in unit]
        stopped = [first.stopped(sample, index) for sample in given for index in range(len(sample.responses))]
        return Counter("judge" if each is None else "filter" for each in stopped)

    def outlooks(self, sample: Sample) -> list[Outlook]:
        """What judging one sample would take of each judge, the run's own first."""
        sample = self._shown(sample)
        return [pipeline.outlook(sample) for _, pipeline in self._parts.values()]

    def _shown(self, sample: Sample) -> Sample:
        if self._group is None:
            return sample
        shown = sample.responses[: self._group.window if self._group.schedule == "listwise" else 2]
        return replace(sample, responses=shown, steps=())


def _stand_in(settings: EngineSettings) -> ScriptedEngine:
    """An engine that is never asked, and could do anything."""
    return ScriptedEngine([""], model=settings.model, capabilities=frozenset(Capability))


def _other(plan: Plan) -> ScriptedEngine | None:
    other = plan.settings.baseline_engine
    return None if other is None else _stand_in(other)


def previews(plan: Plan, sample: Sample) -> list[Preview]:
    """Every request of one sample by all judges of a run."""
    return Previewer(plan).of(sample)


def preview(plan: Plan, sample: Sample, engine: Engine) -> list[Preview]:
    """Every request of one sample, in the order asked; empty when a filter or a program decides."""
    return _requests(plan, build_pipeline(plan, engine), sample)


def _requests(plan: Plan, pipeline: Pipeline, sample: Sample) -> list[Preview]:
    out: list[Preview] = []
    sample = plan.given(sample)
    rubric = sample.rubric or plan.rubric
    for ask in pipeline.outlook(sample).asks:
        case = pipeline.case(sample, rubric)
        written = plan.recipe.spec.reads in WRITTEN
        for each in (case,) if written else pipeline.caller.builder.by_reference(case):
            out += _asked(plan, pipeline, each, ask)
    return out


def _asked(plan: Plan, pipeline: Pipeline, case: Case, ask: Ask) -> list[Preview]:
    """The requests of one ask, turn by turn."""
    caller, spec = pipeline.caller, plan.recipe.spec
    builder, out = caller.builder, list[Preview]()
    said, outputs = Said(), dict[str, str]()
    for turn, sampling in zip(spec.turns, plan.sampling, strict=True):
        if turn.passages is not None:
            for each in builder.by_passage(case, turn.passages, ask):
                messages, _ = opened(builder, each, turn, ask, outputs, Said())
                request = Request(messages, drawn_for(turn, sampling, ask.vote))
                title = f"{_title(ask, turn.name, plan)}, passage {each.values['passage']['number']}"
                key = caller.key(request)
                out.append(Preview(title, caller.engine.model, messages, request.sampling, key, "none in this turn", turn.name))
            continue
        conversation, begun = opened(builder, case, turn, ask, outputs, said)
        last = turn is spec.turns[-1]
        title, reply = _title(ask, turn.name, plan), _REPLY
        requests = [(Request(conversation, drawn_for(turn, sampling, ask.vote)), "none in this turn")]
        if turn.score is not None and spec.likelihood is not None:
            texts = builder.texts(case, turn, ask, outputs, lines=spec.likelihood.texts == "lines")
            requests = [(Request(conversation, UNDRAWN, scored=t), f"log-probabilities of {t!r}") for t in texts]
            reply = texts[-1] if texts else ""
        elif spec.signal == "scalar" and last:
            requests = [(Request(conversation, UNDRAWN, rated=True), "one number of the reward-model head")]
        elif last:
            requests = [(requests[0][0], _allowed(builder.question(case, ask)))]
        who = caller.of_baseline if spec.likelihood is not None and turn.name == spec.likelihood.baseline else caller
        out += [
            Preview(title, who.engine.model, r.messages, r.sampling, who.key(r), allowed, turn.name, scored=r.scored)
            for r, allowed in requests
        ]
        said = Said.after(conversation, begun, Completion(reply))
        outputs[turn.name] = begun + reply
    return out


def _title(ask: Ask, turn: str, plan: Plan) -> str:
    parts = [f"turn `{turn}`"] if len(plan.recipe.spec.turns) > 1 else []
    parts.append("response " + " then ".join(map(str, ask.order)))
    if len(ask.criteria) == 1:
        parts.append(f"criterion `{ask.criteria[0].id}`")
    elif ask.criteria:
        parts.append(f"{len(ask.criteria)} criteria")
    if plan.votes.n > 1:
        parts.append(f"vote {ask.vote}")
    return ", ".join(parts)


def _allowed(question: Question) -> str:
    kind = question.spec.kind
    if kind in ("label", "graded_choice"):
        return " or ".join(question.labels)
    if kind == "first_error":
        first = question.spec.base
        return f"{first} to {first + max(1, question.steps) - 1}, or {question.spec.none}"
    if kind == "scores" and question.labels:
        return f"{' or '.join(question.labels)}, for each of {', '.join(question.names)}"
    if kind in ("score", "scores"):
        each = "" if kind == "score" else f" for each of {', '.join(question.names)}"
        return f"{'a whole number' if question.integer else 'a number'} from {question.lo:g} to {question.hi:g}{each}"
    if kind == "criteria":
        return ", ".join(f"{name}: {'/'.join(labels)}" for name, labels in question.criteria.items())
    tie = f" or {question.spec.tie} (tie)" if question.spec.tie else ""
    return " or ".join(question.names) + tie
