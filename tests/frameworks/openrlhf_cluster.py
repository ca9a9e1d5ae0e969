"""OpenRLHF 0.11.2 itself, from its data set to its advantages, with stand-ins for Ray and for the policy.

Real are its data set, rollout actor, executors, sample generator with dynamic filtering, experience maker, batches and
evaluation. Not real: Ray (calls go to a loop on a thread, arguments and results through pickle), the policy behind vLLM (texts
on a script) and its log-probabilities (zeros).
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import pickle
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

NEUTRAL = "recipe: verifier\non_no_verdict: constant\nno_verdict_constant: 0.5\n"
RUBRIC = NEUTRAL.replace(
    "recipe: verifier",
    "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}, {id: brief, text: It is brief.}]}",
)
RIGHT, WRONG, UNREADABLE = "It is Paris.", "It is Rome.", "It is Oslo."
MIXED = [RIGHT, WRONG, RIGHT, UNREADABLE]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# ---- names that OpenRLHF's modules import, and what stands for them ------------------------------------------------------


def _get(ref: Any) -> Any:
    """`ray.get`: values have been through pickle, as between two processes."""
    if isinstance(ref, list):
        return [_get(each) for each in ref]
    return pickle.loads(pickle.dumps(ref.result(60))) if isinstance(ref, Future) else ref


def _wait(refs: Sequence[Future[Any]], **_: Any) -> tuple[list[Future[Any]], list[Future[Any]]]:
    done = wait(refs, 60, FIRST_COMPLETED).done
    first = next(ref for ref in refs if ref in done)
    return [first], [ref for ref in refs if ref is not first]


def _stand_in(name: str, **names: Any) -> None:
    sys.modules[name] = module = ModuleType(name)
    vars(module).update(names, __path__=[], __spec__=ModuleSpec(name, None))  # transformers asks for deepspeed's


_stand_in("ray", get=_get, wait=_wait, put=lambda value: value, remote=lambda actor: actor)  # too large for what is used of it
_stand_in("ray.util")
_stand_in("ray.util.placement_group", placement_group=None)
_stand_in("ray.util.scheduling_strategies", PlacementGroupSchedulingStrategy=None)
_stand_in("vllm", __version__="0.29.0", SamplingParams=SimpleNamespace, AsyncEngineArgs=dict, AsyncLLMEngine=None)
_stand_in("vllm.inputs", TokensPrompt=dict)
_stand_in("vllm.utils", random_uuid=lambda: "request")
_stand_in("deepspeed")  # `openrlhf.models.utils` imports it; `compute_reward` and `masked_mean` do not use it
_stand_in("openrlhf.trainer.ray.launcher", RayActorGroup=None)  # needs deepspeed and flash-attn; here it is an annotation
_stand_in("openrlhf.utils.deepspeed", DeepspeedStrategy=None)  # the same
os.environ["TORCHDYNAMO_DISABLE"] = "1"  # one of its functions is compiled on import: seconds, for nothing that is used here
_models = importlib.util.find_spec("openrlhf.models")
assert _models is not None
_stand_in("openrlhf.models")  # its __init__ needs deepspeed, flash-attn and peft; its `utils` is real
sys.modules["openrlhf.models"].__path__ = _models.submodule_search_locations

from openrlhf.datasets.prompts_dataset import PromptDataset  # noqa: E402
from openrlhf.trainer.ppo_utils.experience import (  # noqa: E402
    Experience,
    make_experience_batch,
    remove_padding_in_sequences,
    split_experience_batch,
)
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker  # noqa: E402
from openrlhf.trainer.ppo_utils.kl_controller import FixedKLController  # noqa: E402
from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator  # noqa: E402
from openrlhf.trainer.ray import vllm_engine  # noqa: E402

Said = str | tuple[str, float] | Exception  # what the policy says, after so many seconds; or an engine that fails


class Policy:
    """vLLM's asynchronous engine: the next text of a script, whatever is asked, and no more of it than is asked for."""

    def __init__(self, said: Sequence[Said], tokenizer: PreTrainedTokenizerFast) -> None:
        self.said, self.tokenizer = iter(said), tokenizer

    async def is_sleeping(self) -> bool:
        return False

    async def generate(self, prompt: Any, params: Any, request_id: str) -> Any:
        said = next(self.said)
        if isinstance(said, Exception):
            raise said
        text, seconds = (said, 0.0) if isinstance(said, str) else said
        await asyncio.sleep(seconds)
        tokens = self.tokenizer(text + "<|im_end|>", add_special_tokens=False)["input_ids"]
        kept = tokens[: params.max_tokens]
        reason = "stop" if kept == tokens else "length"
        yield SimpleNamespace(outputs=[SimpleNamespace(token_ids=kept, text=text, finish_reason=reason, logprobs=None)])


class Handle:
    """A Ray actor's handle: methods run side by side in the actor's one loop."""

    def __init__(self, actor: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.actor, self.loop = actor, loop

    def __getattr__(self, name: str) -> Any:
        if name == "get_num_unfinished_requests":
            return SimpleNamespace(remote=lambda: 0)
        method = getattr(self.actor, name)

        def remote(**given: Any) -> Future[Any]:
            return asyncio.run_coroutine_threadsafe(method(**pickle.loads(pickle.dumps(given))), self.loop)

        return SimpleNamespace(remote=remote)


class Actors:
    """The policy's trainers: log-probabilities of zero."""

    def async_run_method_batch(self, method_name: str, action_mask: list[torch.Tensor], **_: Any) -> list[list[torch.Tensor]]:
        assert method_name == "forward"
        return [[torch.zeros(mask.shape) for mask in action_mask]]


# ---- a tokenizer that gives texts back, and one that spaces them another way -----------------------------------------------


def tokenizer_of(kind: str = "bytes") -> PreTrainedTokenizerFast:
    """A byte is a token; or, as SentencePiece does, a letter is, and what follows a special token gets a space before it."""
    if kind == "bytes":
        made = Tokenizer(models.BPE({c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
    else:
        letters = ["<unk>", *map(chr, (10, *range(33, 127))), "▁"]
        made = Tokenizer(models.BPE({c: i for i, c in enumerate(letters)}, [], unk_token="<unk>"))
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
        made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    made.add_special_tokens(["<|im_start|>", "<|im_end|>", "<pad>"])
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", chat_template=TEMPLATE)


# ---- one step of OpenRLHF --------------------------------------------------------------------------------------------------


def strategy_of(size: int, prompts: int, estimator: str, filtering: bool, micro: int) -> SimpleNamespace:
    """What the command line of OpenRLHF would have come to."""
    space = SimpleNamespace
    return space(
        is_rank_0=lambda: False,
        args=space(
            data=space(input_key="input", label_key="label", apply_chat_template=True, image_key="images", max_len=4096),
            algo=space(
                advantage=space(estimator=estimator, gamma=1.0, lambd=1.0, no_std_norm=False, is_correction_level="off"),
                kl=space(use_loss=False, estimator="k1"),
                dynamic_filtering_enable=filtering,
                dynamic_filtering_range=(0.0, 1.0),
            ),
            rollout=space(
                batch_size=prompts, n_samples_per_prompt=size, micro_batch_size=micro, vllm_generate_batch_size=prompts
            ),
            reward=space(clip_range=(-10.0, 10.0)),
            train=space(dynamic_batch_enable=False, colocate_all=False, colocate_actor_ref=False),
            ds=space(ring_attn_size=1, tensor_parallel_size=1),
            vllm=space(enable_sleep=False),
        ),
    )


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Of the rollout actor."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(10)
    made.close()


class Step:
    """What OpenRLHF makes of the texts: `samples` when they are rewarded, `trained` when the advantages are known."""

    def __init__(self, loop: Any, monkeypatch: Any) -> None:
        self.loop, self.monkeypatch = loop, monkeypatch

    def engine(self, endpoints: list[str], said: Sequence[Said], tokenizer: Any = None, agent: str | None = None) -> Handle:
        """A rollout actor, made in its own loop as Ray makes it."""
        policy = Policy(said, tokenizer or tokenizer_of())
        engines = SimpleNamespace(from_engine_args=lambda _: policy)
        self.monkeypatch.setattr(vllm_engine.vllm, "AsyncLLMEngine", engines)
        actor = object.__new__(vllm_engine.RolloutRayActor)
        started = actor.__init__(model="m", num_gpus=1, bundle_indices=None, agent_func_path=agent, remote_rm_url=endpoints)
        asyncio.run_coroutine_threadsafe(started, self.loop).result(60)
        return Handle(actor, self.loop)

    def rollout(
        self,
        endpoints: list[str],
        said: Sequence[Said],
        *,
        agent: str | None = None,
        rows: Sequence[dict[str, Any]] = ({"input": "Capital of France?", "label": "Paris"},),
        prompts: int = 1,
        size: int = 4,
        estimator: str = "group_norm",
        filtering: bool = False,
        micro: int = 2,
        spelled: str = "bytes",
        **generate: Any,
    ) -> list[Experience]:
        tokenizer = tokenizer_of(spelled)
        self.strategy = strategy_of(size, prompts, estimator, filtering, micro)
        data = PromptDataset(rows, tokenizer, self.strategy)
        self.prompts = torch.utils.data.DataLoader(data, 1, collate_fn=data.collate_fn)
        self.actor = self.engine(endpoints, said, tokenizer, agent)
        self.generator = SamplesGenerator(self.strategy, self.prompts, self.prompts, tokenizer, [self.actor])
        self.samples, self.pass_rate, _, _ = self.generator.generate_samples(
            **{"max_len": 4096, "max_new_tokens": 64, **generate}
        )
        self.maker = RemoteExperienceMaker(Actors(), None, None, None, FixedKLController(0.0), self.strategy, tokenizer)
        return self.samples

    def advantages(self) -> list[float]:
        """Of the samples in order: each has one for all its tokens."""
        self.trained = self.maker.make_experience_batch(self.samples)
        rows = [(e.advantages[i], e.action_mask[i].bool()) for e in self.trained for i in range(len(e.sequences))]
        assert all(values[mask].nan_to_num(9).unique().numel() == 1 for values, mask in rows)
        return [round(values[mask][0].item(), 4) for values, mask in rows]

    def batch(self) -> Experience:
        """The samples as the replay buffer hands them to a training step."""
        items = [item for e in self.trained for item in remove_padding_in_sequences(split_experience_batch(e))]
        return make_experience_batch(items)


@pytest.fixture
def step(loop, run_file, monkeypatch):
    """One step; the run file is in the environment, as for a Ray job."""
    for name, value in (("RAY_ADDRESS", "none"), ("VLLM_ALLOW_INSECURE_SERIALIZATION", "1")):
        monkeypatch.setenv(name, value)  # the actor sets them for its process

    def make(text: str = NEUTRAL, **engine: Any) -> Step:
        monkeypatch.setenv("JUDGE_CONFIG", run_file(text, **engine))
        return Step(loop, monkeypatch)

    return make


@pytest.fixture
def log(caplog):
    """What is logged, by OpenRLHF's executor as well, whose loggers tell no other."""
    executor = logging.getLogger("openrlhf.utils.agent")
    executor.addHandler(caplog.handler)
    yield caplog
    executor.removeHandler(caplog.handler)


def rewards_of(samples: Sequence[Experience]) -> list[float]:
    return [s.rewards.item() for s in samples]


def response_shown(endpoint: Any) -> str:
    """What the judge was last given as the response."""
    return endpoint.asked[-1].partition("BEGIN RESPONSE")[2].partition("\n")[2].partition("\n<<<END RESPONSE")[0]
