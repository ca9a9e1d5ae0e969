"""`judge run --ray`: blocks of rows stream through Ray Data to workers that hold engines, and come back as journals.

- One worker reads the data set and cuts it into blocks. Each block is judged by the loop of any other run
  (`judge.batch.block`), and put into the run's journal when it is done (`judge.batch.gather`): what `judge merge` does with
  shards. So the tables are those of one machine.
- A worker that dies takes at most two blocks along; Ray starts another one and gives it the same blocks.
- Only this process writes into the run folder, so the workers need not see it. They must see the data under the same name.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import re
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.batch.block import AT_ONCE, BlockWorker, JudgedBlock, RowBlock, block_size, blocks_of
from judge.batch.describe import DataSource
from judge.batch.gather import judge_blocks
from judge.batch.read import BadRow
from judge.batch.run import Notice, RunResult
from judge.batch.shards import SplitBy, splits_by
from judge.batch.stream import NumberedRows
from judge.batch.write import JOURNAL
from judge.errors import InputError, SettingsError
from judge.pipeline.build import Plan
from judge.settings import EngineSettings, TransformersSettings, VllmSettings
from judge.types import Sample

LOCAL = "local"
OBJECT_STORE = 256 * 1024 * 1024  # bytes, of a cluster that is started here; blocks are small and stream

ReadSamples = Callable[[], Iterable[Sample | BadRow]]


@dataclass(frozen=True)
class RayWorkers:
    """Where blocks are judged.

    Attributes:
        address: `local`: a cluster of this machine alone, for this run; else where a Ray cluster is (`auto`, `HOST:6379`).
        least, most: Workers at once; Ray starts more when blocks wait, and ends them when none do. `most` None: as many as
            there are GPUs for, else one a machine.
    """

    address: str = LOCAL
    least: int = 1
    most: int | None = None

    @classmethod
    def parse(cls, address: str, workers: str) -> RayWorkers:
        """`--ray` and `--workers` -> where to judge. Raises InputError.

        Example:
            >>> RayWorkers.parse("local", "2"), RayWorkers.parse("auto", "1-8").most
            (RayWorkers(address='local', least=2, most=2), 8)
        """
        if not workers:
            return cls(address)
        found = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", workers.strip(), re.ASCII)
        least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= least <= most:
            raise InputError(f"--workers {workers}: must be a number such as 4, or a range such as 1-8")
        return cls(address, least, most)


def run_on_ray(
    plan: Plan,
    read: ReadSamples,
    output: Path,
    workers: RayWorkers,
    *,
    data: str | DataSource = "",
    total: int | None = None,
    notice: Notice = lambda _: None,
    quiet: bool = False,
    jsonl: bool = False,
    strict: bool = False,
    overwrite: bool = True,
    max_failures: int | None = None,
    command: str = "",
    keep: Sequence[str] = ("all",),
    requests: bool = True,
) -> RunResult:
    """Judge a data set on Ray workers into a run folder. Arguments and errors as those of `judge.batch.run.run_batch`.

    Args:
        read: Gives the rows from the beginning; called on a worker, and again when that one dies.

    Raises:
        SettingsError: Rewards of these settings depend on more rows than a block holds.
        InputError: Ray is not installed, or there is no cluster at the address.
    """
    by = splits_by(plan, "--ray")
    if plan.settings.monitor is not None:
        raise SettingsError("monitor: is not supported with --ray: it watches batches in their order; add --set monitor=off")
    if plan.settings.budget is not None:
        raise SettingsError("budget: is not supported with --ray: each worker would have one of its own; add --set budget=null")
    worker = BlockWorker(plan, keep=tuple(keep), requests=requests, strict=strict, prior=(output / JOURNAL).resolve())
    return judge_blocks(
        plan,
        _RayStream(worker, read, block_size(plan), by, workers, notice),
        output,
        data=data,
        total=total,
        notice=notice,
        quiet=quiet,
        jsonl=jsonl,
        strict=strict,
        overwrite=overwrite,
        max_failures=max_failures,
        command=command,
        keep=keep,
        requests=requests,
    )


# ---- Ray -------------------------------------------------------------------------------------------------------------------


@dataclass
class _RayStream:
    """Blocks judged by actors of Ray Data."""

    worker: BlockWorker
    read: ReadSamples
    size: int
    by: SplitBy
    where: RayWorkers
    notice: Notice

    def __call__(self, done: frozenset[int]) -> Iterator[JudgedBlock]:
        """Start or find the cluster, and stream. Raises InputError where there is none."""
        ray = _ray()
        with _cluster(ray, self.where, self.notice):
            yield from self._judged(ray, done)

    def _judged(self, ray: Any, done: frozenset[int]) -> Iterator[JudgedBlock]:
        import ray.data  # noqa: PLC0415  # seconds that other runs need not pay

        logging.getLogger("ray.data").setLevel(logging.ERROR)  # after the import, which sets it
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.target_max_block_size = context.target_min_block_size = 1  # one of our blocks is one of theirs
        gpus = _gpus(ray, self.worker.plan)
        most = self.where.most or _room(ray, gpus)
        self.notice(f"ray: up to {most} worker{'s' if most > 1 else ''}" + (f", {gpus} GPU each" if gpus else ""))
        blocks = ray.data.read_datasource(
            _source(_Reading(self.read, self.size, self.by, done, os.getcwd())), override_num_blocks=1, num_cpus=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of `max_concurrency`, which has no other name yet
            judged = blocks.map_batches(
                _actor(self.worker),
                batch_size=1,
                batch_format="numpy",
                compute=ray.data.ActorPoolStrategy(
                    min_size=min(self.where.least, most), max_size=most, max_tasks_in_flight_per_actor=AT_ONCE + 1
                ),
                num_gpus=gpus or None,
                num_cpus=None if gpus else min(1.0, ray.cluster_resources().get("CPU", 1.0) / most),
                max_concurrency=AT_ONCE,
            )
        for row in judged.iter_rows():
            yield pickle.loads(row["judged"])  # noqa: S301  # of a worker of this run


@dataclass(frozen=True)
class _Reading:
    """What the reading worker does: rows -> blocks, pickled."""

    read: ReadSamples
    size: int
    by: SplitBy
    done: frozenset[int]
    folder: str

    def blocks(self) -> Iterator[RowBlock]:
        with contextlib.suppress(OSError):
            os.chdir(self.folder)  # a relative path of the data, and what its errors say
        return (block for block in blocks_of(NumberedRows(self.read()), self.size, self.by) if block.number not in self.done)


def _source(reading: _Reading) -> Any:
    import pyarrow as pa  # noqa: PLC0415  # as ray
    from ray.data.block import BlockMetadata  # noqa: PLC0415
    from ray.data.datasource import Datasource, ReadTask  # noqa: PLC0415

    def read() -> Iterator[Any]:
        for block in reading.blocks():
            yield pa.table({"block": pa.array([pickle.dumps(block)], pa.large_binary())})

    class Blocks(Datasource):
        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
            return [ReadTask(read, unknown)]

    return Blocks()  # type: ignore[no-untyped-call]  # the base's


def _actor(worker: BlockWorker) -> type:
    """A class for Ray whose instances hold a copy of the worker."""

    class Judges:
        def __init__(self) -> None:
            logging.getLogger("judge").setLevel(logging.WARNING)
            self._worker = worker

        async def __call__(self, batch: dict[str, Any]) -> AsyncIterator[dict[str, list[bytes]]]:
            for block in batch["block"]:
                judged = await self._worker.judge(pickle.loads(block))  # noqa: S301  # of this run
                yield {"judged": [pickle.dumps(judged)]}

    return Judges


def _gpus(ray: Any, plan: Plan) -> int:
    """GPUs that the engines of one worker take; none in a cluster that has none."""
    if not ray.cluster_resources().get("GPU"):
        return 0
    engines: list[EngineSettings] = []
    for one in plan.judges:
        if one.settings.engine not in engines:  # those with the same settings are one
            engines.append(one.settings.engine)
    split = sum(engine.tensor_parallel_size for engine in engines if isinstance(engine, VllmSettings))
    return split + sum(isinstance(engine, TransformersSettings) for engine in engines)


def _room(ray: Any, gpus: int) -> int:
    """Workers that the cluster has room for."""
    if gpus:
        return max(1, int(ray.cluster_resources().get("GPU", 0) // gpus))
    return max(1, sum(1 for node in ray.nodes() if node["Alive"]))


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else it warns of what it does itself
    try:
        import ray  # noqa: PLC0415  # an extra
    except ImportError:
        raise InputError("--ray: Ray is not installed; pip install 'judge-rewards[ray]'") from None
    return ray


@contextlib.contextmanager
def _cluster(ray: Any, where: RayWorkers, notice: Notice) -> Iterator[None]:
    """A cluster of this machine, or the one at the address; the one that this process is connected to, if it is."""
    if ray.is_initialized():
        yield
        return
    notice("ray: starting on this machine" if where.address == LOCAL else f"ray: connecting to {where.address}")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if where.address == LOCAL:
            ray.init(address="local", include_dashboard=False, object_store_memory=OBJECT_STORE, **quiet)
        else:
            ray.init(address=where.address, **quiet)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as why:
        first = str(why).strip().splitlines()[:1]
        raise InputError(f"--ray {where.address}: no Ray cluster can be reached or started: {' '.join(first)}") from None
    try:
        yield
    finally:
        ray.shutdown()
