"""One YAML file of run settings, for all three uses: batch, HTTP server, trainer.

Unknown fields are errors with file, line and a suggestion. Any value can be overridden from the command line
(`--set engine.model=...`), and the override is checked exactly like the file.
"""

from judge.settings.engine import (
    EMBEDDED_MODEL,
    ENGINE_KINDS,
    EngineSettings,
    OpenAiSettings,
    ScriptedSettings,
    TransformersSettings,
    VllmSettings,
)
from judge.settings.filters import Action, FilterSettings
from judge.settings.load import load_settings, settings_dict
from judge.settings.run import RecipeSettings, RewardSettings, RunSettings

__all__ = [
    "EMBEDDED_MODEL",
    "ENGINE_KINDS",
    "Action",
    "EngineSettings",
    "FilterSettings",
    "OpenAiSettings",
    "RecipeSettings",
    "RewardSettings",
    "RunSettings",
    "ScriptedSettings",
    "TransformersSettings",
    "VllmSettings",
    "load_settings",
    "settings_dict",
]
