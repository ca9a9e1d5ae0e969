"""`judge rubric evolve`: the step that a training run takes between its steps, on responses that are there already."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from judge.batch.read import BadRow, parse_map, read_samples
from judge.cli.options import Data, DataConfigName, Limit, Map, Set, SplitOption, notice
from judge.cli.rubric_prove import ConfigOption
from judge.errors import DataError, InputError
from judge.pipeline.build import plan
from judge.pipeline.judge import Judge
from judge.rubric.load import load_rubric
from judge.rubric.versions import FILE, VersionFolder
from judge.settings import load_settings
from judge.settings.rubrics import EvolveSettings
from judge.types import Reward, Sample


@dataclass(frozen=True)
class EvolveRound:
    """One judging of all responses by one version. `spread` is the mean standard deviation of the rewards within a group."""

    version: str
    criteria: int
    reward: float | None
    spread: float | None
    flat: int
    groups: int


def evolve_command(
    rubric: Annotated[str, typer.Argument(metavar="RUBRIC", help="Where it starts: shipped name or rubric file.")],
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the versions (created if missing).")],
    config: ConfigOption = None,
    rounds: Annotated[int, typer.Option("--rounds", metavar="N", min=1, max=100, help="Rewritings, one after the other.")] = 1,
    scope: Annotated[
        Literal["run", "prompt"],
        typer.Option("--scope", metavar="WHICH", help="`run`: one rubric; `prompt`: criteria for each prompt."),
    ] = "run",
    max_new: Annotated[int, typer.Option("--max-new", metavar="N", min=1, max=10, help="Most criteria of one group.")] = 2,
    max_active: Annotated[
        int, typer.Option("--max-active", metavar="N", min=1, max=200, help="Most evolved criteria at a time.")
    ] = 8,
    groups: Annotated[int, typer.Option("--groups", metavar="N", min=1, max=64, help="Groups looked at in one rewriting.")] = 2,
    mapping: Map = None,
    overrides: Set = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    limit: Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines. [default: off]")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No talk on standard error. [default: off]")] = False,
) -> None:
    """Write new criteria out of responses that a rubric cannot tell apart, and see whether the next version can.

    The data hold several responses to a prompt, in one row or in several. They are judged by each version in turn; the groups
    whose rewards differ least are shown to the model, which writes what tells them apart. The same happens between the steps
    of a training run with `evolve` in its settings.

    \b
    Prints one line a version. The versions and versions.jsonl are in the folder.
    Examples:
      judge rubric evolve helpfulness --data groups.jsonl --output versions/
      judge rubric evolve mine.yaml --data groups.jsonl --config my.yaml \\
        --rounds 3 --output versions/ --json

    Exit codes: 0 done (also where nothing new was written); 2 wrong input; 3 the engine cannot work; 4 cannot write.
    """
    if VersionFolder(output).names():
        raise InputError(f"{output} holds versions already; choose another folder (a training run would go on from them)")
    settings, base = load_settings(config if config is not None else {}, overrides or ())
    start = load_rubric(rubric)
    evolve = EvolveSettings(
        folder=str(output), every=1, scope=scope, max_new=max_new, max_active=max_active, groups=groups
    )  # fmt: skip
    reward = settings.reward.model_copy(update={"shape": (), "baselines": None})
    changed = {"rubric": start, "evolve": evolve, "monitor": None, "reward": reward, "rubric_dropout": 0.0, "held_out": None}
    samples = _samples(data, mapping, split, subset, limit)
    made = plan(settings.model_copy(update=changed), base)
    found = []
    with Judge(made, progress=None if quiet else notice) as judge:
        for step in range(rounds + 1):
            rewards = judge.score(samples, step=step)
            assert judge.session.rubrics is not None  # noqa: S101  # `evolve` is set
            name, current = judge.session.rubrics.current()
            assert current is not None  # noqa: S101  # it starts from one
            found.append(_round(name, len(current.criteria), rewards))
            if not quiet:
                notice(_line(found[-1]))
    if as_json:
        print(json.dumps(_record(found, output), ensure_ascii=False))
    else:
        print("\n".join([*map(_line, found), f"versions in {output}"]))


def _samples(data: str, mapping: list[str] | None, split: str, subset: str, limit: int | None) -> list[Sample]:
    read = list(read_samples(data, parse_map(mapping or ()), split=split, config=subset, limit=limit))
    bad = [row for row in read if isinstance(row, BadRow)]
    good = [row for row in read if isinstance(row, Sample)]
    counts: dict[str, int] = defaultdict(int)
    for sample in good:
        counts[sample.group_key] += len(sample.responses)
    if not any(count > 1 for count in counts.values()):
        raise DataError(bad[0].problem if bad else f"{data}: no prompt has two responses, so there is nothing to tell apart")
    return good


def _round(name: str, criteria: int, rewards: Sequence[Reward]) -> EvolveRound:
    groups: dict[str, list[float]] = defaultdict(list)
    for reward in rewards:
        if reward.raw_reward is not None:
            groups[reward.group].append(reward.raw_reward)
    spreads = [statistics.pstdev(values) for values in groups.values() if len(values) > 1]
    values = [v for own in groups.values() for v in own]
    flat = sum(spread < 1e-9 for spread in spreads)
    mean, spread = (round(statistics.fmean(v), 4) if v else None for v in (values, spreads))
    return EvolveRound(name, criteria, mean, spread, flat, len(spreads))


def _line(found: EvolveRound) -> str:
    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    return (
        f"{found.version}: {found.criteria} criteria, mean reward {shown(found.reward)}, spread within a prompt"
        f" {shown(found.spread)}, {found.flat} of {found.groups} groups equal"
    )


def _record(found: Sequence[EvolveRound], output: Path) -> dict[str, Any]:
    lines = (output / FILE).read_text(encoding="utf-8").splitlines()
    rounds = [
        {"version": f.version, "criteria": f.criteria, "reward_mean": f.reward, "spread": f.spread, "equal_groups": f.flat,
         "groups": f.groups}
        for f in found
    ]  # fmt: skip
    return {"folder": str(output), "rounds": rounds, "versions": [json.loads(line) for line in lines]}
