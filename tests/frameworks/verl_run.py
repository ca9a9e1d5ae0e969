"""verl 0.9.1 itself, from a response to its advantage, on the ray and transfer_queue of `verl_cluster`.

Its parts are real: configuration, loader, reward managers, reward loop, v1 rollout worker, replay buffer, advantages. The policy
is an agent loop that says what its row holds.
"""

from __future__ import annotations

import asyncio
import copy
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.frameworks import verl_cluster

verl_cluster.install()

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it names the engines that are not here
    import torch
    import transfer_queue as tq  # of `verl_cluster`
    import verl
    from hydra import compose, initialize_config_dir
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf
    from tensordict import NonTensorData, NonTensorStack, TensorDict
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, PreTrainedTokenizerFast
    from verl import DataProto
    from verl.experimental.agent_loop import agent_loop
    from verl.experimental.reward_loop import RewardLoopManager
    from verl.experimental.reward_loop.reward_manager import NaiveRewardManager
    from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage
    from verl.trainer.ppo.reward import load_reward_manager
    from verl.trainer.ppo.v1 import AgentLoopWorkerTQ, PPOTrainerSync
    from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer


def policy_folder(folder):
    """A folder as a policy's: its configuration, and a tokenizer that has a token for each byte. Returns its path."""
    words = ["<pad>", "<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    made = Tokenizer(models.BPE({w: i for i, w in enumerate(words)}, []))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>").save_pretrained(folder)
    LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=len(words),
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
    ).save_pretrained(folder)
    return str(folder)


def settings_of(model, *overrides, **reward_kwargs):
    """verl's own configuration, with the lines that `examples/verl/launch.sh` adds."""
    spec = "reward.custom_reward_function"
    lines = [f"{spec}.path=pkg://judge.adapters.verl", f"{spec}.name=compute_score"]
    return _composed(model, [*lines, *overrides], f"{spec}.reward_kwargs", reward_kwargs)


def managed(model, *overrides, **reward_kwargs):
    """The same with our reward manager, by the lines that `judge preflight --framework verl-manager` prints."""
    spec = "reward.reward_manager"
    lines = [
        f"{spec}.source=importlib",
        f"{spec}.name=JudgeRewardManager",
        f"{spec}.module.path=pkg://judge.adapters.verl_manager",
    ]
    return _composed(model, [*lines, *overrides], "reward.reward_kwargs", reward_kwargs)


def _composed(model, overrides, place, options):
    """The strings among the options go through Hydra's own parser, as on the command line."""
    lines = [f"+{place}.{k}={v}" for k, v in options.items() if isinstance(v, str)]
    made = copy.deepcopy(_base(model, *overrides))
    parsed = {
        line.key_or_group.removeprefix(f"{place}."): line.value() for line in OverridesParser.create().parse_overrides(lines)
    }
    OmegaConf.update(made, place, options | parsed, force_add=True)
    return made


@cache  # composing takes a second
def _base(model, *overrides):
    lines = [
        "algorithm.adv_estimator=grpo",
        f"actor_rollout_ref.model.path={model}",
        "actor_rollout_ref.rollout.name=vllm",
        "reward.num_workers=2",
    ]
    with initialize_config_dir(str(Path(verl.__file__).parent / "trainer/config"), version_base=None):
        return compose("ppo_trainer", overrides=[*lines, *overrides])


def tokenizer(config):
    return PreTrainedTokenizerFast.from_pretrained(config.actor_rollout_ref.model.path)


def batch(config, texts, **columns):
    """What verl gives its reward workers: one padded response a row, and the columns of the data set."""
    words = tokenizer(config)
    ids = [[*words(text).input_ids, words.eos_token_id] for text in texts]
    width = max(map(len, ids))
    rows = {
        "prompts": torch.ones(len(ids), 3, dtype=torch.long),
        "responses": torch.tensor([i + [0] * (width - len(i)) for i in ids]),
        "attention_mask": torch.tensor([[1] * (3 + len(i)) + [0] * (width - len(i)) for i in ids]),
    }
    given = {
        "data_source": ["geo"] * len(ids),
        "reward_model": [{"style": "rule", "ground_truth": "Paris"} for _ in ids],
        "extra_info": [{"question": "Capital of France?", "index": 7} for _ in ids],
        **columns,
    }
    held = {name: np.array(values, dtype=object) for name, values in given.items()}
    return DataProto(batch=TensorDict(rows, batch_size=len(ids)), non_tensor_batch=held)


def scored(manager, data):
    """`run_single` of each row at once."""

    async def all_of_them():
        manager.loop = asyncio.get_running_loop()
        return await asyncio.gather(*(manager.run_single(data[i : i + 1]) for i in range(len(data))))

    return asyncio.run(all_of_them())


def loaded(config, **options):
    """A reward manager as a reward worker makes it."""

    async def make():
        return load_reward_manager(config, tokenizer(config), **options)

    return asyncio.run(make())


def advantages(scores, groups="aaaa"):
    """verl's GRPO, of one token a response."""
    given = torch.tensor(scores, dtype=torch.float32).unsqueeze(1)
    made, _ = compute_grpo_outcome_advantage(given, torch.ones_like(given), np.array(list(groups)))
    return made.squeeze(1).tolist()


# ---- a step of the v1 trainer --------------------------------------------------------------------------------------------


class Says(agent_loop.AgentLoopBase):
    """A policy that says what its row holds for it; it may name its response's place in the group."""

    async def run(self, sampling_params, **row):
        ids = self.tokenizer(row["says"][row["session_id"]]).input_ids
        member = {"judge_group": f"{row['global_steps']}.{row['uid']}", "judge_index": row["session_id"]}
        return agent_loop.AgentLoopOutput(
            prompt_ids=[1, 1, 1],
            response_ids=[*ids, self.tokenizer.eos_token_id],
            response_mask=[1] * (len(ids) + 1),
            num_turns=2,
            metrics=agent_loop.AgentLoopMetrics(),
            extra_fields=member if row["data_source"] == "named" else {},
        )


class Naming(NaiveRewardManager):
    """A reward manager of one's own, which names the place: it sees the columns that `compute_score` does not."""

    async def run_single(self, data):
        row = data[0].non_tensor_batch
        row["extra_info"] |= {"judge_group": f"{row['global_steps']}.{row['uid']}", "judge_index": row["session_id"]}
        return await super().run_single(data)


def rollout(config, *groups, source="geo", step=3, validate=False, **columns):
    """verl's v1 worker over some prompts, each with what is said to it, until each has a status.

    Args:
        validate: As the trainer's validation does it, which leaves `rollout.n` as it is.
        columns: Of the rows, instead of those here.
    """
    agent_loop._agent_loop_registry["says"] = {"_target_": f"{__name__}.Says"}
    OmegaConf.set_struct(config, False)
    sampling = config.actor_rollout_ref.rollout
    (sampling.val_kwargs if validate else sampling).n = len(groups[0])
    handles = RewardLoopManager(config).reward_loop_worker_handles
    worker = AgentLoopWorkerTQ.remote(config, None, None, handles).object
    names, partition = [f"uid{i}" for i in range(len(groups))], "val" if validate else "train"
    for name in names:
        tq.kv_put(name, partition, {"is_prompt": True, "global_steps": step, "status": "pending"})
    columns = {
        "uid": names,
        "says": list(groups),
        "data_source": [source] * len(groups),
        "reward_model": [{"style": "rule", "ground_truth": "Paris"} for _ in groups],
        "extra_info": [{"question": f"Capital of France, or which is longest, {name}?"} for name in names],
        "raw_prompt": [[{"role": "user", "content": f"Capital of France, or which is longest, {name}?"}] for name in names],
        "agent_name": ["says"] * len(groups),
        **columns,
    }
    held = {name: NonTensorStack(*map(NonTensorData, values)) for name, values in columns.items()}
    whole = {"global_steps": NonTensorData(step), **({"validate": NonTensorData(True)} if validate else {})}
    prompts = TensorDict({**held, "index": torch.arange(len(groups)), **whole}, batch_size=len(groups))

    async def until_done():
        await worker.generate_sequences(prompts)
        await asyncio.gather(*worker.background_tasks)

    asyncio.run(until_done())
    return {name: tq.kv_list()[partition][name]["status"] for name in names}


def buffer(cls, refilled, **options):
    """A replay buffer that counts what it asks for anew, and gives up instead of waiting for it."""

    def refill(count):
        refilled.append(count)
        raise InterruptedError

    mode = "sync" if cls is ReplayBuffer else "separate_async"
    return cls(mode, OmegaConf.create(), None, "drop", OmegaConf.create(), 0.01, refill, gen_batch_size=1, **options)


def trained(config, kept):
    """Advantages by row, computed by the trainer itself."""
    trainer = object.__new__(PPOTrainerSync)
    trainer.config = config
    trainer._compute_advantage(kept, {})
    made = tq.kv_batch_get(kept.keys, "train", ["advantages"])["advantages"].unbind()
    return {key: pytest.approx(values[-1].item(), abs=1e-4) for key, values in zip(kept.keys, made, strict=True)}
