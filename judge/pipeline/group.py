"""One group of responses -> rewards, by a recipe that compares: the adapter between a judge and a tournament.

- Pairs and lists are samples like any other, so votes, both orders, panels, filters and the journal work as they do alone.
- A pair is shown in an order drawn by what the responses say, so the same group in another order asks the same requests.
- What never reaches the judge (vetoed) loses to all without a call; what was dropped, or never got a verdict, has no reward
  and harms nobody.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from judge.errors import DataError
from judge.pipeline.panel import Judging
from judge.reward.tournament import Arrange, Compare, Comparison, Tournament, play, play_lists, win_probability
from judge.settings.group import GroupSettings
from judge.types import Call, Flag, NoVerdict, Reason, Reward, Sample, Uncertainty, Verdict

Stopped = Callable[[Sample, int], Reward | None]
"""A response's reward when it never reaches the judge (0 or None), else None."""


@dataclass(slots=True)
class _Member:
    """One response while its group competes."""

    sample: Sample
    index: int  # of the response in its sample
    stopped: Reward | None = None
    heard: list[Reward] = field(default_factory=list)  # this response's side of each pair or list


class GroupJudging:
    """Judges whole groups by comparing their responses.

    Args:
        judging: A pipeline of a pairwise recipe (or of a listwise one, for the schedule `listwise`), or several of them.
        settings: Schedule, ranking, budget.
        seed: For everything drawn.
        stopped: What is decided without the judge; without it, it shows in the pairs themselves, and costs budget.
        single_order: The recipe asks each pair in one order only, so the tournament asks both.
    """

    def __init__(
        self,
        judging: Judging,
        settings: GroupSettings,
        seed: int = 0,
        *,
        stopped: Stopped | None = None,
        single_order: bool = False,
    ) -> None:
        self._judging = judging
        self._settings = settings
        self._seed = seed
        self._stopped = stopped
        self._single_order = single_order

    async def judge(self, sample: Sample, *, filters: bool = True) -> tuple[Reward, ...]:
        """Judge one sample that holds a whole group. `filters=False`: the filters of this object do not decide."""
        return tuple(await self.judge_group([sample], filters=filters))

    async def judge_group(
        self, samples: Sequence[Sample], prior: Sequence[float | None] | None = None, *, filters: bool = True
    ) -> list[Reward]:
        """Judge the responses to one prompt: n samples of one response each, or one sample of n responses.

        Args:
            prior: Earlier scores for `seeding: prior`, one a response.
            filters: False: nothing is decided before the judge.

        Returns:
            One reward a response, in order. Components `vs:K` are the wins over the response at position K of the group, None
            where the judge gave no verdict. A call appears with each of the responses it showed; its `order` holds positions
            of the group. It counts with the first of them; with the others it is `shared`.

        Raises:
            DataError: The samples are not one group.
        """
        members = _members(samples)
        if prior is not None and len(prior) != len(members):
            raise DataError(f"{len(prior)} prior scores for {len(members)} responses")
        if filters and self._stopped is not None:
            for member in members:
                member.stopped = self._stopped(member.sample, member.index)
        alive = [i for i, m in enumerate(members) if m.stopped is None or m.stopped.raw_reward is not None]
        lost = [k for k, i in enumerate(alive) if members[i].stopped is not None]
        group = [members[i] for i in alive]
        keys = [m.sample.shown[m.index] for m in group]
        if self._settings.schedule == "listwise":
            arrange = self._arranger(group, alive, filters)
            played = await play_lists(keys, arrange, self._settings, seed=self._seed, lost=lost)
        else:
            played = await play(
                keys,
                self._comparer(group, alive, filters),
                self._settings,
                seed=self._seed,
                prior=None if prior is None else [prior[i] for i in alive],
                lost=lost,
                single_order=self._single_order,
            )
        place = {i: k for k, i in enumerate(alive)}
        twins = {k: next(j for j, text in enumerate(keys) if text == keys[k]) for k in range(len(keys))}
        heard = _heard(group, keys)
        return _counted_once(
            _finish(m, played, place[i], alive, heard[twins[place[i]]], self._settings) if i in place else _own(m)
            for i, m in enumerate(members)
        )

    def _comparer(self, group: Sequence[_Member], where: Sequence[int], filters: bool) -> Compare:
        async def compare(i: int, j: int) -> Comparison:
            pair = _shown([group[i], group[j]])
            first, second = await self._judging.judge(pair, filters=filters)
            for member, reward in ((group[i], first), (group[j], second)):
                _hear(member, reward, (where[i], where[j]))
            calls = len({(c.key, c.vote, c.order) for r in (first, second) for c in r.calls if not c.cached})
            win = _win(first, second) if self._settings.join == "mean" else _win_by_chance(first, second)
            return Comparison(win, calls, first.uncertainty.order_gap)

        return compare

    def _arranger(self, group: Sequence[_Member], where: Sequence[int], filters: bool) -> Arrange:
        async def arrange(shown: Sequence[int]) -> list[float | None]:
            rewards = await self._judging.judge(_shown([group[k] for k in shown]), filters=filters)
            for k, reward in zip(shown, rewards, strict=True):
                _hear(group[k], reward, tuple(where[s] for s in shown))
            return [r.raw_reward for r in rewards]

        return arrange


def competing(samples: Sequence[Sample]) -> list[list[int]]:
    """Positions of the samples that compete: those of one response and one group; one with several is a whole group itself.

    Example:
        >>> competing([Sample.of("q", "a"), Sample.of("r", "b"), Sample.of("q", "c"), Sample.of("q", "d", "e")])
        [[0, 2], [1], [3]]
    """
    units: dict[object, list[int]] = {}
    for position, sample in enumerate(samples):
        units.setdefault(sample.group_key if len(sample.responses) == 1 else position, []).append(position)
    return list(units.values())


def _members(samples: Sequence[Sample]) -> list[_Member]:
    if len(samples) == 1:
        return [_Member(samples[0], i) for i in range(len(samples[0].responses))]
    for sample in samples:
        if len(sample.responses) != 1:
            raise DataError(f"sample `{sample.id}` has {len(sample.responses)} responses; a group's samples have 1 each")
        if sample.prompt != samples[0].prompt:
            raise DataError(f"samples `{samples[0].id}` and `{sample.id}` have different prompts: they are not one group")
    return [_Member(sample, 0) for sample in samples]


def _shown(members: Sequence[_Member]) -> Sample:
    """The sample that shows these responses to the judge; steps belong to one response, and are left out."""
    first = members[0]
    names = "~".join(_name(m) for m in members)
    return replace(first.sample, responses=tuple(m.sample.responses[m.index] for m in members), id=names, steps=())


def _name(member: _Member) -> str:
    return member.sample.id if len(member.sample.responses) == 1 else f"{member.sample.id}[{member.index}]"


def _hear(member: _Member, reward: Reward, positions: Sequence[int]) -> None:
    """Keep one side of a comparison, with positions of the group instead of the pair's."""
    calls = tuple(replace(c, order=tuple(positions[p] for p in c.order)) for c in reward.calls)
    own = str(reward.response_index)
    flags = tuple(replace(f, where="") if f.where == own else f for f in reward.flags)
    member.heard.append(replace(reward, calls=calls, flags=flags))
    if flags and not reward.calls and not reward.components and member.stopped is None:  # a filter decided about this one
        member.stopped = reward


def _win(first: Reward, second: Reward) -> float | None:
    """Win of the first, in [0, 1]: 0.5 + half the difference of their rewards; a vetoed one loses."""
    if first.raw_reward is None or second.raw_reward is None:
        return None
    vetoed = [any(f.name == "veto" for f in r.flags) for r in (first, second)]
    if vetoed[0] != vetoed[1]:
        return float(vetoed[1])
    return 0.5 + (first.raw_reward - second.raw_reward) / 2


def _win_by_chance(first: Reward, second: Reward) -> float | None:
    """Win of the first by the judge's own probabilities, both orders joined in log-odds; what no judge decided is as in `_win`.

    Votes of one order are averaged first. None where an order that was asked reported no probabilities.
    """
    stated = _win(first, second)
    if stated is None or not first.calls or any(f.name == "veto" for r in (first, second) for f in r.flags):
        return stated
    chances: dict[tuple[int, ...], list[float | None]] = {}
    for call in first.calls:
        if isinstance(call.outcome, Verdict):
            chance = call.outcome.expected
            own = chance if chance is None or call.order[0] == first.response_index else 1 - chance
            chances.setdefault(call.order, []).append(own)
    known = [[c for c in votes if c is not None] for votes in chances.values()]
    if not known or not all(known):
        return None
    means = [fmean(votes) for votes in known]
    return means[0] if len(means) == 1 else float(win_probability(np.array(means[0]), np.array(means[1])))


def _heard(group: Sequence[_Member], keys: Sequence[str]) -> Mapping[int, list[Reward]]:
    """What was heard of each text, under the first position that says it."""
    out: dict[int, list[Reward]] = {}
    for k, member in enumerate(group):
        out.setdefault(keys.index(keys[k]), []).extend(member.heard)
    return out


def _own(member: _Member) -> Reward:
    """The reward of a response that a filter dropped, under its own name."""
    assert member.stopped is not None  # noqa: S101  # only those are left out of the tournament
    return replace(member.stopped, sample_id=member.sample.id, response_index=member.index, group=member.sample.group_key)


def _finish(
    member: _Member,
    played: Tournament,
    k: int,
    where: Sequence[int],
    heard: Sequence[Reward],
    settings: GroupSettings,
) -> Reward:
    if member.stopped is not None:
        return _own(member)
    value = played.rewards[k]
    vetoed = any(f.name == "veto" for r in heard for f in r.flags)
    row, unresolved = played.wins[k], {b if a == k else a for a, b in played.unresolved if k in (a, b)}
    components: dict[str, float | None] = {
        f"vs:{where[j]}": None if np.isnan(row[j]) else float(row[j])
        for j in range(len(where))
        if not np.isnan(row[j]) or j in unresolved
    }
    calls = tuple({_identity(c): c for r in heard for c in r.calls}.values())
    met = row[~np.isnan(row)]
    return Reward(
        sample_id=member.sample.id,
        response_index=member.index,
        raw_reward=0.0 if vetoed else value,
        failure=None if vetoed or value is not None else _failure(heard, played, len(where), settings),
        components=components,
        not_criteria=tuple(components),
        uncertainty=_uncertainty(heard, len(unresolved), int((played.counts[k] > 0).sum())),
        flags=_flags(heard),
        calls=tuple(sorted(calls, key=_call_place)),
        explanation=_explain(float(met.sum()), len(met), len(unresolved), value, played, settings, vetoed),
        group=member.sample.group_key,
    )


def _identity(call: Call) -> tuple[object, ...]:
    return call.key, call.vote, call.order, call.turn


def _counted_once(rewards: Iterable[Reward]) -> list[Reward]:
    """The rewards of a group; each call counts with the first response that rests on it."""
    seen: set[tuple[object, ...]] = set()
    out = []
    for reward in rewards:
        calls = tuple(replace(call, shared=_identity(call) in seen) for call in reward.calls)
        seen.update(map(_identity, calls))
        out.append(replace(reward, calls=calls))
    return out


def _call_place(call: Call) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    return tuple(sorted(call.order)), call.order, call.vote


def _explain(
    won: float, met: int, silent: int, value: float | None, played: Tournament, settings: GroupSettings, vetoed: bool
) -> str:
    if vetoed:
        return "veto: a criterion failed, so the reward is 0"
    if value is None:
        return ""
    ranking, scale = settings.ranked
    how = ranking if scale == "strength" and ranking != "places" else f"rank by {ranking}"
    if settings.top is not None:
        how = f"among the best {settings.top}"
    parts = [f"won {won:.4g} of {met} comparisons", f"{settings.schedule}, {how}: {value:.4g}"]
    parts += [f"{silent} without a verdict"] if silent else []
    parts += [f"{played.cycle_count} cycles in the group"] if played.cycle_count else []
    return "; ".join([*parts, *played.notes])


def _failure(heard: Sequence[Reward], played: Tournament, n: int, settings: GroupSettings) -> NoVerdict:
    failures = [r.failure for r in heard if r.failure is not None]
    skew = next((note for note in played.notes if "outlier" in note), None)
    if skew is not None:
        return NoVerdict(Reason.INCOMPLETE, skew)
    if not failures and heard and settings.join == "log_odds":
        return NoVerdict(Reason.MISSING, "no comparison has the judge's probabilities in both orders (`group.join: log_odds`)")
    if not failures:
        return NoVerdict(Reason.INCOMPLETE, "nothing to compare with" if n < 2 else "; ".join(("not compared", *played.notes)))
    counts = Counter(f.reason for f in failures)
    reason = failures[0].reason if len(counts) == 1 else Reason.INCOMPLETE
    listed = ", ".join(f"{number} {name}" for name, number in counts.most_common())
    return NoVerdict(reason, f"no comparison has a verdict ({listed}): {failures[0].detail}")


def _flags(heard: Sequence[Reward]) -> tuple[Flag, ...]:
    """Each kind of flag once, with the number of comparisons that raised it."""
    seen: dict[tuple[str, str], list[Flag]] = {}
    for flag in (f for r in heard for f in r.flags):
        seen.setdefault((flag.name, flag.where), []).append(flag)
    return tuple(
        flags[0]
        if len(flags) == 1
        else replace(flags[0], detail=f"in {len(flags)} of {len(heard)} comparisons: {flags[0].detail}")
        for flags in seen.values()
    )


def _uncertainty(heard: Sequence[Reward], silent: int, met: int) -> Uncertainty:
    """Spread: of the mean of independent comparisons, sqrt(sum of squares) / number. Order gap: the largest."""
    spreads = [r.uncertainty.spread for r in heard if r.uncertainty.spread is not None]
    expected = [r.uncertainty.expected for r in heard if r.uncertainty.expected is not None]
    entropy = [r.uncertainty.entropy for r in heard if r.uncertainty.entropy is not None]
    variance = [r.uncertainty.variance for r in heard if r.uncertainty.variance is not None]
    gaps = [r.uncertainty.order_gap for r in heard if r.uncertainty.order_gap is not None]
    orders: dict[frozenset[int], list[float]] = {}  # of pairs that the tournament asked in both orders itself
    for reward in heard if not gaps else ():
        if reward.raw_reward is not None and reward.calls and len(reward.calls[-1].order) == 2:
            orders.setdefault(frozenset(reward.calls[-1].order), []).append(reward.raw_reward)
    gaps += [max(values) - min(values) for values in orders.values() if len(values) > 1]
    return Uncertainty(
        spread=math.sqrt(math.fsum(s * s for s in spreads)) / len(spreads) if spreads else None,
        missing=silent / (silent + met) if silent + met else 0.0,
        expected=fmean(expected) if expected and len(expected) == len(heard) else None,
        entropy=fmean(entropy) if entropy else None,
        order_gap=max(gaps) if gaps else None,
        variance=fmean(variance) if variance else None,
    )
