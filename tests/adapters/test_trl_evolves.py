"""TRL's own GRPOTrainer while its rubric evolves between the steps: a tiny policy, real steps, versions in the log."""

from __future__ import annotations

import json
import math
import os
from importlib.metadata import version
from zlib import crc32

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from judge.adapters.trl import JudgeReward
from judge.engine.scripted import ScriptedEngine
from judge.rubric.versions import VersionFolder
from tests.adapters import tiny
from tests.adapters.stand_ins import TRL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of trl, transformers and torch are not ours
    pytest.mark.timeout(120),
    pytest.mark.skipif(version("trl") != TRL, reason=f"written against TRL {TRL}"),
]
NEW = (
    "The response cites its source.",
    "The response warns about risks.",
    "The response ends with advice.",
    "The response asks back.",
)


def judge_and_writer(request) -> str:
    """Whatever the policy writes is clear; about half of the texts meet each criterion that is written later."""
    text = "\n".join(m.text for m in request.messages)
    if "gave these responses the same grade" in text:
        return next((f"CRITERION: {new}" for new in NEW if new not in text), "NONE")
    if any(f"Criterion: {new}" in text for new in NEW):
        return f"VERDICT: {'MET' if crc32(text.encode()) % 2 else 'UNMET'}"
    return "VERDICT: MET"


def train(folder, steps=4, **settings):
    config = {
        "recipe": "checklist", "rubric": {"name": "start", "criteria": [{"id": "clear", "text": "The response is clear."}]},
        "filters": "off", "evolve": {"folder": str(folder / "rubrics"), "every": 1, "groups": 1, "max_new": 1, "max_active": 3},
        "record": str(folder / "record"), **settings,
    }  # fmt: skip
    reward = JudgeReward(config, engine=ScriptedEngine(judge_and_writer, capabilities=frozenset()))
    trainer = tiny.trainer(str(folder), reward, steps=steps)
    trainer.train()
    reward.close()
    return trainer


def logged(trainer, key):
    return [entry[key] for entry in trainer.state.log_history if key in entry]


def test_the_rubric_evolves_between_steps(tmp_path):
    """Version 1 pays every completion alike, so nothing is learned; from version 2 on the rewards of a group differ."""
    trainer = train(tmp_path)
    assert logged(trainer, "judge/rubric/version") == [1.0, 2.0, 3.0, 4.0]
    assert logged(trainer, "judge/rubric/evolved") == [0.0, 1.0, 2.0, 3.0]
    spreads = [float(rewards.std()) for rewards in trainer.rewards]
    assert spreads[0] == 0.0
    assert all(spread > 0 for spread in spreads[1:])
    assert all(math.isfinite(v) for v in logged(trainer, "grad_norm"))
    folder = VersionFolder(tmp_path / "rubrics")
    assert folder.names() == ["v0001", "v0002", "v0003", "v0004"]
    made = [folder.load(name) for name in folder.names()]
    assert [m.lineage.parents for m in made[1:]] == [(m.hash,) for m in made[:-1]]
    lines = [json.loads(line) for line in (tmp_path / "record" / "steps.jsonl").read_text().splitlines()]
    assert [line["rubric"]["rubric/version"] for line in lines] == [1.0, 2.0, 3.0, 4.0]


def test_two_trainings_with_one_seed_are_the_same(tmp_path):
    """Versions, what dropout takes, and rewards: all follow from the seed."""
    runs = []
    for name in ("a", "b"):
        trainer = train(tmp_path / name, steps=3, rubric_dropout=0.3, seed=5)
        names = VersionFolder(tmp_path / name / "rubrics").names()
        runs.append(
            ([r.tolist() for r in trainer.rewards], [(tmp_path / name / "rubrics" / f"{n}.yaml").read_text() for n in names])
        )
    assert runs[0] == runs[1]
