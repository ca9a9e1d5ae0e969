"""A model -> criteria: a criterion reworded or split, and new ones out of responses that a rubric cannot tell apart.

The model reads hostile text, so what it writes is as untrusted: a criterion is one bounded line with control tokens broken up,
and a reply without such lines is no criterion, whatever it says.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from judge.engine.protocol import Engine
from judge.parse import failure
from judge.recipe.load import read_templates
from judge.render.environment import Templates
from judge.render.quoting import Untrusted, boundary, neutralise
from judge.rubric.lint import lint
from judge.rubric.matching import likeness
from judge.rubric.model import Criterion, Rubric, content_hash
from judge.rubric.opposites import asked, opposed
from judge.settings.rubrics import EvolveSettings
from judge.shipped import shipped_dir
from judge.similarity import alike_texts
from judge.thinking import strip_thinking
from judge.types import Completion, Conversation, Message, NoVerdict, Reason, Request, Sampling

VARIABLES = {
    "criterion": "the criterion that is to be mended",
    "problem": "what is wrong with it, in words",
    "fault": "whether meeting it is bad",
    "examples": "pairs that show it: .number, .prompt, .better, .worse (quote the three texts)",
    "prompt": "the prompt (quote it)",
    "responses": "responses with the same grade: .name and .text (quote .text)",
    "response": "a response of the policy (quote it)",
    "reference": "a response to compare it with (quote it)",
    "criteria": "texts of the criteria that there are",
    "most": "how many criteria may be written, or characters of a template",
    "template": "the template of a judge that is to be reworded (quote it)",
    "failures": "judgements that went wrong: .number, .prompt, .responses, .reply (quote them) and .label",
}
FOLDER = "_rewriting"
LONGEST = 400  # characters of a criterion
SAMPLING = Sampling(temperature=0.7, max_tokens=512)
_LINE = re.compile(r"^[ \t>*_#\d.)-]{0,8}CRITERION(?: \d{1,2})?[*_ ]{0,3}:[*_ ]{0,3}(\S[^\n]*)$", re.I | re.M)
_BETWEEN = re.compile(r"^BEGIN TEMPLATE[ \t]*\n(.*?)\n[ \t]*END TEMPLATE[ \t]*$", re.M | re.S)
_CALLED_FAULT = re.compile(
    r"^\W{0,4}(?:pitfall|fault|penalty)s?\b\W{0,3}[:\])]|[\[(](?:pitfall|fault|penalty|negative)s?\b[^\])]{0,20}[\])]\W{0,3}$",
    re.I,
)
_NONE = re.compile(r"^[ \t*_]{0,4}NONE[ \t*_.]{0,4}$", re.M)


@dataclass(frozen=True, slots=True)
class WrittenCriteria:
    """What the model wrote: the texts, none where it says that there is nothing to write; or why they cannot be read."""

    texts: tuple[str, ...] = ()
    failure: NoVerdict | None = None


def read_criteria(
    text: str, most: int, control_tokens: frozenset[str] = frozenset(), responses: Sequence[str] = ()
) -> WrittenCriteria:
    """The lines `CRITERION: ...` of a reply, each once, at most `most` of them.

    Args:
        responses: What the model was shown. A line that stands in one of them word for word is quoted, and no criterion: a
            policy could plant it.

    Example:
        >>> read_criteria("Both are fine, but:\\nCRITERION: The response names a source.", 2).texts
        ('The response names a source.',)
        >>> str(read_criteria("The first one is better.", 2).failure.reason)
        'missing'
    """
    said = strip_thinking(text)
    if said is None:
        return WrittenCriteria(failure=NoVerdict(Reason.MISSING, "thinking that never ends"))
    found = [_one_line(match, control_tokens).strip("*_ ") for match in _LINE.findall(said)]
    right = list(dict.fromkeys(t for t in found if 8 <= len(t) <= LONGEST and not t.endswith("...")))
    shown = [_one_line(each, control_tokens).casefold() for each in responses]
    texts = [t for t in right if not any(t.casefold() in each for each in shown)]
    if texts or _NONE.search(said):
        return WrittenCriteria(tuple(texts[:most]))
    what = "a criterion that is too long or too short" if found else "no line that begins with CRITERION:"
    what = "a criterion that stands in a response" if right else what
    return WrittenCriteria(failure=NoVerdict(Reason.MISSING, what))


def _one_line(text: str, control_tokens: frozenset[str]) -> str:
    return " ".join(neutralise(text, control_tokens).split())


class CriterionWriter:
    """Asks a started engine for criteria.

    Args:
        seed: Boundaries and drawn tokens follow from it, and from `number` of each request.
    """

    def __init__(self, engine: Engine, *, seed: int = 0, sampling: Sampling = SAMPLING) -> None:
        folder = shipped_dir("prompts") / FOLDER
        names = tuple(f"{n}.md.j2" for n in ("system", "rewrite", "contrast", "differences", "wording", "wording_system"))
        self.engine, self._seed, self._sampling = engine, seed, sampling
        texts = read_templates(folder, FOLDER, names)
        self.prompt_hash = content_hash(dict(texts))
        self._templates = Templates(folder, texts, engine.control_tokens, variables=VARIABLES)

    async def rewrite(
        self,
        criterion: str,
        problem: str,
        examples: Sequence[tuple[str | Conversation, str, str]] = (),
        *,
        most: int = 2,
        fault: bool = False,
        number: int = 0,
    ) -> WrittenCriteria:
        """What should stand in place of a criterion.

        Args:
            problem: What is wrong with it, as it follows "What is wrong with it: ".
            examples: (prompt, better response, worse response) of pairs that it does not tell apart.
            number: Of this request: another one draws other tokens.
        """
        label = boundary(self._seed, criterion)
        shown = [
            {"number": i, "prompt": self._quoted(p, label), "better": self._quoted(b, label), "worse": self._quoted(w, label)}
            for i, (p, b, w) in enumerate(examples, 1)
        ]
        values = {"criterion": criterion, "problem": problem, "fault": fault, "examples": shown, "most": most}
        return await self._asked("rewrite.md.j2", values, most, number)

    async def contrast(
        self, prompt: str | Conversation, responses: Sequence[str], criteria: Sequence[str], *, most: int = 2, number: int = 0
    ) -> WrittenCriteria:
        """New criteria that tell apart responses which the given ones do not."""
        label = boundary(self._seed, prompt)
        named = [{"name": str(i), "text": self._quoted(text, label)} for i, text in enumerate(responses, 1)]
        values = {
            "prompt": self._quoted(prompt, label), "responses": named, "criteria": list(criteria), "most": most, "fault": False,
        }  # fmt: skip
        return await self._asked("contrast.md.j2", values, most, number, responses)

    async def differences(
        self,
        prompt: str | Conversation,
        response: str,
        reference: str,
        criteria: Sequence[str],
        *,
        most: int = 2,
        number: int = 0,
    ) -> WrittenCriteria:
        """New criteria for what a policy's response does better or worse than a reference, and the given ones do not see."""
        label = boundary(self._seed, prompt)
        texts = {"prompt": prompt, "response": response, "reference": reference}
        values = {name: self._quoted(text, label) for name, text in texts.items()}
        more = {"criteria": list(criteria), "most": most, "fault": False}
        return await self._asked("differences.md.j2", values | more, most, number, (response, reference))

    def _quoted(self, text: str | Conversation, label: str) -> Untrusted:
        return Untrusted(text, label, self.engine.control_tokens)

    async def reword(
        self,
        template: str,
        failures: Sequence[tuple[str | Conversation, Sequence[str], str, str]],
        *,
        most: int,
        number: int = 0,
    ) -> str | NoVerdict:
        """A judge's template in other words, as the model wrote it, unchecked; or why there is none.

        Args:
            failures: (prompt, responses, what the judge said, what people say) of judgements that went wrong.
            most: Characters.
        """
        label = boundary(self._seed, template)
        shown = [
            {"number": i, "prompt": self._quoted(p, label), "reply": self._quoted(reply, label), "label": right,
             "responses": [{"name": str(k), "text": self._quoted(t, label)} for k, t in enumerate(texts, 1)]}
            for i, (p, texts, reply, right) in enumerate(failures, 1)
        ]  # fmt: skip
        values = {"template": self._quoted(template, label), "failures": shown, "most": most}
        sampling = replace(self._sampling, max_tokens=max(self._sampling.max_tokens, most // 2))
        completion = await self._completed("wording_system.md.j2", "wording.md.j2", values, number, sampling)
        if isinstance(completion, NoVerdict):
            return completion
        found = _BETWEEN.findall(strip_thinking(completion.text) or "")
        return found[-1].strip("\n") if found else NoVerdict(Reason.MISSING, "no lines BEGIN TEMPLATE and END TEMPLATE")

    async def _asked(
        self, template: str, values: Mapping[str, Any], most: int, number: int, responses: Sequence[str] = ()
    ) -> WrittenCriteria:
        completion = await self._completed("system.md.j2", template, values, number, self._sampling)
        if isinstance(completion, NoVerdict):
            return WrittenCriteria(failure=completion)
        return read_criteria(completion.text, most, self.engine.control_tokens, responses)

    async def _completed(
        self, system: str, template: str, values: Mapping[str, Any], number: int, sampling: Sampling
    ) -> Completion | NoVerdict:
        every = {**dict.fromkeys(VARIABLES), **values}
        first = Message("system", self._templates.render(system, every))
        second = Message("user", self._templates.render(template, every))
        completion = await self.engine.complete(Request((first, second), replace(sampling, seed=self._seed + number)))
        return failure(completion) or completion


def accepted_criteria(rubric: Rubric, texts: Sequence[str], version: int, gone: Sequence[str] = ()) -> list[Criterion]:
    """Written texts as criteria of a rubric: those that say something new (by spelling), have no error of their own, are not
    called a fault, and ask for the opposite of none that is there: a rubric that pays for both can never be met.

    Each weighs as the mean of the criteria that there are.

    Args:
        gone: Criteria that were written before and retired; none of them is taken again.
    """
    own = [c.importance for c in rubric.criteria]
    importance = round(sum(own) / len(own), 4) or 1.0
    points = rubric.criteria[0].points is not None
    out: list[Criterion] = []
    for text in texts:
        name = _free(f"e{version}-{len(out) + 1}", {c.id for c in (*rubric.criteria, *out)})
        weight, plus = (None, importance) if points else (importance, None)
        made = Criterion(id=name, text=text, tags=(EVOLVED,), weight=weight, points=plus)
        if why_refused(text, [*rubric.criteria, *out], gone) is None:
            out.append(made)
    return out


def why_refused(text: str, known: Sequence[Criterion], gone: Sequence[str] = ()) -> str | None:
    """Why a written text is not taken beside the criteria that there are; None where it is."""
    made = Criterion(id="new", text=text)
    before = [Criterion(id=f"gone-{n}", text=old) for n, old in enumerate(gone)]
    alike = likeness([*known, *before, made], alike_texts("hashing"))[-1, :-1]
    if (alike >= SPELLED_ALIKE).any():
        return "it says what one that is there, or was retired, says"
    if any(_clash(c.text, text) for c in known):
        return "it asks for the opposite of one that is there"
    if _CALLED_FAULT.search(text):
        return "it is called a fault, and criteria that are written here are what a good response does"
    wrong = lint(Rubric(criteria=(made,), denominator="all_weights"))
    return next((f.message for f in wrong if f.severity == "error" or f.rule == "not-alone"), None)


def _clash(old: str, new: str) -> bool:
    one, other = asked(old), asked(new)
    return one.words == other.words or opposed(one, other)


def _free(name: str, taken: set[str]) -> str:
    made, number = name, 1
    while made in taken:
        made, number = f"{name}.{number}", number + 1
    return made


def retained(
    rubric: Rubric, new: Sequence[Criterion], seen: Sequence[SeenGroup], settings: EvolveSettings
) -> tuple[tuple[Criterion, ...], list[Criterion]]:
    """The criteria of the next version, and those retired: of the evolved ones, those that gave all responses of every group the
    same score, then those that vary least beyond `max_active`. New ones have not been tried and stay before old ones.
    """
    first = [c for c in rubric.criteria if EVOLVED not in c.tags]
    evolved = [c for c in rubric.criteria if EVOLVED in c.tags]
    spread = {c.id: _spread(c.id, seen) for c in evolved}
    alive = [c for c in evolved if spread[c.id] is None or spread[c.id] > 0]  # type: ignore[operator]  # None was looked at
    room = settings.max_active - len(new)
    best = sorted(alive, key=lambda c: -(spread[c.id] if spread[c.id] is not None else 1.0))[: max(room, 0)]  # type: ignore[operator]
    kept = [c for c in evolved if c in best]
    made = (*first, *kept, *new[: settings.max_active])
    return made, [c for c in evolved if c not in kept]


EVOLVED = "evolved"  # tag of a criterion that was written during the run
SPELLED_ALIKE = 0.7  # likeness by spelling, from which a written criterion says what another one does


@dataclass
class SeenGroup:
    """Responses to one prompt, what the judge said of them, and the reference response that `online` compares with."""

    key: str
    prompt: str | Conversation
    own: Rubric | None
    texts: list[str] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    components: list[Mapping[str, float | None]] = field(default_factory=list)
    reference: str | None = None

    @property
    def spread(self) -> float:
        """Standard deviation of the rewards."""
        return statistics.pstdev(self.rewards) if len(self.rewards) > 1 else 0.0

    @property
    def best(self) -> str | None:
        """The text with the highest reward, the first of several; None where it is the reference, or there is no reference."""
        best = self.texts[max(range(len(self.rewards)), key=self.rewards.__getitem__)] if self.texts else None
        return None if self.reference is None or best is None or best.strip() == self.reference.strip() else best

    @property
    def tied(self) -> list[str]:
        """The different texts of the largest set of equal rewards (within 0.05), in the order seen; none without two of them."""
        sets = [
            list(dict.fromkeys(t for t, r in zip(self.texts, self.rewards, strict=True) if abs(r - reward) <= EQUAL))
            for reward in dict.fromkeys(self.rewards)
        ]
        largest = max(sets, key=len, default=[])
        return largest if len(largest) > 1 else []


def _spread(name: str, seen: Sequence[SeenGroup]) -> float | None:
    """Mean standard deviation of a criterion's scores within groups; None where no group has two."""
    spreads = []
    for group in seen:
        values = [v for row in group.components if (v := row.get(name)) is not None]
        if len(values) > 1:
            spreads.append(statistics.pstdev(values))
    return statistics.fmean(spreads) if spreads else None


EQUAL = 0.05  # difference of two rewards, up to which a rubric does not tell the responses apart
