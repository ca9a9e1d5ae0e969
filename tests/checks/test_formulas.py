"""Formulas compared by a library in a process that may be killed: right, and no answer takes the machine with it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from judge.checks import formulas, math_child
from judge.checks.final import matches, states
from judge.checks.formulas import math_equal
from judge.checks.programs import CHECKS
from judge.types import Sample

pytestmark = pytest.mark.skipif(importlib.util.find_spec("math_verify") is None, reason="needs the extra `checks`")
RIGHT = ("$\\frac{x+2}{7}$", "$\\frac{x}{7}+\\frac{2}{7}$")


@pytest.mark.parametrize(
    ("reference", "answer", "same"),
    [
        pytest.param(*RIGHT, True, id="fraction-split"),
        pytest.param("$x \\geq 5$", "$5 \\leq x$", True, id="turned-round"),
        pytest.param("$\\begin{pmatrix}1&2\\end{pmatrix}$", "$\\begin{bmatrix}1&2\\end{bmatrix}$", True, id="matrix"),
        pytest.param("$2,3,5$", "$\\{5, 3, 2\\}$", True, id="set-in-any-order"),
        pytest.param("$2$", "$\\frac{1+\\sqrt{5}}{2}$", False, id="number-in-a-formula"),
        pytest.param("$(1,2)$", "$(2,1)$", False, id="pair-in-another-order"),
        pytest.param("$(0,9)$", "$[0,9)$", False, id="open-and-closed"),
        pytest.param("$\\{2,3\\}$", "$2$", False, id="one-of-two"),
        pytest.param("$x+1$", "$x-1$", False, id="other-formula"),
        pytest.param("$\\begin{pmatrix}1&2\\end{pmatrix}$", "$\\begin{pmatrix}1&3\\end{pmatrix}$", False, id="other-matrix"),
        pytest.param("$\\frac{8}{3}$", "$2.667$", None, id="rounded"),
        pytest.param("$dog$", "$god$", None, id="words-are-no-products"),
        pytest.param("$x$", "$5$", None, id="a-letter-may-be-a-word"),
        pytest.param("$f(x)$", "$\\unknown{$", None, id="unreadable"),
        pytest.param("", "", None, id="nothing"),
    ],
)
def test_formulas(reference, answer, same):
    """Notation does not matter, values do; and what the library cannot read is no wrong answer."""
    assert math_equal(reference, answer) is same


HOSTILE = [
    pytest.param("$10^{10^{10}}$", id="memory"),
    pytest.param("$9^{9^{9^{9}}}$", id="tower"),
    pytest.param("$9**9**9**9$", id="tower-in-python"),
    pytest.param("$(10^9)!$", id="factorial"),
    pytest.param("$\\prod_{i=1}^{100000000} i$", id="product"),
    pytest.param("$\\binom{100000000}{50000000}$", id="binomial"),
    pytest.param("$x^{1000000}+(x+1)^{100000}$", id="polynomial"),
    pytest.param("$" + "{" * 900 + "1" + "}" * 900 + "$", id="braces"),
    pytest.param("$" + "\\frac{1}{" * 190 + "1" + "}" * 190 + "$", id="fractions"),
    pytest.param("\\boxed{" * 300, id="boxes"),
    pytest.param("$" * 2000, id="dollars"),
]


@pytest.mark.slow
@pytest.mark.parametrize("answer", HOSTILE)
def test_a_hostile_formula_ends_in_time_and_the_next_one_is_compared(answer):
    """A response can ask for any computation. It gets seconds and a gigabyte of another process, and no positive verdict."""
    began = time.monotonic()
    assert math_equal("$5$", answer) is not True
    assert time.monotonic() - began < formulas.WAIT_S + 2
    assert math_equal(RIGHT[0], f"{RIGHT[1]} ") is True


def test_a_process_that_is_killed_starts_again():
    """Whatever ends it, only the pair that was being compared is lost."""
    assert math_equal("$a+b$", "$b+a$") is True
    formulas._CHILDREN.process.kill()
    math_equal("$a+c$", "$c+a$")  # may find it dead
    assert math_equal("$a+d$", "$d+a$") is True


def test_no_answer_within_the_wait_is_none(monkeypatch):
    """A process that hangs is killed, and the caller goes on."""
    assert math_equal("$k+q$", "$q+k$") is True
    monkeypatch.setattr(formulas, "WAIT_S", 0.2)
    os.kill(formulas._CHILDREN.process.pid, signal.SIGSTOP)
    assert math_equal("$p+q$", "$q+p$") is None
    monkeypatch.undo()
    assert math_equal("$p+q$", "$q+p$") is True  # what did not come in time is asked again


def test_a_process_that_cannot_start_is_not_tried_for_ever(monkeypatch, tmp_path, caplog):
    """A broken installation costs three starts and one line in the log, not a start for each answer."""
    broken = tmp_path / "broken.py"
    broken.write_text("raise ImportError\n")
    monkeypatch.setattr(formulas, "_CHILD", broken)
    child = formulas._Child()
    for _ in range(5):
        with pytest.raises(formulas._Ended):
            child.ask(b"{}\n")
    assert child.failed == 3
    assert [record.message.count("does not start") for record in caplog.records] == [1]


def test_threads_and_event_loops_share_one_process():
    """Trainers score in threads, the pipeline in an event loop: neither is a place for signal handlers."""
    found = []
    threads = [threading.Thread(target=lambda n=n: found.append(math_equal(f"$x+{n}$", f"${n}+x$"))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def both():
        return await asyncio.gather(
            asyncio.to_thread(math_equal, "$y+1$", "$1+y$"), asyncio.to_thread(math_equal, "$y+2$", "$1+y$")
        )

    assert found == [True] * 8
    assert asyncio.run(both()) == [True, False]


def test_a_fork_starts_its_own():
    """A trainer that forks its workers must not have two of them read one pipe."""
    assert math_equal("$u+v$", "$v+u$") is True
    mine = formulas._CHILDREN.process.pid
    script = (
        "import os, sys\n"
        "from judge.checks import formulas\n"
        "assert formulas.math_equal('$u+v$', '$v+u$')\n"
        "pid = formulas._CHILDREN.process.pid\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    ok = formulas.math_equal('$u+w$', '$w+u$') and formulas._CHILDREN.process.pid != pid\n"
        "    formulas._CHILDREN.end()\n"
        "    os._exit(0 if ok else 1)\n"
        "ended = os.waitpid(child, 0)[1]\n"
        "assert formulas.math_equal('$u+z$', '$z+u$') and formulas._CHILDREN.process.pid == pid\n"
        "sys.exit(ended)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=120, check=False).returncode == 0
    assert formulas._CHILDREN.process.pid == mine


def test_ordinary_answers_start_no_process():
    """Numbers, options and short answers are settled by linear rules: nobody waits for a library to be imported."""
    pairs = [
        ("So it is 12.", "12"),
        ("The answer is 13.", "12"),
        ("\\boxed{\\frac{1}{2}}", "0.5"),
        ("2\\sqrt{3}", "\\sqrt{12}"),
        ("All real numbers", "(-\\infty,\\infty)"),
        ("5 km", "5 m"),
        ("(C)", "B"),
        ("Paris", "Rome"),
        ("#### 1,234", "1234"),
    ]
    formulas._CHILDREN.end()
    for answer, reference in pairs:
        assert states(answer, reference) is not None
        assert matches(answer, reference) is not None
    assert formulas._CHILDREN.process is None


def test_without_the_library_formulas_cannot_be_told_apart(monkeypatch, caplog):
    """Not installed is said once, with the command that installs it; no right answer is called wrong because of it."""
    formulas._installed.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    sample = Sample.of("Q", "So it is $5 \\leq x$.", reference="$x \\geq 5$")
    assert [CHECKS["final_answer"].run(sample, 0, {}) for _ in range(3)] == [None] * 3
    assert [record.message.count("pip install") for record in caplog.records] == [1]
    formulas._installed.cache_clear()


def test_the_process_imports_nothing_of_the_project():
    """It would make every start as slow as the project."""
    source = Path(math_child.__file__).read_text(encoding="utf-8")
    assert "import judge" not in source
    assert "from judge" not in source


def test_the_process_ends_with_its_parent():
    """A trainer that is killed leaves nothing running."""
    script = (
        "import os\n"
        "from judge.checks import formulas\n"
        "formulas.math_equal('$u+v$', '$v+u$')\n"
        "print(formulas._CHILDREN.process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    pid = int(subprocess.run([sys.executable, "-c", script], timeout=120, check=False, capture_output=True, text=True).stdout)
    until = time.monotonic() + 20
    while (
        time.monotonic() < until and Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    ):
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text()


def test_differ_is_certain():
    """`different` pays 0 where the answer is a veto, so it is said of what is understood only."""
    sympy = pytest.importorskip("sympy")
    x, y = sympy.symbols("x y")
    assert math_child.differ(sympy.Integer(2), sympy.Integer(3))
    assert not math_child.differ(sympy.Rational(8, 3), sympy.Float("2.667"))
    assert not math_child.differ(x + 1, y + 1)
    assert math_child.differ(x + 1, x + y + 1)
