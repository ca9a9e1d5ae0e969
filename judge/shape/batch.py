"""What a shaping chain works on, and what each kind of step declares about itself.

- Absent is NaN on the way and None outside; it never becomes a number. A response whose reward is absent takes no part in any
  statistic, so it changes nothing for the others.
- Values beyond 1e9 are refused: a reward that large is a mistake, and below it no sum here overflows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from judge.arrays import Bools, Floats
from judge.errors import DataError
from judge.types import Reward

LIMIT = 1e9
RewardRange = tuple[float, float]
ChainState = Mapping[str, Any]  # plain values, so that it can be stored as JSON

Over = Literal["group", "batch"]
Weight = Annotated[float, Field(ge=0, le=1000)]
UnitFloat = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(ge=-1e6, le=1e6)]
Tokens = Annotated[int, Field(ge=1, le=10_000_000)]

Sees = Literal["one", "group", "batch"]
"""What a step has to see at once: one response, all responses to a prompt, or all groups of the training step."""

OrderKept = Literal["global", "group", "row", "none"]
"""How a kind keeps order. `global`: a higher reward never comes out lower; `group`: the same within a group; `row`: raising one
response's reward alone, all else equal (correctness too), never lowers what it comes out as; `none`: nothing is promised."""


@dataclass(frozen=True, eq=False)
class RewardBatch:
    """Rewards of n responses and what is known about them.

    Attributes:
        values: Shape (n,), in [0, 1] as they come from the judge; NaN where there is no reward.
        groups: Which responses compete: a name each, the completions of one prompt sharing theirs.
        components: Name -> shape (n,), in [0, 1], 1 best; NaN where there is none.
        importance: Name of a component -> its weight in the rubric of each response (one number: of all), above 0; NaN, or a name
            that is not there: 1.
        vetoed: Shape (n,): the reward is 0 whatever the criteria say, by a veto or by a filter. Such a response takes part as the
            worst one and no step lifts it. Where it was never judged, its components are 0, as those of a wrong answer.
        keys: By what a step with a memory and noise know a prompt again, one a response: the same for the same prompt in any
            batch. None: the group's name.
        without: Name of a component -> shape (n,), what the reward would be without it, in [0, 1]; NaN where unknown.
        lengths: In tokens, shape (n,); NaN where unknown.
        correct: 1, 0 or NaN (unknown), shape (n,).
        references: Group -> rewards of reference or baseline responses to its prompt.
        steps: Scores of each response's solution steps, in [0, 1]; NaN inside where one is missing.
        answers: The final answer of each response, in one spelling; None where it states none.
        labels: The reference answer of each response's prompt, in the same spelling; None where it has none.
        variances: Of the judges' (or votes') rewards of each response, at least 0, shape (n,); NaN: one opinion only.
        numbers: Column of the data -> its number for each response, shape (n,); NaN where there is none.
    """

    values: Floats
    groups: tuple[str, ...]
    components: Mapping[str, Floats] = field(default_factory=dict)
    importance: Mapping[str, Floats] = field(default_factory=dict)
    vetoed: Bools | None = None
    keys: tuple[str, ...] | None = None
    without: Mapping[str, Floats] = field(default_factory=dict)
    lengths: Floats | None = None
    texts: tuple[str, ...] | None = None
    prompts: tuple[str, ...] | None = None
    references: Mapping[str, tuple[float, ...]] | None = None
    correct: Floats | None = None
    steps: tuple[tuple[float, ...], ...] | None = None
    metadata: tuple[Mapping[str, Any], ...] | None = None
    answers: tuple[str | None, ...] | None = None
    labels: tuple[str | None, ...] | None = None
    variances: Floats | None = None
    numbers: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.values)
        fixed = {name: _column(name, getattr(self, name), n) for name in ("values", "lengths", "correct", "variances")}
        for table in ("components", "without", "numbers"):
            fixed[table] = {k: _column(f"{table}[{k!r}]", v, n) for k, v in getattr(self, table).items()}
        fixed["importance"] = {k: _weights(k, v, n) for k, v in self.importance.items()}
        for name, value in fixed.items():
            object.__setattr__(self, name, value)
        for name in ("groups", "keys", "texts", "prompts", "steps", "metadata", "answers", "labels"):
            rows = getattr(self, name)
            if rows is not None and len(rows) != n:
                raise DataError(f"{len(rows)} {name} for {n} rewards")
        if self.correct is not None and not np.isin(self.correct[~np.isnan(self.correct)], (0.0, 1.0)).all():
            raise DataError("correct holds something other than 1, 0 and NaN")
        if self.variances is not None and (self.variances < 0).any():
            raise DataError("variances are at least 0")
        scores = [*self.components.items(), *(("steps", np.array(row)) for row in self.steps or ())]
        for name, column in scores:
            if ((column < 0) | (column > 1)).any():
                raise DataError(f"component or step scores are in [0, 1]; `{name}` has others")
        for group, values in (self.references or {}).items():
            if not all(math.isfinite(v) and abs(v) <= LIMIT for v in values):
                raise DataError(f"reference rewards of group `{group}` must be finite numbers")
        self._settle_vetoed(n)

    def _settle_vetoed(self, n: int) -> None:
        """What is known of a vetoed response: it is not correct, and one that no judge saw meets no criterion of its group."""
        vetoed = np.zeros(n, dtype=np.bool_) if self.vetoed is None else np.array(self.vetoed, dtype=np.bool_)
        if vetoed.shape != (n,) or (self.values[vetoed] != 0)[~np.isnan(self.values[vetoed])].any():
            raise DataError("`vetoed` is one truth value a reward, and the reward is 0 where it is true")
        object.__setattr__(self, "vetoed", vetoed)
        if not vetoed.any():
            return
        if self.correct is not None:
            object.__setattr__(self, "correct", np.where(vetoed, 0.0, self.correct))
        asked = {name: ~np.isnan(column) for name, column in self.components.items()}
        judged = np.any(list(asked.values()), axis=0) if asked else np.ones(n, dtype=np.bool_)
        filled = {name: column.copy() for name, column in self.components.items()}
        for row in np.flatnonzero(vetoed & ~judged):
            members = np.array([group == self.groups[row] for group in self.groups])
            names = [name for name in filled if asked[name][members].any()] or list(filled)
            for name in names:
                filled[name][row] = 0.0
        object.__setattr__(self, "components", filled)

    @classmethod
    def of(cls, values: Sequence[float | None], groups: Sequence[str] | None = None, **fields: Any) -> RewardBatch:
        """Make a batch from plain values; None is absent, and without groups all responses are one.

        Example:
            >>> RewardBatch.of([1, None]).values
            array([ 1., nan])
        """
        names = ("",) * len(values) if groups is None else tuple(groups)
        components = {k: _floats(v) for k, v in fields.pop("components", {}).items()}
        for table in ("without", "numbers"):
            if fields.get(table):
                fields[table] = {k: _floats(v) for k, v in fields[table].items()}
        named = ("keys", "texts", "prompts", "metadata", "answers", "labels")
        rows = {k: tuple(v) for k, v in fields.items() if k in named and v is not None}
        if fields.get("steps") is not None:
            rows["steps"] = tuple(tuple(math.nan if s is None else float(s) for s in row) for row in fields["steps"])
        columns = {k: _floats(v) for k, v in fields.items() if k in ("lengths", "correct", "variances") and v is not None}
        return cls(_floats(values), names, components, **{**fields, **rows, **columns})

    @classmethod
    def from_rewards(
        cls,
        rewards: Sequence[Reward],
        groups: Sequence[str] | None = None,
        *,
        names: Collection[str] | None = None,
        **fields: Any,
    ) -> RewardBatch:
        """Make a batch from the pipeline's rewards; a component that some lack is absent there.

        Args:
            names: The components to take; None: all that some reward has.
        """
        names = sorted({name for r in rewards for name in r.components} if names is None else names)
        components = {name: [r.components.get(name) for r in rewards] for name in names}
        return cls.of(
            [r.reward for r in rewards],
            [r.group or r.sample_id for r in rewards] if groups is None else groups,
            components=components,
            vetoed=[is_vetoed(r) for r in rewards],
            **fields,
        )

    @property
    def has(self) -> frozenset[str]:
        """What the batch brings besides values and groups, in the words of `StepKind.needs`."""
        names = ("lengths", "texts", "prompts", "references", "correct", "steps", "metadata", "answers", "labels", "variances")
        brought = {n for n in names if getattr(self, n) is not None}
        columns = set(self.numbers).union(*(row.keys() for row in self.metadata or ()))
        return frozenset(brought | {f"without {n}" for n in self.without} | {f"column {n}" for n in columns})


def is_vetoed(reward: Reward) -> bool:
    """Whether a reward is 0 whatever the criteria say: a veto criterion failed, a filter decided without the judge, or the judge
    found no answer in what a filter suspected.

    Example:
        >>> from judge.types import Flag
        >>> is_vetoed(Reward("a", 0, 0.0, flags=(Flag("veto", "criterion `honest` failed"),))), is_vetoed(Reward("b", 0, 0.0))
        (True, False)
    """
    filtered = not reward.calls and not reward.components and bool(reward.flags)
    return reward.raw_reward == 0 and (filtered or any(flag.name in ("veto", "no_answer") for flag in reward.flags))


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([math.nan if v is None else v for v in values], dtype=np.float64)


def _weights(name: str, values: Any, n: int) -> Floats:
    column = np.array(values, dtype=np.float64)
    if column.shape not in ((), (n,)):
        raise DataError(f"importance of `{name}` has shape {column.shape} for {n} rewards")
    column = np.where(np.isnan(column), 1.0, column)
    if not ((column > 0) & np.isfinite(column)).all():
        raise DataError(f"importance of `{name}` is {column.tolist()}; it must be above 0")
    return np.asarray(np.broadcast_to(column, (n,)), dtype=np.float64)


def _column(name: str, values: Any, n: int) -> Any:
    if values is None:
        return None
    column = np.array(values, dtype=np.float64)
    if column.shape != (n,):
        raise DataError(f"{name} has shape {column.shape} for {n} rewards")
    bad = np.flatnonzero(np.abs(np.nan_to_num(column, nan=0.0)) > LIMIT)
    if bad.size:
        raise DataError(
            f"{name}, row {bad[0]}: {column[bad[0]]} is not a finite number of at most {LIMIT:g}; absent is None or NaN"
        )
    column.setflags(write=False)
    return column


@dataclass(frozen=True, eq=False)
class Stage:
    """Where a chain stands before one step: `values` are shaped so far, `batch.values` are raw.

    Attributes:
        state: What this step left behind at the last batch; empty at the first.
    """

    batch: RewardBatch
    values: Floats
    seed: int
    state: ChainState

    @property
    def vetoed(self) -> Bools:
        """Which rows are 0 by a veto or a filter."""
        assert self.batch.vetoed is not None  # noqa: S101  # the batch has settled it
        return self.batch.vetoed

    def key(self, row: int) -> str:
        """By what the prompt of a row is known again."""
        return self.batch.groups[row] if self.batch.keys is None else self.batch.keys[row]

    @property
    def present(self) -> Bools:
        """Which rows have a reward."""
        return np.asarray(~np.isnan(self.values), dtype=np.bool_)

    def groups(self, over: str = "group") -> Iterator[tuple[str, Any]]:
        """Name and row numbers of each group (or of the whole batch), absent rows left out."""
        rows = np.flatnonzero(self.present)
        if over == "batch":
            if rows.size:
                yield "", rows
            return
        by_name: dict[str, list[int]] = {}
        for row in rows:
            by_name.setdefault(self.batch.groups[row], []).append(int(row))
        for name, members in by_name.items():
            yield name, np.array(members)


@dataclass(frozen=True, eq=False)
class Stepped:
    """What one step gives: values, what a person should know, and what it wants to see at the next batch.

    Attributes:
        paid: What each solution step of each response is paid, where this step pays by step; None: it does not.
    """

    values: Floats
    notes: tuple[str, ...] = ()
    state: ChainState = field(default_factory=dict)
    paid: tuple[tuple[float, ...], ...] | None = None


def _same(step: Any, span: RewardRange) -> RewardRange:
    return span


def _nothing(step: Any, span: RewardRange) -> str:
    return ""


@dataclass(frozen=True)
class StepKind:
    """One kind of step.

    Attributes:
        run: The step itself.
        needs: What it cannot do without: names of `RewardBatch` fields, and `component NAME`.
        span: The range that leaves it, given the range that enters.
        order: How it keeps order.
        objects: Why it cannot work on rewards of this range, or nothing.
        replaces: Whether the reward that enters is not used at all.
        sees: What it looks at: one response at a time (a batch may be split anywhere), whole groups, or the whole batch.
        remembers: Whether what it leaves behind at one batch changes the next.
    """

    run: Callable[[Any, Stage], Stepped]
    order: Callable[[Any], OrderKept]
    needs: Callable[[Any], tuple[str, ...]] = lambda step: ()
    span: Callable[[Any, RewardRange], RewardRange] = _same
    objects: Callable[[Any, RewardRange], str] = _nothing
    replaces: Callable[[Any], bool] = lambda step: False
    sees: Callable[[Any], Sees] = lambda step: "group"
    remembers: Callable[[Any], bool] = lambda step: False


def sees_one(step: Any) -> Sees:
    """Of a step that looks at one response at a time whatever its options."""
    return "one"


def sees_batch(step: Any) -> Sees:
    """Of a step that compares groups whatever its options."""
    return "batch"


def always(order: OrderKept) -> Callable[[Any], OrderKept]:
    """The same order whatever the options."""
    return lambda step: order


def unit_only(step: Any, span: RewardRange) -> str:
    """Objection of a step that cuts to [0, 1]."""
    return "" if span[0] >= 0 and span[1] <= 1 else f"works on rewards in [0, 1], and here they are in {shown_span(span)}"


def not_negative(step: Any, span: RewardRange) -> str:
    """Objection of a step that multiplies by a share: it would raise a negative reward."""
    return "" if span[0] >= 0 else f"multiplies, and would raise a negative reward; here rewards are in {shown_span(span)}"


def fails_lowest(step: Any, span: RewardRange) -> str:
    """Objection of a step whose failure would pay better than a bad answer."""
    if step.failed <= span[0]:
        return ""
    return f"pays {step.failed:g} for failing, and rewards here are in {shown_span(span)}: failing would beat a bad answer"


def shown_span(span: RewardRange) -> str:
    """A range for a person.

    Example:
        >>> shown_span((0.0, math.inf))
        '[0, inf]'
    """
    return f"[{span[0]:g}, {span[1]:g}]"


def mean_std(values: Floats) -> tuple[float, float]:
    """Mean and population standard deviation, exactly the same for any order of the values.

    Example:
        >>> mean_std(np.array([0.25, 0.75]))
        (0.5, 0.25)
    """
    if values.min() == values.max():
        return float(values[0]), 0.0
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((values - mean) ** 2) / len(values))


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)) without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)), dtype=np.float64)
