"""`judge best-of-n` and `judge pairs`: from a run folder to the responses, or the pairs, to train on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.batch.read import parse_map
from judge.batch.select import best_of_n, best_rows, pair_rows, preference_pairs, write_rows
from judge.batch.select.best import BestOfEstimate, Ties
from judge.batch.select.folder import By
from judge.batch.select.groups import RunGroups
from judge.batch.select.judgements import judgement_pairs, judgement_rows
from judge.batch.select.pairs import PairHints, PairTies, Strategy
from judge.batch.select.read import GroupBy
from judge.batch.select.reliability import GroupReliability
from judge.batch.select.report import BestMetrics, PairMetrics, best_text, judgement_text, pair_text
from judge.batch.select.snapshot import Consistency, SnapshotGroups
from judge.batch.select.write import check_output
from judge.batch.shards import parse_part
from judge.cli.options import DataConfigName, Map, SplitOption, notice, say
from judge.errors import InputError, JudgeError
from judge.report.text import json_text
from judge.reward.consistency import Measure

NOTHING = "nothing was written"

Run = Annotated[Path, typer.Argument(help="Folder that `judge run` wrote.", metavar="RUN")]
RunData = Annotated[
    str,
    typer.Option(
        "--data", show_default=False, help="The data that were judged, if they moved. [default: those of the run]", metavar="FILE"
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        help="Write here: .jsonl, .parquet, or a name without a dot for a `datasets` folder. [default: only the table]",
        metavar="PATH",
        show_default=False,
    ),
]
ByOption = Annotated[By, typer.Option("--by", help="What the judge's verdicts came to, or what a trainer would get.")]
Grouping = Annotated[
    GroupBy,
    typer.Option(
        "--group-by",
        help="What makes a group. auto: the group of the data, else the question; in runs that compared responses, the row.",
    ),
]
MessagesOption = Annotated[
    bool, typer.Option("--messages", help="Write text prompts and responses as chat messages, too. [default: off]")
]
ShardOption = Annotated[
    str,
    typer.Option(
        "--shard",
        help="Only the groups of part I of N (I from 0); the outputs of all N parts together are the whole. [default: all"
        " groups]",
        metavar="I/N",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table. [default: off]")]


def best_of(
    run: Run,
    output: OutputOption = None,
    keep: Annotated[str, typer.Option("--keep", help="Responses of each group: a number, or all.", metavar="N")] = "1",
    min_reward: Annotated[
        float | None, typer.Option("--min-reward", help="Keep nothing below this. [default: no limit]", metavar="REWARD")
    ] = None,
    ties: Annotated[
        Ties,
        typer.Option("--ties", help="Of equals in the last place, keep the first in the data, all, none (drop) or the shortest."),
    ] = "first",
    estimate: Annotated[
        str,
        typer.Option(
            "--estimate",
            help="Print what the best of K draws would earn: 1,2,4. With --min-reward, also the chance of reaching it."
            " [default: none]",
            metavar="K1,K2,...",
            show_default=False,
        ),
    ] = "",
    by: ByOption = "raw_reward",
    group_by: Grouping = "auto",
    messages: MessagesOption = False,
    data: RunData = "",
    mapping: Map = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    shard: ShardOption = "",
    as_json: AsJson = False,
) -> None:
    """Keep the best response of every prompt, from a run folder; or every response that is good enough.

    Rows have prompt, response, reward, margin (to the next in the ranking), rank, group, group_size, scored, id, row and
    response_index. A response without a reward is never kept, nor is one that a filter stopped before the judge. The texts
    come from the data set, which must be the one that was judged.

    \b
    Examples:
      judge best-of-n runs/a --output best.jsonl
      judge best-of-n runs/a --keep all --min-reward 0.8 --output good.parquet
      judge best-of-n runs/a --min-reward 0.8 --ties shortest --output best
      judge best-of-n runs/a --estimate 1,2,4,8

    Exit codes: 0 done, 2 wrong input, or nothing was kept, 4 cannot write.
    """
    ks, most = _numbers(estimate), _keep(keep)
    _finite(min_reward, "--min-reward")
    with _read(run, output, data, mapping, (split, subset), by, group_by, shard) as found:
        metrics, estimated = BestMetrics(), BestOfEstimate(ks, min_reward=min_reward)
        select = partial(best_of_n, keep=most, min_reward=min_reward, ties=ties)
        for group in found:
            metrics.add(group.members, select(group.members))
            estimated.add(group.members)
        expected = estimated.result()
        if ks and not expected:
            raise _error(f"--estimate {estimate}: no group has {max(ks)} rewards; the largest has {metrics.largest}")
        facts = metrics.facts(found, expected, min_reward)
        if output is not None and facts["kept"]:  # before anything is printed: its reader may go away (`| head`)
            chat = metrics.forms.chat(messages)
            _write(chain.from_iterable(best_rows(select(group.members).chosen, chat=chat) for group in found), output)
        _print(facts, best_text(facts), as_json)
        if output is not None and not facts["kept"]:
            raise _error(f"{output}: not written, since nothing was kept")


def pairs(
    run: Run,
    output: OutputOption = None,
    strategy: Annotated[
        Strategy,
        typer.Option(
            "--strategy",
            help="Best against worst, best against each other, all, neighbours in the ranking, or better in every criterion.",
        ),
    ] = "best_worst",
    min_margin: Annotated[
        float, typer.Option("--min-margin", help="Least difference of the two rewards.", metavar="REWARD", min=0)
    ] = 0.0,
    ties: Annotated[
        PairTies,
        typer.Option("--ties", help="drop: no pair that equal rewards leave to position. keep: the earlier counts as better."),
    ] = "drop",
    max_pairs: Annotated[
        int | None,
        typer.Option("--max-pairs", help="Most pairs of a group, largest margins first. [default: all]", metavar="N", min=1),
    ] = None,
    snapshot: Annotated[
        str,
        typer.Option(
            "--snapshot",
            help="Another version of the judge: a run over the same data, or a member of the panel. How far it ranks alike is the"
            " column `confidence`. [default: no such column]",
            metavar="RUN|MEMBER",
            show_default=False,
        ),
    ] = "",
    measure: Annotated[Measure, typer.Option("--measure", help="Of --snapshot: how two rankings are compared.")] = "kendall",
    each_group: Annotated[
        bool, typer.Option("--each-group", help="Of --snapshot: a confidence for each group. [default: the mean of all]")
    ] = False,
    no_filtered: Annotated[
        bool, typer.Option("--no-filtered", help="Leave out responses that a filter stopped. [default: they may be rejected]")
    ] = False,
    by: ByOption = "raw_reward",
    group_by: Grouping = "auto",
    messages: MessagesOption = False,
    data: RunData = "",
    mapping: Map = None,
    split: SplitOption = "",
    subset: DataConfigName = "",
    shard: ShardOption = "",
    as_json: AsJson = False,
) -> None:
    """Make preference pairs for DPO trainers, from a run folder.

    Columns: prompt, chosen, rejected, score_chosen, score_rejected, margin (names of TRL), then the group, the id, row and index
    of both, and how far the pair is to be trusted: verdicts behind it, votes_agree, orders_agree, variance (null where nothing
    was asked that tells); with --snapshot `confidence`: 1 - confidence is the pair's label smoothing (CREAM, arXiv:2410.12735).
    A prompt of chat messages stays one, and its responses become messages. A response without a reward is in no
    pair; one that a filter stopped is never chosen. Two texts make one pair.

    \b
    Examples:
      judge pairs runs/a --output pairs.jsonl
      judge pairs runs/a --strategy all --min-margin 0.25 --max-pairs 4 \\
          --output pairs.parquet
      judge pairs runs/a --strategy best_each --no-filtered --messages \\
          --output pairs
      judge pairs runs/b --snapshot runs/a --output pairs.jsonl

    Exit codes: 0 done, 2 wrong input, or there is no pair, 4 cannot write.
    """
    _finite(min_margin, "--min-margin")
    if shard and snapshot and not each_group:
        raise _error("--shard: the confidence of --snapshot is the mean over all groups; add --each-group, or leave --shard out")
    if not snapshot and (measure != "kendall" or each_group):
        raise _error("--measure and --each-group are about --snapshot, which is missing")
    options: dict[str, Any] = {"strategy": strategy, "min_margin": min_margin, "ties": ties, "max_pairs": max_pairs}
    options["filtered"] = not no_filtered
    with _read(run, output, data, mapping, (split, subset), by, group_by, shard) as found:
        compared = SnapshotGroups(found, run, snapshot, by=by, measure=measure) if snapshot else None
        metrics, hints, trust = PairMetrics(), PairHints(**options), GroupReliability(found, run)
        for group in found:
            made, sure = preference_pairs(group.members, **options), trust.of(group)
            metrics.add(group.members, made, map(sure.of, made.pairs))
            hints.add(group.members)
            if compared is not None:
                compared.add(group)
        seen = None if compared is None else compared.result(whole_set=not each_group)
        facts = metrics.facts(found, seen, hint=hints.best(metrics.groups_with_pairs))
        if output is not None and facts["pairs"]:  # before anything is printed, as above
            _write(_pair_rows(found, options, trust, compared, seen, metrics.forms.chat(messages)), output)
        _print(facts, pair_text(facts), as_json)
        if output is not None and not facts["pairs"]:
            raise _error(f"{output}: not written, since there is no pair")


def _pair_rows(
    found: RunGroups,
    options: Mapping[str, Any],
    trust: GroupReliability,
    compared: SnapshotGroups | None,
    seen: Consistency | None,
    chat: bool,
) -> Iterator[dict[str, Any]]:
    """The pairs of all groups, as they are written."""
    for group in found:
        sure = None if compared is None or seen is None else compared.confidence(group, seen)
        if made := preference_pairs(group.members, **options).pairs:
            yield from pair_rows(made, chat=chat, confidence=sure, reliability=trust.of(group))


def judgements(
    run: Run,
    output: OutputOption = None,
    max_pairs: Annotated[int, typer.Option("--max-pairs", help="Most pairs of one request.", metavar="N", min=1)] = 1,
    threshold: Annotated[
        float,
        typer.Option("--threshold", help="Score from which a judgement of one response says that it is right.", min=0, max=1),
    ] = 0.5,
    as_json: AsJson = False,
) -> None:
    """Make preference pairs of judgements, to train the judge itself: a right and a wrong reply to the same request.

    The run needs labels (column `label` of the data) and several votes, so that a request has several replies. Columns: prompt
    (the judge's messages), chosen, rejected (its replies), id, row. Con-J (arXiv:2410.03742) trains a judge by DPO on such pairs.

    \b
    Examples:
      judge run pairwise.yaml --data labelled.jsonl --output runs/a \\
          --set votes.n=8
      judge judgements runs/a --output judgements.jsonl

    Exit codes: 0 done, 2 wrong input, no label, or there is no pair, 4 cannot write.
    """
    if output is not None:
        check_output(output, run, "")
    found = judgement_pairs(run, threshold=threshold, most=max_pairs)
    if output is not None and found.pairs:
        _write(judgement_rows(found.pairs), output)
    _print(found.facts(), judgement_text(found), as_json)
    if output is not None and not found.pairs:
        raise _error(f"{output}: not written, since no request has both a right and a wrong judgement; ask for more `votes`")


def _read(
    run: Path,
    output: Path | None,
    data: str,
    mapping: list[str] | None,
    where: tuple[str, str],
    by: By,
    group_by: GroupBy,
    shard: str,
) -> RunGroups:
    try:
        part = parse_part(shard) if shard else None
        found = RunGroups(
            run, data=data, mapping=parse_map(mapping or ()), split=where[0], config=where[1], by=by, group_by=group_by, part=part
        )
    except InputError as why:
        why.add_note(NOTHING)
        raise
    try:
        if output is not None:
            check_output(output, run, found.source)
    except JudgeError:
        found.close()
        raise
    for note in found.notes:
        notice(note)
    return found


def _error(text: str) -> InputError:
    why = InputError(text)
    why.add_note(NOTHING)
    return why


def _print(facts: Mapping[str, Any], text: str, as_json: bool) -> None:
    say(json_text(facts) if as_json else text)


def _write(rows: Iterable[dict[str, Any]], output: Path) -> None:
    notice(f"{output}: {write_rows(rows, output):,} rows")


def _keep(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit() or not int(text[:9]) > 0:
        raise _error(f"--keep {text}: a number from 1 on, or all")
    return int(text)


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not part.isascii() or not part.isdigit() or len(part) > 6 or not int(part):
            raise _error(f"--estimate {text}: `{part}` is no number of draws; for example 1,2,4")
    return tuple(map(int, parts))


def _finite(value: float | None, option: str) -> None:
    if value is not None and value - value != 0:
        raise _error(f"{option} {value}: not a finite number")
