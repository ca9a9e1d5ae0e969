"""Shards: what several machines judged is, put together, what one machine would have written."""

from __future__ import annotations

import json
import shutil
from functools import partial

import pyarrow.parquet as pq
import pytest

from judge.batch.folder import locked
from judge.batch.merge import merge_runs
from judge.batch.read import BadRow
from judge.batch.seen import MaybeSeen, SeenNames
from judge.batch.shards import Shard, parse_shard
from judge.errors import DataError, InputError, OutputError, SettingsError
from judge.pipeline.build import plan
from judge.settings import load_settings
from judge.types import Completion, Sample
from tests.batch_harness import SETTINGS, question, run


def reply(request):
    """Every seventh answer is wrong, and one gets no verdict."""
    text = question(request)
    return Completion("", "timeout", error="late") if "It is 10." in text else "VERDICT: " + ("UNMET" if "7." in text else "MET")


def data(count=70):
    rows = [
        Sample.of(
            f"What is {i // 3}?", f"It is {i}.", id=f"s{i % 60}", group=f"g{i // 4}", metadata={"n": i, f"only{i % 50}": "x"}
        )
        for i in range(count)
    ]
    return [*rows[:20], BadRow("20", "data.jsonl:21: no JSON"), *rows[20:]]


def tables(folder, *, but=("latency_s",)):
    """Both tables as values; seconds differ from run to run."""
    found = [pq.read_table(folder / f"{name}.parquet") for name in ("rewards", "verdicts")]
    return [t.drop([name for name in but if name in t.column_names]) for t in found]


def shards(folder, count, rows=None, **settings):
    made = [folder / f"part{i}" for i in range(count)]
    for index, part in enumerate(made):
        own = plan(load_settings(SETTINGS | settings)[0])
        run(part, data() if rows is None else rows, reply, shard=parse_shard(f"{index}/{count}", own), **settings)
    return made


SPLITS = [
    pytest.param(2, {}, "row", id="two-machines"),
    pytest.param(6, {}, "row", id="a-shard-without-rows"),
    pytest.param(3, {"on_no_verdict": "group_mean"}, "group", id="means-of-groups"),
    pytest.param(3, {"reward": {"shape": [{"kind": "rank"}]}}, "group", id="shaped-in-groups"),
    pytest.param(3, {"reward": {"shape": [{"kind": "clip", "low": 0.2}]}}, "row", id="shaped-one-by-one"),
]


@pytest.mark.parametrize(("count", "settings", "by"), SPLITS)
def test_merged_shards_equal_one_run(tmp_path, count, settings, by):
    """Who splits a data set over a cluster gets the rewards of the one machine he did not have."""
    whole, _ = run(tmp_path / "one", data(), reply, **settings)
    parts = shards(tmp_path, count, **settings)
    merged = merge_runs(reversed(parts), tmp_path / "all")
    assert [json.loads((part / "run.json").read_text())["shard"]["by"] for part in parts] == [by] * count
    assert tables(tmp_path / "one") == tables(tmp_path / "all")
    requests = [sorted(map(str, pq.read_table(tmp_path / d / "requests.parquet").to_pylist())) for d in ("one", "all")]
    assert requests[0] == requests[1]
    assert merged.run["counts"] == whole.run["counts"]
    assert merged.run["tokens"] == whole.run["tokens"]
    assert [part["shard"]["index"] for part in merged.run["parents"]] == list(range(count))
    assert "shard" not in merged.run


def test_a_merged_folder_goes_on_like_any_run(tmp_path):
    """The journal came along: the same command without --shard asks again only for what failed."""
    merge_runs(shards(tmp_path, 2), tmp_path / "all")
    _, engine = run(tmp_path / "all", data(), reply)
    assert {"It is 10." in question(request) for request in engine.requests} == {True}


def _usd(parts, number):
    path = parts[number] / "run.json"
    told = json.loads(path.read_text())
    told["cost"]["usd"] = None
    path.write_text(json.dumps(told))


def test_a_merged_run_costs_what_its_shards_cost(tmp_path):
    """Who reads the cost of a run over eight machines must not be told an eighth of it."""
    priced = {"engine": {"kind": "openai", "model": "m", "base_url": "http://no", "price": {"input": 1, "output": 2}}}
    answer = partial(Completion, "VERDICT: MET", prompt_tokens=100, completion_tokens=50)
    parts = [tmp_path / f"part{i}" for i in range(2)]
    for index, part in enumerate(parts):
        run(part, data(), lambda _: answer(), shard=Shard(index, 2), **priced)
    costs = [json.loads((part / "run.json").read_text())["cost"] for part in parts]
    assert costs[0]["calls"] != costs[1]["calls"]
    merged = merge_runs(parts, tmp_path / "all").run
    calls = costs[0]["calls"] + costs[1]["calls"]
    tokens = {"prompt": 100 * calls, "completion": 50 * calls, "cached": 0}
    assert merged["cost"] == {"calls": calls, "tokens": tokens, "usd": pytest.approx(0.0002 * calls)}
    assert [part["cost"] for part in merged["parents"]] == costs
    _usd(parts, 1)
    assert merge_runs(parts, tmp_path / "all").run["cost"]["usd"] is None


def _state(parts):
    path = parts[1] / "run.json"
    path.write_text(path.read_text().replace('"finished"', '"interrupted"'))
    return parts


def _seed(parts):
    path = parts[1] / "run.json"
    told = json.loads(path.read_text())
    told["settings"]["seed"] = 7
    path.write_text(json.dumps(told))
    return parts


def _rows(parts):
    path = parts[1] / "run.json"
    told = json.loads(path.read_text())
    told["shard"]["rows"] = 72
    path.write_text(json.dumps(told))
    return parts


def _copied(parts):
    shutil.copy(parts[0] / "journal.sqlite", parts[1] / "journal.sqlite")
    return parts


def _gone(parts):
    (parts[1] / "journal.sqlite").unlink()
    return parts


def _keep(parts):
    path = parts[1] / "run.json"
    told = json.loads(path.read_text())
    told["shard"]["keep"] = ["n"]
    path.write_text(json.dumps(told))
    return parts


@pytest.mark.parametrize("older", [0, 1])
def test_a_shard_of_a_version_that_did_not_write_its_columns_down_is_merged(tmp_path, older):
    """Half a cluster was updated in between: what nobody wrote down is no difference."""
    parts = shards(tmp_path, 2)
    path = parts[older] / "run.json"
    told = json.loads(path.read_text())
    del told["shard"]["keep"]
    path.write_text(json.dumps(told))
    assert merge_runs(parts, tmp_path / "all").run["counts"]["samples"] == 71


@pytest.mark.parametrize(("name", "key"), [("shard", "rows"), ("shard", "index"), ("seconds", "judging"), ("data", "map")])
def test_a_shard_whose_record_lacks_a_figure_is_told(tmp_path, name, key):
    """It was a TypeError or a KeyError: nobody knew which of a hundred folders had the fault."""
    parts = shards(tmp_path, 2)
    path = parts[1] / "run.json"
    told = json.loads(path.read_text())
    del told[name][key]
    path.write_text(json.dumps(told))
    with pytest.raises(DataError, match=rf"part1: its run.json lacks `{name}.{key}`; run its command again"):
        merge_runs(parts, tmp_path / "all")


REFUSED = [
    pytest.param(lambda parts: parts[:1], "1 of the 2 shards are missing: 1", id="one-missing"),
    pytest.param(lambda parts: [parts[0], *parts], "part0: holds shard 0 of 2 .* and so does", id="one-twice"),
    pytest.param(_state, "part1: is in the state `interrupted`", id="not-finished"),
    pytest.param(_seed, "settings, seed: 0 there, 7 now", id="other-settings"),
    pytest.param(_rows, "part1: has read 72 rows of the data, and .*part0 71", id="other-data"),
    pytest.param(_keep, r"part1: keeps other columns of the data \(n\) than .*part0 \(all\)", id="other-columns"),
    pytest.param(_copied, "row 0 of the data .* is in two shards", id="row-twice"),
    pytest.param(_gone, "part1: no journal.sqlite here; copy the whole run folder", id="only-the-tables"),
    pytest.param(lambda parts: [], "no shard is named", id="none"),
]


@pytest.mark.parametrize(("spoil", "message"), REFUSED)
def test_what_would_leave_a_gap_is_refused(tmp_path, spoil, message):
    """A merged table in which rows are missing or doubled would be trained on without a word."""
    with pytest.raises(InputError, match=message) as why:
        merge_runs(spoil(shards(tmp_path, 2)), tmp_path / "all")
    assert why.value.__notes__ == ["nothing was merged"]
    assert not (tmp_path / "all" / "rewards.parquet").exists()


def test_a_shard_that_cannot_be_read_is_told(tmp_path):
    """A copy that was cut off: the folder of the merge does not say that it is still running, and a whole copy mends it."""
    parts = shards(tmp_path, 2)
    journal = parts[1] / "journal.sqlite"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:6000])
    with pytest.raises(OutputError, match=r"part1/journal\.sqlite: ") as why:
        merge_runs(parts, tmp_path / "all")
    assert why.value.__notes__ == ["nothing was merged"]
    assert json.loads((tmp_path / "all" / "run.json").read_text())["state"] == "failed"
    journal.write_bytes(whole)
    assert merge_runs(parts, tmp_path / "all").run["state"] == "finished"


def test_a_shard_without_its_requests_is_told(tmp_path):
    """`judge call` on the merged run finds nothing: a person who did not ask for that must know why."""
    parts = shards(tmp_path, 2)
    (parts[1] / "requests.parquet").unlink()
    told = []
    merge_runs(parts, tmp_path / "all", notice=told.append)
    assert f"{parts[1]}: no requests.parquet there, so the merged run has none" in told[0]
    assert not (tmp_path / "all" / "requests.parquet").exists()


def test_the_result_of_another_run_is_not_replaced(tmp_path):
    """Also not by a merge; `overwrite` does it, and a merge of the same run may be repeated."""
    parts = shards(tmp_path, 2)
    run(tmp_path / "all", data(), reply, seed=5)
    with pytest.raises(InputError, match="all: holds the results of another run"):
        merge_runs(parts, tmp_path / "all")
    merge_runs(parts, tmp_path / "all", overwrite=True)
    merge_runs(parts, tmp_path / "all")
    with pytest.raises(InputError, match="part0: is one of the shards"):
        merge_runs(parts, parts[0])


def test_results_of_other_data_are_not_replaced(tmp_path):
    """The same settings over another data set are another run; a copy of the data elsewhere is not."""
    parts = shards(tmp_path, 2)

    def of(source, sha256):
        for part in parts:
            told = json.loads((part / "run.json").read_text())
            told["data"] |= {"source": source, "sha256": sha256}
            (part / "run.json").write_text(json.dumps(told))

    of("march.jsonl", "1" * 64)
    merge_runs(parts, tmp_path / "all")
    of("copy.jsonl", "1" * 64)
    merge_runs(parts, tmp_path / "all")
    of("april.jsonl", "2" * 64)
    with pytest.raises(InputError, match="all: holds the results of another run"):
        merge_runs(parts, tmp_path / "all")


def test_a_folder_that_cannot_be_taken_leaves_the_shards_unmerged(tmp_path):
    """A merge judges nothing anyway: what it did not do is merge, whoever holds the folder."""
    parts = shards(tmp_path, 2)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"names a folder\nnothing was merged$"):
        merge_runs(parts, tmp_path / "file")
    with (
        locked(tmp_path / "all"),
        pytest.raises(OutputError, match=r"another run is writing here.*\nnothing was merged$"),
    ):
        merge_runs(parts, tmp_path / "all")


def test_every_row_is_in_one_shard():
    """By position and by group, whatever the number of machines; a group is never split."""
    samples = [Sample.of(f"q{i // 5}", "a") for i in range(500)]
    for by in ("row", "group"):
        held = [[row for row, s in enumerate(samples) if Shard(k, 7, by).holds(row, s)] for k in range(7)]
        assert sorted(row for rows in held for row in rows) == list(range(500))
        if by == "row":
            assert [Shard(k, 7).rows_of(500) for k in range(7)] == list(map(len, held))
    owners = {(s.prompt, k) for row, s in enumerate(samples) for k in range(7) if Shard(k, 7, "group").holds(row, s)}
    assert len(owners) == 100
    assert all(sum(k == owner for _, owner in owners) > 4 for k in range(7))


BAD = ["8/8", "-1/2", "1", "a/b", "1/0", "", "1/2/3", "٣/8"]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_shard_is_said(text):
    """A typing error must not judge the wrong eighth of the data."""
    with pytest.raises(InputError, match="must be I/N with I from 0 to N - 1"):
        parse_shard(text, plan(load_settings(SETTINGS)[0]))


def test_a_chain_over_the_whole_run_is_not_split():
    """Its rewards would depend on which rows happened to be in the shard."""
    settings = SETTINGS | {"reward": {"shape": [{"kind": "rank", "over": "batch"}]}}
    with pytest.raises(SettingsError, match=r"reward.shape \(rank\): looks at rewards of the whole run"):
        parse_shard("0/2", plan(load_settings(settings)[0]))


def test_names_are_compared_exactly():
    """Against a set, with so few recent ones that they are sorted away many times."""
    names, known = SeenNames(recent=8), set()
    for name in [str(i * i % 97) for i in range(400)] + [str(i) for i in range(300)]:
        assert names.new(name) == (name not in known)
        known.add(name)


def test_few_keys_are_told_apart_exactly():
    """A run of some thousand calls asks its journal for none that it does not hold."""
    keys = MaybeSeen(few=100)
    for i in range(100):
        keys.add(f"in {i}")
    assert [f"in {i}" in keys for i in range(200)] == [True] * 100 + [False] * 100


def test_the_filter_never_forgets_and_seldom_errs():
    """A key that was added is found, before and after there are many; of others at most one in a hundred is taken for one."""
    keys = MaybeSeen(bits=17, few=100)
    for i in range(5_000):
        keys.add(f"in {i}")
    assert all(f"in {i}" in keys for i in range(5_000))
    assert sum(f"out {i}" in keys for i in range(5_000)) < 50 * 1.6
