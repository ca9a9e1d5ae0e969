"""A run over labelled data -> pairs of judgements to train the judge on: a right one and a wrong one of the same request.

Con-J (arXiv:2410.03742) samples several judgements of a pair and prefers those that come to the annotated answer. A run with
`votes` holds such judgements: replies to the same words under other seeds. Nothing is asked here, and no judge sees a label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.batch.requests import FILE
from judge.batch.select.folder import read_facts
from judge.errors import DataError, Problem
from judge.labels import truth_of

_VERDICTS = ["row", "id", "request_hash", "order", "vote", "raw_text", "scores", "forced"]
RESPONSES = "responses"  # of a row: how many it has


@dataclass(frozen=True, slots=True)
class LabelledReply:
    """One reply of the judge.

    Attributes:
        right: Whether its verdict is what the label says; None where one of the two says nothing.
        place: Row of the data set and vote: the order in which judgements are taken.
    """

    text: str
    right: bool | None
    place: tuple[int, int]
    id: str = ""


@dataclass(frozen=True, slots=True)
class JudgementPair:
    """A right and a wrong judgement of the same request; `messages` is what was sent."""

    messages: Sequence[Mapping[str, Any]]
    chosen: LabelledReply
    rejected: LabelledReply


@dataclass(frozen=True, slots=True)
class JudgementPairing:
    """What a run's judgements come to.

    Attributes:
        requests: Different requests with a verdict.
        labelled: Of these, the ones whose label says what is right.
        right: Share of the judgements with a label that are right; None without any.
        one_sided: Labelled requests whose judgements are all right, or all wrong.
    """

    pairs: tuple[JudgementPair, ...]
    requests: int
    labelled: int
    right: float | None
    one_sided: int

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "requests": self.requests,
            "labelled": self.labelled,
            "right": self.right,
            "one_sided": self.one_sided,
            "pairs": len(self.pairs),
        }


def judgement_pairs(run: Path, *, threshold: float = 0.5, most: int = 1) -> JudgementPairing:
    """Pair the right and the wrong judgements of each request.

    Args:
        run: Folder of `judge run` over data with labels (`label`: the better of two responses, the right ones of several, or
            1 and 0 of one).
        threshold: From this score on the judgement of a single response says that it is right.
        most: Pairs of each request; the first right with the first wrong judgement, then the second ones, and so on.

    Raises:
        DataError: No finished run, one without its requests, or data without labels.
    """
    read_facts(run)
    labels = _labels(run)
    sent = _messages(run)
    found: dict[str, list[LabelledReply]] = {}
    for record in _verdicts(run):
        if record["request_hash"] in sent and not record["forced"]:
            found.setdefault(sent[record["request_hash"]], []).append(_judgement(record, labels, threshold))
    pairs: list[JudgementPair] = []
    known = [[j for j in each if j.right is not None] for each in found.values()]
    for messages, each in zip(found, known, strict=True):
        ordered = sorted(each, key=lambda j: j.place)
        right, wrong = _once([j for j in ordered if j.right]), _once([j for j in ordered if not j.right])
        pairs += [JudgementPair(json.loads(messages), a, b) for a, b in list(zip(right, wrong, strict=False))[:most]]
    judged = [j.right for each in known for j in each]
    if not judged:
        raise DataError(Problem(str(run), "no verdict of this run has a label beside it; the data need a column `label`"))
    return JudgementPairing(
        tuple(pairs),
        len(found),
        sum(bool(each) for each in known),
        sum(map(bool, judged)) / len(judged),
        sum(bool(each) and len({j.right for j in each}) == 1 for each in known),
    )


def judgement_rows(pairs: Sequence[JudgementPair]) -> list[dict[str, Any]]:
    """One row a pair, in the conversational form of TRL: the request's messages, and two replies."""
    return [
        {
            "prompt": [{"role": m["role"], "content": _words(m["content"])} for m in pair.messages],
            "chosen": [{"role": "assistant", "content": pair.chosen.text}],
            "rejected": [{"role": "assistant", "content": pair.rejected.text}],
            "id": pair.chosen.id,
            "row": pair.chosen.place[0],
        }
        for pair in pairs
    ]


def _words(content: Any) -> str:
    """A message's text; of parts, their texts."""
    if isinstance(content, str):
        return content
    return "\n\n".join(str(part.get("text", "")) for part in content)


def _once(judgements: Sequence[LabelledReply]) -> list[LabelledReply]:
    """Each text once."""
    return list({j.text: j for j in reversed(judgements)}.values())[::-1]


def _judgement(record: Mapping[str, Any], labels: Mapping[int, Mapping[str, Any]], threshold: float) -> LabelledReply:
    right = _right(record, labels.get(record["row"], {}), threshold)
    return LabelledReply(record["raw_text"] or "", right, (int(record["row"]), int(record["vote"])), record["id"])


def _right(record: Mapping[str, Any], kept: Mapping[str, Any], threshold: float) -> bool | None:
    """Whether a verdict on whole responses is what the label says."""
    scores, order = record["scores"], record["order"]
    if not scores or any(len(row) != 1 or row[0] is None for row in scores) or not record["raw_text"]:
        return None
    truths = [truth_of(kept, place, kept.get(RESPONSES, 1)) for place in order]
    if len(scores) == 1:
        return None if truths[0] is None else (scores[0][0] >= threshold) == bool(truths[0])
    if kept.get("preferred") == "tie":
        return len({row[0] for row in scores}) == 1
    if any(truth is None for truth in truths) or len(set(truths)) == 1:
        return None
    best = max(row[0] for row in scores)
    return all(bool(truth) for row, truth in zip(scores, truths, strict=True) if row[0] == best)


def _labels(run: Path) -> dict[int, dict[str, Any]]:
    """Row -> its label, as the run kept it, and how many responses it has."""
    table = _read(run / "rewards.parquet")
    names = [name for name in ("label", "preferred") if name in table.column_names]
    out: dict[int, dict[str, Any]] = {}
    for record in table.select(["row", *names]).to_pylist():
        many = out.get(record["row"], {}).get(RESPONSES, 0) + 1
        out[record["row"]] = {name: _parsed(record[name]) for name in names} | {RESPONSES: many}
    return out


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _messages(run: Path) -> dict[str, str]:
    """Hash of a request -> its messages as JSON: the same for every seed."""
    if not (run / FILE).is_file():
        raise DataError(Problem(str(run), f"no {FILE} here, which holds what the judge was asked; run without --no-requests"))
    table = _read(run / FILE).select(["request_hash", "messages"])
    return {row["request_hash"]: row["messages"] for row in table.to_pylist()}


def _verdicts(run: Path) -> list[dict[str, Any]]:
    path = run / "verdicts.parquet"
    if not path.is_file():
        raise DataError(Problem(str(run), "no verdicts.parquet here: not a folder of `judge run`"))
    rows: list[dict[str, Any]] = _read(path).select(_VERDICTS).to_pylist()
    return rows


def _read(path: Path) -> Any:
    import pyarrow as pa  # noqa: PLC0415  # 100 ms that `judge --help` need not pay
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as why:
        raise DataError(Problem(str(path), f"not a readable Parquet file: {why}")) from None
