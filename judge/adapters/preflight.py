"""Will these run settings work as a reward in that framework? Told from the numbers and the files, before a GPU is paid for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from judge.adapters._shared.failure_policy import Framework, check_batch, framework, needs_group, policy_of
from judge.adapters._shared.metrics import components_of, metric_names
from judge.adapters._shared.sample import QUESTION_KEYS, shows_question
from judge.adapters.areal import LIMIT_S
from judge.errors import SettingsError
from judge.pipeline.build import Plan
from judge.reference import REFERENCE_COLUMNS
from judge.settings import OpenAiSettings, TransformersSettings, VllmSettings
from judge.shape import needs

BATCHED = ("trl", "unsloth", "axolotl", "axolotl-async", "ms-swift")  # a call holds a process's share of the batch
ONE_AT_A_TIME = ("verl", "verl-manager", "openrlhf", "verifiers", "slime", "skyrl", "areal")
# Rewards run in worker processes beside the trainer:
WORKERS = ("verl", "verl-manager", "openrlhf", "openrlhf-agent", "areal", "areal-workflow")
STALL_S = 300.0  # AsyncGRPO gives its worker up after this long without a sign of life
TIMEOUT_S = 1800.0  # torch.distributed's default: one slow process stalls all others at the gather
_DOWN = {"raise": "the training stops", "exclude": "no rewards"}
_TAKEN = ("prompts", "completions", "trainer_state", "log_extra", "log_metric", "environments")


@dataclass(frozen=True)
class Layout:
    """The trainer's numbers, where given.

    Attributes:
        per_device_batch: Completions a process and step.
        steps_per_generation: Steps that one generation feeds.
    """

    num_generations: int | None = None
    processes: int = 1
    per_device_batch: int | None = None
    steps_per_generation: int = 1


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `problem`: the run would fail, or train on something else than was meant."""

    about: str
    says: str
    problem: bool = False


@dataclass(frozen=True)
class _Case:
    known: Framework
    plan: Plan
    layout: Layout
    row: Mapping[str, Any] | None
    question: str | None

    @property
    def name(self) -> str:
        return self.known.name

    @property
    def cause(self) -> str:
        """What needs whole groups, with the policy in force; empty when nothing does."""
        try:
            policy = policy_of(self.name, self.plan.settings)[0]
        except SettingsError:
            policy = "exclude"
        return needs_group(self.plan.settings, policy)


def examine(
    name: str, plan: Plan, layout: Layout, *, row: Mapping[str, Any] | None = None, question: str | None = None
) -> list[Finding]:
    """Everything that can be told without a trainer and without a judge.

    Args:
        name: Of the framework.
        row: One row of the training data, as a mapping of columns; None: not given.
        question: Where the question is in it (verl: a key of `extra_info`); None: the known names.

    Raises:
        SettingsError: No such framework.

    Example:
        >>> from judge.pipeline.build import plan
        >>> from judge.settings import RunSettings
        >>> made = plan(RunSettings(rubric="helpfulness", on_no_verdict="group_mean"))
        >>> [f.says for f in examine("trl", made, Layout(4, 4, 2)) if f.about == "groups"]
        ['split: 2 completions a process, 4 a group; JudgeReward forms groups over processes (AsyncJudgeReward cannot)']
    """
    case = _Case(framework(name), plan, layout, row, question)
    found = [Finding(about, *_pair(look(case))) for about, look in _LOOKS]
    return [f for f in found if f.says]


CheckAnswer = str | tuple[str, bool]


def _pair(said: CheckAnswer) -> tuple[str, bool]:
    return (said, False) if isinstance(said, str) else said


def _groups(case: _Case) -> CheckAnswer:
    name, size = case.name, case.layout.num_generations
    if name in ONE_AT_A_TIME:
        return "one response a call; the rest of the group is never seen"
    if name not in BATCHED:
        return "one whole group a call"
    if size is None:
        return ("`--num-generations` is not given, and " + case.cause + " needs it", True) if case.cause else "no numbers given"
    if case.cause and size < 2:
        return f"{case.cause} needs whole groups, and `--num-generations` is {size}", True
    return _batches(case, size)


def _batches(case: _Case, size: int) -> CheckAnswer:
    """What the numbers make of the groups where a call holds a process's share of the batch."""
    layout = case.layout
    if layout.per_device_batch is None:
        return f"groups of {size}; give --per-device-batch to see whether they split"
    local = layout.per_device_batch * layout.steps_per_generation
    if local * layout.processes % size:
        return f"{local} x {layout.processes} completions are not a multiple of {size}, which trainers refuse", True
    if local % size == 0:
        count = local // size
        return f"whole: a process holds {local} completions, which is {count} group{'s' if count > 1 else ''} of {size}"
    how = {
        "ms-swift": "JudgeORM forms groups over processes (AsyncJudgeORM cannot)",
        "axolotl": "they are formed over processes",
        "axolotl-async": "they are formed over processes (with `reward_num_workers`, what is split is 0, unjudged)",
    }
    then = how.get(case.name, "JudgeReward forms groups over processes (AsyncJudgeReward cannot)")
    if not case.cause:
        then = "nothing here depends on the group, so each response is judged where it is"
    return f"split: {local} completions a process, {size} a group; {then}"


def _comparison(case: _Case) -> CheckAnswer:
    if not case.cause:
        return "rewards do not depend on the group"
    if not case.known.sees_groups:
        there = f"; they meet {case.known.meets}" if case.known.meets else ""
        return f"{case.cause} needs whole groups, and {case.name} shows one at a time{there}", True
    try:
        check_batch(case.name, case.plan.settings, "reward.shape")
    except SettingsError as why:
        return str(why), True
    return f"{case.cause} needs whole groups, and whole groups are judged at once"


def _question(case: _Case) -> CheckAnswer:
    if not shows_question(case.plan):
        return "the recipe does not show it to the judge"
    if case.name == "verl":
        key = case.question or " / ".join(QUESTION_KEYS)
        if case.row is None:
            return f"only as extra_info[{key}], which the data set must hold (give --data to check)"
        extra = case.row.get("extra_info")
        held = extra if isinstance(extra, Mapping) else {}
        wanted = (case.question,) if case.question else QUESTION_KEYS
        here = next((k for k in wanted if held.get(k) is not None), None)
        return f"extra_info[{here}]" if here else (f"extra_info has {', '.join(held) or 'nothing'}, and not {key}", True)
    return {
        "verl-manager": "`raw_prompt`, which verl passes",
        **dict.fromkeys(
            ("openrlhf", "openrlhf-agent"),
            "the prompt's text; chat markup is taken off (or `question` in a label that is a JSON object)",
        ),
        "ms-swift": "`messages` without the last, which is the response",
        "verifiers": "the task's `prompt`",
        "verifiers-v0": "`prompts`, passed by name",
        "slime": "`metadata` (a known name), else the sample's prompt; chat markup is taken off",
        "slime-group": "`metadata` (a known name), else the samples' prompt; chat markup is taken off",
        "art": "what stands before the first assistant message",
        "skyrl": "`prompt`, which you pass",
        "skyrl-generator": "`prompt`, which you pass",
        "areal": "a column of a known name, else the prompt's text; chat markup is taken off",
        "areal-workflow": "`messages`, or `question` instead of them",
        "tinker": "`prompt`, which you pass",
    }.get(case.name, "`prompts`: text or messages, as in the data set")


def _reference(case: _Case) -> CheckAnswer:
    if "reference" not in case.plan.recipe.spec.needs.sample:
        return ""
    where = {
        "verl": "`reward_model.ground_truth`",
        "verl-manager": "`reward_model.ground_truth`",
        "openrlhf": "the label",
        "openrlhf-agent": "the label",
        "verifiers": "a field of the task",
        "slime": "the label",
        "slime-group": "the label",
        "art": "metadata of a known name",
        "skyrl": "`reward_spec.ground_truth`",
        "skyrl-generator": "`reward_spec.ground_truth`",
        "tinker": "`row`, which you pass",
    }.get(case.name)
    if where is not None:
        return f"the recipe needs one: {where}"
    names = ", ".join(REFERENCE_COLUMNS)
    if case.row is None:
        return f"the recipe needs one: the first column of {names}, or `reference=` (give --data to check)"
    here = next((c for c in REFERENCE_COLUMNS if case.row.get(c) is not None), None)
    return (
        f"column `{here}`" if here else (f"the recipe needs one, and the data have none of {names}: name it, `reference=`", True)
    )


def _columns(case: _Case) -> CheckAnswer:
    if case.row is None or case.name not in (*BATCHED, "trl-async", "verifiers-v0"):
        return ""
    taken = [c for c in _TAKEN if c in case.row]
    if taken:
        return f"`{taken[0]}` is a name that the trainer passes itself: rename the column", True
    return ""


def _missing(case: _Case) -> CheckAnswer:
    can = f"supported: {', '.join(case.known.policies)}"
    try:
        policy, constant = policy_of(case.name, case.plan.settings)
    except SettingsError as cause:
        return f"{cause}", True
    here = f"{policy} {constant:g}" if constant is not None else policy
    return f"{here} (in {case.name}, None is {case.known.none_is}; {can})"


def _engine(case: _Case) -> CheckAnswer:
    engine = case.plan.settings.engine
    if isinstance(engine, VllmSettings | TransformersSettings):
        if case.name in WORKERS:
            return f"`{engine.kind}` loads the model in every reward worker: serve it once, and use `kind: openai`", True
        if case.name == "trl-async":
            return f"`{engine.kind}` runs in a child process that sees no GPU: serve it, and use `kind: openai`", True
        many = case.layout.processes
        return f"`{engine.kind}` in the trainer's process" + (f": {many} copies of the judge, one a process" if many > 1 else "")
    if engine.kind == "none":
        return "none: the recipe is a program, and no model is asked"
    if not isinstance(engine, OpenAiSettings):
        return f"`{engine.kind}` gives the replies that the run settings hold: no model judges", True
    return _times(case, engine)


def _times(case: _Case, engine: OpenAiSettings) -> CheckAnswer:
    """Whether a slow endpoint, or one that is down, stalls the trainer for longer than it puts up with."""
    limit, why = (STALL_S, "AsyncGRPO gives up") if case.name == "trl-async" else (TIMEOUT_S, "torch.distributed gives up")
    down = case.plan.settings.engine_down
    waited = math.inf if down == "wait" else engine.patience_s
    if engine.deadline_s >= limit:
        return f"a call may take {engine.deadline_s:g} s, and {why} after {limit:g} s: lower `engine.deadline_s`", True
    if waited >= limit:
        return f"an engine that is down is waited for {waited:g} s, and {why} after {limit:g} s: lower `engine.patience_s`", True
    most = min(engine.deadline_s, LIMIT_S) if case.name == "areal" else engine.deadline_s
    calls = f"{engine.concurrency} requests at once from each process, {most:g} s a call at most"
    return f"`openai`: {calls}; after {waited:g} s of an engine that is down {_DOWN[down]}"


def _lengths(case: _Case) -> CheckAnswer:
    if "lengths" not in needs(case.plan.settings.reward.shape):
        return ""
    if case.name in (*BATCHED, "trl-async", "areal-workflow", "openrlhf-agent", "verl-manager", "skyrl-generator"):
        return "`reward.shape` needs them: from the trainer's token ids"
    if isinstance(case.plan.settings.engine, OpenAiSettings):
        return f"`reward.shape` needs them; {case.name} passes none, and an endpoint has no tokenizer to count with", True
    return "`reward.shape` needs them: counted by the judge's tokenizer, since no token ids are passed"


def _monitor(case: _Case) -> CheckAnswer:
    if case.plan.settings.monitor is None:
        return ""
    if case.name not in (*BATCHED, "trl-async"):
        return f"`monitor` watches batches, and {case.name} shows none: it would see nothing", True
    return "watches every batch of a process"


def _metrics(case: _Case) -> CheckAnswer:
    names = list(metric_names(components_of(case.plan), "judge"))
    if case.name in (*BATCHED, "trl-async"):
        names = ["rewards/judge/mean", "rewards/judge/std", *names, "judge/group_std", "judge/seconds"]
        if case.name in ("trl-async", "ms-swift"):
            return f"{names[0]}, {names[1]} (no others: this trainer takes none from a reward function)"
    if case.name in ("verl", "verl-manager"):
        names = ["score", *names]
    if case.name == "verifiers-v0":
        names = ["judge"]
    if case.name == "skyrl-generator":
        names = [f"environment/{n}_mean" for n in names]
    if case.name in ("slime", "slime-group", "areal"):
        return "none: it takes a number and nothing else"
    return ", ".join(names)


_LOOKS: tuple[tuple[str, Callable[[_Case], CheckAnswer]], ...] = (
    ("groups", _groups),
    ("comparison", _comparison),
    ("question", _question),
    ("reference", _reference),
    ("columns", _columns),
    ("no reward", _missing),
    ("engine", _engine),
    ("lengths", _lengths),
    ("monitor", _monitor),
    ("metrics", _metrics),
)


# ---- what to write where ---------------------------------------------------------------------------------------------

_TRL = """\
from judge.adapters.trl import JudgeReward
reward = JudgeReward({config!r}{size}{framework})
trainer = {trainer}(model=..., reward_funcs=reward, args=..., train_dataset=...)"""

_AXOLOTL = """\
JUDGE_CONFIG={config}{size_variable} axolotl train run.yaml
# run.yaml
rl: grpo
trl:
  reward_funcs: [judge.adapters.axolotl.reward]"""

_LINES = {
    "trl": _TRL,
    "trl-async": _TRL,
    "unsloth": _TRL,
    "axolotl": _AXOLOTL,
    "axolotl-async": _AXOLOTL,
    "ms-swift": """\
# plugin.py
from judge.adapters.swift import register
register("judge")
# shell
JUDGE_CONFIG={config} swift rlhf --rlhf_type grpo --external_plugins plugin.py --reward_funcs judge ...""",
    "verl": """\
python -m verl.trainer.main_ppo \\
  reward.custom_reward_function.path=pkg://judge.adapters.verl \\
  reward.custom_reward_function.name=compute_score \\
  +reward.custom_reward_function.reward_kwargs.config={config} ...""",
    "verl-manager": """\
python -m verl.trainer.main_ppo \\
  reward.reward_manager.source=importlib reward.reward_manager.name=JudgeRewardManager \\
  reward.reward_manager.module.path=pkg://judge.adapters.verl_manager \\
  +reward.reward_kwargs.config={config} ...
# groups: +reward.reward_kwargs.server=http://host:8421 instead, of `judge serve {config}`""",
    "openrlhf": """\
export JUDGE_CONFIG={config}     # for the whole Ray job: runtime_env.env_vars
REWARD=$(python -c "import judge.adapters.openrlhf as m; print(m.__file__)")
python -m openrlhf.cli.train_ppo_ray --reward.remote_url "$REWARD" ...""",
    "openrlhf-agent": """\
export JUDGE_CONFIG={config}     # for the whole Ray job: runtime_env.env_vars
AGENT=$(python -c "import judge.adapters as m; print(m.__path__[0])")/openrlhf_agent.py
python -m openrlhf.cli.train_ppo_ray --train.agent_func_path "$AGENT" ...""",
    "verifiers": """\
export JUDGE_CONFIG={config}
--env.taskset.task.rewards.judge.fn judge.adapters.verifiers:reward""",
    "verifiers-v0": """\
from judge.adapters.verifiers import judge_rubric
env = vf.SingleTurnEnv(dataset=..., rubric=judge_rubric({config!r}))""",
    "slime": """\
export JUDGE_CONFIG={config}     # for the whole Ray job; or JUDGE_SERVER=http://host:8421
python train.py --custom-rm-path judge.adapters.slime.custom_rm ...""",
    "slime-group": """\
export JUDGE_CONFIG={config}     # for the whole Ray job; or JUDGE_SERVER=http://host:8421
python train.py --group-rm --custom-rm-path judge.adapters.slime.custom_group_rm ...""",
    "art": """\
from judge.adapters.art import judge_group
groups = await art.gather_trajectory_groups(..., after_each=judge_group({config!r}))""",
    "skyrl": """\
# methods of your environment, a BaseTextEnv; `from judge.adapters.skyrl import judged_step`
def step(self, action):
    self.done = judged_step(action, self.prompt, self.extras, config={config!r})
    return self.done
def get_metrics(self):
    return self.done["metadata"]""",
    "skyrl-generator": """\
# your environment, a BaseTextEnv, ends with `return judged_step(action, self.prompt, self.extras)`
# a method of your BasePPOExp; `from judge.adapters.skyrl_generator import JudgeGenerator`
def get_generator(self, cfg, tokenizer, inference_engine_client):
    gym, name = cfg.environment.skyrl_gym, resolve_policy_model_name(cfg)
    return JudgeGenerator(cfg.generator, gym, inference_engine_client, tokenizer, name, config={config!r})""",
    "areal": """\
export JUDGE_CONFIG={config}     # in every worker; or JUDGE_SERVER=http://host:8421
# in your workflow's settings
reward_fn="judge.adapters.areal.reward_fn\"""",
    "areal-workflow": """\
# in your training script; gconfig.n_samples is 1
workflow = "judge.adapters.areal_workflow.JudgeWorkflow"
workflow_kwargs = dict(gconfig=config.gconfig, tokenizer=config.tokenizer_path, group_size={group}, config={config!r})""",
    "tinker": """\
# a method of your EnvGroupBuilder; `from judge.adapters.tinker import group_rewards, replies`
async def compute_group_rewards(self, trajectory_group, env_group):
    texts = replies(trajectory_group, self.renderer)
    return await group_rewards(texts, self.prompt, {{"answer": self.answer}}, config={config!r})""",
}
_TRAINERS = {"trl-async": "AsyncGRPOTrainer"}


def launch_lines(framework: str, config: str, num_generations: int | None, grouped: bool) -> list[str]:
    """The lines for one framework.

    Args:
        config: Path of the run file.
        num_generations: Completions a prompt, where known.
        grouped: Whether rewards depend on them, so that the number has to be given.

    Example:
        >>> launch_lines("verifiers", "/runs/judge.yaml", 8, False)[0]
        'export JUDGE_CONFIG=/runs/judge.yaml'
    """
    size = num_generations if grouped else None
    text = _LINES[framework].format(
        config=config,
        size=f", num_generations={size}" if size else "",
        size_variable=f" JUDGE_NUM_GENERATIONS={size}" if size else "",
        framework="" if framework == "trl" else f", framework={framework!r}",
        group=num_generations or 1,
        trainer=_TRAINERS.get(framework, "GRPOTrainer"),
    )
    return text.splitlines()
