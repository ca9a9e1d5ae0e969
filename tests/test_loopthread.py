"""The loop that a judge, a client and an adapter keep their connections on."""

import asyncio
import concurrent.futures
import os
import subprocess
import sys
import threading

import pytest

from judge.loopthread import LoopThread


async def lives(made):
    """What lives there."""
    return made


def test_one_for_all_callers_and_anew_after_close():
    """Threads, plain code and other loops share one set of connections; what was closed may be used again."""
    home = LoopThread("t", object)
    assert home.lives is None
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: home.run(lives), range(64)))
    assert found == {home.lives, asyncio.run(home.wait(lives))}
    home.close()
    home.close()
    assert home.lives is None
    assert home.run(lives) not in found
    home.close()


def test_what_is_in_progress_is_cancelled():
    """Whoever waits is told; nobody hangs. `first` still sees the work, `last` comes when it has ended."""
    home, asked, seen = LoopThread("t", list), threading.Event(), []

    async def hang(_):
        asked.set()
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cancelled")

    async def say(word):
        seen.append(word)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(home.run, hang)
        asked.wait(5)
        home.close(first=lambda _: say("first"), last=lambda _: say("last"))
        with pytest.raises(concurrent.futures.CancelledError):
            waiting.result(5)
    assert seen == ["first", "cancelled", "last"]


def test_an_error_at_the_end_is_told():
    """The thread is gone all the same."""
    home = LoopThread("unlucky", object)
    home.run(lives)

    async def fails(_):
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        home.close(first=fails)
    assert home.lives is None
    assert "unlucky" not in {thread.name for thread in threading.enumerate()}


CHILD = """
import os
from judge.loopthread import LoopThread
async def lives(made): return made
home = LoopThread("t", object)
here = home.run(lives)
home._lock.acquire()  # as a thread that is gone in the child
child = os.fork()
if child == 0:
    fresh = home.lives is None and home.run(lives) is not here
    home.close()
    os._exit(0 if fresh else 1)
home._lock.release()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert home.run(lives) is here
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_starts_anew():
    """Trainers fork in the middle of work."""
    ran = subprocess.run([sys.executable, "-W", "error", "-c", CHILD], capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
