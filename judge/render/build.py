"""Recipe + rubric + sample -> the messages of one judge call, and the question that its reply answers.

Values are prepared once per sample and shared by all its calls, so quoting a long response costs the same for one
criterion and for thirty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, TypeVar

from judge.conversation import media
from judge.conversation.write import without_system
from judge.errors import DataError
from judge.recipe.language import in_language, writes
from judge.recipe.load import Recipe
from judge.recipe.parts import Turn
from judge.recipe.passages import PassageSpec, passages, quoted
from judge.recipe.steps import STEP, beginnings, find_steps
from judge.recipe.verdict import LabelScores, Question
from judge.records import quick
from judge.reference import is_missing, reference_text
from judge.render.check import check_shown, earlier_turns
from judge.render.draw import drawn
from judge.render.environment import Templates
from judge.render.quoting import Bare, Untrusted, boundary
from judge.render.verdicts import Break, verdict_breaker
from judge.render.views import (
    anchors,
    criterion_view,
    field_view,
    lacking,
    lacking_field,
    material,
    message_views,
    own_messages,
    rubric_view,
    tidy,
    with_images,
)
from judge.rubric.model import Criterion, Rubric, Scale
from judge.types import Conversation, ImagePart, Message, Sample

_READS_BEGINNINGS = re.compile(r"\bstep\.(?:before|so_far)\b")
_DEFAULT_SCALE = Scale(kind="ordinal")
_NOTHING_SAID = SimpleNamespace()
V = TypeVar("V", Rubric | None, Criterion)
MAX_VIEWS = 4096  # of rubrics and criteria kept at hand
NOTHING = "N/A"  # stands for a response without content
_ARTICLE = {"audio": "audio", "video": "a video", "file": "a file"}


@quick
@dataclass(frozen=True, slots=True)
class Ask:
    """One judge call to make: which responses it shows, in which order, and what it asks about.

    Attributes:
        order: Index of the response shown at each position.
        criteria: The criteria asked about; empty when the whole rubric is one question.
        vote: Which vote, from 0; its seed is the run's seed plus this.
        shift: By how many places the labels that the prompt lists are rotated.
        backwards: Whether the steps are shown from the last to the first.
    """

    order: tuple[int, ...]
    criteria: tuple[Criterion, ...] = ()
    vote: int = 0
    shift: int = 0
    backwards: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Case:
    """One sample, ready to be rendered."""

    sample: Sample
    rubric: Rubric | None
    values: Mapping[str, Any]
    responses: tuple[Untrusted, ...]
    material: tuple[str, ...]
    images: tuple[ImagePart, ...] = ()
    steps: tuple[tuple[Untrusted, ...], ...] = ()  # of each response
    beginnings: tuple[tuple[Untrusted, ...], ...] = ()  # of each response: up to each step, the empty one before


class Builder:
    """Renders the calls of one recipe for one judge model."""

    def __init__(
        self,
        recipe: Recipe,
        control_tokens: frozenset[str] = frozenset(),
        seed: int = 0,
        *,
        vision: bool = False,
        system_role: bool = True,
        tools: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
    ) -> None:
        """Compile the templates of a recipe.

        Args:
            vision: The judge can be shown images.
            tools: Name of a turn -> what its templates may say of its tools.
            system_role: The judge has a system role; else that text goes in front of the first user message.
        """
        self.recipe = recipe
        self._rule = recipe.spec.steps  # these four are looked at for every sample, and cost more within the model
        self._needs, self._per_call, self._salvages = recipe.spec.needs, recipe.spec.per_call, recipe.spec.salvages
        self.vision = vision
        self._system_role = system_role
        self._tools = tools or {}
        self.seed = seed
        self._control_tokens = control_tokens
        self._kind = Bare if recipe.spec.exact else Untrusted
        self._break = verdict_breaker(recipe.spec.verdict if recipe.spec.parsed and not recipe.spec.exact else None)
        if any(turn.tools and turn.tool_form == "action" for turn in recipe.spec.turns):
            self._break = without_actions(self._break)
        self._own = tuple(recipe.spec.verdict.own_labels) if recipe.spec.mode == "checklist" else ()  # instead of the criteria's
        self._views: dict[int, tuple[Any, dict[str, Any]]] = {}
        early = {t for turn in recipe.spec.turns if turn.scope == "prompt" for t in turn.templates}
        late = {t for turn in recipe.spec.turns if turn.scope == "response" for t in turn.templates}
        self._templates = Templates(
            recipe.folder,
            recipe.templates,
            control_tokens,
            prompt_scoped=frozenset(early - late),
            exact=recipe.spec.exact,
            fields=recipe.spec.needs.fields,
            outputs=earlier_turns(recipe.spec),
        )

    def checked(self) -> Builder:
        """This builder, if its turns say something and show what is judged; else `RecipeError`, with the file."""
        check_shown(self.recipe, self._templates)
        return self

    def case(self, sample: Sample, rubric: Rubric | None, principle: str | None = None) -> Case:
        """Prepare a sample. Raises `DataError` when it lacks something that the recipe needs."""
        principle = sample.principle or principle
        self._check(sample, rubric, principle)
        if rubric is not None and self.recipe.spec.draw is not None:
            rubric = drawn(rubric, self.recipe.spec.draw, self.seed, sample)
        label = boundary(self.seed, sample.prompt)

        def untrusted(text: str | Conversation, **more: Any) -> Untrusted:
            return self._kind(text, label, self._control_tokens, self._break, **more)

        images = media(sample.prompt)
        responses = []
        for response in sample.responses:
            first = len(images) + 1
            responses.append(untrusted(response, response=True, first_image=first))
            images += media(response)

        values = {
            **self._view(rubric, self._shared),
            "prompt": untrusted(sample.prompt),
            "messages": message_views(sample.prompt, untrusted),
            "reference": untrusted(reference) if (reference := reference_text(sample.reference)) is not None else None,
            "context": [untrusted(d) for d in sample.context],
            "principle": untrusted(principle) if principle else None,
            "exemplar": untrusted(sample.exemplar) if sample.exemplar else None,
            "fields": {n: field_view(sample.metadata[n], untrusted) for n in self._needs.fields},
        }
        steps = tuple([tuple(map(untrusted, self.steps_of(sample, i))) for i in range(len(sample.responses))])
        case = Case(sample, rubric, values, tuple(responses), material(sample), tuple(images), steps)
        rule = self._rule
        if rule is None or not _READS_BEGINNINGS.search("".join(self.recipe.templates.values())):
            return case
        begun = tuple(tuple(untrusted(b) for b in beginnings(r, rule, sample.steps)) for r in sample.responses)
        return replace(case, beginnings=begun)

    def steps_of(self, sample: Sample, index: int) -> tuple[str, ...]:
        """The steps of a response, as the recipe cuts it; without such a rule those that came with the sample."""
        return sample.steps if self._rule is None else find_steps(sample.responses[index], self._rule, sample.steps)[0]

    def _check(self, sample: Sample, rubric: Rubric | None, principle: str | None) -> None:
        have = {
            "reference": sample.reference is not None,
            "context": bool(sample.context),
            "principle": bool(principle),
            "rubric": rubric is not None,
            "steps": bool(sample.steps),
            "exemplar": bool(sample.exemplar),
        }
        missing = [name for name in self._needs.sample if not have[name]]
        if missing:
            raise DataError(f"sample `{sample.id}`: {lacking(self.recipe.spec.name, missing[0])}")
        for name in self._needs.fields:
            if is_missing(sample.metadata.get(name)):
                raise DataError(f"sample `{sample.id}`: {lacking_field(self.recipe.spec.name, name)}")

    def _shared(self, rubric: Rubric | None, own: tuple[str, ...]) -> dict[str, Any]:
        """What templates see that is the same for every sample under one rubric, and what a sample begins without."""
        return {
            "rubric": rubric_view(rubric, own) if rubric else None,
            "scale": self._scale(rubric),
            "options": self.recipe.options,
            "labels": list(self._labels(None)),
            "criterion": None,
            "step": None,
            "passage": None,
            "evidence": [],
        }

    def _scale(self, rubric: Rubric | None) -> dict[str, Any]:
        """The numbers a judge may give, as templates see them: the recipe's range, or else the rubric's scale."""
        given = self.recipe.spec.verdict.range
        scale = rubric.scale if rubric else _DEFAULT_SCALE
        if given is None:
            return {"min": scale.min, "max": scale.max, "anchors": anchors(scale)}
        same = rubric is not None and (scale.min, scale.max) == (given.min, given.max)
        return {"min": tidy(given.min), "max": tidy(given.max), "anchors": anchors(scale) if same else []}

    def _labels(self, criterion: Criterion | None) -> LabelScores:
        """What may be said about one criterion, or of the whole response: the recipe's own labels come first."""
        spec = self.recipe.spec.verdict
        of_criterion = spec.labels == "criterion" or spec.kind == "criteria"
        return spec.own_labels or (criterion.scale.labels if criterion and of_criterion else {})

    def messages(self, case: Case, turn: Turn, ask: Ask, outputs: Mapping[str, str]) -> list[Message]:
        """The messages that a turn adds: its system message, if it opens a conversation with one, and its user message.

        A turn on the sample's own conversation has the prompt's messages before that, and the response as the assistant's, unless
        it brings a `prefill` or a `score`.
        """
        values, render = self._values(case, turn, ask, outputs), self._templates.render
        added = [Message("system", render(turn.system, values))] if turn.system else []
        if turn.conversation == "sample":
            shown = turn.scope == "response" and not (turn.prefill or turn.score)
            response = case.sample.responses[ask.order[0]] if shown else ()
            added += own_messages(case.sample.prompt, response, self._control_tokens)
        if turn.user:
            text, language = render(turn.user, values), self.recipe.language
            user = Message("user", in_language(text, language) if language and writes(self.recipe.spec, turn) else text)
            added.append(with_images(user, case.images, case.responses[0].label) if case.images else user)
        return added if self._system_role or not turn.system else without_system(added)

    def quoted(self, case: Case, text: str, title: str) -> str:
        """A text that neither the recipe nor the judge wrote, as a block."""
        return str(Untrusted(text, case.responses[0].label, self._control_tokens, self._break).quote(title))

    def prefill(self, case: Case, turn: Turn, ask: Ask, outputs: Mapping[str, str]) -> str:
        """The text that opens the judge's reply to a turn, white space kept; empty where it has none."""
        return self._templates.render(turn.prefill, self._values(case, turn, ask, outputs), strip=False) if turn.prefill else ""

    def texts(self, case: Case, turn: Turn, ask: Ask, outputs: Mapping[str, str], *, lines: bool) -> tuple[str, ...]:
        """The texts that a turn with `score` asks about, white space kept; by lines, those that hold anything."""
        assert turn.score is not None  # noqa: S101  # the caller looked
        text = self._templates.render(turn.score, self._values(case, turn, ask, outputs), strip=False)
        return tuple(line.strip() for line in text.split("\n") if line.strip()) if lines else (text,)

    def by_passage(self, case: Case, spec: PassageSpec, ask: Ask) -> tuple[Case, ...]:
        """The same case for each passage of the text that a turn goes through."""
        sample = case.sample
        texts = {"context": sample.context, "prompt": (sample.prompt_text,)}
        whole = texts.get(spec.of) or ((sample.shown[ask.order[0]],) if spec.of == "response" else ())
        found = [(number, piece) for number, text in enumerate(whole, 1) for piece in passages(text, spec)]
        if len(found) > spec.most:
            raise DataError(
                f"sample `{sample.id}`: its {spec.of} has {len(found)} passages; at most {spec.most} (`passages.most`)"
            )
        label = case.responses[0].label
        return tuple(
            replace(case, values={**case.values, "passage": {
                "number": number, "count": len(found), "document": document,
                "text": self._kind(piece, label, self._control_tokens, self._break),
            }})
            for number, (document, piece) in enumerate(found, 1)
        )  # fmt: skip

    def with_evidence(self, case: Case, spec: PassageSpec, said: Sequence[tuple[Case, str]]) -> Case:
        """The case with what was copied from its passages; a passage from which nothing was copied is left out."""
        evidence, label = list(case.values["evidence"]), case.responses[0].label
        for each, reply in said:
            passage = each.values["passage"]
            kept = quoted(reply, passage["text"].text()) if spec.quotes else reply.strip()
            if kept:
                text = self._kind(kept, label, self._control_tokens, self._break)
                evidence.append({"number": len(evidence) + 1, "document": passage["document"], "text": text})
        return replace(case, values={**case.values, "evidence": evidence})

    def by_reference(self, case: Case) -> tuple[Case, ...]:
        """The same case for each alternative of its reference, where there are several and the recipe reads one."""
        references = case.sample.reference or ()
        if len(references) < 2 or not self.recipe.shows("reference"):
            return (case,)
        label = case.responses[0].label
        return tuple(
            replace(
                case,
                sample=replace(case.sample, reference=(one,)),
                values={**case.values, "reference": self._kind(one, label, self._control_tokens, self._break)},
            )
            for one in references
        )

    def _values(self, case: Case, turn: Turn, ask: Ask, outputs: Mapping[str, str]) -> dict[str, Any]:
        """What the templates of one turn may use."""
        values = dict(case.values)
        label = case.responses[0].label
        values["tools"] = self._tools.get(turn.name, ())
        if turn.passages is not None and values["passage"] is None:  # of a sample without such a text, and in checks of templates
            nothing = self._kind("", label, self._control_tokens, self._break)
            values["passage"] = {"number": 1, "count": 1, "document": 1, "text": nothing}
        if outputs:  # of a mapping, a turn named `items` or `copy` would be its method
            heard = {k: self._kind(v, label, self._control_tokens, self._break) for k, v in outputs.items()}
            values["outputs"] = SimpleNamespace(**heard)
        else:
            values["outputs"] = _NOTHING_SAID
        if turn.scope == "response":
            names = self.recipe.spec.verdict.response_names(len(ask.order))
            shown = [case.responses[i] for i in ask.order]
            values["names"] = list(names)
            values["responses"] = [{"name": n, "text": t} for n, t in zip(names, shown, strict=True)]
            values["response"] = shown[0]
            values["steps"] = self._step_views(case, ask)
            if len(ask.criteria) == 1 and self._rule is not None:
                values["step"] = next(view for view in values["steps"] if view["id"] == ask.criteria[0].id)
        if case.rubric is not None and self._salvages and turn.scope == "response":
            values["rubric"] = {**values["rubric"], "criteria": [criterion_view(c, self._own) for c in ask.criteria]}
        if len(ask.criteria) == 1 and self._per_call == 1:
            values["criterion"] = self._view(ask.criteria[0], criterion_view)
            values["labels"] = list(self._labels(ask.criteria[0]))
        if ask.shift:
            values["labels"] = [*values["labels"][ask.shift :], *values["labels"][: ask.shift]]
            if values["criterion"] is not None:
                values["criterion"] = {**values["criterion"], "labels": values["labels"]}
        return values

    def _view(self, of: V, make: Callable[[V, tuple[str, ...]], dict[str, Any]]) -> dict[str, Any]:
        """What templates see of a rubric or criterion. Kept by identity: the hash of a rubric costs more than its view."""
        kept = self._views.get(id(of))
        if kept is None or kept[0] is not of:
            kept = of, make(of, self._own)
            if len(self._views) >= MAX_VIEWS:
                self._views.clear()
            self._views[id(of)] = kept
        return kept[1]

    def _step_views(self, case: Case, ask: Ask) -> list[dict[str, Any]]:
        """The steps of the response shown, in the order of the text or from the last to the first."""
        called = self._rule.prefix if self._rule else "Step"
        steps = case.steps[ask.order[0]] if case.steps else ()
        views: list[dict[str, Any]] = [
            {"number": n, "name": f"{called} {n}", "id": f"{STEP}{n}", "text": text} for n, text in enumerate(steps, 1)
        ]
        if case.beginnings:
            begun = case.beginnings[ask.order[0]]
            views = [{**v, "before": begun[v["number"] - 1], "so_far": begun[v["number"]]} for v in views]
        return views[::-1] if ask.backwards else views

    def blank(self, case: Case) -> Case:
        """The same case with nothing in the place of each response: what a judge leans to before it has read any."""
        nothing = self._kind(NOTHING, case.responses[0].label, self._control_tokens, self._break, response=True)
        sample = replace(case.sample, responses=(NOTHING,) * len(case.responses), steps=())
        responses = (nothing,) * len(case.responses)
        return replace(
            case,
            sample=sample,
            responses=responses,
            material=material(sample),
            images=tuple(media(case.sample.prompt)),
            steps=tuple((nothing,) * len(steps) for steps in case.steps),
            beginnings=tuple((nothing,) * len(begun) for begun in case.beginnings),
        )

    def labels_of(self, ask: Ask) -> LabelScores:
        """The labels that one ask chooses from; empty where the verdict is none."""
        return self._labels(ask.criteria[0] if len(ask.criteria) == 1 else None)

    def cannot_show(self, sample: Sample) -> str:
        """Why a judge cannot be shown what is not text in a sample; empty where there is nothing of the kind."""
        parts = [(p, "the prompt") for p in media(sample.prompt)] if self.recipe.shows("prompt") else []
        for index, response in enumerate(sample.responses):
            if not isinstance(response, str):
                parts += [(p, f"response {index}") for p in media(response)]
        for part, where in parts:
            if part.kind != "image":
                return f"{where} holds {_ARTICLE[part.kind]}, which no judge can be shown; leave it out, or describe it in words"
            if self.recipe.spec.exact:
                return f"{where} holds an image, and recipe `{self.recipe.spec.name}` sends the exact text of a prompt"
            if not part.url:
                return f"{where} has an image that is not in the message; pass it as `image_url` with a data: or https: URL"
            if not self.vision:
                return (
                    f"{where} holds an image, and this judge cannot see images; use a model that can (vllm finds out by itself;"
                    " for an endpoint set `vision: true` in `engine`)"
                )
            if not part.url.startswith(("data:image/", "https://", "http://")):
                return f"{where} has the image `{part.url[:80]}`, which is no data: or https: URL"
        return ""

    def question(self, case: Case, ask: Ask) -> Question:
        """What the reply of the last turn may say."""
        spec = self.recipe.spec.verdict
        criterion = ask.criteria[0] if len(ask.criteria) == 1 else None
        scale = case.values["scale"]
        return Question(
            spec=spec,
            names=spec.response_names(len(ask.order)),
            labels={} if spec.kind == "criteria" else self._labels(criterion),
            lo=float(scale["min"]),
            hi=float(scale["max"]),
            integer=spec.range.integer if spec.range else True,
            criteria={c.id: self._labels(c) for c in ask.criteria} if spec.kind == "criteria" else {},
            steps=len(ask.criteria) if self._rule is not None else len(case.sample.steps),
            material=case.material,
            readout=self.recipe.spec.readout if self.recipe.spec.reads == "expected" else None,
            salvage=self._salvages,
        )


_ACTION = re.compile(r"^([ \t*]{0,4}Action)(?=[ \t*]{0,4}:)", re.IGNORECASE | re.MULTILINE)


def without_actions(breaker: Break) -> Break:
    """A breaker that breaks up calls of tools as well: a judge that quotes a planted call has not made it."""
    return lambda text: _ACTION.sub(r"\1_", breaker(text))
