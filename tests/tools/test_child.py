"""Code out of a model's reply: it ends, quickly, and takes nothing that it may not have."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from judge.tools.child import Limits, run_limited

SHORT = Limits(seconds=1.0, memory_mb=256, output_chars=500)
HOSTILE = [
    pytest.param("import os\nwhile True: os.fork()", "error", "os.fork", id="fork-bomb"),
    pytest.param("import subprocess; subprocess.run(['ls'])", "error", "ImportError", id="another-program"),
    pytest.param("import os; os.system('ls')", "error", "os.system", id="a-shell"),
    pytest.param("import multiprocessing as m; m.Process(target=print).start()", "error", "Error", id="a-process"),
    pytest.param(
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()",
        "error",
        "Error",
        id="thread-bomb",
    ),
    pytest.param("while True: pass", "timeout", "", id="infinite-loop"),
    pytest.param("import time; time.sleep(60)", "timeout", "", id="sleeps"),
    pytest.param("while True: print('x' * 1000)", "output", "left out", id="huge-output"),
    pytest.param("x = 'a' * (1 << 33)", "memory", "MemoryError", id="huge-text"),
    pytest.param("x = []\nwhile True: x.append('a' * 1_000_000)", "memory", "MemoryError", id="grows"),
    pytest.param("open('{path}', 'w').write('x')", "error", "PermissionError", id="writes-outside"),
    pytest.param("import os; os.open('{path}', os.O_CREAT | os.O_WRONLY)", "error", "PermissionError", id="writes-below-open"),
    pytest.param("import pathlib; pathlib.Path('{path}').touch()", "error", "PermissionError", id="touches"),
    pytest.param("import os; os.symlink('/tmp', 'x'); open('x/judge-hostile', 'w')", "error", "PermissionError", id="by-a-link"),
    pytest.param("import sqlite3; sqlite3.connect('{path}').execute('create table a(b)')", "error", "ImportError", id="database"),
    pytest.param("import ctypes; ctypes.CDLL(None).system(b'touch {path}')", "error", "Error", id="c-code"),
    pytest.param("import sympy, ctypes; ctypes.CDLL(None).system(b'touch {path}')", "error", "ctypes.dlopen", id="c-by-sympy"),
    pytest.param("import socket; socket.socket()", "error", "socket", id="network"),
    pytest.param("print(open('/etc/passwd').read())", "error", "PermissionError", id="reads-a-file"),
    pytest.param("import os; print(os.listdir('/'))", "error", "PermissionError", id="reads-a-folder"),
    pytest.param("import os; os.kill(os.getppid(), 9)", "error", "os.kill", id="kills-its-parent"),
    pytest.param("import resource as r; r.setrlimit(r.RLIMIT_AS, (1 << 50, 1 << 50))", "error", "Error", id="lifts-a-limit"),
    pytest.param("import os; os.abort()", "killed", "", id="dies"),
    pytest.param("def f(): f()\nf()", "error", "RecursionError", id="recursion"),
    pytest.param("def f(:", "error", "SyntaxError", id="no-python"),
]


@pytest.mark.parametrize(("code", "status", "told"), HOSTILE)
def test_hostile_code_ends_with_a_reason(tmp_path, code, status, told):
    """A candidate's program may do anything; the run only learns how it ended."""
    path = tmp_path / "hacked"
    begin = time.monotonic()
    ran = run_limited(code.replace("{path}", str(path)), None, SHORT)
    assert (ran.status, told in ran.output) == (status, True), ran
    assert time.monotonic() - begin < 8
    assert not path.exists()
    assert not Path("/tmp/judge-hostile").exists()
    assert len(ran.output) < 700


@pytest.mark.parametrize(
    ("code", "output"),
    [
        pytest.param("print(sum(DATA))", "6\n", id="data"),
        pytest.param("open('a', 'w').write('x'); print(open('a').read())", "x\n", id="a-file-of-its-own"),
        pytest.param("import sympy; print(sympy.sqrt(8))", "2*sqrt(2)\n", id="sympy"),
        pytest.param("import numpy; print(numpy.arange(3).sum())", "3\n", id="numpy"),
        pytest.param("import datetime, json, re, statistics; print(statistics.mean([1, 3]))", "2\n", id="the-standard-library"),
        pytest.param("import os; print(sorted(set(os.environ) & {'HOME', 'OPENAI_API_KEY'}))", "[]\n", id="no-environment"),
        pytest.param("print('a'); raise SystemExit", "a\n", id="it-may-end-itself"),
    ],
)
def test_what_code_may_do(monkeypatch, code, output):
    """A judge that checks a sum needs Python, and nothing around it."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    ran = run_limited(code, [1, 2, 3], Limits(seconds=20))
    assert (ran.status, ran.output) == ("ok", output)


def test_the_line_of_an_error_is_told():
    """A judge that reads where its program broke can mend it."""
    assert run_limited("x = 1\n\nx / 0").told == "ZeroDivisionError: division by zero (line 3)"
