"""What to write where, for each framework: lines to paste, with the run file put in."""

from __future__ import annotations

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


def launch_lines(framework: str, config: str, num_generations: int | None, siblings: bool) -> list[str]:
    """The lines for one framework.

    Args:
        config: Path of the run file.
        num_generations: Completions a prompt, where known.
        siblings: Whether rewards depend on them, so that the number has to be given.

    Example:
        >>> launch_lines("verifiers", "/runs/judge.yaml", 8, False)[0]
        'export JUDGE_CONFIG=/runs/judge.yaml'
    """
    size = num_generations if siblings else None
    text = _LINES[framework].format(
        config=config,
        size=f", num_generations={size}" if size else "",
        size_variable=f" JUDGE_NUM_GENERATIONS={size}" if size else "",
        framework="" if framework == "trl" else f", framework={framework!r}",
        group=num_generations or 1,
        trainer=_TRAINERS.get(framework, "GRPOTrainer"),
    )
    return text.splitlines()
