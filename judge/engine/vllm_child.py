"""What vLLM's engine process runs first, in place of the user's script (see `vllm.py`).

- Python's `spawn` runs the main script again in every new process. A script without `if __name__ == "__main__"`
  would load a second engine there; this module is what it runs instead.
- Ctrl-C in a terminal goes to the whole process group. The engine must outlive it, or the run could not finish what is
  in flight; so it leaves the group, and stops when the parent closes it or is gone.
- vLLM warns before its own logging is set up, whatever level was asked for.
"""

import logging
import os
import warnings

if __name__ == "__mp_main__":  # only ever as the main module of a spawned process
    os.setpgid(0, 0)
    logging.getLogger("vllm").addHandler(logging.NullHandler())
    warnings.simplefilter("ignore", FutureWarning)
