"""A YAML file and `--set` overrides -> run settings; an override is checked exactly like the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from judge.errors import Problem, SettingsError
from judge.settings.engine import ENGINE_KINDS
from judge.settings.run import RunSettings
from judge.yamlfile import Path_, Source, parse_yaml, read_yaml, validate


class _Overridable(Source):
    """A source some of whose values came from `--set`; errors in those name the override, not a line."""

    def __init__(self, name: str, data: Any, lines: dict[Path_, int]) -> None:
        super().__init__(name, data, lines)
        self.overrides: dict[Path_, str] = {}

    def where(self, path: Path_) -> str:
        """The override that set this path or a part of it, or `file:line`."""
        at = [part for part in path if part not in ENGINE_KINDS]  # pydantic names the kind of engine on the way
        for given, text in reversed(self.overrides.items()):
            if tuple(at[: len(given)]) == given:
                return f"--set {text}"
        return super().where(path)


def load_settings(config: str | Path | Mapping[str, Any], overrides: Iterable[str] = ()) -> tuple[RunSettings, Path | None]:
    """Read run settings, and the folder that relative paths in them refer to.

    Args:
        config: A YAML file, or the same as a mapping.
        overrides: `path.to.field=value` strings; the value is read as YAML.

    Raises:
        SettingsError: With file and line, or with the override's text.
    """
    if isinstance(config, Mapping):
        source, base = Source("settings", dict(config), {}), None
    else:
        path = Path(config)
        source, base = read_yaml(path, SettingsError), path.parent
    source = _Overridable(source.name, source.data, source.lines)
    if not isinstance(source.data, dict):
        raise SettingsError(Problem(source.name, "settings are a mapping of fields, such as `rubric: helpfulness`"))
    for text in overrides:
        _override(source, text)
    settings = validate(RunSettings, source, error=SettingsError)
    if settings.on_no_verdict == "constant" and settings.no_verdict_constant is None:
        raise SettingsError(Problem(source.where(("on_no_verdict",)), "`on_no_verdict: constant` needs `no_verdict_constant`"))
    return settings, base


def _override(source: _Overridable, text: str) -> None:
    name, equals, raw = text.partition("=")
    if not equals or not name.strip():
        raise SettingsError(f"--set {text}: expected path.to.field=value, for example --set engine.model=Qwen/Qwen3-8B")
    *parents, last = names = name.strip().split(".")
    if not all(names):
        raise SettingsError(f"--set {text}: a field has no name; expected path.to.field=value")
    target, walked = source.data, []
    for part in parents:
        walked.append(part)
        target[part] = _group(target.get(part), ".".join(walked))
        target = target[part]
        if not isinstance(target, dict):
            raise SettingsError(f"--set {text}: `{'.'.join(walked)}` is not a group of fields")
    target[last] = parse_yaml(raw, f"--set {name}", SettingsError).data if raw.strip() else None
    source.overrides[tuple(names)] = text


def _group(value: Any, path: str) -> Any:
    """The value of a field that is about to get fields of its own: short forms are written out."""
    if path == "recipe" and not isinstance(value, dict):
        return {"name": value if isinstance(value, str) else RunSettings.model_fields["recipe"].default.name}
    if path == "filters" and not isinstance(value, dict):
        return {} if value in (None, "default") else {"level": "off" if value is False else value}
    if path == "track" and not isinstance(value, dict):
        return {"to": value} if value not in (None, "off", False) else {}
    return {} if value is None else value


def settings_dict(settings: RunSettings) -> dict[str, Any]:
    """The settings in force, defaults included, as plain values for `run.json`; headers may hold keys, so not their values."""
    plain: dict[str, Any] = _masked(settings.model_dump(mode="json"))
    return plain


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {k: dict.fromkeys(v, "***") if k == "headers" and isinstance(v, dict) else _masked(v) for k, v in value.items()}
