"""Written rubrics -> the output folder, one by one as they come.

- `rubrics.jsonl`: one line a row, kept or not, with everything needed to trace and to repeat it; in the rows' order.
- `kept/*.yaml`: the kept rubrics, each loadable by path.
- `merged.yaml`: the one rubric of all rows, of methods that make one.
- `generate.json`: settings, counts by reason with the first example of each, seconds.

Lines are written as rows end, into a file beside the final one, and put into the rows' order at the end; what is held in memory
is where each begins. A run that is killed leaves the files of the run before it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from judge.errors import InputError, OutputError, Problem
from judge.generators.closing import Merged
from judge.generators.model import Generator
from judge.generators.run import Writer, Written
from judge.intervals import wilson
from judge.rubric.per_prompt import LINES
from judge.rubric.show import rubric_values, rubric_yaml

_SAFE = re.compile(r"[^A-Za-z0-9_-]+")
EXAMPLE = 160  # characters of the first example of a reason
PART, MERGED, SUMMARY = f"{LINES}.part", "merged.yaml", "generate.json"


class RubricFolder:
    """The output folder, open for writing.

    Args:
        folder: Made with its parents.

    Raises:
        OutputError: Disk full, no permission; of every method.
    """

    def __init__(self, folder: Path, writer: Writer) -> None:
        self.folder = folder
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, tuple[int, str]] = {}
        self._writer = writer
        self._places: dict[int, tuple[int, int]] = {}  # row -> where its line begins, and its length
        self._calls: Counter[bool] = Counter()
        self._prompts: set[str] = set()
        self._items: Counter[str] = Counter()  # of the rubrics: all, and those whose kind or number was not stated
        self._lines: IO[bytes] | None = None
        self._end = 0  # of what is written
        self._kept = folder / "kept"

    def __enter__(self) -> Self:
        try:
            self._kept.mkdir(parents=True, exist_ok=True)
            for old in [*self._kept.glob("*.yaml"), self.folder / MERGED]:
                old.unlink(missing_ok=True)
            self._lines = (self.folder / PART).open("wb")
        except OSError as why:
            raise self._failed(why) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None) -> None:
        if self._lines is not None:
            self._lines.close()

    def add(self, place: int, written: Written, name: str) -> None:
        """Write one result. `place` is the row's position, `name` its file's stem (see `FileNames`)."""
        assert self._lines is not None  # noqa: S101  # it is open
        self.counts[written.reason] += 1
        for call in written.calls:
            self._calls[call.cached] += 1
        self._items["all"] += len(written.rubric.criteria) if written.rubric else 0
        self._items["untagged"] += written.untagged
        if written.prompt_key:
            self._prompts.add(written.prompt_key)
        self._note(place, written)
        file = f"{name}.yaml" if written.kept and written.rubric is not None else None
        told = record(written, self._writer, file)
        line = json.dumps(told, ensure_ascii=True).encode() + b"\n"
        try:
            self._places[place] = (self._end, len(line))
            self._end += self._lines.write(line)
            if file and written.rubric is not None:
                with open(f"{self._kept}/{file}", "wb") as out:
                    out.write(rubric_yaml(written.rubric, told["rubric"]).encode())
        except OSError as why:
            raise self._failed(why) from None

    def finish(self, facts: dict[str, Any], merged: Merged | None = None) -> dict[str, Any]:
        """Put the lines in order, write the merged rubric and the summary, and return the summary.

        Args:
            facts: What the caller knows and the writer does not: data, settings, seconds.
        """
        assert self._lines is not None  # noqa: S101  # it is open
        summary = describe(self._writer, self.counts, self._calls, self.examples) | facts
        summary["counts"] |= {
            "prompts": len(self._prompts),
            "items": self._items["all"],
            "untagged_items": self._items["untagged"],
        }
        if merged is not None:
            summary["merged"] = _merged(merged)
            summary["counts"]["calls"] += sum(not call.cached for call in merged.calls)
            summary["counts"]["calls_from_journal"] += sum(call.cached for call in merged.calls)
        try:
            self._in_order()
            if merged is not None and merged.rubric is not None:
                (self.folder / MERGED).write_text(rubric_yaml(merged.rubric), encoding="utf-8")
            (self.folder / SUMMARY).write_text(json.dumps(summary, indent=2, ensure_ascii=True) + "\n", encoding="utf-8")
        except OSError as why:
            raise self._failed(why) from None
        return summary

    def _in_order(self) -> None:
        assert self._lines is not None  # noqa: S101  # it is open
        self._lines.close()
        part, places = self.folder / PART, [self._places[row] for row in sorted(self._places)]
        if any(after[0] < before[0] for before, after in itertools.pairwise(places)):
            ordered = self.folder / f"{PART}.ordered"
            with part.open("rb") as lines, ordered.open("wb") as out:
                for start, length in places:
                    lines.seek(start)
                    out.write(lines.read(length))
            part.unlink()
            part = ordered
        part.rename(self.folder / LINES)

    def _note(self, place: int, written: Written) -> None:
        """Keep the first row of each reason as its example."""
        known = self.examples.get(written.reason)
        if known is None or place < known[0]:
            self.examples[written.reason] = (place, _example(written))

    def _failed(self, why: OSError) -> OutputError:
        return OutputError(f"{self.folder}: cannot be written: {why.strerror}; the replies so far are in its journal")


def check_folder(
    folder: Path, generator: Generator, data: str, settings: Mapping[str, Any], read_as: Mapping[str, Any] | None = None
) -> None:
    """Refuse a folder that holds rubrics of another method, data, model or sampling.

    Args:
        settings: As `generate.json` holds them.
        read_as: How the data are read, as `generate.json` holds it.

    Raises:
        InputError: It does; the message names what differs.
    """
    try:
        old = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        before = _identity(old["generator"], old["data"], old["settings"], old.get("read_as"))
    except (OSError, ValueError, KeyError, TypeError):
        return  # nothing is there, or what another version wrote
    spec = {"name": generator.spec.name, "options": dict(generator.options), "hash": generator.hash}
    now = _identity(json.loads(json.dumps(spec)), data, json.loads(json.dumps(dict(settings))), read_as)
    if lines := [f"  {n}: {before[n]} there, {now[n]} here" for n in now if n in before and before[n] != now[n]]:
        what = "holds the rubrics of another command. What differs:\n" + "\n".join(lines)
        what += "\nChoose another --output, or replace them with --overwrite (equal calls are reused)\nnothing was written"
        raise InputError(Problem(str(folder), what))


def _identity(
    generator: Mapping[str, Any], data: str, settings: Mapping[str, Any], read_as: Mapping[str, Any] | None
) -> dict[str, Any]:
    engine = settings["engine"]
    found = {"method": generator["name"], "options": generator["options"], "hash of the method": generator["hash"]}
    found |= {} if read_as is None else {f"--{name}": value for name, value in read_as.items()}
    return found | {"data": data, "model": engine.get("model"), "sampling": settings["sampling"], "seed": settings["seed"]}


class FileNames:
    """File names made of the rows' ids, given in the rows' order: equal ones are told apart by the row's position."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, place: int, row_id: str) -> str:
        """The stem of one row's file.

        Example:
            >>> names = FileNames()
            >>> [names.name(i, row) for i, row in enumerate(["a", "A", "../b"])]
            ['a', 'A-1', 'b-2']
        """
        stem = _SAFE.sub("-", row_id).strip("-")[:80] or "row"
        stem = f"{stem}-{place}" if stem.casefold() in self._taken or stem != row_id else stem
        more = (f"{stem}-{number}" for number in itertools.count(1))
        free = next(name for name in itertools.chain([stem], more) if name.casefold() not in self._taken)
        self._taken.add(free.casefold())
        return free


def write_folder(folder: Path, writer: Writer, results: Iterable[Written], facts: dict[str, Any]) -> dict[str, Any]:
    """Write results that are there already, in their order, and return the contents of `generate.json`.

    Raises:
        OutputError: Disk full, no permission.
    """
    names = FileNames()
    with RubricFolder(folder, writer) as out:
        for place, written in enumerate(results):
            out.add(place, written, names.name(place, written.id))
        return out.finish(facts)


def record(result: Written, writer: Writer, file: str | None = None) -> dict[str, Any]:
    """One line of `rubrics.jsonl`."""
    first, sampling = result.generation, writer.sampling_of(result.generation)
    return {
        "id": result.id,
        "prompt_key": result.prompt_key,
        "kept": result.kept,
        "reason": result.reason,
        "detail": result.detail,
        "rubric": rubric_values(result.rubric) if result.rubric else None,
        "file": f"kept/{file}" if file else None,
        "untagged_items": result.untagged,
        "reworded_items": result.reworded,
        "dropped_items": list(result.dropped),
        "merged_items": list(result.merged),
        "rejected_items": [asdict(item) for item in result.rejected],
        "unchecked_items": list(result.unchecked),
        "lost_replies": result.lost,
        "raw": first.completion.text if first else None,
        "finish_reason": first.completion.finish_reason if first else None,
        "request": first.key if first else None,
        "other_requests": [{"turn": c.turn, "request": c.key} for c in result.calls if c is not first],
        "verdicts": [
            {"order": list(t.order), "winner": t.winner, "reason": t.reason, "request": t.key, "seed": t.seed, "raw": t.text}
            for t in result.trials
        ],
        "model": writer.engine.model,
        "sampling": sampling,
        "seed": sampling["seed"],
        "generator": writer.generator.spec.name,
        "prompt_hash": writer.generator.template_hash,
    }


def describe(writer: Writer, counts: Counter[str], calls: Counter[bool], examples: dict[str, tuple[int, str]]) -> dict[str, Any]:
    """Counts, and what decided the rubrics."""
    ordered = dict(counts.most_common())
    return {
        "generator": {
            "name": writer.generator.spec.name,
            "hash": writer.generator.hash,
            "templates": writer.generator.template_hash,
            "options": dict(writer.generator.options),
        },
        "validation": _validation(writer, counts) if writer.generator.spec.validation else None,
        "model": writer.engine.model,
        "engine": dict(writer.engine.identity),
        "counts": {
            "rows": counts.total(),
            "kept": counts["kept"],
            "by_reason": ordered,
            "calls": calls[False],
            "calls_from_journal": calls[True],
        },
        "examples": {reason: examples[reason][1] for reason in ordered if reason in examples},
    }


def _validation(writer: Writer, counts: Counter[str]) -> dict[str, Any]:
    """What came of judging each pair under the rubric written from it; the rate is over pairs with a verdict in both orders."""
    trial = writer.trial_plan.recipe
    judged = {reason: counts[reason] for reason in ("kept", "label_not_reproduced", "orders_disagree")}
    tried = sum(judged.values())
    low, high = wilson(counts["kept"], tried)
    reproduced = {"rate": round(counts["kept"] / tried, 4), "low": round(low, 4), "high": round(high, 4)} if tried else None
    return {"recipe": trial.spec.name, "hash": trial.hash, **judged, "no_verdict": counts["no_verdict"], "reproduced": reproduced}


def _merged(merged: Merged) -> dict[str, Any]:
    return {
        "file": MERGED if merged.rubric else None,
        "reason": merged.reason,
        "detail": merged.detail,
        "items": merged.items,
        "criteria": len(merged.rubric.criteria) if merged.rubric else 0,
        "rejected_items": [asdict(item) for item in merged.rejected],
    }


def _example(written: Written) -> str:
    """One line that shows what a reason means: the row, and the first criterion or why there is none."""
    said = written.rubric.criteria[0].text if written.kept and written.rubric else written.detail
    text = " ".join(f"{written.id}: {said}".split())
    return text if len(text) <= EXAMPLE else text[: EXAMPLE - 1] + "…"
