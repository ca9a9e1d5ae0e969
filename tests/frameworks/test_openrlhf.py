"""`judge.adapters.openrlhf` and the server's `/get_reward` under OpenRLHF 0.11.2, from the data set to the advantages.

Real are its data set, rollout actor, executor (file and HTTP form), sample generator with dynamic filtering, experience maker,
batches and evaluation. Not real: Ray (calls go to a loop on a thread, results through pickle), the policy behind vLLM (texts
on a script) and its log-probabilities (zeros).
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import math
import os
import pickle
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from judge.adapters import openrlhf
from judge.errors import SettingsError
from judge.pipeline.facade import Judge
from judge.server.app import make_app
from judge.server.auth import Keys
from judge.settings.server import ServerSettings
from tests.fake_endpoint import Canned
from tests.server.harness import KEY, served

pytestmark = pytest.mark.filterwarnings("default")  # OpenRLHF's own

FILE = [openrlhf.__file__]
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
from openrlhf.trainer.ppo_trainer import compute_eval_metrics  # noqa: E402
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


class Policy:
    """vLLM's asynchronous engine: the next text of a script, whatever is asked."""

    def __init__(self, said: Sequence[str], tokenizer: PreTrainedTokenizerFast) -> None:
        self.said, self.tokenizer = iter(said), tokenizer

    async def is_sleeping(self) -> bool:
        return False

    async def generate(self, prompt: Any, params: Any, request_id: str) -> Any:
        text = next(self.said)
        tokens = self.tokenizer(text + "<|im_end|>", add_special_tokens=False)["input_ids"]
        yield SimpleNamespace(outputs=[SimpleNamespace(token_ids=tokens, text=text, finish_reason="stop", logprobs=None)])


class Handle:
    """A Ray actor's handle: methods run side by side in the actor's one loop."""

    def __init__(self, actor: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.actor, self.loop = actor, loop

    def __getattr__(self, name: str) -> Any:
        if name == "get_num_unfinished_requests":
            return SimpleNamespace(remote=lambda: 0)
        method = getattr(self.actor, name)
        return SimpleNamespace(remote=lambda **given: asyncio.run_coroutine_threadsafe(method(**given), self.loop))


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

    def engine(self, endpoints: list[str], said: Sequence[str], tokenizer: Any = None) -> Handle:
        """A rollout actor, made in its own loop as Ray makes it."""
        policy = Policy(said, tokenizer or tokenizer_of())
        engines = SimpleNamespace(from_engine_args=lambda _: policy)
        self.monkeypatch.setattr(vllm_engine.vllm, "AsyncLLMEngine", engines)
        actor = object.__new__(vllm_engine.RolloutRayActor)
        started = actor.__init__(model="m", num_gpus=1, bundle_indices=None, remote_rm_url=endpoints)
        asyncio.run_coroutine_threadsafe(started, self.loop).result(60)
        return Handle(actor, self.loop)

    def rollout(
        self,
        endpoints: list[str],
        said: Sequence[str],
        *,
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
        engine = self.engine(endpoints, said, tokenizer)
        generator = SamplesGenerator(self.strategy, self.prompts, None, tokenizer, [engine])
        self.samples, self.pass_rate, _, _ = generator.generate_samples(**{"max_len": 4096, "max_new_tokens": 64, **generate})
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


# ---- the file form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "wanted"),
    [
        # 1, 0, 1 and 0.5: mean 0.625, deviation sqrt((2 * 0.375^2 + 0.625^2 + 0.125^2) / 3) = 0.4787
        pytest.param("group_norm", [0.7833, -1.3056, 0.7833, -0.2611], id="group_norm"),
        pytest.param("dr_grpo", [0.375, -0.625, 0.375, -0.125], id="dr_grpo"),
        pytest.param("rloo", [0.5, -0.8333, 0.5, -0.1667], id="rloo"),  # less the mean of the other three
    ],
)
def test_a_group_with_one_failed_judgement(step, estimator, wanted):
    """The declared constant is trained on, and moves the baseline of the siblings: no other way is open there."""
    made = step()
    assert rewards_of(made.rollout(FILE, MIXED, estimator=estimator)) == [1.0, 0.0, 1.0, 0.5]
    assert [s.info["judge/no_verdict"].item() for s in made.samples] == [0, 0, 0, 1]
    assert made.advantages() == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("constant", [pytest.param("0.5", id="half"), pytest.param("0.0", id="as-a-wrong-answer")])
def test_a_failure_among_equals_reads_as_the_worst(step, constant):
    """Why failures have to be rare. Less the mean, c is at 3/4 (c - 1); the deviation is (1 - c) / 2, and c cancels out."""
    made = step(NEUTRAL.replace("0.5", constant))
    made.rollout(FILE, [RIGHT, "It is Paris!", UNREADABLE, "It is Paris, France."])
    assert made.advantages() == pytest.approx([0.5, 0.5, -1.5, 0.5], abs=1e-3)


def test_nan_instead_of_the_constant_would_reach_the_siblings(step):
    """Why the door gives a number and not NaN: one is enough for the group, and with whitening for the batch."""
    made = step()
    made.rollout(FILE, [RIGHT, UNREADABLE, WRONG, RIGHT], size=2, prompts=2, rows=[{"input": q, "label": "Paris"} for q in "ab"])
    made.samples[1].rewards = torch.tensor([math.nan])
    assert [math.isnan(a) for a in made.advantages()] == [True, True, False, False]
    made.strategy.args.algo.advantage.estimator = made.maker.advantage_estimator = "reinforce_baseline"
    assert [math.isnan(a) for a in made.advantages()] == [True] * 4


def test_figures_survive_batching(step):
    """Each sample brings the same names, so a batch splits and joins, and what is logged is a mean of finite numbers."""
    made = step(RUBRIC)
    made.rollout(FILE, [UNREADABLE, RIGHT, WRONG, "..."])
    made.advantages()
    info = made.batch().info
    figures = {
        name: torch.tensor(column, dtype=torch.float).tolist() for name, column in info.items() if name.startswith("judge/")
    }
    assert figures == {
        "judge/raw": [0.5, 1, 0, 0],
        "judge/no_verdict": [1, 0, 0, 0],
        "judge/unjudged": [2, 0, 0, 2],
        "judge/gated": [0, 0, 0, 1],
        "judge/calls": [figures["judge/calls"][0], 2, 2, 0],
        "judge/right": [0.5, 1, 0, 0],
        "judge/brief": [0.5, 1, 0, 0],
    }
    assert figures["judge/calls"][0] >= 2


def test_dynamic_filtering_goes_by_the_judge_and_not_by_the_shaping(step):
    """A prompt that all answers get right is replaced by the next; `rewards` are shaped, and would have passed the filter."""
    shaped = NEUTRAL + "reward: {shape: [{kind: clip, low: 0.25, high: 0.75}]}\n"
    made = step(shaped)
    rows = [{"input": f"{at}. Capital of France?", "label": "Paris"} for at in range(2)]
    made.rollout(FILE, [RIGHT, RIGHT, RIGHT, WRONG], rows=rows, size=2, filtering=True)
    assert [s.prompts[0].count("1. Capital") for s in made.samples] == [1, 1]
    assert [s.scores.item() for s in made.samples] == [1.0, 0.0]
    assert rewards_of(made.samples) == [0.75, 0.25]


def test_a_failure_lets_a_group_pass_the_filter(step):
    """The constant is a score there: right answers and one failure are kept, as right and wrong ones would be."""
    made = step()
    made.rollout(FILE, [RIGHT, UNREADABLE], size=2, filtering=True)
    assert [s.scores.item() for s in made.samples] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("broken", "error", "says"),
    [
        pytest.param(0, ValueError, "reward_model_group is required", id="first"),
        pytest.param(1, AttributeError, "'NoneType' object has no attribute 'size'", id="second-of-a-micro-batch"),
        pytest.param(2, AttributeError, "'NoneType' object has no attribute 'to'", id="first-of-another-micro-batch"),
    ],
)
def test_an_engine_that_cannot_work_ends_the_run(step, endpoint, log, broken, error, says):
    """OpenRLHF keeps the reason at INFO and ends elsewhere, by the sample's place: so ours is an error in the log."""
    answers = endpoint.reply
    endpoint.reply = lambda body: Canned(status=401, error="no such key") if WRONG in str(body) else answers(body)
    made = step()
    made.rollout(FILE, [WRONG if at == broken else f"{RIGHT} {at}" for at in range(4)])
    assert [s.rewards is None for s in made.samples] == [at == broken for at in range(4)]
    [swallowed] = [r for r in log.records if "Failed to fetch reward" in r.message]
    [ours] = [r for r in log.records if r.name == "judge.openrlhf"]
    assert (swallowed.levelname, ours.levelname) == ("INFO", "ERROR")
    assert "no such key" in ours.message
    with pytest.raises(error, match=says):
        made.advantages()


def test_a_wrong_run_file_stops_the_rollout_actor(step):
    """Its own error, while the actor is being made: later it would be swallowed."""
    with pytest.raises(SettingsError, match="name a number, with `on_no_verdict: constant`"):
        step("recipe: verifier\n").engine(FILE, [])


def test_calls_overlap_up_to_the_thread_pool(step, endpoint):
    """The file form judges side by side, and no more at once than an actor's threads: Python gives it so many."""
    threads = min(32, (os.cpu_count() or 1) + 4)
    endpoint.reply = lambda _: Canned("VERDICT: CORRECT", delay_s=0.3)
    made = step()
    made.rollout(FILE, [f"{RIGHT} {at}" for at in range(threads + 6)], size=threads + 6)
    assert endpoint.fake.peak_in_flight == threads
    assert rewards_of(made.samples) == [1.0] * (threads + 6)


# ---- texts and labels, as its data set and its tokens make them ------------------------------------------------------------

EXAMPLES = "An example of a question and of its answer.\n" * 20
QUESTION = "The question ends here, and what comes next is the answer that is asked for. " * 4


def response_shown(endpoint: Any) -> str:
    """What the judge was last given as the response."""
    return endpoint.asked[-1].partition("BEGIN RESPONSE")[2].partition("\n")[2].partition("\n<<<END RESPONSE")[0]


@pytest.mark.parametrize("spelled", ["bytes", "spaced"])
@pytest.mark.parametrize(
    ("prompt", "kept"),
    [
        pytest.param("Capital of France?", 4096, id="whole"),
        pytest.param(EXAMPLES + QUESTION, 500, id="cut-from-the-left"),
    ],
)
def test_the_response_is_told_from_the_prompt(step, endpoint, spelled, prompt, kept):
    """The query is decoded from tokens: a long prompt has lost its start, and special tokens may have got spaces."""
    made = step(RUBRIC)
    made.rollout(FILE, [RIGHT], rows=[{"input": prompt, "label": ""}], size=1, spelled=spelled, max_len=kept + 64)
    assert rewards_of(made.samples) == [1.0]
    assert response_shown(endpoint) == RIGHT
    assert "im_start" not in endpoint.asked[0]


@pytest.mark.parametrize("kept", [900, 901])  # one of the two goes through a letter of two bytes
def test_a_cut_prompt_that_holds_its_own_end_twice(step, endpoint, kept):
    """It is known by its end: an earlier turn that ends alike is not taken for it, or later turns would pass for the response."""
    made = step(RUBRIC)
    chat = [("user", "é" * 500 + QUESTION), ("assistant", "It is Rome."), ("user", QUESTION)]
    rows = [{"input": [{"role": role, "content": content} for role, content in chat], "label": ""}]
    made.rollout(FILE, [RIGHT], rows=rows, size=1, max_len=kept + 64)
    assert response_shown(endpoint) == RIGHT


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        pytest.param("Paris", "Paris", id="text"),
        pytest.param(42, "42", id="number"),
        pytest.param({"answer": "Paris", "question": "Which?"}, "Paris", id="mapping"),
        pytest.param(json.dumps({"answer": "Paris"}), "Paris", id="json"),
        pytest.param('{"city": "Paris"}', '{"city": "Paris"}', id="answer-in-json"),
    ],
)
def test_labels_of_the_data_set(step, endpoint, label, shown):
    """Whatever the label column holds reaches the door as it is."""
    made = step()
    made.rollout(FILE, ["It is Paris 42."], rows=[{"input": "Capital of France?", "label": label}], size=1)
    assert rewards_of(made.samples) == [1.0]
    assert endpoint.asked[0].partition("BEGIN REFERENCE ANSWER")[2].splitlines()[1] == shown


def test_no_label_is_no_reference(step, endpoint, caplog):
    """Without `--data.label_key` OpenRLHF says an empty text: a judge that compares must not be asked to compare with that."""
    made = step()
    made.rollout(FILE, [RIGHT], rows=[{"input": "Capital of France?", "label": ""}], size=1)
    assert made.samples[0].rewards is None
    assert not endpoint.asked
    assert "reference" in caplog.text


# ---- the HTTP form, against a real server ----------------------------------------------------------------------------------


@pytest.fixture
def server(run_file):
    """A reward server with a key, which judges as the file form does; gives the URL for `--reward.remote_url`."""

    @contextmanager
    def make(**settings: Any) -> Iterator[str]:
        with Judge.from_config(run_file("recipe: verifier\n"), trainer=True) as judge:
            app = make_app(judge, ServerSettings(**settings), keys=Keys((KEY,)))
            with served(app) as url:
                yield url.replace("http://", f"http://judge:{KEY}@") + "/get_reward"

    return make


def test_the_http_form_gives_the_same(step, server):
    """Lists of one instead of tensors: the shapes differ, and rewards, advantages, columns and evaluation do not."""
    with server(neutral=0.5) as one, server(neutral=0.5) as other:
        http, file = step(), step()
        http.rollout([one, other], MIXED)  # as the command line splits at a comma
        file.rollout(FILE, MIXED)
    assert rewards_of(http.samples) == rewards_of(file.samples) == [1.0, 0.0, 1.0, 0.5]
    assert http.advantages() == file.advantages()
    assert torch.tensor(http.batch().info["judge_failed"]).tolist() == [0, 0, 0, 1]
    evaluated = [compute_eval_metrics(made.prompts, made.samples, 4) for made in (http, file)]
    assert evaluated[0] == evaluated[1]
    assert evaluated[0]["eval_default_pass1"] == 0.625  # the constant counts there, too


def test_the_http_form_without_a_declared_number(step, server, log):
    """503 is asked five times, a second apart; then the reward is missing and the run ends, with the reason at INFO only."""
    made = step()
    with server() as url:
        made.rollout([url], MIXED)
    assert [s.rewards is None for s in made.samples] == [False, False, False, True]
    assert sum("503" in r.message for r in log.records if r.levelname == "INFO") == 5
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'size'"):
        made.advantages()
