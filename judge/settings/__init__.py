"""One YAML file of run settings, for all three uses: batch, HTTP server, trainer.

Unknown fields are errors with file, line and a suggestion. Any value can be overridden from the command line
(`--set engine.model=...`), and the override is checked exactly like the file.
"""

from judge.settings.cache import CacheSettings
from judge.settings.cascade import CascadeSettings
from judge.settings.engine import (
    EMBEDDED_MODEL,
    ENGINE_KINDS,
    EngineSettings,
    NoEngineSettings,
    OpenAiSettings,
    ScriptedSettings,
    TransformersSettings,
    VllmSettings,
)
from judge.settings.filters import Action, FilterSettings
from judge.settings.load import load_settings, settings_dict
from judge.settings.monitor import MonitorSettings
from judge.settings.panel import MemberSettings, PanelFold, PanelSettings, SecondOpinionSettings
from judge.settings.recipe import RecipeSettings
from judge.settings.run import RewardSettings, RunSettings
from judge.settings.tools import ToolSettings
from judge.settings.track import TrackSettings

__all__ = [
    "EMBEDDED_MODEL",
    "ENGINE_KINDS",
    "Action",
    "CacheSettings",
    "CascadeSettings",
    "EngineSettings",
    "FilterSettings",
    "MemberSettings",
    "MonitorSettings",
    "NoEngineSettings",
    "OpenAiSettings",
    "PanelFold",
    "PanelSettings",
    "RecipeSettings",
    "RewardSettings",
    "RunSettings",
    "ScriptedSettings",
    "SecondOpinionSettings",
    "ToolSettings",
    "TrackSettings",
    "TransformersSettings",
    "VllmSettings",
    "load_settings",
    "settings_dict",
]
