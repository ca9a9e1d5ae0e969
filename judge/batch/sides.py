"""Two judges over the same data: what each said about each response, judged now or read from two run folders.

Judged now, both are in flight together over the one loop (`judge.pipeline.evaluate`); judges with the same engine settings share
one engine. Rewards are compared as judged (`raw_reward`), before shaping.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judge.batch.progress import ProgressLine
from judge.batch.read import BadRow
from judge.batch.select.folder import read_facts, read_table
from judge.engine.protocol import Engine
from judge.errors import DataError, Problem
from judge.pipeline.build import Plan
from judge.pipeline.cache import Cache
from judge.pipeline.deadline import Deadlines
from judge.pipeline.evaluate import Item, evaluate
from judge.pipeline.opened import Opened, open_judges
from judge.types import NoVerdict, Reward, Sample, distinct_calls

Spot = tuple[int, int]
"""A row of the data, and a response of it."""

EXCERPT = 400  # characters kept of a text, for a person to read


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one judge said about one response: a reward in [0, 1], or the reason why there is none; and its last words."""

    reward: float | None
    reason: str = ""
    said: str = ""


@dataclass
class JudgeSide:
    """One of the two judges.

    Attributes:
        name: What a person calls it: the settings file, or the run folder.
        seconds: From the start until its last response; None where a run does not say.
    """

    name: str
    recipe: str = ""
    model: str = ""
    opinions: dict[Spot, Opinion] = field(default_factory=dict)
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float | None = None

    @property
    def failures(self) -> Counter[str]:
        """Responses without a reward, by reason."""
        return Counter(o.reason for o in self.opinions.values() if o.reward is None)


@dataclass(frozen=True, slots=True)
class ShownResponse:
    """What a person needs to see of one response."""

    id: str
    group: str
    prompt: str
    response: str
    preferred: Any = None


@dataclass
class TwoJudges:
    """Two judges and what they judged."""

    sides: tuple[JudgeSide, JudgeSide]
    shown: dict[Spot, ShownResponse] = field(default_factory=dict)


# ---- judged now ----------------------------------------------------------------------------------------------------------


async def judge_both(
    plans: tuple[Plan, Plan],
    names: tuple[str, str],
    rows: Callable[[], Iterable[Sample | BadRow]],
    *,
    total: int | None = None,
    engine: Engine | None = None,
    notice: Callable[[str], None] = lambda _: None,
    quiet: bool = False,
) -> TwoJudges:
    """Judge the same rows by two plans at once.

    Args:
        rows: Gives the rows from the beginning; called once for each judge.
        engine: Used instead of the engines of both settings; the caller closes it.

    Raises:
        EngineError: One of the engines cannot work, or has stopped working.
    """
    found = TwoJudges((_side(plans[0], names[0]), _side(plans[1], names[1])))
    opened: list[Opened] = []
    caches: list[Cache] = []
    try:
        for plan in plans:
            same = plan.settings.engine == plans[0].settings.engine
            shared = engine or (opened[0].engines[0] if opened and same else None)
            cache = Cache.of(plan.settings.cache)
            caches += [cache] if cache is not None else []
            opened.append(await open_judges(plan, shared, cache, notice))
        for side, judges in zip(found.sides, opened, strict=True):
            side.model = judges.engines[0].model
        with ProgressLine(None if total is None else 2 * total, quiet=quiet) as progress:
            progress.engines = [engine for judges in opened for engine in judges.engines]
            await asyncio.gather(*(_judge(found, i, plans[i], opened[i], rows(), progress) for i in (0, 1)))
    finally:
        for judges in opened:
            await judges.close()
        for cache in caches:
            cache.close()
    return found


def _side(plan: Plan, name: str) -> JudgeSide:
    return JudgeSide(name, plan.recipe.spec.name)


async def _judge(
    found: TwoJudges, which: int, plan: Plan, judges: Opened, rows: Iterable[Sample | BadRow], progress: ProgressLine
) -> None:
    side, started = found.sides[which], time.monotonic()
    limit, late = plan.settings.max_in_flight, Deadlines.each(plan.settings, judges.engines)
    async with aclosing(evaluate(judges.judging, _items(rows), in_flight=limit, deadlines=late)) as judged:
        async for each in judged:
            progress.add(each.rewards)
            _count(side, each.rewards)
            for reward in each.rewards:
                place = each.place, reward.response_index
                side.opinions[place] = _opinion(reward)
                if which == 0:
                    found.shown[place] = _shown(each.item.sample, reward)
            side.seconds = time.monotonic() - started


def _items(rows: Iterable[Sample | BadRow]) -> Iterator[Item]:
    for row in rows:
        yield Item(row) if isinstance(row, Sample) else Item(Sample("", (), id=row.id), problem=row.problem)


def _count(side: JudgeSide, rewards: tuple[Reward, ...]) -> None:
    for call in distinct_calls(rewards):
        if not call.cached:
            side.calls += 1
            side.prompt_tokens += call.completion.prompt_tokens
            side.completion_tokens += call.completion.completion_tokens


def _opinion(reward: Reward) -> Opinion:
    last = next((c for c in reversed(reward.calls) if c.completion.text), None)
    reason = "" if reward.failure is None else str(reward.failure.reason)
    failed = next((c for c in reward.calls if isinstance(c.outcome, NoVerdict)), last) if reason else last
    return Opinion(reward.raw_reward, reason, "" if failed is None else failed.completion.text[-EXCERPT:])


def _shown(sample: Sample, reward: Reward) -> ShownResponse:
    texts = sample.texts
    response = texts[reward.response_index] if reward.response_index < len(texts) else ""
    preferred = sample.metadata.get("preferred")
    return ShownResponse(sample.id, reward.group, sample.prompt_text[:EXCERPT], response[:EXCERPT], preferred)


# ---- read from run folders -----------------------------------------------------------------------------------------------


def read_both(runs: tuple[Path, Path]) -> TwoJudges:
    """Two finished runs over the same data.

    Raises:
        DataError: A folder holds no finished run, or the two judged other data or other responses.
    """
    facts = [read_facts(run) for run in runs]
    hashes = [f["data"].get("sha256") for f in facts]
    if all(hashes) and hashes[0] != hashes[1]:
        sources = [str(f["data"].get("source")) for f in facts]
        raise DataError(
            f"{runs[0]} judged {sources[0]} and {runs[1]} judged {sources[1]}, which is other data (by SHA-256);"
            " two runs are compared over the same file"
        )
    found = TwoJudges((_read_side(runs[0], facts[0]), _read_side(runs[1], facts[1])))
    ids: list[dict[Spot, str]] = []
    for which, run in enumerate(runs):
        said = _last_words(run)
        ids.append({})
        columns = ["row", "id", "group", "response_index", "raw_reward", "status", "reason", "prompt", "response", "preferred"]
        for record in read_table(run / "rewards.parquet", columns):
            place = int(record["row"]), int(record["response_index"])
            imputed = record["status"] == "imputed"
            reward = None if imputed else record["raw_reward"]
            reason = "" if reward is not None else str(record["reason"] or record["status"])
            found.sides[which].opinions[place] = Opinion(reward, reason, said.get(place, ""))
            ids[which][place] = record["id"]
            prompt, response = ((record[name] or "")[:EXCERPT] for name in ("prompt", "response"))
            shown = ShownResponse(record["id"], record["group"] or "", prompt, response, record.get("preferred"))
            found.shown.setdefault(place, shown)
    other = next((p for p in ids[0].keys() & ids[1].keys() if ids[0][p] != ids[1][p]), None)
    if other is not None:
        told = f"row {other[0]} is `{ids[0][other]}` in one and `{ids[1][other]}` in the other"
        raise DataError(Problem(f"{runs[0]} and {runs[1]}", f"{told}: two runs are compared over the same data"))
    if not ids[0].keys() & ids[1].keys():
        raise DataError(Problem(f"{runs[0]} and {runs[1]}", "have no response in common"))
    return found


def _read_side(run: Path, facts: Mapping[str, Any]) -> JudgeSide:
    counts, tokens, recipe = facts.get("counts", {}), facts.get("tokens", {}), facts.get("recipe") or {}
    side = JudgeSide(
        str(run), str(recipe.get("name", "") if isinstance(recipe, Mapping) else recipe), str(facts.get("model", ""))
    )
    side.calls = int(counts.get("judge_calls", counts.get("calls", 0)))
    side.prompt_tokens, side.completion_tokens = int(tokens.get("prompt", 0)), int(tokens.get("completion", 0))
    side.seconds = (facts.get("seconds") or {}).get("judging")
    return side


def _last_words(run: Path) -> dict[Spot, str]:
    """The end of the last reply about each response; nothing where the run kept no verdicts."""
    path = run / "verdicts.parquet"
    if not path.is_file():
        return {}
    out: dict[Spot, str] = {}
    for record in read_table(path, ["row", "order", "raw_text"]):
        for index in record["order"] or ():
            if record["raw_text"]:
                out[int(record["row"]), int(index)] = record["raw_text"][-EXCERPT:]
    return out
