"""SkyRL with judge.yaml as the reward, whole groups at once: `python examples/skyrl/main.py data.train_data=...` (needs a GPU).

Takes SkyRL's own settings on the command line. Rows have `prompt`, `env_class: geography` and `reward_spec: {ground_truth: ...}`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import skyrl_gym
from skyrl.train.config import SkyRLTrainConfig
from skyrl.train.entrypoints.main_base import BasePPOExp
from skyrl.train.utils.utils import resolve_policy_model_name
from skyrl_gym.envs.base_text_env import BaseTextEnv

from judge.adapters.skyrl import judged_step
from judge.adapters.skyrl_generator import JudgeGenerator

CONFIG = str(Path(__file__).with_name("judge.yaml"))


class Geography(BaseTextEnv):
    """One question, one answer; the generator judges the answers to a question together."""

    def __init__(self, env_config: Any, extras: dict[str, Any]) -> None:
        super().__init__()
        self.extras = extras

    def init(self, prompt: list[dict[str, str]]) -> tuple[list[dict[str, str]], dict[str, Any]]:
        """Keep the question, which the judge is shown."""
        self.prompt = list(prompt)
        return prompt, {}

    def step(self, action: str) -> Any:
        """The answer ends the episode."""
        return judged_step(action, self.prompt, self.extras)


class Experiment(BasePPOExp):
    """SkyRL's, with a generator that judges."""

    def get_generator(self, cfg: Any, tokenizer: Any, inference_engine_client: Any) -> JudgeGenerator:
        """Called by SkyRL."""
        gym, name = cfg.environment.skyrl_gym, resolve_policy_model_name(cfg)
        return JudgeGenerator(cfg.generator, gym, inference_engine_client, tokenizer, name, config=CONFIG)


skyrl_gym.register(id="geography", entry_point=f"{__name__}:Geography")

if __name__ == "__main__":
    Experiment(SkyRLTrainConfig.from_cli_overrides(sys.argv[1:])).run()
