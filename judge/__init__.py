"""Turn a language model into a reward you can train on."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from judge.engine.protocol import Engine
    from judge.engine.scripted import ScriptedEngine
    from judge.errors import JudgeError
    from judge.pipeline.judge import Judge
    from judge.recipe.load import Recipe, load_recipe
    from judge.rubric.load import load_rubric
    from judge.rubric.model import Criterion, Rubric
    from judge.settings import RunSettings
    from judge.types import Completion, Conversation, Flag, Message, NoVerdict, Reason, Request, Reward, Sample, Verdict

__version__ = "0.1.0"

_HOME = {
    "Judge": "judge.pipeline.judge",
    "Engine": "judge.engine.protocol",
    "RunSettings": "judge.settings",
    "Completion": "judge.types",
    "Conversation": "judge.types",
    "Request": "judge.types",
    "ScriptedEngine": "judge.engine.scripted",
    "JudgeError": "judge.errors",
    "Recipe": "judge.recipe.load",
    "load_recipe": "judge.recipe.load",
    "load_rubric": "judge.rubric.load",
    "Criterion": "judge.rubric.model",
    "Rubric": "judge.rubric.model",
    "Flag": "judge.types",
    "Message": "judge.types",
    "NoVerdict": "judge.types",
    "Reason": "judge.types",
    "Reward": "judge.types",
    "Sample": "judge.types",
    "Verdict": "judge.types",
}
__all__ = [
    "Completion", "Conversation", "Criterion", "Engine", "Flag", "Judge", "JudgeError", "Message", "NoVerdict", "Reason",
    "Recipe", "Request", "Reward", "Rubric", "RunSettings", "Sample", "ScriptedEngine", "Verdict", "load_recipe",
    "load_rubric",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `import judge` costs nothing."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module `judge` has no attribute `{name}`")
