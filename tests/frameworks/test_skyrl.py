"""`judge.adapters.skyrl` in an environment of skyrl-gym 0.4.0, under the generator of skyrl 0.4.0.

Real: `BaseTextEnv`, the registry, `SkyRLGymGenerator` with its thread pool, its metrics, the GRPO advantages. Not real: the
inference engine, which says what a test wants. skyrl asks for Python 3.12 because pydantic wants `TypedDict` from
typing_extensions before that, so it gets that one while it is imported; `ray` is an empty module, used by decorators only.
"""

from __future__ import annotations

import asyncio
import sys
import time
import types
import typing
import warnings

import numpy as np
import pytest
import typing_extensions
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from judge.adapters.door import close_shared
from judge.adapters.skyrl import judged_step
from judge.errors import NoVerdictError, SettingsError
from tests.adapters.stand_ins import verdict
from tests.client.harness import KEY, real
from tests.fake_endpoint import Canned

_ray = types.ModuleType("ray")
_ray.remote = lambda *a, **_: a[0] if a else lambda f: f
_ray.is_initialized = lambda: False
sys.modules.setdefault("ray", _ray)

with warnings.catch_warnings(), pytest.MonkeyPatch.context() as while_imported:
    warnings.simplefilter("ignore")
    while_imported.setattr(typing, "TypedDict", typing_extensions.TypedDict)
    import skyrl_gym
    import torch
    from skyrl.backends.skyrl_train.utils.ppo_utils import compute_grpo_outcome_advantage
    from skyrl.train.config import GeneratorConfig, SkyRLGymConfig
    from skyrl.train.generators.base import TrajectoryID
    from skyrl.train.generators.skyrl_gym_generator import SkyRLGymGenerator
    from skyrl_gym.envs.base_text_env import BaseTextEnv

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(60)]

ROW = {"reward_spec": {"method": "rule", "ground_truth": "Paris"}}
PROMPT = [{"role": "user", "content": "Capital of France?"}]
RUBRIC = "recipe: checklist\nrubric: {name: c, criteria: [{id: right, text: It is right.}]}\n"
RIGHT, WRONG, UNREADABLE = "It is Paris.", "It is Rome.", "It is Oslo."


class Geography(BaseTextEnv):
    """As docs/trainers.md says."""

    options: typing.ClassVar[dict] = {}

    def __init__(self, env_config, extras):
        super().__init__()
        self.extras, self.figures = extras, {}

    def init(self, prompt):
        self.prompt = list(prompt)
        return prompt, {}

    def step(self, action):
        done = judged_step(action, self.prompt, self.extras, **self.options)
        self.figures = done["metadata"]
        return done

    def get_metrics(self):
        return self.figures


class TwoTurns(Geography):
    """Asks once more before it judges."""

    def step(self, action):
        self.turns += 1
        if self.turns == 1:
            return {"observations": [{"role": "user", "content": "Sure?"}], "reward": 0.0, "done": False, "metadata": {}}
        return super().step(action)


class NoMetrics(Geography):
    """Leaves the figures in the step's `metadata`."""

    def get_metrics(self):
        return BaseTextEnv.get_metrics(self)


for _name in ("Geography", "TwoTurns", "NoMetrics"):
    skyrl_gym.register(id=_name, entry_point=f"{__name__}:{_name}")


def chatml():
    """A byte is a token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    out = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<|endoftext|>", eos_token="<|im_end|>")
    out.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return out


TOKENIZER = chatml()


class Policy:
    """An inference engine that says the given answers, each in its own trajectory; several are those of several turns."""

    def __init__(self, answers):
        self.turns = [list(a) if isinstance(a, tuple) else [a] for a in answers]

    async def generate(self, batch, model=None):
        sessions = batch.get("session_ids") or [f"_{i}" for i in range(len(self.turns))]
        texts = [self.turns[int(s.rpartition("_")[2])].pop(0) + "<|im_end|>" for s in sessions]
        ids = [TOKENIZER.encode(text, add_special_tokens=False) for text in texts]
        return {
            "responses": texts,
            "response_ids": ids,
            "stop_reasons": ["stop"] * len(texts),
            "response_logprobs": [[-0.5] * len(each) for each in ids],
        }

    async def finish_session(self, session):
        pass


def generated(*answers, env="Geography", workers=32, **config):
    """What the generator gives the trainer."""
    count = len(answers)

    async def go():
        settings = GeneratorConfig(max_input_length=4096, max_turns=2, **config)
        maker = SkyRLGymGenerator(settings, SkyRLGymConfig(max_env_workers=workers), Policy(answers), TOKENIZER)
        return await maker.generate(
            {
                "prompts": [[dict(m) for m in PROMPT] for _ in range(count)],
                "env_classes": [env] * count,
                "env_extras": [dict(ROW) for _ in range(count)],
                "sampling_params": None,
                "trajectory_ids": [TrajectoryID("france", i) for i in range(count)],
                "batch_metadata": None,
            },
            disable_tqdm=True,
        )

    return asyncio.run(go())


def totals(output):
    return [sum(r) if isinstance(r, list) else r for r in output["rewards"]]


@pytest.fixture
def options(monkeypatch, run_file):
    """How the environment calls the judge."""

    def use(text="recipe: verifier\n", **more):
        monkeypatch.setattr(Geography, "options", more if "server" in more else {"config": run_file(text), **more})

    use()
    return use


def test_an_environment_by_its_name(options):
    """As the generator makes one; what a step gives is what their own environments give."""
    made = skyrl_gym.make("Geography", env_config={}, extras=ROW)
    made.init(PROMPT)
    step = made.step("It is Paris.<|im_end|>")
    assert (step["reward"], step["done"], step["observations"]) == (1.0, True, [])
    own = skyrl_gym.make("gsm8k", env_config={}, extras=ROW)
    assert own.step("#### Paris").keys() == step.keys()


def test_rewards_of_a_batch(options):
    """Each at the last token of its response."""
    output = generated(RIGHT, WRONG, RIGHT)
    assert totals(output) == [1.0, 0.0, 1.0]
    assert output["rewards"][0][-1] == 1.0
    assert [len(r) for r in output["rewards"]] == [len(i) for i in output["response_ids"]]


def test_figures(options):
    """The generator reads `get_metrics`, and no `metadata`: an environment without the one loses the figures."""
    options(RUBRIC)
    found = generated(RIGHT, WRONG)["rollout_metrics"]
    assert found["environment/judge/right"] == 0.5
    assert found["environment/judge/no_verdict"] == 0.0
    assert not [n for n in generated(RIGHT, WRONG, env="NoMetrics")["rollout_metrics"] if n.startswith("environment/")]


def test_no_verdict_ends_the_batch(options):
    """Out of the agent loop and the generator; what would be a number has to be declared."""
    with pytest.raises(NoVerdictError):
        generated(RIGHT, UNREADABLE)
    options(on_no_verdict="constant", constant=0.5)
    output = generated(RIGHT, UNREADABLE)
    assert totals(output) == [1.0, 0.5]
    assert output["rollout_metrics"]["environment/judge/no_verdict"] == 0.5
    options(on_no_verdict="impute_group_mean")
    with pytest.raises(SettingsError, match="skyrl cannot honour `impute_group_mean`"):
        generated(RIGHT)


def test_advantages_of_siblings(options):
    """A declared constant moves its siblings' baseline: that is why it is not the neutral way."""
    options(on_no_verdict="constant", constant=0.5)
    scores = torch.tensor(totals(generated(RIGHT, WRONG, UNREADABLE))).unsqueeze(1)
    made, _ = compute_grpo_outcome_advantage(scores, torch.ones(3, 1), np.array(["a"] * 3), grpo_norm_by_std=False)
    assert made[:, 0].tolist() == pytest.approx([0.5, -0.5, 0.0])
    scores[2] = float("nan")
    made, _ = compute_grpo_outcome_advantage(scores, torch.ones(3, 1), np.array(["a"] * 3), grpo_norm_by_std=False)
    assert made.isnan().all()  # so NaN is never given


@pytest.mark.parametrize(
    "config", [pytest.param({}, id="one-row"), pytest.param({"step_wise_trajectories": True}, id="step-wise")]
)
def test_several_turns(options, endpoint, config):
    """Judged once, at the end, by the question that `init` got and the last text: the generator goes on writing into its list."""
    options("recipe: {name: verifier, options: {include_question: true}}\n")
    output = generated((WRONG, RIGHT), env="TwoTurns", **config)
    assert sum(totals(output)) == 1.0
    assert len(endpoint.asked) == 1
    assert "Capital of France?" in endpoint.asked[0]
    assert "Rome" not in endpoint.asked[0]


@pytest.mark.parametrize(
    ("config", "least", "most"),
    [
        pytest.param({}, 0.2, 1.5, id="32-threads"),
        pytest.param({"workers": 2}, 0.8, 1.5, id="2-threads"),
        pytest.param({"workers": 0}, 1.6, 9.0, id="on-the-event-loop"),
        pytest.param({"batched": True}, 1.6, 9.0, id="batched"),
    ],
)
def test_how_many_are_judged_at_once(options, endpoint, config, least, most):
    """The pool's size; without a pool, and in a batched generator, one after the other."""
    generated("It is Paris, once.")  # the judge is up
    endpoint.reply = lambda body: Canned(verdict(body).content, delay_s=0.2)
    begun = time.monotonic()
    output = generated(*(f"It is Paris, {i} times." for i in range(8)), **config)
    assert totals(output) == [1.0] * 8
    assert least <= time.monotonic() - begun <= most


def test_siblings_are_never_seen(options):
    """A tournament of one would be a constant."""
    options("recipe: pairwise\ngroup: {schedule: round_robin}\n")
    with pytest.raises(SettingsError, match="skyrl shows one response a call"):
        generated(RIGHT)


def test_a_server(options, monkeypatch):
    """Many threads over one set of connections."""
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    with real() as (url, _):
        options(server=url)
        output = generated(*([RIGHT, WRONG] * 20))
        assert totals(output) == [1.0, 0.0] * 20
        assert output["rollout_metrics"]["environment/judge/raw"] == 0.5
        with pytest.raises(NoVerdictError):
            generated("GARBAGE")
        close_shared()
