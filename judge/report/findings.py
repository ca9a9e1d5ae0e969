"""A run folder -> what it says about its judge, in sentences with the figure, the worst first.

A judge that always gives the same answer, follows length, is bound to a position or separates nothing trains a policy on
nothing. It says so here by itself: at the end of `judge run`, and at the top of `judge report`.

- Everything is read from the tables, column by column, so that a million rows cost seconds and no texts are held.
- A figure needs items: below the number stated with each rule nothing is said, and silence is no praise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from judge.arrays import Floats, spearman
from judge.errors import InputError, Problem
from judge.intervals import wilson
from judge.report.html import Html, Tone, paragraph, worded
from judge.report.text import percent
from judge.tables import open_tables, table_files

if TYPE_CHECKING:
    import pyarrow as pa

SOME = 16_384  # values of a column that are looked at together
LEAST = 20  # responses, groups or calls below which no finding is made of them
SAME_ANSWER = 0.95  # share of one reward from which the judge "always answers one thing"
NO_SPREAD = 0.5  # share of groups without spread that is worth a warning
LENGTH = 0.4  # absolute rank correlation of reward and length
POSITION = 0.1  # mean score of the place shown first, minus that shown second
FORCED = 0.2  # share of verdicts that had to be asked for alone
NO_REWARD = 0.05
FILTERED = 0.3
DISAGREE = 0.2  # share of responses whose two orders disagree
MOST_RANKED = 200_000  # responses, in whole groups, that are compared with their length
MOST_PAIRS = 100_000  # comparisons that are looked at for a bound to a position
SATURATED = 0.95  # mean of a criterion above (or one minus this: below) which it separates nothing

_ADVICE = {
    "truncated": "raise `sampling.max_tokens`",
    "missing": "the judge does not state its verdict in the form asked for; see `judge show`, or use a larger judge",
    "ambiguous": "the judge states two verdicts; its replies show how (`judge look`)",
    "off_scale": "the judge leaves the scale; its replies show how (`judge look`)",
    "over_length": "raise `engine.max_model_len`, or set `on_over_length: truncate`",
    "timeout": "raise `engine.deadline_s`, or lower `engine.concurrency`",
    "deadline": "raise `item_deadline_s`, or lower `max_in_flight`",
    "engine_error": "see the server's log",
    "invalid": "the rows could not be read, or do not fit the recipe; each reason says what would do (columns: `--map`)",
    "unproved": "the judge rewarded suspected answers without words of theirs that prove it; read some, or use a larger judge",
}


@dataclass(frozen=True, slots=True)
class RunFinding:
    """One thing that a reader should know.

    Attributes:
        code: Short name, for programs.
        text: One sentence with its figure.
        advice: What to do; empty where there is nothing to do.
    """

    code: str
    tone: Tone
    text: str
    advice: str = ""


@dataclass(frozen=True)
class RunTables:
    """What a run left behind.

    Attributes:
        folder: The run folder.
        run: Contents of `run.json`.
    """

    folder: Path
    run: Mapping[str, Any]
    _read: dict[str, pa.Table] = field(default_factory=dict, repr=False, compare=False)

    def columns(self, names: Sequence[str], table: str = "rewards") -> pa.Table:
        """Columns of `rewards` or `verdicts`; those that the file lacks are left out.

        Raises:
            InputError: The file cannot be read.
        """
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415  # 100 ms

        path = self.folder / f"{table}.parquet"
        try:
            found = []
            for file in self._files(table):
                there = pq.read_schema(file).names
                found.append(pq.read_table(file, columns=[n for n in names if n in there]))
            return pa.concat_tables(found, promote_options="permissive") if len(found) > 1 else found[0]
        except (OSError, ValueError) as why:
            raise InputError(Problem(str(path), f"cannot be read: {why}; run the same `judge run` again to write it")) from None

    @cached_property
    def _opened(self) -> dict[str, list[Any]]:
        return open_tables(self.folder)

    def _files(self, table: str) -> list[Any]:
        """The files of a table, the same for all that is read of a run that goes on. Raises OSError where there is none."""
        files = self._opened.get(table)
        if not files:
            raise FileNotFoundError(f"no {table}.parquet")
        return files

    @cached_property
    def names(self) -> list[str]:
        """Columns of rewards.parquet."""
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            files = self._files("rewards")
            return list(dict.fromkeys(name for file in files for name in pq.read_schema(file).names))
        except (OSError, ValueError) as why:
            raise InputError(Problem(str(self.folder / "rewards.parquet"), f"cannot be read: {why}")) from None

    def floats(self, name: str, table: str = "rewards") -> Floats:
        """One column as floats; NaN where there is none."""
        return self._numbers(name, lambda column: column, np.float64, table)

    def _numbers(
        self, name: str, make: Callable[[Any], Any], kind: type[np.generic], table: str = "rewards"
    ) -> np.ndarray[Any, Any]:
        """One number for each value of a column, made some thousand at a time, so that a column of texts is never held; NaN where
        there is no such column."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415  # 100 ms

        at, there = 0, False
        try:
            files = self._files(table)
            out = np.zeros(sum(int(pq.read_metadata(file).num_rows) for file in files), dtype=kind)
            for path in files:
                with pq.ParquetFile(path) as file:
                    if name not in file.schema_arrow.names:
                        out[at : at + file.metadata.num_rows] = np.nan if kind is np.float64 else 0
                        at += file.metadata.num_rows
                        continue
                    there = True
                    for batch in file.iter_batches(batch_size=SOME, columns=[name], use_threads=False):
                        out[at : at + batch.num_rows] = make(batch.column(0)).to_numpy(zero_copy_only=False)
                        at += batch.num_rows
        except (OSError, ValueError) as why:
            problem = f"cannot be read: {why}; run the same `judge run` again to write it"
            raise InputError(Problem(str(self.folder / f"{table}.parquet"), problem)) from None
        pa.default_memory_pool().release_unused()
        return out if there else np.full(out.size, np.nan)

    def __len__(self) -> int:
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            return sum(int(pq.read_metadata(file).num_rows) for file in self._files("rewards"))
        except (OSError, ValueError) as why:
            raise InputError(Problem(str(self.folder / "rewards.parquet"), f"cannot be read: {why}")) from None

    @cached_property
    def raw(self) -> Floats:
        """Raw rewards of what was judged, shape (responses,); NaN where there is none, or a filter or a rule decided."""
        import pyarrow.compute as pc  # noqa: PLC0415

        raw = self.floats("raw_reward")
        judged = self._numbers("status", lambda column: pc.equal(column, "judged"), np.bool_)
        asked = self.floats("judge_calls") + self.floats("completion_tokens") > 0
        return np.where(judged & asked, raw, np.nan)

    @cached_property
    def lengths(self) -> Floats:
        """Characters of each response, shape (responses,); NaN where the text was not kept."""
        import pyarrow.compute as pc  # noqa: PLC0415

        return self._numbers("response", pc.utf8_length, np.float64)

    @cached_property
    def groups(self) -> np.ndarray[Any, Any]:
        """Number of each response's group, shape (responses,), from 0.

        Names are told apart by 64 bits: of a million groups two are taken for one with a chance of 3 in 100 million.
        """
        import pyarrow as pa  # noqa: PLC0415

        hashes = self._numbers("group", lambda column: pa.array(map(hash, column.to_pylist()), pa.int64()), np.int64)
        _, first, number = np.unique(hashes, return_index=True, return_inverse=True)
        place = np.empty(first.size, dtype=np.int64)
        place[np.argsort(first)] = np.arange(first.size)
        return place[number]

    def verdicts(self, names: Sequence[str], *, shown: int | None = None) -> Iterator[dict[str, Any]]:
        """Rows of verdicts.parquet with these columns, a batch in memory at a time.

        Args:
            shown: Only calls that showed so many responses; of a run of single ones, no row is made.
        """
        import pyarrow.compute as pc  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        path = self.folder / "verdicts.parquet"
        try:
            for each in self._files("verdicts"):
                with pq.ParquetFile(each) as file:
                    there = [n for n in names if n in file.schema_arrow.names]
                    for batch in file.iter_batches(batch_size=4096, columns=there):
                        kept = batch if shown is None else batch.filter(pc.equal(pc.list_value_length(batch["order"]), shown))
                        yield from kept.to_pylist()
        except (OSError, ValueError) as why:
            raise InputError(Problem(str(path), f"cannot be read: {why}")) from None

    @cached_property
    def criteria(self) -> dict[str, Floats]:
        """Criterion -> its scores in [0, 1], shape (responses,); NaN where it has no verdict. Of the first 256 criteria."""
        names = [n for n in self.names if n.startswith("criterion.")]
        return {n.removeprefix("criterion."): self.floats(n) for n in names}


def folder_names(folders: Sequence[Path]) -> list[str]:
    """A short name for each folder: as much of the end of its path as tells them apart."""
    for depth in range(1, 6):
        names = ["/".join(folder.resolve().parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return list(map(str, folders))


def load_tables(folder: str | Path) -> RunTables:
    """Open a run folder.

    Raises:
        InputError: There is no such folder, it holds no finished run, or its files cannot be read.
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(Problem(str(folder), "no such run folder; it is what `judge run --output` made"))
    record = path / "run.json"
    if not record.is_file():
        raise InputError(Problem(str(folder), "holds no run (no run.json); it is what `judge run --output` made"))
    try:
        run = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as why:
        raise InputError(Problem(str(record), f"cannot be read: {why}")) from None
    if not table_files(path, "rewards"):
        raise InputError(Problem(str(folder), _no_rows(run if isinstance(run, dict) else {})))
    return RunTables(path, run)


def _no_rows(run: Mapping[str, Any]) -> str:
    """What is the matter with a run folder that holds no table."""
    again = "the same `judge run` goes on where it was and asks for nothing twice"
    if run.get("state") == "running":
        return f"no rows yet: the first are written after half a minute; if the run was killed, {again}"
    if "state" in run:
        return f"no rows: the run ended before its tables were written (state `{run['state']}`); {again}"
    return "holds no rewards.parquet: run `judge run` to its end"


def findings(tables: RunTables) -> list[RunFinding]:
    """What the tables say, the worst first.

    Example: `judge run` prints those of tone `bad` and `warn`; `judge report` shows all.
    """
    rules = (_reasons, _one_answer, _groups, _criteria, _length, _position, _orders, _forced, _filtered, _monitor)
    found = [finding for rule in rules for finding in rule(tables)]
    worst = {"bad": 0, "warn": 1, "plain": 2, "good": 3}
    if not any(f.tone in ("bad", "warn") for f in found) and int(np.isfinite(tables.raw).sum()) >= LEAST:
        found.append(RunFinding("quiet", "good", "Nothing here speaks against this judge; whether it is right, labels must say."))
    return sorted(found, key=lambda f: worst[f.tone])


def findings_list(found: Sequence[RunFinding]) -> Html:
    """Findings for a page."""
    if not found:
        return paragraph("Too few responses to say anything.")
    helps = ((f, f" <em>What helps: {worded(f.advice)}.</em>" if f.advice else "") for f in found)
    return Html(
        f'<ul class="findings">{"".join(f"<li class={f.tone}><p>{worded(f.text)}{more}</p></li>" for f, more in helps)}</ul>'
    )


def warnings(tables: RunTables) -> list[RunFinding]:
    """The findings that a user should not miss at the end of a run."""
    return [f for f in findings(tables) if f.tone in ("bad", "warn")]


def _reasons(tables: RunTables) -> list[RunFinding]:
    counts: Mapping[str, int] = tables.run.get("no_verdict_reasons") or {}
    total, missing = len(tables), sum(counts.values())
    if not missing:
        return []
    share, reason = missing / max(1, total), max(counts, key=lambda name: counts[name])
    tone: Tone = "bad" if share >= 0.2 else "warn" if share >= NO_REWARD else "plain"
    several = f", most often `{reason}` ({counts[reason]:,})" if len(counts) > 1 else f" (`{reason}`)"
    verb = "has" if missing == 1 else "have"
    text = f"{missing:,} of {total:,} responses {verb} no verdict, {percent(share)}{several}."
    return [RunFinding("no_verdict", tone, text, _ADVICE.get(reason, ""))]


def _one_answer(tables: RunTables) -> list[RunFinding]:
    raw = tables.raw[np.isfinite(tables.raw)]
    if raw.size < LEAST:
        return []
    values, counts = np.unique(raw, return_counts=True)
    share, value = counts.max() / raw.size, values[counts.argmax()]
    if share < SAME_ANSWER:
        return []
    low = wilson(int(counts.max()), int(raw.size)).low
    text = (
        f"The judge gave {value:.3g} to {percent(share)} of the {raw.size:,} responses that it judged (at least {percent(low)})."
        " Such a reward tells almost nothing apart."
    )
    return [RunFinding("one_answer", "bad", text, "read some of its replies; try a finer scale, `signal: expected`, or pairs")]


def spread(tables: RunTables) -> Floats:
    """Standard deviation of the raw reward within each group of two and more judged responses, shape (groups,)."""
    raw, groups = tables.raw, tables.groups
    there = np.isfinite(raw)
    if not there.any():
        return np.zeros(0)
    number, values = groups[there], raw[there]
    count = np.bincount(number)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(number, values) / count
        variance = np.bincount(number, (values - mean[number]) ** 2) / count
    return np.sqrt(variance[count >= 2])


def _groups(tables: RunTables) -> list[RunFinding]:
    found = spread(tables)
    if found.size < 5:
        return []
    flat = float((found < 1e-9).mean())
    text = (
        f"{percent(flat)} of the {found.size:,} groups have equal rewards throughout: a group-relative trainer learns nothing"
        " from them."
    )
    if flat < NO_SPREAD:
        return [RunFinding("group_spread", "plain", text)]
    return [
        RunFinding(
            "group_spread", "bad" if flat > 0.8 else "warn", text, "a finer scale, `signal: expected`, votes or `group:` help"
        )
    ]


def _criteria(tables: RunTables) -> list[RunFinding]:
    if len(tables.criteria) < 2:
        return []
    out = []
    for name, scores in tables.criteria.items():
        there = scores[np.isfinite(scores)]
        if there.size < LEAST:
            continue
        mean = float(there.mean())
        if mean >= SATURATED or mean <= 1 - SATURATED:
            out.append(f"`{name}` (mean {mean:.2f})")
    if not out:
        return []
    text = f"{len(out)} of {len(tables.criteria)} criteria get nearly the same score from every response: {', '.join(out[:5])}."
    return [RunFinding("saturated_criteria", "warn", text, "they cost calls and separate nothing; sharpen or drop them")]


def within_groups(values: Floats, groups: np.ndarray[Any, Any]) -> Floats:
    """Values less the mean of their group: what a group-relative trainer sees. NaN in groups of one."""
    out = np.full(values.size, np.nan)
    there = np.isfinite(values)
    if not there.any():
        return out
    number = groups[there]
    count = np.bincount(number)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(number, values[there]) / count
    out[there] = np.where(count[number] >= 2, values[there] - mean[number], np.nan)
    return out


def _length(tables: RunTables) -> list[RunFinding]:
    raw, lengths, groups = tables.raw, tables.lengths, tables.groups
    if (every := -(-raw.size // MOST_RANKED)) > 1:  # ranks of a million rewards take a hundred megabytes
        kept = groups % every == 0
        raw, lengths, groups = raw[kept], lengths[kept], groups[kept]
    both = np.isfinite(raw) & np.isfinite(lengths)
    if both.sum() < LEAST:
        return []
    inside = spearman(within_groups(np.where(both, raw, np.nan), groups), within_groups(np.where(both, lengths, np.nan), groups))
    overall = spearman(raw, lengths)
    rho, where = (inside, "within groups") if math.isfinite(inside) else (overall, "over all responses")
    if not math.isfinite(rho) or abs(rho) < LENGTH:
        return []
    word = "longer" if rho > 0 else "shorter"
    text = f"Rewards follow length: rank correlation {rho:+.2f} {where}, so {word} responses get more."
    if every > 1:
        text += f" (Looked at in {raw.size:,} responses, every {every}th group.)"
    return [RunFinding("length", "warn", text, "look whether longer is better here; else a `length` step of `reward.shape`")]


def positions(tables: RunTables) -> tuple[float, int]:
    """Mean score of what was shown first minus that shown second, in [-1, 1], and over how many comparisons.

    Only comparisons that were asked in both orders count: there, quality cancels and the place is left. NaN without any.
    """
    gaps: dict[tuple[Any, ...], dict[tuple[int, ...], float]] = {}
    for row in tables.verdicts(("row", "order", "criteria", "vote", "scores"), shown=2):
        order, scores = tuple(row["order"] or ()), row["scores"]
        if not scores or len(scores) != 2 or not scores[0] or scores[0][0] is None or scores[1][0] is None:
            continue
        key = (row["row"], tuple(sorted(order)), tuple(row["criteria"] or ()), row["vote"])
        gaps.setdefault(key, {})[order] = scores[0][0] - scores[1][0]
        if len(gaps) >= MOST_PAIRS:
            break
    both = [sum(each.values()) / 2 for each in gaps.values() if len(each) == 2]
    return (float(np.mean(both)), len(both)) if both else (math.nan, 0)


def _position(tables: RunTables) -> list[RunFinding]:
    gap, count = positions(tables)
    if count < LEAST or abs(gap) < POSITION:
        return []
    word = "first" if gap > 0 else "second"
    text = (
        f"The judge is bound to a position: whatever is shown {word} scores {abs(gap):.2f} more, over {count:,} pairs"
        " asked in both orders."
    )
    tone: Tone = "bad" if abs(gap) >= 0.3 else "warn"
    return [RunFinding("position", tone, text, "keep both orders; `order: both_agree` gives no reward where they disagree")]


def _flagged(tables: RunTables) -> dict[str, int]:
    import pyarrow.compute as pc  # noqa: PLC0415

    flags = tables.columns(["flags"])["flags"].combine_chunks()
    names = pc.struct_field(flags.flatten(), "name")
    return {str(v["values"]): int(v["counts"]) for v in pc.value_counts(names).to_pylist()}


def _orders(tables: RunTables) -> list[RunFinding]:
    count, total = _flagged(tables).get("order_inconsistent", 0), int(np.isfinite(tables.floats("order_gap")).sum())
    total = max(total, count)
    if total < LEAST or count / total < DISAGREE:
        return []
    text = f"The two orders of a pair disagree for {percent(count / total)} of {total:,} responses."
    return [
        RunFinding("orders", "warn", text, "the judge cannot tell these responses apart; a stronger judge, or `signal: expected`")
    ]


def _forced(tables: RunTables) -> list[RunFinding]:
    counts = tables.run.get("counts") or {}
    verdicts, forced = counts.get("verdicts", 0), counts.get("forced", 0)
    if verdicts < LEAST or forced / verdicts < FORCED:
        return []
    text = f"{percent(forced / verdicts)} of the {verdicts:,} verdicts were not stated and had to be asked for alone."
    return [RunFinding("forced", "warn", text, "raise `sampling.max_tokens`, or use a judge that keeps to the form")]


def _filtered(tables: RunTables) -> list[RunFinding]:
    counts = tables.run.get("counts") or {}
    total, filtered = counts.get("responses", 0), counts.get("filtered", 0)
    if not filtered:
        return []
    text = f"{filtered:,} of {total:,} responses were decided by a filter without the judge ({percent(filtered / total)})."
    return [RunFinding("filtered", "warn" if total >= LEAST and filtered / total >= FILTERED else "plain", text)]


def _monitor(tables: RunTables) -> list[RunFinding]:
    watch = tables.run.get("monitor")
    alarms = watch.get("alarms") if isinstance(watch, Mapping) else None
    return [
        RunFinding(
            "alarm",
            "bad",
            f"The monitor raised `{name}` {state['raised']} time(s)" + (", and it is on." if state["active"] else "."),
        )
        for name, state in (alarms or {}).items()
        if state["raised"]
    ]
