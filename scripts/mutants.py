"""Change the code a little, and see whether a test fails: what nobody notices is either untested or makes no difference.

    python scripts/mutants.py                          all that [tool.mutmut] in pyproject.toml names (hours)
    python scripts/mutants.py judge.reward.fold        one module, or a pattern such as "judge.parse.*"
    python scripts/mutants.py --report                 only what the last run found

mutmut makes the changes and runs the tests that touch the changed function. A change that survives has a reason in
tests/mutants.yaml, or is printed here in that form. Exit code 1: one without a reason is left. Changes within an error
message or a log line are not made (`do_not_mutate_patterns`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parent.parent
TOOL = ROOT / ".venv" / "mutants"
PACKAGES = [
    "mutmut==3.8.1",
    "libcst==1.9.0",
    "setproctitle==1.3.8",
    "textual==8.2.8",
    "coverage==7.17.5",
    "markdown-it-py==4.3.0",
    "mdurl==0.1.2",
    "platformdirs==4.14.9",
]
KNOWN = ROOT / "tests" / "mutants.yaml"
SURVIVED, UNTESTED = 0, 33  # exit codes of the tests under a change, as mutmut keeps them


class Survivor(NamedTuple):
    """A change that no test noticed."""

    module: str
    was: str
    now: str


def main() -> int:
    """Run, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="modules or patterns; none: all")
    parser.add_argument("--report", action="store_true", help="only what the last run found")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    given = parser.parse_args()
    if not given.report:
        install()
        patterns = [m if "*" in m else f"{m}.*" for m in given.modules]
        mutmut("run", "--max-children", str(given.jobs), *patterns, check=True)
    return report(given.modules)


def install() -> None:
    """mutmut, beside what the project needs and not among it."""
    stamp = TOOL / "installed.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8").split() != PACKAGES:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(TOOL), *PACKAGES]
        subprocess.run(command, check=True)
        stamp.write_text("\n".join(PACKAGES), encoding="utf-8")


def mutmut(*arguments: str, check: bool = False) -> str:
    """Its output, where it is asked for something; a run prints its own progress."""
    environment = {**os.environ, "PYTHONPATH": str(TOOL)}
    run = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments], cwd=ROOT, env=environment, check=False, text=True,
        stdout=None if check else subprocess.PIPE,
    )  # fmt: skip
    if check and run.returncode:
        raise SystemExit(
            f"mutants: mutmut ended with exit code {run.returncode}; where a test fails without any change, mend that first"
        )
    return run.stdout or ""


def report(modules: list[str]) -> int:
    """Counts a module, and the survivors without a reason."""
    known = {Survivor(module, each["was"], each["now"]) for module, found in _known().items() for each in found}
    seen, unexplained = set(), []
    for module, counts, survivors in results(modules):
        found = [survivor(module, name) for name in survivors]
        seen.update(found)
        new = [each for each in found if each not in known]
        unexplained += new
        noticed = f"{counts['killed']} of {sum(counts.values())} changes noticed"
        print(f"{module}: {noticed}; survived {len(found)}, without a reason {len(new)}")
    gone = [each for each in known - seen if any(each.module == module for module, _, _ in results(modules))]
    for each in gone:
        print(f"{KNOWN.relative_to(ROOT)}: {each.module}: no longer survives: {each.was.strip()}")
    if unexplained:
        print(f"\nWithout a reason in {KNOWN.relative_to(ROOT)}:\n")
        by_module: dict[str, list[dict[str, str]]] = {}
        for each in unexplained:
            by_module.setdefault(each.module, []).append({"was": each.was, "now": each.now, "because": ""})
        print(yaml.safe_dump(by_module, sort_keys=False, allow_unicode=True, width=200))
    return 1 if unexplained or gone else 0


def results(modules: list[str]) -> Iterator[tuple[str, dict[str, int], list[str]]]:
    """Of each module that was tried: its counts and the names of the survivors."""
    for path in sorted((ROOT / "mutants" / "judge").rglob("*.py.meta")):
        module = ".".join(path.relative_to(ROOT / "mutants").with_suffix("").with_suffix("").parts)
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        tried = {name: code for name, code in codes.items() if code is not None}
        if not tried or (modules and not any(module.startswith(m.rstrip("*.")) for m in modules)):
            continue
        survivors = [name for name, code in tried.items() if code in (SURVIVED, UNTESTED)]
        yield module, {"killed": len(tried) - len(survivors), "survived": len(survivors)}, survivors


def survivor(module: str, name: str) -> Survivor:
    """The lines that a change took away and put there."""
    lines = mutmut("show", name).splitlines()
    was = "\n".join(line[1:] for line in lines if line.startswith("-") and not line.startswith("---"))
    now = "\n".join(line[1:] for line in lines if line.startswith("+") and not line.startswith("+++"))
    return Survivor(module, was.strip(), now.strip())


def _known() -> dict[str, list[dict[str, str]]]:
    return yaml.safe_load(KNOWN.read_text(encoding="utf-8")) or {} if KNOWN.exists() else {}


if __name__ == "__main__":
    raise SystemExit(main())
