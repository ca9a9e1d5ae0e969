"""Three trackers behind one shape: figures by step, then files and a closing line.

- Each library is imported when it is first used, and its own variables say where it sends (or keeps) what it gets.
- What they raise is theirs to name and ours to survive: the run folder holds everything, so a tracker that fails is said once in
  the log and stops neither a run nor a training.
- A run that the trainer has open in W&B is joined, not replaced: our figures go into its next step.
"""

from __future__ import annotations

import atexit
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol, TypeVar

from judge.errors import SettingsError
from judge.settings.track import TrackSettings, TrackTo

logger = logging.getLogger("judge.track")
R = TypeVar("R")
StepMetrics = Mapping[str, float]
_Steps = SimpleQueue[tuple[int, StepMetrics] | bool]  # True: close the trackers after those before; False: leave them as they are
MOST_WAITING = 1000  # steps that wait to be sent

_PACKAGES: Mapping[TrackTo, tuple[str, str]] = {  # module, what pip calls it
    "wandb": ("wandb", "wandb"),
    "mlflow": ("mlflow", "mlflow"),
    "trackio": ("trackio", "trackio"),
    "inspect": ("inspect_ai", "inspect-ai"),
}


class Tracker(Protocol):
    """One place that figures are sent to."""

    def step(self, number: int, figures: StepMetrics) -> None:
        """Metrics of one step."""

    def close(self, figures: StepMetrics, files: Sequence[Path]) -> str:
        """Closing figures and files; returns where they are, in words. The run of a trainer stays open."""


def check_installed(settings: TrackSettings | None) -> None:
    """Raise `SettingsError` where a package that `track` names is missing."""
    for to in settings.to if settings else ():
        module, package = _PACKAGES[to]
        if find_spec(module) is None:
            raise SettingsError(f"`track: {to}` needs the package `{package}`, which is not installed: pip install {package}")


def open_tracker(to: TrackTo, settings: TrackSettings, name: str, config: Mapping[str, Any]) -> Tracker:
    """Open a run. Whatever the library raises is raised (no key, no server)."""
    tracker: Tracker = _TRACKERS[to](settings.project, settings.name or name, config)
    return tracker


def within(seconds: float, work: Callable[[], R]) -> R:
    """Do something on a thread of its own, which is left behind where it takes longer.

    Raises:
        TimeoutError: It was not done in time. Else whatever `work` raises.
    """
    done: Future[R] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as why:  # noqa: BLE001  # raised where it is waited for
            done.set_exception(why)

    Thread(target=run, name="judge-track", daemon=True).start()
    wait([done], timeout=seconds)
    if not done.done():
        raise TimeoutError(f"it was not done within {seconds:g} s (`track.timeout_s`)")
    return done.result()


class _Wandb:
    def __init__(self, project: str, name: str, config: Mapping[str, Any]) -> None:
        self._wandb: Any = import_module("wandb")
        self._own = self._wandb.run is None
        self._run = self._wandb.run
        if self._own:
            self._run = self._wandb.init(project=project, name=name, config=dict(config), job_type="judge")
        self._name = name

    def step(self, number: int, figures: StepMetrics) -> None:
        if self._own:
            self._run.log(dict(figures), step=number)
        else:
            self._run.log({**figures, "judge/step": number}, commit=False)

    def close(self, figures: StepMetrics, files: Sequence[Path]) -> str:
        self._run.summary.update(dict(figures))
        if files:
            artifact = self._wandb.Artifact(_plain(f"judge-{self._name}"), type="judge-run")
            for file in files:
                artifact.add_file(str(file), name=file.name)
            self._run.log_artifact(artifact)
        where = f"wandb: {self._run.url or self._run.dir}"
        if self._own:
            self._run.finish()
        return where


class _Mlflow:
    """By the client and the run's id: the fluent functions keep their run in a thread, and steps come from another one."""

    def __init__(self, project: str, name: str, config: Mapping[str, Any]) -> None:
        mlflow: Any = import_module("mlflow")
        self._client = mlflow.MlflowClient()
        found = self._client.get_experiment_by_name(project)
        self._experiment = found.experiment_id if found else self._client.create_experiment(project)
        self._run = self._client.create_run(self._experiment, run_name=name).info.run_id
        for key, value in config.items():
            self._client.log_param(self._run, key, str(value)[:500])
        self._uri = mlflow.get_tracking_uri()

    def step(self, number: int, figures: StepMetrics) -> None:
        for key, value in figures.items():
            self._client.log_metric(self._run, key, value, step=number)

    def close(self, figures: StepMetrics, files: Sequence[Path]) -> str:
        for key, value in figures.items():
            self._client.log_metric(self._run, key, value)
        for file in files:
            self._client.log_artifact(self._run, str(file))
        self._client.set_terminated(self._run)
        return f"mlflow: {self._uri}, run {self._run}"


class _Trackio:
    def __init__(self, project: str, name: str, config: Mapping[str, Any]) -> None:
        self._trackio: Any = import_module("trackio")
        self._project = project
        self._run = self._trackio.init(project, name, config=dict(config), embed=False, auto_log_gpu=False, auto_log_cpu=False)

    def step(self, number: int, figures: StepMetrics) -> None:
        self._run.log(dict(figures), step=number)

    def close(self, figures: StepMetrics, files: Sequence[Path]) -> str:
        if figures:
            self._run.log(dict(figures))
        for file in files:
            self._run.log_artifact(str(file), name=_plain(f"judge-{self._run.name}-{file.name}"), type="judge-run")
        self._run.finish()
        return f"trackio: project {self._project}, run {self._run.name} (trackio show --project {self._project})"


_TRACKERS: Mapping[str, Any] = {"wandb": _Wandb, "mlflow": _Mlflow, "trackio": _Trackio}


def _plain(name: str) -> str:
    """A name of the letters that artifacts may have."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:120]


class StepTrack:
    """The figures of training steps, sent on. Opened at the first step, in the process that does so. Pickles.

    One thread of its own sends them: W&B refuses to work on the thread of an event loop, and a slow server must not hold up a
    judge. A tracker that cannot be opened, or that fails, is said once in the log; the training goes on without it. One that
    hangs holds up neither `close` nor the end of the process for longer than `track.timeout_s`.
    """

    def __init__(self, settings: TrackSettings, config: Mapping[str, Any]) -> None:
        self._settings = settings
        self._config = dict(config)
        self._thread: Thread | None = None
        self._steps: _Steps = SimpleQueue()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_thread": None, "_steps": None}

    def add(self, number: int, figures: StepMetrics) -> None:
        """Send the figures of one step, without waiting for it; each is called `judge/NAME`."""
        if self._thread is None:
            self._steps = SimpleQueue()
            self._thread = Thread(target=self._work, args=(self._steps,), name="judge-track", daemon=True)
            self._thread.start()
            atexit.register(self._sent)
        if self._steps.qsize() < MOST_WAITING:
            self._steps.put((number, figures))
        else:
            logger.warning("track: step %d is not sent: %d steps before it still wait for an answer", number, MOST_WAITING)

    def close(self) -> None:
        """End the runs that were opened here, after what is still to be sent."""
        self._end(closes=True)

    def _sent(self) -> None:
        """At the end of a process that closes nothing: wait for what is still to be sent."""
        self._end(closes=False)

    def _end(self, *, closes: bool) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        atexit.unregister(self._sent)
        self._steps.put(closes)
        thread.join(self._settings.timeout_s)
        if thread.is_alive():
            logger.warning(
                "track: %s did not take the last steps within %g s (`track.timeout_s`); they are left out",
                ", ".join(self._settings.to),
                self._settings.timeout_s,
            )

    def _work(self, steps: _Steps) -> None:
        trackers = self._opened()
        atexit.register(self._sent)  # again, after those of the trackers, which end their runs: so it is called before them
        while not isinstance(step := steps.get(), bool):
            _send(trackers, *step)
        for to, tracker in trackers.items() if step else ():
            try:
                logger.info("track: %s", tracker.close({}, ()))
            except Exception as why:  # noqa: BLE001  # whatever a tracker raises, a training run goes on
                logger.warning("track: %s cannot be closed: %s", to, why)

    def _opened(self) -> dict[str, Tracker]:
        found: dict[str, Tracker] = {}
        for to in self._settings.to:
            if to == "inspect":
                logger.warning(
                    "track: `inspect` holds whole runs (`judge run`, `judge bench`); training steps are not written to it"
                )
                continue
            try:
                found[to] = open_tracker(to, self._settings, "training", self._config)
            except Exception as why:  # noqa: BLE001  # as above
                logger.error("track: %s cannot be opened: %s; the training goes on without it", to, why)
        return found


def _send(trackers: dict[str, Tracker], number: int, figures: StepMetrics) -> None:
    for to, tracker in list(trackers.items()):
        try:
            tracker.step(number, figures)
        except Exception as why:  # noqa: BLE001  # as above
            logger.warning("track: %s: %s; the training goes on without it", to, why)
            del trackers[to]


def step_metrics(figures: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of one step's record (`judge.pipeline.record.figures`), flat and named `judge/...`; None is left out.

    Example:
        >>> step_metrics({"responses": 4, "reward_mean": None, "reasons": {"timeout": 1}, "criteria": {"clear": 0.5}})
        {'judge/responses': 4.0, 'judge/no_verdict/timeout': 1.0, 'judge/criterion/clear': 0.5}
    """
    groups = {"reasons": "no_verdict", "criteria": "criterion"}
    found: dict[str, float] = {}
    for key, value in figures.items():
        if isinstance(value, int | float):
            found[f"judge/{key}"] = float(value)
        elif isinstance(value, Mapping):
            found |= {f"judge/{groups.get(key, key)}/{_plain(k)}": float(v) for k, v in value.items() if v is not None}
    return found
