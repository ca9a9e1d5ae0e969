"""What vLLM's engine process runs first, in place of the user's script (see `vllm.py`).

- Python's `spawn` runs the main script again in every new process. A script without `if __name__ == "__main__"`
  would load a second engine there; this module is what it runs instead.
- Ctrl-C in a terminal goes to the whole process group. The engine must outlive it, or the run could not finish what is
  in flight; so it leaves the group.
- A parent that is killed cannot close its engine, which would keep its memory for ever; so the engine watches for that.
- vLLM warns before its own logging is set up, whatever level was asked for.
"""

import logging
import os
import threading
import time
import warnings

WATCH_S = 2.0


def stop_with(parent: int) -> None:
    """End this process once its parent is gone; runs for ever in a thread of its own."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)


if __name__ == "__mp_main__":  # only ever as the main module of a spawned process
    threading.Thread(target=stop_with, args=(os.getppid(),), name="judge-watch-parent", daemon=True).start()
    os.setpgid(0, 0)
    logging.getLogger("vllm").addHandler(logging.NullHandler())
    warnings.simplefilter("ignore", FutureWarning)
