"""AReaL 1.0.4 around a policy that says what a test wants: its executor, which runs one workflow for a row.

Its import needs what nothing here uses: empty modules stand for ray, wandb, swanlab and trackio.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import logging
import os
import sys
import types
import warnings
from types import SimpleNamespace

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


class _Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Modules of which only names in annotations, decorators and `except` clauses are used."""

    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("ray", "wandb", "swanlab", "trackio"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = self._named
        return module

    def exec_module(self, module):
        pass

    @staticmethod
    def _named(name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "actor":
            return SimpleNamespace(ActorHandle=object)
        return (lambda *a, **_: a[0] if a else lambda f: f) if name == "remote" else type(name, (Exception,), {})


sys.meta_path.insert(0, _Absent())

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # one of its modules compiles a function when imported
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch deprecates what AReaL and its packages import
    import torch  # noqa: F401
    from areal.api import AsyncRewardWrapper, ModelResponse, RolloutWorkflow  # noqa: F401
    from areal.api.cli_args import GenerationHyperparameters, InferenceEngineConfig, NormConfig, PPOActorConfig  # noqa: F401
    from areal.infra.remote_inf_engine import RemoteInfEngine
    from areal.infra.workflow_executor import WorkflowExecutor
    from areal.trainer.ppo.actor import PPOActor  # noqa: F401
    from areal.utils import stats_tracker  # noqa: F401
    from areal.utils.dynamic_import import import_from_string  # noqa: F401
    from areal.workflow.rlvr import RLVRWorkflow  # noqa: F401
    from torchdata.stateful_dataloader import StatefulDataLoader  # noqa: F401

from judge.adapters.areal_workflow import JudgeWorkflow  # noqa: E402, F401  # imports AReaL, so from here

PROMPT = "<|im_start|>user\nCapital of France?<|im_end|>\n<|im_start|>assistant\n"
ROW = {"messages": [{"role": "user", "content": "Capital of France?"}], "answer": "Paris", "query_id": "7"}
RUBRIC = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}]}\n"
TOURNAMENT = "recipe: pairwise\nrubric: helpfulness\ngroup: {schedule: round_robin}\n"
REWARD, WORKFLOW = "judge.adapters.areal.reward_fn", "judge.adapters.areal_workflow.JudgeWorkflow"
RIGHT, WRONG, UNREADABLE = "It is Paris.", "It is Rome.", "It is Oslo."


def chatml():
    """A byte is a token, so that texts come back as they were."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    out = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<|endoftext|>", eos_token="<|im_end|>")
    out.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    out.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return out


TOKENIZER = chatml()


class Policy(RemoteInfEngine):
    """Says the given answers in turn, the last one again and again; its log-probabilities and versions are made up."""

    def __init__(self, *answers, **options):
        config = InferenceEngineConfig(
            max_concurrent_rollouts=16, consumer_batch_size=2, max_head_offpolicyness=100, check_trajectory_format=True, **options
        )
        super().__init__(config, backend=None)
        self.logger = logging.getLogger("areal-test")
        self.answers = list(answers)

    async def agenerate(self, req):
        assert req.gconfig.n_samples == 1
        assert TOKENIZER.eos_token_id in req.gconfig.stop_token_ids
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        ids = TOKENIZER.encode(answer + "<|im_end|>", add_special_tokens=False)
        return ModelResponse(req.input_ids, ids, [-0.5] * len(ids), [3] * len(ids), tokenizer=TOKENIZER)


def kwargs(**options):
    return {"gconfig": GenerationHyperparameters(max_new_tokens=64), "tokenizer": TOKENIZER, **options}


class Run:
    """AReaL's executor around a policy."""

    def __init__(self, *answers):
        self.policy = Policy(*answers)
        self.executor = WorkflowExecutor(self.policy.config, self.policy)

    def __enter__(self):
        self.executor.initialize(logger=logging.getLogger("areal-test"), train_data_parallel_size=1)
        return self

    def __exit__(self, *_):
        self.executor.destroy()

    def episodes(self, workflow, workflow_kwargs=None, *, rows=(ROW,), group_size=1):
        """One after the other, so that the policy's answers are dealt out in order."""
        found = self.policy._resolve_workflow(workflow, workflow_kwargs, group_size)
        ids = []
        out = []
        for row in rows:
            ids.append(self.executor.submit(row, found))
            out.append(self.executor.wait_for_task(ids[-1], timeout=30))
        return out


def episode(*answers, row=ROW, **options):
    with Run(*answers) as run:
        return run.episodes(WORKFLOW, kwargs(**options), rows=(row,))[0]
