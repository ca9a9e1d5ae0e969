"""requirements/*.lock agree with pyproject.toml and with each other, and name no host."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
LOCKS = {"core.lock": ["dev", "serve"], "cpu.lock": ["dev", "serve", "cpu", "trl", "report"]}


def pins(name: str) -> dict[str, str]:
    """Distribution -> version."""
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


@pytest.mark.parametrize("name", LOCKS)
def test_whatever_pyproject_asks_for_is_locked_within_its_range(name):
    """A dependency added without `make lock` would come in whatever version is the newest on the day."""
    locked = pins(name)
    wanted = [*PYPROJECT["build-system"]["requires"], *PYPROJECT["project"]["dependencies"]]
    for requirement in map(Requirement, [*wanted, *(line for extra in LOCKS[name] for line in EXTRAS[extra])]):
        if requirement.name != "judge-rewards":
            version = locked.get(canonicalize_name(requirement.name))
            assert version, f"{requirement.name} is not in requirements/{name}: run `make lock`"
            assert requirement.specifier.contains(version), f"{requirement}, not {version}: run `make lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_names_and_versions_only(name):
    """A file that names a host or a path installs nowhere else."""
    for package, version in pins(name).items():
        assert package == canonicalize_name(package)
        assert re.fullmatch(r"[0-9][0-9a-z.]*(\+cpu)?", version), (package, version)


def test_a_package_has_one_version_in_both():
    """What passes without an engine is the same code that runs with one."""
    core, cpu = pins("core.lock"), pins("cpu.lock")
    assert core.items() <= cpu.items()
    assert not {"torchvision", "torchaudio", "torchcodec"} & set(cpu)  # from an index, CUDA builds
