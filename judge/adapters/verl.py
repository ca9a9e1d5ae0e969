"""verl: `compute_score` for `reward.custom_reward_function`, one response a call.

What its own code does (verl 0.9.1, `experimental/reward_loop`, `trainer/ppo/reward.py`):

- `path: pkg://judge.adapters.verl` is imported by name, and `name` is looked up in the module. It must be an `async def` at
  module level: a callable object would be run as a plain function, and its coroutine stored as the score.
- Nothing passes the prompt. Only `extra_info`, a dict of the data set, can bring it; verl writes into that dict, and we do not.
- Every key of the returned dict becomes a column, by the names of the first sample: so all samples have the same ones.
- NaN makes the advantages of the whole group NaN, None fails when it is packed, and an exception leaves the response out:
  asynchronous trainers drop and refill its group, the synchronous one trains on the group members that were judged. So `raise` is
  the default, and what there is instead is a declared constant.
- Group members go to reward workers drawn at random, in different processes: what needs a group cannot work here. It can at a
  server: `server` sends each response there, and `group` names the key of `extra_info` by which its broker brings them together.
  `judge.adapters.verl_manager` needs neither that key nor one for the question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from judge.adapters._shared.process_judge import ProcessJudge
from judge.adapters._shared.remote_judge import RemoteJudge
from judge.adapters._shared.sample import question_of
from judge.adapters._shared.score_group import judge_for
from judge.errors import DataError, SettingsError, did_you_mean
from judge.types import Reward, Sample

_OPTIONS = (
    "config", "server", "question", "reference", "group", "index", "group_size", "name", "on_no_verdict", "constant", "overrides",
    "use_router",
)  # fmt: skip
_FROM_VERL = ("reward_router_address", "reward_model_tokenizer")  # added to the call when verl serves a judge model itself


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    *,
    config: str | Mapping[str, Any] | None = None,
    server: str | None = None,
    question: str | None = None,
    reference: str | None = None,
    group: str | None = None,
    index: str = "judge_index",
    group_size: int | None = None,
    name: str = "judge",
    on_no_verdict: str | None = None,
    constant: float | None = None,
    overrides: Sequence[str] = (),
    use_router: bool = False,
    reward_router_address: str | None = None,
    **others: Any,
) -> dict[str, float]:
    """Reward of one response, and its metrics.

    The keyword arguments are `reward.custom_reward_function.reward_kwargs` of verl's configuration.

    Args:
        data_source: Not used: the run file says how to judge.
        ground_truth: The reference answer; a mapping is taken at `answer`, `ground_truth`, `value` or `target`.
        extra_info: Of the data set. `context`, `principle` and `rubric` in it reach the judge, too.
        config: Run file (an absolute path: workers have folders of their own) or the settings themselves.
        server: URL of `judge serve`, instead of `config`. Neither: JUDGE_CONFIG or JUDGE_SERVER of the environment.
        question: Key of `extra_info` that holds the question (text or messages); None: `question`, `prompt`, `problem`...
        reference: Key of `extra_info` to use instead of `ground_truth`.
        group: Key of `extra_info` that names the response's group: the same text for all its members, another one at each step.
            With a server only; each call then waits until all group members have come, and they are judged as one group.
        index: Key of `extra_info` with the response's number in its group, from 0.
        group_size: Members of a group; None: as the server is set (`server.group.size`).
        name: Prefix of the metrics.
        on_no_verdict: `raise` (the default: the response is left out) or `constant`; None: what the run file says.
        use_router: Ask the judge that verl serves (`reward.reward_model.enable`) instead of the run file's `base_url`.

    Returns:
        `score` and the metrics (`metric_names`; with a server those of `RemoteJudge.metrics`): always the same names, finite
        numbers only.

    Raises:
        NoVerdictError: There is no reward, and the policy is `raise`; or the group did not come together.
        SettingsError, DataError: The configuration or the row cannot work; the first call says so.
    """
    _check_names(others)
    overrides = [*overrides, *router(reward_router_address, name)] if use_router else list(overrides)
    options = {"name": name, "on_no_verdict": on_no_verdict, "constant": constant, "overrides": overrides}
    judge = judge_for("verl", config, server, **options)
    row = extra_info or {}
    asked = question_of(row, question, needed=judge.needs_question, where=name, holder="extra_info")
    known = ground_truth if reference is None else row.get(reference)
    sample = judge.sample(asked, solution_str, known, row)
    score, reward = await judged(judge, sample, None if group is None else _place(judge, row, (group, index), group_size))
    return {"score": score, **judge.metrics(score, reward)}


Place = tuple[str, int, int | None]
"""A group's name at the broker, the response's number there, and the group's size."""


async def judged(judge: ProcessJudge | RemoteJudge, sample: Sample, place: Place | None = None) -> tuple[float, Reward]:
    """One response, judged alone or as a member of its group. Raises NoVerdictError, SettingsError."""
    if place is None:
        return await judge.score(sample)
    if isinstance(judge, RemoteJudge):
        return await judge.member(*place, sample)
    raise SettingsError(f"{judge.name}: `group` needs `server`: group members are in other processes, and meet there")


def router(address: str | None, name: str) -> list[str]:
    """Overrides by which the judge is the model that verl serves. Raises SettingsError where it serves none."""
    if address is None:
        raise SettingsError(f"{name}: `use_router` needs `reward.reward_model.enable: true`, and verl passes no router")
    return ["engine.kind=openai", f"engine.base_url=http://{address}/v1"]


def _place(judge: ProcessJudge | RemoteJudge, row: Mapping[str, Any], keys: tuple[str, str], size: int | None) -> Place:
    name, place = (row.get(key) for key in keys)
    if name is None or isinstance(place, bool) or not isinstance(place, Integral):
        raise DataError(
            f"{judge.name}: extra_info[{keys[0]!r}] names the response's group and extra_info[{keys[1]!r}] is its number there;"
            f" they are {name!r} and {place!r}"
        )
    return str(name), int(place), size


def _check_names(others: Mapping[str, Any]) -> None:
    """A mistyped option would be ignored in silence; what future versions of verl may pass is not ours to refuse."""
    for given in others:
        near = "" if given in _FROM_VERL else did_you_mean(given, _OPTIONS)
        if near:
            raise SettingsError(f"reward_kwargs: no option `{given}`{near}")
