"""The rubrics of a training run while it runs: which version is in force, what is left out at random, when a new one is written.

- A sample is given its rubric before it is judged (`dressed`), and the same one before its reward is shaped; what the judge said
  is noted (`saw`); between two steps a model may write new criteria out of the groups that were told apart least (`before`).
- The same settings, seed and replies give the same versions. Of several processes the first one writes; the others take the
  newest version of the folder at their next step.
- A failed request to write changes nothing. An engine that is down is the step's own error, as for a judge's request.
"""

from __future__ import annotations

import hashlib
import logging
import os
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from judge import __version__
from judge.engine.protocol import Engine
from judge.errors import MonitorStop
from judge.pipeline.build import Plan
from judge.pipeline.rewrite import EVOLVED, CriterionWriter, SeenGroup, accepted_criteria, retained, why_refused
from judge.pipeline.shape_checks import named_criteria
from judge.rubric.dropout import thinned
from judge.rubric.model import Lineage, Rubric, content_hash
from judge.rubric.versions import VersionFolder
from judge.types import Reward, Sample

logger = logging.getLogger("judge.rubric")
PINNED = "judge.pinned"  # key of `Sample.metadata`: the sample keeps the rubric that it brings, all of it
SHOWN = 4  # responses of a group that the writer is shown
KEPT_GROUPS = 4096  # that were seen and not yet used
KEPT_PROMPTS = 4096  # whose newest versions are held
JudgeSamples = Callable[[Sequence[Sample]], Awaitable[list[Reward]]]
EngineOf = Callable[[], Awaitable[Engine]]


@dataclass
class HeldOutState:
    """Mean rewards by the rubric that pays and by the one held out, at the first measurement and the last."""

    first: float | None = None
    paid: float = 0.0
    held: float = 0.0
    over: int = 0

    @property
    def gap(self) -> float:
        """How much further the paid rewards are above the others than at first."""
        return 0.0 if self.first is None else self.paid - self.held - self.first


class LiveRubrics:
    """The rubrics of one judge over the steps. Pickles.

    Args:
        plan: With `evolve`, `held_out` or `rubric_dropout`, or a folder of versions as its rubric.
        held: The held-out rubric, loaded.
    """

    def __init__(self, plan: Plan, held: Rubric | None = None) -> None:
        settings = plan.settings
        self.evolve, self.watched, self.share, self._seed = (
            settings.evolve,
            settings.held_out,
            settings.rubric_dropout,
            settings.seed,
        )
        self._start, self._held = plan.rubric, held
        self._keep = named_criteria(settings.reward.shape)
        self._writes = os.environ.get("RANK", "0") == "0"
        followed = settings.evolve.folder if settings.evolve else settings.rubric if isinstance(settings.rubric, str) else ""
        self.folder = VersionFolder(followed) if settings.evolve or (followed and Path(followed).is_dir()) else None
        self._prompts: dict[str, VersionFolder] = {}  # last used last
        self._versioned: set[str] = set()  # prompts that are known to have versions of their own
        self._seen: dict[str, SeenGroup] = {}
        self._rounds: dict[str, int] = {}  # number of the last rewriting, and of the last measurement
        self._calls = 0
        self._batches = 0  # calls that held several responses
        self._gap = HeldOutState()
        if (
            self.evolve is not None
            and self.folder is not None
            and self._start is not None
            and not self.folder.names()
            and self._writes
        ):
            self.folder.add(self._start, {"step": 0, "why": "the starting rubric", "parents": []})

    @staticmethod
    def wanted(plan: Plan) -> bool:
        """Whether anything about the rubric changes over the steps."""
        s = plan.settings
        followed = isinstance(s.rubric, str) and Path(s.rubric).is_dir()
        return bool(s.evolve or s.held_out or s.rubric_dropout or followed)

    # ---- which rubric a sample is judged by ----------------------------------------------------------------------------

    def dressed(self, samples: Sequence[Sample], step: int | None, *, again: bool = False) -> list[Sample]:
        """The samples with the rubric that is in force for each, without what dropout takes from it.

        Args:
            step: The trainer's; None: calls with several responses are counted for the draw. For one response alone the version
                stands in it, so that the members of a group that arrive one by one lose the same criteria.
            again: The samples of the last call once more, which get what they got then.
        """
        if step is None and sum(len(sample.responses) for sample in samples) > 1:
            self._batches += not again
            draw = f"call {self._batches}"
        else:
            draw = "" if step is None else str(step)
        run, known = self.current(), dict[str, Rubric | None]()  # the folder is looked at once, and a group draws once
        out = []
        for sample in samples:
            key = sample.group_key
            if PINNED in sample.metadata:
                rubric = sample.rubric
            elif sample.rubric is not None:
                rubric = self._drawn(sample, key, run, draw)
            else:
                if key not in known:
                    known[key] = self._drawn(sample, key, run, draw)
                rubric = known[key]
            out.append(sample if rubric is None or rubric is sample.rubric else replace(sample, rubric=rubric))
        return out

    def _drawn(self, sample: Sample, key: str, run: tuple[str, Rubric | None], draw: str) -> Rubric | None:
        rubric, version = self.of(sample, run)
        if rubric is None or not self.share:
            return rubric
        drawn = f"{self._seed}\0{draw or version}\0{key}"
        return thinned(rubric, self.share, drawn, keep=self._keep, least=len(self._keep) + 1)

    def of(self, sample: Sample, run: tuple[str, Rubric | None]) -> tuple[Rubric | None, str]:
        """The whole rubric in force for a sample, and the name of its version.

        Args:
            run: As `current`.
        """
        if self.evolve is not None and self.evolve.scope == "prompt":
            name, rubric = self._newest_of(sample.group_key)
            if name:
                return rubric, name
        if sample.rubric is not None:
            return sample.rubric, sample.rubric.hash
        return run[1], run[0]

    def current(self) -> tuple[str, Rubric | None]:
        """Name and rubric of the run's newest version."""
        if self.folder is not None:
            names = self.folder.names()
            if names:
                return self.folder.newest(names)
        return "", self._start

    def _folder_of(self, key: str) -> VersionFolder:
        assert self.folder is not None  # noqa: S101  # `evolve` has one
        name = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        found = self._prompts.pop(name, None) or VersionFolder(self.folder.path / "prompts" / name)
        self._prompts[name] = found
        if len(self._prompts) > KEPT_PROMPTS:
            del self._prompts[next(iter(self._prompts))]
        return found

    def _newest_of(self, key: str) -> tuple[str, Rubric | None]:
        """Name and rubric of a prompt's own newest version; no name where it has none."""
        folder = self._folder_of(key)
        names = folder.names()
        if not names:
            return "", None
        self._versioned.add(folder.path.name)
        return folder.newest(names)

    # ---- what was seen -------------------------------------------------------------------------------------------------

    def saw(self, samples: Sequence[Sample], rewards: Sequence[Reward]) -> None:
        """Note what the judge said, for the next rewriting; responses without a verdict say nothing.

        Args:
            rewards: As judged, before shaping; one for each response of the samples, in order.
        """
        if self.evolve is None or not self._writes:
            return
        each = iter(rewards)
        for sample in samples:
            for text in sample.shown:
                reward = next(each)
                if reward.raw_reward is None or PINNED in sample.metadata:
                    continue
                new = SeenGroup(sample.group_key, sample.prompt, sample.rubric, reference=self._reference(sample))
                group = self._seen.setdefault(sample.group_key, new)
                group.texts.append(text)
                group.rewards.append(reward.raw_reward)
                group.components.append(dict(reward.components))
        while len(self._seen) > KEPT_GROUPS:
            del self._seen[next(iter(self._seen))]

    def _reference(self, sample: Sample) -> str | None:
        """The response that `online` compares a sample's with; None where it has none."""
        if self.evolve is None or self.evolve.method != "online":
            return None
        if not self.evolve.reference:
            return sample.reference[0] if sample.reference else None
        said = sample.metadata.get(self.evolve.reference)
        return said if isinstance(said, str) and said.strip() else None

    # ---- between two steps ---------------------------------------------------------------------------------------------

    async def before(self, step: int | None, engine_of: EngineOf) -> None:
        """Write a new version where one is due. Called before samples are judged; calls that overlap write once.

        Raises:
            EngineError: The engine that writes cannot work, or is down. OutputError: The folder cannot be written.
        """
        number = self._calls if step is None else step
        self._calls += 1
        if self.evolve is None or not self._writes:
            return
        every = self.evolve.every
        engine = await engine_of() if self._seen and self._is_due("evolve", number, every) else None
        if not self._due("evolve", number, every) or engine is None:  # another call may have taken the round meanwhile
            return
        seen, self._seen = self._seen, {}
        writer = CriterionWriter(engine, seed=self._seed)
        usable = sorted(filter(self._usable, seen.values()), key=lambda g: (g.spread, g.key))
        if self.evolve.method == "online" and not any(g.reference for g in seen.values()):
            where = f"column `{self.evolve.reference}`" if self.evolve.reference else "`reference`"
            logger.warning("evolve, step %d: none of %d prompts has a reference response (%s)", number, len(seen), where)
        chosen = usable[: self.evolve.groups]
        if self.evolve.scope == "run":
            name, rubric = self.current()
            if rubric is not None and self.folder is not None:
                await self._next(self.folder, name, rubric, list(seen.values()), chosen, writer, number)
            return
        for group in chosen:
            name, rubric = self._newest_of(group.key)
            rubric = self._base(group) if rubric is None else rubric
            if rubric is not None:
                await self._next(self._folder_of(group.key), name, rubric, [group], [group], writer, number)
                self._newest_of(group.key)

    def _usable(self, group: SeenGroup) -> bool:
        assert self.evolve is not None  # noqa: S101  # the caller looked
        return bool(group.tied) if self.evolve.method == "contrast" else group.best is not None

    def _base(self, group: SeenGroup) -> Rubric | None:
        return group.own if group.own is not None else self.current()[1]

    def _is_due(self, what: str, number: int, every: int) -> bool:
        """Whether a multiple of `every` has been passed since the last time."""
        return number // every > self._rounds.get(what, 0)

    def _due(self, what: str, number: int, every: int) -> bool:
        """Whether it is due; then it counts as done."""
        due = self._is_due(what, number, every)
        if due:
            self._rounds[what] = number // every
        return due

    async def _next(
        self,
        folder: VersionFolder,
        version: str,
        rubric: Rubric,
        seen: Sequence[SeenGroup],
        chosen: Sequence[SeenGroup],
        writer: CriterionWriter,
        step: int,
    ) -> None:
        """Ask for criteria, retire what no longer varies, and write a version where that changes anything."""
        assert self.evolve is not None  # noqa: S101  # the caller looked
        new: list[str] = []
        troubles: list[str] = []
        for place, group in enumerate(chosen):
            known = [*(c.text for c in rubric.criteria), *new]
            most, draw = self.evolve.max_new, 1000 * step + place
            if group.best is not None and group.reference is not None:  # `online`
                wrote = await writer.differences(group.prompt, group.best, group.reference, known, most=most, number=draw)
            else:
                wrote = await writer.contrast(group.prompt, group.tied[:SHOWN], known, most=most, number=draw)
            new += [text for text in wrote.texts if text not in new]
            troubles += [wrote.failure.detail or str(wrote.failure.reason)] if wrote.failure else []
        there = {c.text for c in rubric.criteria}
        gone = [text for text in folder.added() if text not in there]
        accepted = accepted_criteria(rubric, new, int(version[1:] or 0) + 1 if version else 1, gone)
        kept, retired = retained(rubric, accepted, seen, self.evolve)
        if troubles:
            logger.warning(
                "evolve, step %d: %d of %d requests wrote no criterion (%s)", step, len(troubles), len(chosen), troubles[0]
            )
        taken = {c.text for c in accepted}
        if lost := [text for text in new if text not in taken]:
            cause = why_refused(lost[0], [*rubric.criteria, *accepted], gone)
            logger.log(
                logging.INFO if accepted else logging.WARNING,
                "evolve, step %d: %d written criteria were not taken; the first (%s): %s", step, len(lost), lost[0], cause,
            )  # fmt: skip
        if [c.id for c in kept] == [c.id for c in rubric.criteria]:
            return
        named = f"evolve-{self.evolve.scope}" if self.evolve.method == "contrast" else f"evolve-online-{self.evolve.scope}"
        lineage = Lineage(
            parents=(rubric.hash,), generator=named, model=writer.engine.model, prompt_hash=writer.prompt_hash,
            data_hash=content_hash([[g.key, sorted(zip(g.texts, g.rewards, strict=True)), g.reference] for g in chosen]),
            scores={"spread": round(statistics.fmean(g.spread for g in seen), 4)} if seen else {},
            created_by=f"judge {__version__}",
        )  # fmt: skip
        made = rubric.changed(criteria=kept, lineage=lineage)
        added = [c for c in kept if c not in rubric.criteria]
        why = {
            "step": step, "parents": [rubric.hash], "model": writer.engine.model,
            "added": [{"id": c.id, "text": c.text} for c in added], "retired": [c.id for c in retired],
            "groups": [g.key for g in chosen], "spread": [round(g.spread, 4) for g in chosen],
        }  # fmt: skip
        name = folder.add(made, why)
        logger.info("evolve, step %d: %s: %d added, %d retired, %d criteria", step, name, len(added), len(retired), len(kept))

    # ---- the rubric that pays nothing ----------------------------------------------------------------------------------

    async def measure(self, samples: Sequence[Sample], rewards: Sequence[Reward], step: int | None, judge: JudgeSamples) -> None:
        """Judge a batch by the held-out rubric, where that is due, and say so when the two have parted.

        Args:
            samples: As they came, without the rubric in force.
            rewards: By the rubric in force, before shaping.

        Raises:
            MonitorStop: The gap has been passed twice in a row, under `action: stop`.
        """
        number = self._calls if step is None else step + 1
        if self.watched is None or self._held is None:
            return
        first = self._gap.first is None
        if not (first or self._due("held_out", number, self.watched.every)):
            return
        other = await judge([replace(sample, rubric=self._held) for sample in samples])
        both = [(a.raw_reward, b.raw_reward) for a, b in zip(rewards, other, strict=True)]
        known = [(a, b) for a, b in both if a is not None and b is not None]
        if not known:
            return
        state = self._gap
        state.paid, state.held = (statistics.fmean(pair[i] for pair in known) for i in (0, 1))
        if first:
            state.first = state.paid - state.held
        state.over = state.over + 1 if state.gap > self.watched.gap else 0
        if state.over:
            said = (
                f"held_out, step {number}: the mean reward has risen {state.gap:.3f} further than by the held-out rubric"
                f" ({state.paid:.3f} against {state.held:.3f}); limit {self.watched.gap:g}"
            )
            logger.warning(said)
            if self.watched.action == "stop" and state.over > 1:
                raise MonitorStop(said)

    def scalars(self) -> dict[str, float]:
        """What a trainer logs of it: `rubric/version`, `rubric/criteria`, `rubric/evolved`; `held_out/reward`, `held_out/gap`,
        `alarm/held_out`.
        """
        name, rubric = self.current()
        found: dict[str, float] = {}
        if self.folder is not None and rubric is not None:
            evolved = [c for c in rubric.criteria if EVOLVED in c.tags]
            found = {
                "rubric/version": float(name[1:] or 0) if name else 0.0,
                "rubric/criteria": float(len(rubric.criteria)),
                "rubric/evolved": float(len(evolved)),
            }
            if self.evolve is not None and self.evolve.scope == "prompt":
                found["rubric/prompts"] = float(len(self._versioned))
        if self.watched is not None and self._gap.first is not None:
            found |= {
                "held_out/reward": self._gap.held,
                "held_out/gap": self._gap.gap,
                "alarm/held_out": float(self._gap.over > 0),
            }
        return found
