"""Engine settings -> engine. Each engine's module is imported only when it is the one asked for."""

from __future__ import annotations

import os
from collections.abc import Callable

from judge.engine.none import NoEngine
from judge.engine.protocol import Engine
from judge.settings import EngineSettings, NoEngineSettings, OpenAiSettings, ScriptedSettings, TransformersSettings, VllmSettings


def build_engine(settings: EngineSettings, progress: Callable[[str], None] | None = None) -> Engine:
    """Make the engine that the settings name; nothing is loaded or reached before its `start`."""
    if isinstance(settings, VllmSettings):
        from judge.engine.vllm import VllmEngine  # noqa: PLC0415  # imports torch on use

        return VllmEngine(**settings.model_dump(exclude={"kind", "price"}), progress=progress)
    if isinstance(settings, TransformersSettings):
        from judge.engine.transformers import TransformersEngine  # noqa: PLC0415  # imports torch on use

        return TransformersEngine(**settings.model_dump(exclude={"kind", "price"}), progress=progress)
    if isinstance(settings, OpenAiSettings):
        return _endpoint(settings)
    if isinstance(settings, NoEngineSettings):
        return NoEngine()
    assert isinstance(settings, ScriptedSettings)  # noqa: S101  # the only other kind
    from judge.engine.scripted import engine_of  # noqa: PLC0415  # as above

    return engine_of(settings)


def _endpoint(settings: OpenAiSettings) -> Engine:
    fields = settings.model_dump(exclude={"kind", "transport", "price"})
    fields["base_url"] = [settings.base_url] if isinstance(settings.base_url, str) else list(settings.base_url)
    fields["api_key"] = os.environ.get(settings.api_key_env)
    if settings.transport == "openai":
        from judge.engine.openai_sdk import OpenAiSdkEngine  # noqa: PLC0415  # imports openai on use

        return OpenAiSdkEngine(**fields)
    from judge.engine.http import HttpEngine  # noqa: PLC0415  # imports aiohttp on use

    return HttpEngine(**fields)
