"""Training data as a reward function gets them: which column is what, which rows would be refused, what the judge is sent.

A sample is made of the values that the framework passes of a row, by the code that its adapter uses, and judged by the run's own
pipeline with an engine that only keeps what it is asked. So nothing here can differ from what happens in training, except the
response, which stands for one that the policy has yet to write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from judge.adapters._shared.sample import (
    NOT_GIVEN,
    QUESTION_KEYS,
    carried_of,
    label_answer,
    label_fields,
    prompt_of,
    question_of,
    row_fields,
    shown_fields,
    shows_question,
)
from judge.engine.scripted import ScriptedEngine
from judge.errors import DataError, JudgeError
from judge.loops import run as run_loop
from judge.pipeline.build import Plan, build_pipeline
from judge.pipeline.shape_checks import carried_columns
from judge.reference import REFERENCE_COLUMNS, is_missing, read_reference
from judge.settings.filters import FilterSettings
from judge.types import Capability, Message, Request, Sample

STANDS_IN = "This text stands for response {number} of the policy."

_TRL = ("trl", "trl-async", "unsloth", "axolotl", "axolotl-async")
_NOT_PASSED = ("prompt", "completion", "completion_ids")  # TRL passes all other columns to a reward function


@dataclass(frozen=True)
class Names:
    """Columns that the trainer's own options name; None: its default.

    Attributes:
        prompt: `--data.input_key` (OpenRLHF), `--input-key` (slime), `data.prompt_key` (verl).
        reference: `reference=` of the adapter, `--data.label_key` (OpenRLHF), `--label-key` (slime).
        question: verl: key of `extra_info` with the question.
    """

    prompt: str | None = None
    reference: str | None = None
    question: str | None = None


@dataclass(frozen=True)
class Passed:
    """What a framework passes of one row.

    Attributes:
        prompt_from: Where the prompt is, for people; `reference_from` likewise, empty where there is none.
        shown: Where `context`, `principle`, `rubric` and baselines are looked for.
        shown_in: What holds them; empty: columns of the row.
    """

    prompt: str | tuple[Message, ...]
    prompt_from: str
    reference: Any
    reference_from: str
    shown: Mapping[str, Any]
    shown_in: str = ""


@dataclass(frozen=True)
class UnrewardedRow:
    """A row without a reward in training, whatever the policy writes."""

    where: str
    why: str


@dataclass
class DataReport:
    """What the data come to.

    Attributes:
        fields: Field of a sample -> where it was found, and in how many rows.
        columns: All columns.
        repeated: Rows whose prompt, reference and documents are those of an earlier row.
        first: The first row that is a sample.
        asked: What the judge is sent of it, in order of the calls.
    """

    rows: int = 0
    fields: dict[str, Counter[str]] = field(default_factory=dict)
    columns: dict[str, None] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    repeated: int = 0
    refused: list[UnrewardedRow] = field(default_factory=list)
    first: Sample | None = None
    asked: Sequence[Request] = ()

    def plain(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "rows": self.rows,
            "fields": {about: dict(found) for about, found in self.fields.items()},
            "not_shown": list(self.unseen),
            "repeated": self.repeated,
            "refused": [{"row": each.where, "why": each.why} for each in self.refused],
            "first": None if self.first is None else self.first.id,
            "sent": [{"role": m.role, "content": str(m.content)} for m in self.asked[0].messages] if self.asked else [],
        }


def examine_data(
    name: str, plan: Plan, rows: Iterable[tuple[str, Mapping[str, Any] | str]], names: Names, *, responses: int = 1
) -> DataReport:
    """Read the rows as the framework's reward function gets them.

    Args:
        name: Of the framework.
        rows: Where each stands, and the row, or why it cannot be read.
        responses: Completions a prompt.

    Example:
        >>> from judge.pipeline.build import plan
        >>> from judge.settings import RunSettings
        >>> rows = [("row 0", {"prompt": "2+2?", "answer": 4.0, "level": 3})]
        >>> report = examine_data("trl", plan(RunSettings(recipe="verifier")), rows, Names())
        >>> dict(report.fields["reference"]), report.first.reference, report.unseen
        ({'`answer`': 1}, ('4',), ('level',))
    """
    report = DataReport()
    samples: list[tuple[str, Sample]] = []
    used: set[str] = set()
    for where, row in rows:
        report.rows += 1
        try:
            if isinstance(row, str):
                raise DataError(row)
            report.columns.update(dict.fromkeys(map(str, row)))
            passed = passed_of(name, plan, row, names)
            sample = _sample(plan, passed, where)
        except JudgeError as why:
            report.refused.append(UnrewardedRow(where, str(why)))
            continue
        for about, found in _origins(passed, sample).items():
            report.fields.setdefault(about, Counter())[found] += 1
            used.add(found.strip("`").partition("[")[0].partition(".")[0])
        samples.append((where, sample))
    report.unseen = tuple(c for c in report.columns if c not in (*used, *chain.from_iterable(carried_columns(plan.settings))))
    keys = [(s.prompt, s.reference, s.context) for _, s in samples]
    report.repeated = len(keys) - len(set(keys))
    run_loop(_judged(plan, samples, report, responses))
    return report


async def _judged(plan: Plan, samples: Sequence[tuple[str, Sample]], report: DataReport, responses: int) -> None:
    """Send every sample on its way, to an engine that keeps what it is asked and says nothing."""
    unfiltered = plan.settings.model_copy(update={"filters": FilterSettings(level="off")})  # the response is not the policy's
    engine = ScriptedEngine([""], capabilities=frozenset(Capability), repeat_last=True)
    pipeline = build_pipeline(replace(plan, settings=unfiltered), engine)
    for where, sample in samples:
        try:
            await pipeline.judge(_group_of(plan, sample, responses))
        except JudgeError as why:
            report.refused.append(UnrewardedRow(where, str(why)))
            continue
        if report.first is None:
            report.first, report.asked = sample, tuple(engine.requests)


def _group_of(plan: Plan, sample: Sample, responses: int) -> Sample:
    """The sample, with as many responses as a match of the run's tournament shows."""
    if plan.settings.group is None:
        return sample
    count = 2 if plan.recipe.spec.mode == "pairwise" else max(responses, 2)
    return replace(sample, responses=tuple(STANDS_IN.format(number=n + 1) for n in range(count)))


def _sample(plan: Plan, passed: Passed, where: str) -> Sample:
    return Sample(
        prompt=passed.prompt,
        responses=(STANDS_IN.format(number=1),),
        reference=read_reference(passed.reference, passed.reference_from or "reference"),
        id=where,
        metadata=row_fields(plan, passed.shown) | carried_of(plan, passed.shown, where),
        **shown_fields(passed.shown, where),
    )


def _origins(passed: Passed, sample: Sample) -> dict[str, str]:
    """Field of the sample -> where it came from; only those that are there."""

    def held(name: str) -> str:
        return f"`{passed.shown_in}[{name}]`" if passed.shown_in else f"`{name}`"

    found = {"prompt": passed.prompt_from, "reference": passed.reference_from if sample.reference else ""}
    found |= {"context": held("context") if sample.context else "", "rubric": held("rubric") if sample.rubric else ""}
    found |= {"principle": held("principle") if sample.principle else ""}
    return {about: where for about, where in found.items() if where}


# ---- what each framework passes ------------------------------------------------------------------------------------


def passed_of(name: str, plan: Plan, row: Mapping[str, Any], names: Names) -> Passed:
    """What reaches the reward function of one row of the data set.

    Raises:
        DataError: What the framework itself needs is not there, or the question where the judge is shown it.
    """
    return _READ.get(name, _own)(name, plan, row, names)


def _trl(name: str, plan: Plan, row: Mapping[str, Any], names: Names) -> Passed:
    shown = {k: v for k, v in row.items() if k not in _NOT_PASSED}
    reference, origin = _reference(shown, names.reference)
    return Passed(_prompt(row, "prompt", name), "`prompt`", reference, origin, shown)


def _swift(name: str, plan: Plan, row: Mapping[str, Any], names: Names) -> Passed:
    prompt = _prompt(row, "messages", name)
    if not isinstance(prompt, str) and prompt[-1].role == "assistant":
        prompt = prompt[:-1]  # ms-swift takes the data set's response off
    shown = {k: v for k, v in row.items() if k != "messages"}
    reference, origin = _reference(shown, names.reference)
    return Passed(prompt, "`messages`", reference, origin, shown)


def _verl(name: str, plan: Plan, row: Mapping[str, Any], names: Names) -> Passed:
    extra = row.get("extra_info")
    held = extra if isinstance(extra, Mapping) else {}
    if names.reference:
        reference, origin = held.get(names.reference), f"`extra_info[{names.reference}]`"
    else:
        reference, origin = _inside(row, "reward_model", "ground_truth")
    if name == "verl-manager" and names.question is None:
        key = names.prompt or "prompt"
        return Passed(_prompt(row, key, name), f"`{key}`", reference, origin, held, "extra_info")
    prompt, key = _question(plan, held, names.question, "extra_info")
    return Passed(prompt, f"`extra_info[{key}]`" if key else "", reference, origin, held, "extra_info")


def _label(name: str, plan: Plan, row: Mapping[str, Any], names: Names) -> Passed:
    """OpenRLHF and slime: a prompt's text, a label, and (slime) metadata."""
    key, label = names.prompt or "input", row.get(names.reference) if names.reference else None
    slime = name.startswith("slime")
    metadata = row.get("metadata")
    held: Mapping[str, Any] = (metadata if isinstance(metadata, Mapping) else {}) if slime else label_fields(label)
    inside = "metadata" if slime else f"{names.reference}"
    reference, origin = (label_answer(label), f"`{names.reference}`") if not is_missing(label) else (None, "")
    if slime and not origin:
        reference, origin = _reference(held, None, inside)
    if any(not is_missing(held.get(k)) for k in QUESTION_KEYS):
        prompt, found = _question(plan, held, None, inside)
        return Passed(prompt, f"`{inside}[{found}]`", reference, origin, held, inside)
    return Passed(_prompt(row, key, name), f"`{key}`", reference, origin, held, inside)


def _skyrl(name: str, plan: Plan, row: Mapping[str, Any], names: Names) -> Passed:
    extras = {k: v for k, v in row.items() if k != "prompt"}
    reference, origin = _inside(row, "reward_spec", "ground_truth")
    if not origin:
        reference, origin = _reference(extras, names.reference)
    return Passed(_prompt(row, "prompt", name), "`prompt`", reference, origin, extras)


def _own(name: str, plan: Plan, row: Mapping[str, Any], names: Names) -> Passed:
    """Frameworks that pass a row as it is, or whose reward your own code calls with it."""
    prompt, key = _question(plan, row, names.prompt, "the row")
    reference, origin = _reference(row, names.reference)
    return Passed(prompt, f"`{key}`" if key else "", reference, origin, row)


_READ: dict[str, Callable[[str, Plan, Mapping[str, Any], Names], Passed]] = {
    **dict.fromkeys(_TRL, _trl),
    "ms-swift": _swift,
    **dict.fromkeys(("verl", "verl-manager"), _verl),
    **dict.fromkeys(("openrlhf", "openrlhf-agent", "slime", "slime-group"), _label),
    **dict.fromkeys(("skyrl", "skyrl-generator"), _skyrl),
}


def _prompt(row: Mapping[str, Any], key: str, framework: str) -> str | tuple[Message, ...]:
    if is_missing(row.get(key)):
        held = ", ".join(f"`{k}`" for k in row) or "none"
        raise DataError(f"{framework} reads the prompt from the column `{key}`, and this row has {held}")
    return prompt_of(row[key], f"`{key}`")


def _question(plan: Plan, held: Mapping[str, Any], key: str | None, holder: str) -> tuple[str | tuple[Message, ...], str]:
    prompt = question_of(held, key, needed=shows_question(plan), where="preflight", holder=holder)
    names = (key,) if key else QUESTION_KEYS
    return prompt, "" if prompt == NOT_GIVEN else next(str(k) for k in names if held.get(k) is not None)


def _reference(held: Mapping[str, Any], wanted: str | None, inside: str = "") -> tuple[Any, str]:
    """The reference and where it is: the column asked for, else the first known one that holds something."""
    if wanted is not None and wanted not in held:
        raise DataError(f"no column `{wanted}` for the reference; this row has {', '.join(f'`{k}`' for k in held) or 'none'}")
    known = (wanted,) if wanted else REFERENCE_COLUMNS
    found = next((k for k in known if not is_missing(held.get(k))), None)
    return (held[found], f"`{inside}[{found}]`" if inside else f"`{found}`") if found else (None, "")


def _inside(row: Mapping[str, Any], column: str, key: str) -> tuple[Any, str]:
    holder = row.get(column)
    value = holder.get(key) if isinstance(holder, Mapping) else None
    return (None, "") if is_missing(value) else (value, f"`{column}[{key}]`")
