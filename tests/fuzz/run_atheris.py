"""Coverage-guided fuzzing of one target: `python tests/fuzz/run_atheris.py TARGET SECONDS`. Needs `pip install atheris`."""

from __future__ import annotations

import sys
from pathlib import Path


def main(name: str, seconds: int) -> None:
    """Fuzz one target for some time; a crash is written to the current folder."""
    import atheris  # type: ignore[import-not-found]

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    with atheris.instrument_imports(include=["judge"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-timeout=5", "-max_len=4096"], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
