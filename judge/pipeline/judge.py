"""The public `Judge`: the pipeline for a script, a notebook, a running event loop or a trainer's worker.

Callers come from everywhere: a sync script, a notebook whose loop is already running, a trainer that calls `asyncio.run` each
step (a pooled session dies there on step 2). What all of them share is a `Session`; here is how a person makes and asks one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel

from judge.engine.protocol import Engine
from judge.errors import SettingsError
from judge.monitor import Alarm
from judge.pipeline.build import Plan, plan
from judge.pipeline.session import Session
from judge.settings import RunSettings, load_settings
from judge.types import Reward, Sample


class Judge:
    """Samples -> rewards, by one configuration.

    Whatever a settings file can say is an argument here, written as there or as an object: `rubric` also takes a `Rubric`,
    `recipe` a `Recipe`, `engine` an engine.

    Example:
        >>> from judge.engine.scripted import ScriptedEngine
        >>> engine = ScriptedEngine(["It names the city.\\nVERDICT: 5"])
        >>> with Judge(recipe="pointwise", rubric="helpfulness", engine=engine) as judge:
        ...     [reward] = judge.score([Sample.of("Capital of France?", "Paris.")])
        >>> reward.reward
        1.0
    """

    def __init__(
        self,
        plan: Plan | None = None,
        engine: Engine | Mapping[str, Any] | BaseModel | None = None,
        *,
        progress: Callable[[str], None] | None = None,
        on_alarm: Callable[[Alarm], object] | None = None,
        **settings: Any,
    ) -> None:
        if plan is None:
            plan, engine = _planned({**settings, **({} if engine is None else {"engine": engine})})
        elif not isinstance(plan, Plan):
            raise SettingsError(
                f"`Judge` takes its settings by name (`Judge(recipe=..., engine=...)`), and a {type(plan).__name__} came;"
                " a file or a mapping is read by `Judge.from_config`"
            )
        elif settings or isinstance(engine, Mapping | BaseModel):
            raise SettingsError("a plan is complete: give `Judge` either a plan or settings")
        assert engine is None or not isinstance(engine, Mapping | BaseModel)  # noqa: S101  # so says `_planned`
        self.session = Session(plan, engine, progress=progress, on_alarm=on_alarm)
        self.plan, self.watch, self.finish = plan, self.session.watch, self.session.finish

    @classmethod
    def from_config(
        cls,
        config: str | Path | Mapping[str, Any] | RunSettings,
        *,
        engine: Engine | None = None,
        overrides: Sequence[str] = (),
        progress: Callable[[str], None] | None = None,
        on_alarm: Callable[[Alarm], object] | None = None,
    ) -> Self:
        """Read the settings (a YAML file or a mapping) and check recipe and rubric. The engine starts on first use.

        Args:
            config: Run settings.
            engine: Used instead of the one in the settings (for example a `ScriptedEngine`).
            overrides: `engine.model=...` strings, as `--set` takes them.
            progress: Called with one line of text when something slow starts or ends.
            on_alarm: Called with each alarm of the monitor, in place of the function that `monitor.on_alarm` names.

        Raises:
            SettingsError, RecipeError, RubricError: With file and line.
        """
        planned, found = _planned(config, overrides)
        return cls(planned, engine or found, progress=progress, on_alarm=on_alarm)

    # ---- the three ways to call --------------------------------------------------------------------------------

    def score(self, samples: Sample | Iterable[Sample], *, step: int | None = None) -> list[Reward]:
        """Judge samples (or one); one reward a response, in order. Works in a script, a notebook, and inside a running loop.

        With `monitor` in the settings each call is one batch of it: canaries are mixed in and taken out again. With `group` the
        samples that share a group (or a prompt, where they name none) compete. `reward.shape` works on all samples of the call.

        Args:
            step: The trainer's step, for the monitor's messages and the shaping chain's noise. None: calls are counted.

        Raises:
            MonitorStop: An alarm whose action is `stop`.
            EngineError: The engine cannot work at all. `EngineDown`: it has stopped working; with `engine_down: exclude` all
                responses of the call have no reward instead.
            DataError: What was given is no sample, or not one of the samples has what the recipe needs. (One that lacks something
                among others gets no reward, with the reason `invalid`.)
            NoVerdictError: A response got no reward and the settings say `raise`.
        """
        return self.session.score_now([samples] if isinstance(samples, Sample) else list(samples), step)

    async def ascore(self, samples: Sample | Iterable[Sample], *, step: int | None = None) -> list[Reward]:
        """The same, awaited from any event loop; cancelling it cancels the requests."""
        return await self.session.score([samples] if isinstance(samples, Sample) else list(samples), step)

    async def stream(self, samples: Iterable[Sample]) -> AsyncIterator[tuple[Reward, ...]]:
        """The rewards of each sample as soon as it is done, in no order, before shaping and `on_no_verdict`."""
        async with aclosing(self.session.stream(list(samples))) as arriving:
            async for rewards in arriving:
                yield rewards

    def close(self) -> None:
        """Free the engine and stop the loop; idempotent. Called at the end of `with`."""
        self.session.close()

    def __repr__(self) -> str:
        settings, rubric = self.plan.settings, self.plan.rubric
        model = self.session.engine.model if self.session.engine is not None else settings.engine.model
        named = f", rubric={rubric.name!r} ({len(rubric.criteria)} criteria)" if rubric is not None else ""
        votes = f", votes={self.plan.votes.n}" if self.plan.votes.n > 1 else ""
        return f"Judge(recipe={self.plan.recipe.spec.name!r}{named}, model={model!r}{votes})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _planned(config: str | Path | Mapping[str, Any] | RunSettings, overrides: Sequence[str] = ()) -> tuple[Plan, Engine | None]:
    """The plan of some settings, and the engine among them where it is an object."""
    engine = None
    if isinstance(config, Mapping) and not isinstance(config.get("engine"), Mapping | BaseModel | str | None):
        engine = config["engine"]
        if not isinstance(engine, Engine):
            raise SettingsError(f"`engine` is neither settings nor an engine (judge.Engine), but a {type(engine).__name__}")
        config = {name: value for name, value in config.items() if name != "engine"}
    settings, base = (config, None) if isinstance(config, RunSettings) else load_settings(config, overrides)
    return plan(settings, base), engine
