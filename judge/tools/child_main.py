"""The process that runs hostile code for `judge.tools.child`; it imports nothing of the project.

One JSON object comes in: `code`, `data` (the variable DATA), `memory` (bytes), `seconds`, `folder`, `sqlite` (whether the code is
ours and may use that module). Limits of the system bind what the process may take. A hook on Python's own events refuses what no
tool needs: other processes, sockets, files outside its folder and Python's own, and the modules by which C code could do these
without an event. It is a fence for code out of a model's reply, and no virtual machine.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import sys
from typing import Any

_PROCESSES = (
    "os.fork",
    "os.forkpty",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.kill",
    "os.killpg",
    "subprocess.Popen",
)
_OTHERS = ("socket.", "ctypes.", "os.chroot", "os.chown", "os.chmod", "pty.", "fcntl.", "syslog.", "urllib.Request")
_WRITES = ("os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.truncate", "os.utime", "shutil.")
_MODULES = frozenset(
    {"_posixsubprocess", "_ctypes", "ctypes", "_testcapi", "_testinternalcapi", "_xxsubinterpreters", "_interpreters"}
)
_NEEDED_WHOLE = ("numpy", "sympy")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _limit(kind: int, most: int, spare: int = 0) -> None:
    """Limit something; with `spare` the system warns first (of processor time: with a signal that says why the process ended)."""
    hard = resource.getrlimit(kind)[1]
    value = most + spare if hard == resource.RLIM_INFINITY else min(most + spare, hard)
    resource.setrlimit(kind, (min(most, value), value))


def _no_network() -> None:
    """A network of its own with nothing in it, where the kernel lets a process have one."""
    import ctypes  # noqa: PLC0415  # before the hook, which refuses it

    library = ctypes.CDLL(None, use_errno=True)
    library.unshare(0x10000000 | 0x40000000)  # a user namespace and a network namespace; where it is refused, the hook is left
    library.prctl(38, 1, 0, 0, 0)  # no new privileges
    for name in [m for m in sys.modules if m in _MODULES or m.startswith("ctypes")]:
        del sys.modules[name]


def _libraries(code: str) -> None:
    """Import the libraries that code names and that need a refused module themselves."""
    for name in _NEEDED_WHOLE:
        if name in code:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def _hook(folder: str, sqlite: bool) -> None:
    real, fspath, separator = os.path.realpath, os.fspath, os.sep  # kept, so that code cannot put others in their place
    own = real(folder) + separator
    readable = {own, *(real(p) + separator for p in (sys.prefix, sys.base_prefix, *sys.path, "/usr/share/zoneinfo") if p)}
    readable |= {"/dev/null/", "/dev/urandom/", "/etc/localtime/"}
    written, read = (own, "/dev/null/"), tuple(readable)
    denied = (*_PROCESSES, *_OTHERS)
    modules = _MODULES if sqlite else _MODULES | {"_sqlite3"}  # `ATTACH` writes files without an event

    def within(path: Any, roots: tuple[str, ...]) -> bool:
        if isinstance(path, int):
            return path in (0, 1, 2)
        name = fspath("." if path is None else path)
        name = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
        return (real(name) + separator).startswith(roots)

    def look(event: str, args: tuple[Any, ...]) -> None:
        if event == "import" and args[0] in modules:
            raise ImportError(f"not possible here: import {args[0]}")
        if event.startswith(denied):
            raise PermissionError(f"not possible here: {event}")
        if event == "open":
            path, mode, flags = args
            writes = (isinstance(mode, str) and any(c in mode for c in "wax+")) or (isinstance(flags, int) and flags & _WRITING)
            if not within(path, written if writes else read):
                raise PermissionError("files outside the working directory cannot be opened")
        elif event in ("os.listdir", "os.scandir", "glob.glob", "os.walk") and not within(args[0], read):
            raise PermissionError("folders outside the working directory cannot be read")
        elif event.startswith(_WRITES) and not all(within(a, written) for a in args if isinstance(a, (str, bytes, os.PathLike))):
            raise PermissionError("files can be written in the working directory only")

    sys.addaudithook(look)


def main() -> int:
    """Run the code that standard input holds; 0, or 1 where it raised."""
    job = json.loads(sys.stdin.read())
    os.chdir(job["folder"])
    _no_network()
    _limit(resource.RLIMIT_AS, job["memory"])
    _limit(resource.RLIMIT_CPU, int(job["seconds"]) + 1, spare=1)
    _limit(resource.RLIMIT_FSIZE, 1 << 24)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, 64)
    _limit(resource.RLIMIT_CORE, 0)
    scope: dict[str, Any] = {"__name__": "__main__", "DATA": job["data"]}
    try:
        code = compile(job["code"], "<code>", "exec")
        _libraries(job["code"])
        _hook(job["folder"], job["sqlite"])
        exec(code, scope)  # noqa: S102  # that is what this process is for
    except SystemExit as why:
        return 0 if why.code in (None, 0) else 1
    except BaseException as why:  # noqa: BLE001  # whatever the code raises is its result
        sys.stdout.flush()
        line = next((t.tb_lineno for t in _frames(why.__traceback__) if t.tb_frame.f_code.co_filename == "<code>"), None)
        where = f" (line {line})" if line else f" (line {why.lineno})" if isinstance(why, SyntaxError) and why.lineno else ""
        sys.stderr.write(f"{type(why).__name__}: {str(why)[:500]}{where}\n")
        return 1
    finally:
        sys.stdout.flush()
    return 0


def _frames(trace: Any) -> list[Any]:
    out = []
    while trace is not None:
        out.append(trace)
        trace = trace.tb_next
    return out[::-1]


if __name__ == "__main__":
    os._exit(main())
