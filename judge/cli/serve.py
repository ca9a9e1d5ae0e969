"""`judge serve`: the reward over HTTP."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from judge.cli.options import Config, Set
from judge.errors import InputError
from judge.pipeline.build import plan
from judge.pipeline.judge import Judge
from judge.settings import OpenAiSettings, load_settings
from judge.shipped import install_command


def serve(
    config: Config,
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on. [default: server.host, 127.0.0.1]", metavar="ADDRESS")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", help="Port to listen on; 0: any free port. [default: server.port, 8421]", metavar="PORT"),
    ] = None,
    overrides: Set = None,
) -> None:
    """Serve rewards over HTTP; print a `curl` command to try when the judge is ready.

    Logs are JSON lines on standard error. On SIGTERM or Ctrl-C, requests in progress finish (up to server.drain_s seconds) and
    new ones are answered 503 with Retry-After. A second signal stops the server at once.

    API keys are read from the environment variable JUDGE_API_KEYS or from server.api_keys_file. They are required when other
    machines can reach the address.

    \b
    Examples:
      judge serve examples/quickstart.yaml
      JUDGE_API_KEYS=$(openssl rand -hex 24) judge serve my.yaml --host 0.0.0.0 \\
          --port 8421
      judge serve my.yaml --set server.max_concurrency=64 \\
          --set server.item_timeout_s=30

    Exit codes: 0 stopped by a signal, 2 wrong input, 3 engine cannot work.
    """
    try:
        from judge.server.log import log  # noqa: PLC0415  # an optional extra
        from judge.server.serve import serve as run  # noqa: PLC0415
    except ImportError as why:
        raise InputError(f"serving needs more packages ({why.name} is missing): {install_command('serve')}") from None
    given = [f"server.{name}={value}" for name, value in (("host", host), ("port", port)) if value is not None]
    settings, base = load_settings(config, [*(overrides or ()), *given])
    settings = settings.model_copy(update={"engine_down": "raise"})  # requests are not kept waiting: 503, and not ready
    if isinstance(settings.engine, OpenAiSettings):
        settings = settings.model_copy(update={"engine": settings.engine.model_copy(update={"patience_s": 0.0})})
    with Judge(plan(settings, base), progress=lambda line: log("engine", note=line)) as judge:
        run(judge, settings.server)
        if judge.session.loading:
            # A signal came first; whoever sent it will not wait minutes, and vLLM's processes go when this one does.
            sys.stderr.flush()
            os._exit(0)
