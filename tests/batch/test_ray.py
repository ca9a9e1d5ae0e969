"""`judge run --ray`: blocks on workers, the tables of one process; a worker that is killed changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import sqlite3
import threading
import time
from contextlib import closing

import pyarrow.parquet as pq
import pytest

from judge.batch.block import BlockWorker, JudgedBlock, blocks_of
from judge.batch.gather import BlockFolders, judge_blocks
from judge.batch.ray import RayWorkers, run_on_ray
from judge.batch.read import BadRow
from judge.batch.run import run_batch
from judge.batch.store import Store
from judge.batch.stream import NumberedRows
from judge.batch.write import write_tables
from judge.engine.build import build_engine
from judge.errors import DataError, EngineDown, InputError, SettingsError
from judge.pipeline.build import plan
from judge.settings import load_settings
from judge.types import Sample
from tests.batch.test_merge import tables
from tests.batch_harness import SETTINGS, run

REPLIES = '"It is 1?[36]": "VERDICT: UNMET"\n"It is 22.": "I cannot say."\n"": "VERDICT: MET"\n'


def settings(folder, **more):
    path = folder / "replies.yaml"
    path.write_text(REPLIES)
    return {"engine": {"kind": "scripted", "replies": str(path)}, "max_in_flight": 64, **more}


def data(count):
    rows = [Sample.of(f"What is {i}?", f"It is {i}.", id=f"s{i % (count - 3)}", metadata={"n": i}) for i in range(count)]
    return [*rows[:9], BadRow("9", "data.jsonl:10: no JSON"), *rows[9:]]


class Rows:
    """Reads the rows anew at each call; pickles."""

    def __init__(self, count):
        self.count = count

    def __call__(self):
        return iter(data(self.count))


@pytest.fixture(scope="module")
def cluster():
    """Two CPUs and little memory, for all tests of this file."""
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"
    ray.init(address="local", num_cpus=2, object_store_memory=100_000_000, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def kill_first_worker(blocks, killed):
    """Wait for the first block that is done, and kill the process that judged it."""
    until = time.monotonic() + 60
    while time.monotonic() < until and not killed:
        for facts in blocks.glob("*[0-9]/block.json"):  # one in place, not half of one
            pid = int(json.loads(facts.read_text())["worker"].rpartition(":")[2])
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            return
        time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_two_workers_of_which_one_is_killed_write_the_tables_of_one_process(tmp_path, cluster):
    """A machine of the cluster is lost at noon; the rewards in the evening are those of a laptop over night."""
    given = settings(tmp_path)
    made = plan(load_settings(SETTINGS | given)[0])
    one, _ = run(tmp_path / "one", data(1500), build_engine(made.settings.engine), **given)
    killed = []
    killer = threading.Thread(target=kill_first_worker, args=(tmp_path / "many" / "blocks", killed))
    killer.start()
    many = run_on_ray(made, Rows(1500), tmp_path / "many", RayWorkers("auto", 2, 2), quiet=True)
    killer.join()
    assert len(killed) == 1
    assert tables(tmp_path / "many") == tables(tmp_path / "one")
    requests = [sorted(map(str, pq.read_table(tmp_path / d / "requests.parquet").to_pylist())) for d in ("one", "many")]
    assert requests[0] == requests[1]
    for name in ("counts", "tokens", "notes", "engine", "model", "no_verdict_reasons", "invalid_rows"):
        assert many.run[name] == one.run[name], name
    assert many.run["blocks"] == -(-1501 // 64)
    assert not (tmp_path / "many" / "blocks").exists()


@pytest.mark.vllm
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # Ray's and vLLM's own
def test_two_engines_give_the_rewards_of_one(tmp_path, cluster):
    """At temperature 0, with a real model: where a row is judged does not matter."""
    engine = {"kind": "vllm", "model": "smollm2-135m", "max_model_len": 512, "cpu_kv_cache_gib": 0.25}
    given = {"engine": engine, "sampling": {"max_tokens": 12}, "max_in_flight": 16}
    made = plan(load_settings(SETTINGS | given)[0])
    many = run_on_ray(made, Rows(40), tmp_path / "many", RayWorkers("auto", 2, 2), quiet=True)
    one = asyncio.run(run_batch(made, Rows(40)(), tmp_path / "one", quiet=True))
    assert many.run["blocks"] == 3
    assert many.run["engine"] == one.run["engine"]
    assert tables(tmp_path / "many", but=UNSTEADY) == tables(tmp_path / "one", but=UNSTEADY)


UNSTEADY = ("latency_s", "cached_tokens")  # of a real engine: what its prefix cache holds depends on who came before
GROUPED = [Sample.of(f"q{i % 10}", f"a{i}", id=str(i)) for i in range(100)]
CUTS = [
    pytest.param("row", 30, [30, 30, 30, 10], id="as-they-come"),
    pytest.param("group", 25, [30, 30, 30, 10], id="whole-groups"),
    pytest.param("group", 1000, [100], id="one-block"),
]


@pytest.mark.parametrize(("by", "size", "sizes"), CUTS)
def test_blocks_hold_every_row_once(by, size, sizes):
    """Whatever the order of the data, a group is judged in one place where the settings need it."""
    blocks = list(blocks_of(NumberedRows(GROUPED), size, by))
    assert [len(block.rows) for block in blocks] == sizes
    assert sorted(row for block in blocks for row, _ in block.rows) == list(range(100))
    if by == "group":
        owners = {(sample.prompt, block.number) for block in blocks for _, sample in block.rows}
        assert len(owners) == 10


def test_a_block_takes_its_new_ids_along():
    """A row that had an earlier one's id is flagged on whatever machine it is judged."""
    rows = NumberedRows([Sample.of("q", "a", id="x") for _ in range(4)])
    blocks = list(blocks_of(rows, 2, "row"))
    assert [sorted(block.renamed) for block in blocks] == [["x#2"], ["x#3", "x#4"]]
    assert rows.renamed == set()


def test_an_interrupted_run_goes_on_with_the_blocks_it_has(tmp_path):
    """Blocks that are done are not judged again, unless a row of theirs failed or the settings are others."""
    own = {"settings": {"seed": 0}}
    folders = BlockFolders(tmp_path / "blocks", own)
    assert list(folders.begin()) == []
    for number, failed in ((0, 0), (1, 2), (2, 0)):
        folders.put(JudgedBlock(number, {"number": number, "failed_rows": failed}, b"journal"))
    (tmp_path / "blocks" / "000003.partial").mkdir()
    again = BlockFolders(tmp_path / "blocks", own)
    assert [part.name for part in again.begin()] == ["000001"]
    assert sorted(again.done) == [0, 2]
    assert sorted(p.name for p in (tmp_path / "blocks").iterdir()) == ["000000", "000002", "run.json"]
    other = BlockFolders(tmp_path / "blocks", {"settings": {"seed": 1}})
    assert [part.name for part in other.begin()] == ["000000", "000002"]
    assert other.done == {}


def test_an_engine_that_is_down_comes_back_as_its_own_error():
    """Exit code 3 and not a traceback of Ray: the error keeps its type and its notes on the way."""
    why = EngineDown("http://judge: refused")
    why.add_note("look at its log")
    back = pickle.loads(pickle.dumps(why))
    assert (type(back), str(back), back.__notes__) == (EngineDown, "http://judge: refused", ["look at its log"])


REFUSED = [
    pytest.param({"monitor": "default"}, SettingsError, "monitor: is not supported with --ray", id="monitor"),
    pytest.param({"budget": {"tokens": 100}}, SettingsError, "budget: is not supported with --ray", id="budget"),
    pytest.param({"reward": {"shape": [{"kind": "rank", "over": "batch"}]}}, SettingsError, "whole run", id="whole-run"),
]


@pytest.mark.parametrize(("more", "error", "message"), REFUSED)
def test_what_needs_the_whole_run_is_refused(tmp_path, more, error, message):
    """Before a cluster is started, and with the setting named."""
    made = plan(load_settings(SETTINGS | more)[0])
    with pytest.raises(error, match=message):
        run_on_ray(made, Rows(5), tmp_path, RayWorkers())


@pytest.mark.parametrize("text", ["0", "3-1", "a", "1-", "-1", "1-2-3"])
def test_what_is_no_number_of_workers_is_said(text):
    """A typing error does not start ten thousand engines."""
    with pytest.raises(InputError, match=f"--workers {text}: must be a number such as 4"):
        RayWorkers.parse("local", text)


def test_a_worker_judges_two_blocks_at_once_with_one_engine(tmp_path):
    """Each block's journal holds its own calls, though the engine and the pipeline are shared; the tables are one run's."""
    made = plan(load_settings(SETTINGS | settings(tmp_path))[0])
    worker = BlockWorker(made, keep=("all",), requests=True, strict=False)
    blocks = list(blocks_of(NumberedRows(data(40)), 20, "row"))

    async def both():
        return await asyncio.gather(*map(worker.judge, blocks))

    found = asyncio.run(both())
    assert [block.facts["samples"] for block in found] == [20, 20, 1]
    folders = BlockFolders(tmp_path / "blocks", {})
    list(folders.begin())
    store = Store(tmp_path / "journal.sqlite", keep=("none",))
    for block in found:
        part = folders.put(block)
        assert calls_in(part / "journal.sqlite") == block.facts["calls"] > 0
        store.absorb(part / "journal.sqlite")
    write_tables(store, tmp_path)
    store.close()
    run(tmp_path / "one", data(40), build_engine(made.settings.engine), **settings(tmp_path))
    assert tables(tmp_path) == tables(tmp_path / "one")


def calls_in(journal):
    with closing(sqlite3.connect(journal)) as db:
        return db.execute("SELECT COUNT(*) FROM calls").fetchone()[0]


def streamed(made, rows, *, stop=None, **options):
    """Blocks of 16 rows, judged one after the other in this process; Ctrl-C after `stop` of them."""
    worker = BlockWorker(made, **({"keep": ("all",), "requests": True, "strict": False} | options))

    def stream(done):
        blocks = (block for block in blocks_of(NumberedRows(rows), 16, "row") if block.number not in done)
        for place, block in enumerate(blocks):
            if place == stop:
                raise KeyboardInterrupt
            yield asyncio.run(worker.judge(block))

    return stream


def test_a_block_that_stops_keeps_the_replies_it_has(tmp_path):
    """A thousand rows were paid for before the bad one came: the next start asks for none of them again."""
    made = plan(load_settings(SETTINGS | settings(tmp_path))[0])
    with pytest.raises(DataError, match="no JSON"):
        judge_blocks(made, streamed(made, data(40), strict=True), tmp_path / "run", strict=True, quiet=True)
    journal = tmp_path / "run" / "journal.sqlite"
    paid = calls_in(journal)
    assert paid == 2 * 9  # of the rows before the bad one
    judge_blocks(made, streamed(made, data(40), prior=journal), tmp_path / "run", quiet=True)
    assert sum(pq.read_table(tmp_path / "run" / "verdicts.parquet")["cached"].to_pylist()) == paid


def test_a_bad_row_under_strict_leaves_the_tables_of_the_blocks_before(tmp_path):
    """What was paid is there to read, as after a run in one process."""
    made = plan(load_settings(SETTINGS | settings(tmp_path))[0])
    rows = [*GOOD, BadRow("bad", "data.jsonl:21: no JSON")]
    with pytest.raises(DataError, match="no JSON"):
        judge_blocks(made, streamed(made, rows, strict=True), tmp_path / "run", strict=True, quiet=True)
    assert len(pq.read_table(tmp_path / "run" / "rewards.parquet")) == 16
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "stopped"


STOPS = [
    pytest.param(DataError("data.jsonl:10: no JSON"), id="a-bad-row-under-strict"),
    pytest.param(EngineDown("http://judge: refused"), id="an-engine-that-never-starts"),
]


@pytest.mark.parametrize("why", STOPS)
def test_a_run_that_failed_does_not_say_that_it_is_running(tmp_path, why):
    """Who looks at `run.json` in the morning sees the error, and not a run that is on its way."""
    made = plan(load_settings(SETTINGS | settings(tmp_path))[0])
    with pytest.raises(type(why)):
        judge_blocks(made, lambda _: iter([JudgedBlock(0, {}, error=pickle.dumps(why))]), tmp_path / "run", quiet=True)
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (told["state"], told["error"]) == ("failed", str(why))


GOOD = [Sample.of(f"What is {i}?", f"It is {i}.", id=str(i), metadata={"n": i}) for i in range(20)]
OPTIONS = [
    pytest.param({"keep": ("none",)}, id="other-columns"),
    pytest.param({"requests": False}, id="no-requests"),
    pytest.param({"strict": True}, id="strict"),
]


@pytest.mark.parametrize("option", OPTIONS)
def test_blocks_of_other_options_are_judged_again(tmp_path, option):
    """Half of the rows without the column that was asked for would be a table nobody wanted; their replies are kept."""
    made = plan(load_settings(SETTINGS | settings(tmp_path))[0])
    stopped = judge_blocks(made, streamed(made, GOOD, stop=1, **option), tmp_path / "run", quiet=True, **option)
    assert stopped.interrupted
    taken = []

    def noted(done):
        taken.append(done)
        yield from streamed(made, GOOD)(done)

    judge_blocks(made, noted, tmp_path / "run", quiet=True)
    assert taken == [frozenset()]
    run(tmp_path / "one", GOOD, build_engine(made.settings.engine), **settings(tmp_path))
    assert tables(tmp_path / "run", but=UNSTEADY) == tables(tmp_path / "one", but=UNSTEADY)


def test_the_end_of_a_cluster_is_no_judging(tmp_path):
    """Processes that take seconds to go would make ten thousand rows look a fifth slower than they were."""
    made = plan(load_settings(SETTINGS | settings(tmp_path))[0])

    def stream(done):
        yield from streamed(made, GOOD)(done)
        time.sleep(1.5)

    began = time.monotonic()
    found = judge_blocks(made, stream, tmp_path / "run", quiet=True)
    assert 0 < found.run["seconds"]["judging"] < time.monotonic() - began - 1.5


def test_requests_of_small_blocks_stand_in_few_row_groups_and_once(tmp_path):
    """A million rows in blocks of 64 would be a file of 16,000 row groups, which takes a minute to open."""
    made = plan(load_settings(SETTINGS | settings(tmp_path))[0])
    rows = [*GOOD, *(Sample.of("What is 0?", "It is 0.", id=f"again-{i}") for i in range(40))]
    judge_blocks(made, streamed(made, rows), tmp_path / "run", quiet=True)
    run(tmp_path / "one", rows, build_engine(made.settings.engine), **settings(tmp_path))
    many, one = (pq.ParquetFile(tmp_path / d / "requests.parquet") for d in ("run", "one"))
    assert (many.num_row_groups, many.schema_arrow) == (1, one.schema_arrow)
    assert many.read().sort_by("request_hash").equals(one.read().sort_by("request_hash"))
