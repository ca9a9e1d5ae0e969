"""`judge run --dry-run`: the calls and tokens that a run would take, without an engine and without writing anything."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from judge.batch.drawn import units
from judge.batch.read import BadRow
from judge.engine.models import EMBEDDED, embedded_dir
from judge.errors import DataError, EngineError
from judge.pipeline.build import Plan
from judge.pipeline.preview import Previewer, fixed, spared
from judge.settings import EngineSettings, NoEngineSettings, OpenAiSettings, ScriptedSettings
from judge.types import Message, Sample

MOST_ROWS = 1000  # that are rendered; more are scaled up from these
BYTES_PER_TOKEN = 4  # of English text and of its mark-up, by most tokenizers
_PER_MESSAGE = 4  # tokens of the chat template around each message

_FATES = {
    "judge": "reach the judge",
    "filter": "are decided by a filter",
    "rule": "state the reference by rule",
    "program": "are decided by programs",
}
_EXTRA = {
    "again": "that ask once more for a verdict that a reply does not state",
    "proofs": "that ask for the words of the response behind a positive verdict",
    "unsure": "about criteria that a program was to decide and cannot",
    "priors": "that ask what the judge leans to without a response; completions of one prompt share them",
    "tools": "behind the results of tools",
    "meta": "that judge the votes",
}
CallCount = Callable[[tuple[Message, ...]], int]


@dataclass
class TurnCost:
    """What one turn of one judge comes to over all rows."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0  # at most


@dataclass
class DryRun:
    """What a run would take.

    Attributes:
        rows: Rows looked at; `of` there are.
        invalid: Rows that cannot be judged; `first` says why the first of them cannot.
        fates: What decides how many responses: `judge`, `filter`, `rule`, `program`.
        turns: (judge, turn) -> its cost.
        extra: Kind of call that may follow -> how many at most, all judges together.
        tokenizer: Whose tokenizer counted; empty for an estimate.
        spared: The settings that save an unknown share of the calls: their number is the most then.
    """

    of: int
    rows: int = 0
    invalid: int = 0
    first: str = ""
    fates: Counter[str] = field(default_factory=Counter)
    turns: dict[tuple[str, str], TurnCost] = field(default_factory=dict)
    extra: Counter[str] = field(default_factory=Counter)
    tokenizer: str = ""
    group: bool = False
    spared: tuple[str, ...] = ()
    all_compared: bool = False  # the schedule makes the same comparisons whoever wins, and all are counted

    @property
    def calls(self) -> int:
        """Calls that the rows looked at take for certain, as far as the settings tell; at most, where some are `spared`."""
        return sum(cost.calls for cost in self.turns.values())

    @property
    def most_calls(self) -> int:
        """The most that they can take without errors of an engine, canaries and texts that are cut to fit."""
        return self.calls + sum(self.extra.values())

    def __str__(self) -> str:
        scale = self.of / self.rows if self.rows else 1.0
        about = "about " if scale != 1.0 else ""

        def scaled(count: int) -> str:
            return f"{about}{round(scale * count):,}"

        calls = "calls, at most" if self.spared else "calls"
        decided = ", ".join(f"{scaled(self.fates[fate])} {what}" for fate, what in _FATES.items())
        lines = [
            f"{self.of:,} rows with {scaled(self.fates.total())} responses: {decided}; "
            f"{scaled(self.invalid)} rows cannot be judged",
            *([f"the first of these: {self.first}"] if self.first else []),
            "",
            f"{'turn':<38} {calls:>14} {'prompt tokens':>15} {'completion tokens, at most':>27}",
        ]
        total = TurnCost()
        for (judge, turn), cost in self.turns.items():
            lines.append(_line(f"{judge}: {turn}" if judge else turn, cost, scale))
            total.calls += cost.calls
            total.prompt_tokens += cost.prompt_tokens
            total.completion_tokens += cost.completion_tokens
        if len(self.turns) != 1:
            lines.append(_line("all", total, scale))
        counted = (
            f"counted by the tokenizer of {self.tokenizer}" if self.tokenizer else f"estimated, one for {BYTES_PER_TOKEN} bytes"
        )
        lines += ["", f"prompt tokens: {counted}"]
        if scale != 1.0:
            lines.append(f"scaled up from the first {self.rows:,} rows")
        if self.spared:
            verb = "saves" if len(self.spared) == 1 else "save"
            lines.append(f"these are the most: {' and '.join(self.spared)} {verb} an unknown share of the calls and tokens")
        if self.group:
            lines.append(
                "group: every comparison of the schedule is counted"
                if self.all_compared
                else "group: one comparison of each group is counted; the verdicts decide how many there are"
            )
        lines += [f"on top may come at most {scaled(most)} calls {_EXTRA[kind]}" for kind, most in self.extra.items() if most]
        if self.extra.total() and not self.group:
            lines.append(f"so the run makes at most {scaled(self.most_calls)} calls, apart from what is not counted")
        lines.append(
            "not counted: requests repeated after an error, canaries of the monitor, responses cut to fit the context; "
            "and what the journal of an earlier run saves"
        )
        return "\n".join(lines)


def dry_run(plan: Plan, samples: Iterable[Sample | BadRow], total: int | None = None) -> DryRun:
    """Count what judging these samples would take; without their number they are counted, too."""
    previewer = Previewer(plan)
    count, name = counter(plan.settings.engine)
    out = DryRun(total or 0, tokenizer=name, group=plan.settings.group is not None, spared=tuple(spared(plan)))
    out.all_compared = out.group and fixed(plan.settings.group)
    samples = iter(samples)
    looked: Iterable[Sample | BadRow] = islice(samples, MOST_ROWS)
    if out.group:  # its rows may stand apart
        looked = list(looked)
        for unit in units(looked, groups=True):
            _count(out, previewer, count, [looked[place] for place in unit])
    else:
        for row in looked:
            _count(out, previewer, count, [row])
    if out.rows == MOST_ROWS:
        out.of = total if total is not None else out.rows + sum(1 for _ in samples)
    out.of = out.of or total or out.rows
    return out


def _count(out: DryRun, previewer: Previewer, count: CallCount, unit: list[Sample | BadRow]) -> None:
    """Add what judging one row takes, or the rows of one group."""
    out.rows += len(unit)
    rows = [row for row in unit if isinstance(row, Sample)]
    try:
        shown = previewer.shown(rows)
        shown = shown[:1] if out.group and not out.all_compared else shown
        outlooks = [outlook for each in shown for outlook in previewer.outlooks(each)]
        calls = [call for each in shown for call in previewer.of(each)]
        fates = previewer.fates(rows)
    except DataError as why:
        outlooks, calls, fates, rows = [], [], Counter(), []
        out.first = out.first or str(why)
    if not rows:
        out.first = out.first or next((row.problem for row in unit if isinstance(row, BadRow)), "")
    out.invalid += 0 if rows else len(unit)
    out.fates.update(fates)
    for each in outlooks:
        out.extra.update({kind: getattr(each, kind) for kind in _EXTRA})
    seen: dict[tuple[Message, ...], int] = {}  # votes send the same messages
    for call in calls:
        if call.messages not in seen:
            seen[call.messages] = count(call.messages)
        cost = out.turns.setdefault((call.judge, call.turn), TurnCost())
        cost.calls += 1
        cost.prompt_tokens += seen[call.messages]
        cost.completion_tokens += call.sampling.max_tokens


def counter(settings: EngineSettings) -> tuple[CallCount, str]:
    """What counts tokens, and whose tokenizer it is: the judge's own where it is on this disk, else an estimate (no name)."""
    if (
        isinstance(settings, OpenAiSettings | ScriptedSettings | NoEngineSettings)
        or importlib.util.find_spec("transformers") is None
    ):
        return _estimate, ""
    folder = embedded_dir(settings.model) if settings.model in EMBEDDED else Path(settings.model).expanduser()
    if not (folder / "config.json").is_file():  # a hub name may mean a download, which a dry run does not start
        return _estimate, ""
    from judge.engine.chat_template import ChatTokenizer  # noqa: PLC0415  # imports transformers

    try:
        return ChatTokenizer.load(str(folder), trust_remote_code=settings.trust_remote_code).count, settings.model
    except EngineError:
        return _estimate, ""


def _estimate(messages: tuple[Message, ...]) -> int:
    size = sum(len(message.text.encode("utf-8", "surrogatepass")) for message in messages)
    return size // BYTES_PER_TOKEN + _PER_MESSAGE * len(messages)


def _line(name: str, cost: TurnCost, scale: float) -> str:
    figures = (round(scale * n) for n in (cost.calls, cost.prompt_tokens, cost.completion_tokens))
    calls, prompt, completion = figures
    return f"{name:<38} {calls:>14,} {prompt:>15,} {completion:>27,}"
