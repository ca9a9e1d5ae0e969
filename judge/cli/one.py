"""`judge one`: judge a single answer and show everything, here or by asking a running server."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.batch.read import ALL, BadRow, to_sample
from judge.cli.options import MaybeConfig, OlderConfig, Set, named_config, notice, say
from judge.errors import DataError, InputError, SettingsError
from judge.jsonfile import parse_json
from judge.pipeline.build import needed_columns, plan
from judge.pipeline.judge import Judge
from judge.reference import is_missing
from judge.render.views import lacking_field
from judge.report.text import json_text
from judge.rubric.load import SUFFIXES, load_rubric
from judge.rubric.model import Criterion, Rubric
from judge.settings import load_settings
from judge.types import Call, NoVerdict, Reward, Sample, Verdict
from judge.yamlfile import read_yaml

_KEY_ENV = "JUDGE_API_KEY"
_SERVER_S = 180.0  # for a server's whole answer; it gives a sample 120 s
_SERVER_RETRIES = 3
_FIRST_TOLD_S, _TOLD_EVERY_S = 2.0, 10.0


def one(
    given: MaybeConfig = None,
    prompt: Annotated[str | None, typer.Option("--prompt", help="The prompt.", metavar="TEXT")] = None,
    response: Annotated[
        list[str] | None, typer.Option("--response", help="The response; twice for a pair, N times for a list.", metavar="TEXT")
    ] = None,
    reference: Annotated[str | None, typer.Option("--reference", help="A known good answer.", metavar="TEXT")] = None,
    principle: Annotated[
        str | None, typer.Option("--principle", help="Free-text principle (recipe `principle`).", metavar="TEXT")
    ] = None,
    as_option: OlderConfig = None,
    rubric: Annotated[
        str | None, typer.Option("--rubric", help="Shipped rubric or YAML file. [default: helpfulness]", metavar="NAME")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="Shipped recipe or folder. [default: checklist]", metavar="NAME")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Judge model. [default: smollm2-135m]", metavar="NAME")] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Ask this OpenAI-compatible endpoint instead of a model here.", metavar="URL")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", help="Ask this running `judge serve`, which has its own model and settings.", metavar="URL"),
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option("--api-key-env", help="Variable with the server's key. [default: JUDGE_API_KEY, if set]", metavar="NAME"),
    ] = None,
    overrides: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one record a response. [default: off]")] = False,
) -> None:
    """Judge one response; print the reasoning, the verdict on each criterion, and how the reward was computed.

    Without --prompt and --response, one JSON object with those fields is read from standard input.

    \b
    Examples:
      judge one --rubric helpfulness --prompt "What is the capital of France?" \\
          --response "Paris."
      judge one judge.yaml --prompt "2+2?" --response "It is 4."
      judge one --recipe verifier --prompt "2+2?" --response "It is 4." \\
          --reference 4
      judge one --recipe pairwise --prompt "Say hi" --response "Hi!" \\
          --response "No." --url http://127.0.0.1:8000/v1 --model NAME
      judge one --server http://127.0.0.1:8421 --prompt "2+2?" \\
          --response "It is 4."
      echo '{"prompt": "2+2?", "response": "4"}' | judge one

    Exit codes: 0 judged, 2 wrong input, 3 engine or server cannot work, 5 no reward under `on_no_verdict: raise`, 6 the server's
    monitor has ended its run.
    """
    config = named_config(given, as_option)
    if server is not None or api_key_env is not None:
        own = {"CONFIG": config, "--recipe": recipe, "--model": model, "--url": url, "--set": overrides}
        asked = _ask(server, api_key_env, own, rubric, _sample(prompt, response, reference, principle))
        _show(*asked, as_json=as_json)
        return
    fields, base = _base(None if config is None else Path(config))
    fields["rubric"] = rubric or fields.get("rubric", "helpfulness")
    if recipe:
        fields["recipe"] = recipe
    fields["engine"] = _engine(fields.get("engine") or {}, model, url)
    settings, _ = load_settings(fields, overrides or ())
    sample = _sample(prompt, response, reference, principle)
    planned = plan(settings, base)
    for field in needed_columns(planned):
        if field.startswith("fields."):
            if is_missing(sample.metadata.get(name := field.removeprefix("fields."))):
                raise DataError(f"{lacking_field(planned.recipe.spec.name, name)}; here: a JSON object on standard input")
        elif not getattr(sample, field):
            raise DataError(f"recipe `{planned.recipe.spec.name}` needs a {field}: pass --{field} TEXT")
    with Judge(planned, progress=None if as_json else notice) as judge, _at_work(judge, quiet=as_json):
        rewards = judge.score([sample])
    _show(rewards, judge.plan.rubric, as_json=as_json)


@contextmanager
def _at_work(judge: Judge, *, quiet: bool) -> Iterator[None]:
    """Say on standard error after two seconds, then every ten, that the judge is at work; loading a model tells of itself."""
    done = threading.Event()

    def tell() -> None:
        began = None
        while not done.wait(_FIRST_TOLD_S if began is None else _TOLD_EVERY_S):
            if judge.session.loading:
                continue
            began = began or time.monotonic() - _FIRST_TOLD_S
            notice(f"judging ... {time.monotonic() - began:.0f} s")

    teller = threading.Thread(target=tell, daemon=True)
    if not quiet:
        teller.start()
    try:
        yield
    finally:
        done.set()
        if not quiet:
            teller.join()


def _ask(
    url: str | None, key_env: str | None, given: Mapping[str, object], rubric: str | None, sample: Sample
) -> tuple[list[Reward], Rubric | None]:
    """The rewards from a server, and the rubric sent to it, where it was a file."""
    if url is None:
        raise InputError("--api-key-env needs --server: the URL of a running `judge serve`")
    for option, value in given.items():
        if value:
            raise InputError(f"a server has its own settings: {option} does not go with --server")
    key = os.environ.get(key_env or _KEY_ENV)
    if key is None and key_env is not None:
        raise InputError(f"the environment variable {key_env} (--api-key-env) is not set")
    own = load_rubric(rubric) if rubric is not None and rubric.endswith(SUFFIXES) else None
    from judge.client import Client  # noqa: PLC0415  # only here: everything else needs no aiohttp

    with Client(url, key, deadline_s=_SERVER_S, retries=_SERVER_RETRIES) as client:
        rewards = client.score(
            [replace(sample, rubric=own or sample.rubric)], rubric=rubric if own is None else None, detail=True
        )
    return rewards, own


def _show(rewards: Sequence[Reward], rubric: Rubric | None, *, as_json: bool) -> None:
    if as_json:
        print(json_text([_plain(r) for r in rewards]))
        return
    for reward in rewards:
        _print(reward, rubric, len(rewards))


def _base(config: Path | None) -> tuple[dict[str, Any], Path | None]:
    """The fields of a settings file, checked with their lines, and the folder that paths in it start from."""
    if config is None:
        return {}, None
    load_settings(config)
    return dict(read_yaml(config, SettingsError).data), config.parent


def _engine(fields: Mapping[str, Any], model: str | None, url: str | None) -> dict[str, Any]:
    """The engine's fields with `--model` and `--url` put in."""
    given = {"model": model} if model else {}
    if not url:
        return {**fields, **given}
    kept = dict(fields) if fields.get("kind") == "openai" else {}
    if not given and "model" not in kept:
        raise InputError("--url needs --model: the name that the endpoint knows the model by")
    return {**kept, **given, "kind": "openai", "base_url": url}


def _sample(prompt: str | None, responses: list[str] | None, reference: str | None, principle: str | None) -> Sample:
    if prompt is not None and responses:
        return Sample.of(prompt, *responses, reference=reference, principle=principle, id="one")
    if prompt is not None or responses:
        raise DataError("give both --prompt and --response, or neither (then a JSON object is read from standard input)")
    if sys.stdin.isatty():
        raise DataError(
            'nothing to judge: give --prompt and --response, or pipe {"prompt": ..., "response": ...} to standard input'
        )
    row = parse_json(sys.stdin.buffer.read(), "standard input", DataError, halves=True, nan_is_null=True)
    if not isinstance(row, dict):
        raise DataError("standard input: expected one JSON object with `prompt` and `response`")
    sample = to_sample(row, {}, index=0, where="standard input", carry=ALL)
    if isinstance(sample, BadRow):
        raise DataError(sample.problem)
    return sample


def _print(reward: Reward, rubric: Rubric | None, count: int) -> None:
    if count > 1:
        say(f"=== response {reward.response_index}")
    head = ""
    for call in reward.calls:
        title = _title(call, rubric)
        if title != head:
            say(title)
            head = title
        _print_call(call)
    _print_components(reward, rubric)
    for flag in reward.flags:
        say(f"flag {flag.name}" + (f": {flag.detail}" if flag.detail else ""))
    if reward.raw_reward is not None:
        say(f"reward {reward.raw_reward:.4f}  ({reward.explanation})")
    if reward.stages and reward.reward != reward.raw_reward:
        say("after shaping " + ("nothing is left" if reward.reward is None else f"{reward.reward:.4f}"))
    if reward.failure is not None:
        say(f"no reward: {reward.failure.reason}" + (f" ({reward.failure.detail})" if reward.failure.detail else ""))
    _print_uncertainty(reward)


def _title(call: Call, rubric: Rubric | None) -> str:
    """What a call asked: a criterion with its importance and text, or the turn."""
    c = next((c for c in rubric.criteria if call.criteria == (c.id,)), None) if rubric else None
    if c is not None:
        return f"--- {c.id} ({c.kind}, {_importance(c)}{', veto' if c.veto else ''})\n    {c.text}"
    order = f", shown in the order {' '.join(map(str, call.order))}" if len(call.order) > 1 else ""
    return f"--- {', '.join(call.criteria) or call.turn}{order}"


def _importance(criterion: Criterion) -> str:
    return f"points {criterion.points:g}" if criterion.points is not None else f"weight {criterion.importance:g}"


def _print_call(call: Call) -> None:
    forced = isinstance(call.outcome, Verdict) and call.outcome.forced
    if call.proof:
        say("    asked for the words of the response that state its answer:")
    if call.request is not None and call.request.scored is not None:
        tokens = len(call.completion.logprobs)
        say(f"    scored, {tokens} token{'s' * (tokens != 1)}:")
    if not forced:
        for line in call.completion.text.strip().splitlines():
            say(f"    | {line}")
    if isinstance(call.outcome, Verdict):
        say(f"    verdict {_shown(call.outcome)}" + (" (forced: the text above states none)" if forced else ""))
        likely = sorted(call.outcome.probabilities.items(), key=lambda pair: -pair[1])[:5]
        if likely:
            say("    probabilities: " + ", ".join(f"{value} {chance:.3f}" for value, chance in likely))
    elif isinstance(call.outcome, NoVerdict):
        say(f"    no verdict: {call.outcome.reason}" + (f" ({call.outcome.detail})" if call.outcome.detail else ""))


def _shown(verdict: Verdict) -> str:
    """The value; of scored texts, what each turn came to."""
    value = verdict.value
    if isinstance(value, dict) and value and all(isinstance(v, float) for v in value.values()):
        return ", ".join(f"{name} {number:.4g}" for name, number in value.items())
    return str(value)


def _print_components(reward: Reward, rubric: Rubric | None) -> None:
    """The scores that were folded, 1 best, with what each counts."""
    criteria = {c.id: c for c in rubric.criteria} if rubric else {}
    if len(reward.components) < 2:
        return
    say("--- scores, 1 best")
    width = max(map(len, reward.components))
    for name, score in reward.components.items():
        c = criteria.get(name)
        note = f"  {_importance(c)}" + (", a fault: 1 when it is not there" if c.negative else "") if c else ""
        say(f"    {name:<{width}}  {'none' if score is None else format(score, '.2f')}{note}")


def _print_uncertainty(reward: Reward) -> None:
    u = reward.uncertainty
    figures = {
        "spread": u.spread,
        "expected": u.expected,
        "variance": u.variance,
        "entropy (nats)": u.entropy,
        "order gap": u.order_gap or None,
    }
    known = [f"{name} {value:.3f}" for name, value in figures.items() if value is not None]
    if known:
        say("uncertainty: " + ", ".join(known))


def _plain(reward: Reward) -> dict[str, Any]:
    u = reward.uncertainty
    return {
        "response_index": reward.response_index,
        "reward": reward.reward,
        "raw_reward": reward.raw_reward,
        "failure": {"reason": str(reward.failure.reason), "detail": reward.failure.detail} if reward.failure else None,
        "components": dict(reward.components),
        "uncertainty": {n: getattr(u, n) for n in ("spread", "missing", "expected", "entropy", "order_gap", "variance")},
        "flags": [{"name": f.name, "detail": f.detail} for f in reward.flags],
        "explanation": reward.explanation,
        "calls": [c.plain() for c in reward.calls],
    }
