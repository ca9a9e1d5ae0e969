"""What the attack tests share: a configuration that asks a stub judge over HTTP, and one run of attacks on it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from judge.attack.catalogue import Attack, load_catalogues
from judge.attack.run import AttackOptions, AttackReport, run_attack
from judge.attack.seeds import SeedQuestion, SeedQuestions, load_seeds
from judge.pipeline.build import Plan, plan
from judge.recipe.load import load_recipe
from judge.settings import RunSettings
from tests.fake_endpoint import Canned, FakeEndpoint

RUBRIC = {"name": "one", "criteria": [{"id": "right", "text": "The final answer is right."}]}
PLAIN = "engine: {{kind: openai, model: m, base_url: '{url}', check_model: false, max_retries: 0}}\n"


@cache
def trusting_verifier() -> Path:
    """The recipe `verifier` as it would be without rules and without proof: whoever says CORRECT is believed."""
    folder = Path(tempfile.mkdtemp()) / "trusting"
    shutil.copytree(load_recipe("verifier").folder, folder)
    path = folder / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    del recipe["verdict"]["copied"], recipe["proof"]
    recipe["options"]["rule_first"] = False
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return folder


def planned(url: str, recipe: str = "verifier", **fields: Any) -> Plan:
    engine = {"kind": "openai", "model": "m", "base_url": url, "check_model": False, "max_retries": 0, **fields.pop("engine", {})}
    given = {"recipe": recipe, "rubric": RUBRIC, "principle": "Prefer what is right.", "engine": engine, **fields}
    if recipe == "verifier":
        given |= {"recipe": str(trusting_verifier())}  # the judge is what is tested here
        given.pop("rubric")
    if recipe == "proving":
        given |= {"recipe": "verifier"}
        given.pop("rubric")
    return plan(RunSettings.model_validate(given))


def attacked(
    stub: Callable[[dict[str, Any]], Canned],
    options: AttackOptions,
    *,
    recipe: str = "verifier",
    attacks: Sequence[Attack] | None = None,
    questions: SeedQuestions | None = None,
    **fields: Any,
) -> tuple[AttackReport, FakeEndpoint]:
    """Run attacks on a stub judge behind a real HTTP server and the real HTTP engine."""

    async def main() -> tuple[AttackReport, FakeEndpoint]:
        async with FakeEndpoint({"m": stub}) as server:
            own = planned(server.url, recipe, **fields)
            found = attacks if attacks is not None else load_catalogues()
            asked = questions or load_seeds(None)
            return await run_attack(own, found, asked, options, quiet=True), server

    return asyncio.run(main())


def some(count: int) -> SeedQuestions:
    """The first shipped questions."""
    return load_seeds(None, limit=count)


def rights(questions: Sequence[SeedQuestion]) -> set[str]:
    return {text for q in questions for text in (*q.rights, q.right) if text}
