"""All probes by name and family, and the user's own.

A user's probe is `package.module:name`: a `Probe`, or a plain function `(ProbeCase, random.Random) -> ProbeCase | None`,
which is then expected to change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from judge.audit import causal, contrast, cues, programs, rewrites, style
from judge.audit.cases import Probe, ProbeFamily
from judge.errors import InputError, did_you_mean
from judge.imported import imported

PROBES: tuple[Probe, ...] = (
    *rewrites.PROBES,
    *programs.PROBES,
    *(p for p in contrast.PROBES if p.family == "rubric"),
    *style.PROBES,
    *cues.PROBES,
    *causal.PROBES,
    *(p for p in contrast.PROBES if p.family != "rubric"),
)
BY_NAME = {probe.name: probe for probe in PROBES}
FAMILIES: tuple[ProbeFamily, ...] = tuple(f for f in get_args(ProbeFamily) if f == "user" or any(p.family == f for p in PROBES))


def select(names: Iterable[str] = ("all",)) -> tuple[Probe, ...]:
    """Probes by name, family, `all`, or `package.module:name`; each once, in the order of the catalogue.

    Raises:
        InputError: No such probe.

    Example:
        >>> [p.name for p in select(["rubric", "leet"])]
        ['leet', 'rubric_shuffled', 'criteria_renamed']
    """
    wanted: dict[str, Probe] = {}
    for name in (part.strip() for text in names for part in text.split(",") if part.strip()):
        found = [_imported(name)] if ":" in name else [p for p in PROBES if name in ("all", p.name, p.family)]
        if not found:
            known = (*FAMILIES, *BY_NAME)
            near = did_you_mean(name, known) or f"; families: {', '.join(FAMILIES[:-1])}; `judge audit --list` shows all"
            raise InputError(f"--probes: no probe or family `{name}`{near}")
        wanted.update((p.name, p) for p in found)
    if not wanted:
        raise InputError("--probes: names nothing; `judge audit --list` shows all")
    place = {name: i for i, name in enumerate(BY_NAME)}
    return tuple(sorted(wanted.values(), key=lambda p: place.get(p.name, len(place))))


def _imported(path: str) -> Probe:
    found = imported(path, lambda why: InputError(f"--probes: `{path}` {why}"))
    if isinstance(found, Probe):
        return found
    if not callable(found):
        raise InputError(f"--probes: `{path}` is neither a Probe nor a function (ProbeCase, random.Random) -> ProbeCase | None")
    return Probe(path, "user", "invariant", found)
