"""`judge.adapters.tinker` under tinker-cookbook 0.6.1 itself.

Real: rollouts, strategies, executors and their pickling, grader timeouts, advantages, metrics, renderers, the preference builder.
Not real: the policy (a list of answers in place of a sampling client) and its tokenizer (a byte is a token).
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import pickle
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import tinker
from tinker_cookbook import renderers
from tinker_cookbook.completers import TinkerTokenCompleter
from tinker_cookbook.preference.types import Comparison, PreferenceModel
from tinker_cookbook.rl import rollouts
from tinker_cookbook.rl.data_processing import compute_advantages
from tinker_cookbook.rl.metric_util import compute_trajectory_metrics
from tinker_cookbook.rl.preference_envs import PairwisePreferenceGroupBuilder, TournamentPattern
from tinker_cookbook.rl.problem_env import ProblemEnv
from tinker_cookbook.rl.rollout_limits import TerminationRewardPolicy
from tinker_cookbook.rl.rollout_strategy import FailFast, MinViableGroup, RetryOnFailure
from tinker_cookbook.rl.types import EnvGroupBuilder, TrajectoryGroup
from tinker_cookbook.tokenizer_utils import get_tokenizer, register_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from judge.adapters.tinker import group_rewards, replies
from judge.errors import DataError, NoVerdictError
from tests.adapters.stand_ins import prefers_longer, verdict
from tests.client.harness import KEY, real
from tests.fake_endpoint import Canned

pytestmark = pytest.mark.filterwarnings("default")  # the framework's own

LETTERS, END = "judge/letters", "\n\nUser:"
QUESTION = [{"role": "user", "content": "Capital of France?"}]


def letters() -> PreTrainedTokenizerFast:
    """A byte is a token, and so is the end of a ChatML turn."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, name_or_path=LETTERS, additional_special_tokens=["<|im_end|>"])


register_tokenizer(LETTERS, letters)


def renderer(name: str = "role_colon") -> renderers.Renderer:
    return renderers.get_renderer(name, get_tokenizer(LETTERS))


@dataclass
class Client:
    """A sampling client whose answers are known: the n-th call gets the n-th."""

    texts: tuple[str, ...]
    end: str = END
    asked: int = 0

    async def sample(self, prompt: tinker.ModelInput, num_samples: int, sampling_params: tinker.SamplingParams) -> Any:
        tokens = get_tokenizer(LETTERS).encode(self.texts[self.asked] + self.end)
        self.asked += 1
        one = SimpleNamespace(tokens=tokens, logprobs=[-1.0] * len(tokens), stop_reason="stop", sequence_id=None)
        return SimpleNamespace(sequences=[one], prompt_cache_hit_tokens=0)


class Question(ProblemEnv):
    """One turn; its own reward is 0, so that the judge's is the whole."""

    def get_question(self) -> str:
        return "Capital of France?"

    def check_answer(self, sample_str: str) -> bool:
        return False

    def check_format(self, sample_str: str) -> bool:
        return True

    def get_reference_answer(self) -> str:
        return "Paris"


@dataclass(frozen=True)
class Geography(EnvGroupBuilder):
    """The builder of the documentation."""

    renderer: renderers.Renderer
    size: int
    options: dict[str, Any] = field(default_factory=dict)

    async def make_envs(self) -> list[Question]:
        return [Question(self.renderer) for _ in range(self.size)]

    async def compute_group_rewards(self, trajectory_group, env_group):
        texts = replies(trajectory_group, self.renderer)
        return await group_rewards(texts, "Capital of France?", {"answer": "Paris"}, **self.options)


TEXTS = ("It is Paris.", "It is Rome.")
FAILING = ("It is Paris.", "It is Oslo.", "It is Rome.")


def rolled(texts: tuple[str, ...], strategy: Any = None, termination: Any = None, **options: Any) -> TrajectoryGroup | None:
    """One group through the trainer's own way in, with constant groups removed."""
    return asyncio.run(rolling(texts, strategy, termination, **options))


async def rolling(texts, strategy=None, termination=None, executor: Executor | None = None, **options: Any):
    rollouts.set_rollout_executor(executor)
    try:
        return await rollouts.do_group_rollout_and_filter_constant_reward(
            Client(texts), Geography(renderer(), len(texts), options), 64, 1.0, True, strategy=strategy, termination=termination
        )
    finally:
        rollouts.set_rollout_executor(None)


def advantages(group: TrajectoryGroup) -> list[float]:
    return [round(float(a), 4) for a in compute_advantages([group])[0]]


def test_rewards_advantages_and_metrics(run_file):
    """The judge's figures stand in the run's log under names of their own."""
    group = rolled(TEXTS, config=run_file())
    assert group.get_total_rewards() == [1.0, 0.0]
    assert advantages(group) == [0.5, -0.5]
    logged = compute_trajectory_metrics([group], [[]])
    assert logged["env/all/judge/raw_reward"] == 0.5
    assert logged["env/all/judge/calls"] == 1.0
    assert logged["env/all/reward/total"] == 0.5


def test_a_missing_reward_stops_the_run_that_fails_fast(run_file):
    """The strategy is the run's, and its first is this."""
    with pytest.raises(NoVerdictError, match="response 1 of 3"):
        rolled(FAILING, FailFast(), config=run_file())


@pytest.mark.parametrize(
    "strategy", [RetryOnFailure(max_retries=2), MinViableGroup(min_successful=2)], ids=["retry", "min-viable"]
)
def test_a_missing_reward_costs_the_group_elsewhere(run_file, endpoint, caplog, strategy):
    """Strategies try rollouts again, never the grading of a group: they leave it out, with a line in the log."""
    with caplog.at_level(logging.WARNING, "tinker_cookbook"):
        assert rolled(FAILING, strategy, config=run_file()) is None
    assert "NoVerdictError" in caplog.text
    assert "skipping group" in caplog.text
    shown = [body for body in endpoint.asked if "It is Paris" in body]
    assert len(shown) == 1  # not asked again


def test_rewards_follow_the_replies_where_the_order_is_lost(run_file):
    """`RetryOnFailure` lists trajectories as they end, not as the environments stand; a reward belongs to its reply."""
    group = rolled(TEXTS, RetryOnFailure(), config=run_file())
    found = dict(zip(replies(group.trajectories_G, renderer()), group.get_total_rewards(), strict=True))
    assert found == {"It is Paris.": 1.0, "It is Rome.": 0.0}


def test_the_mean_leaves_the_group_members_where_they_were(run_file):
    """A group of two without the failed one has advantages 0.5 and -0.5 as well."""
    group = rolled(FAILING, config=run_file(), on_no_verdict="impute_group_mean")
    assert group.get_total_rewards() == [1.0, 0.5, 0.0]
    assert advantages(group) == [0.5, 0.0, -0.5]
    assert [m["judge/missing"] for m in group.metrics_G] == [0.0, 1.0, 0.0]


def test_a_constant_moves_the_group_members(run_file):
    """Which is what one chooses with it."""
    group = rolled(FAILING, config=run_file(), on_no_verdict="constant", constant=-1.0)
    assert group.get_total_rewards() == [1.0, -1.0, 0.0]
    assert advantages(group) == [1.0, -1.0, 0.0]


def test_the_graders_timeout(run_file, endpoint):
    """It cancels the judgement; the adapter answers the next group."""
    slow = run_file()
    endpoint.reply = lambda body: Canned("VERDICT: CORRECT", delay_s=5.0)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        rolled(TEXTS, FailFast(), TerminationRewardPolicy(grader_timeout_seconds=0.5), config=slow)
    assert rolled(TEXTS, RetryOnFailure(), TerminationRewardPolicy(grader_timeout_seconds=0.5), config=slow) is None
    assert time.monotonic() - started < 4.0
    endpoint.reply = verdict
    assert rolled(TEXTS, config=slow).get_total_rewards() == [1.0, 0.0]


def test_in_threads_with_loops_of_their_own(run_file):
    """Each group runs in a fresh event loop of some thread, all with one judge."""
    config = run_file()

    async def eight():
        with ThreadPoolExecutor(4) as pool:
            return await asyncio.gather(*(rolling(TEXTS, executor=pool, config=config) for _ in range(8)))

    assert [g.get_total_rewards() for g in asyncio.run(eight())] == [[1.0, 0.0]] * 8


def test_in_a_spawned_process(run_file):
    """The builder and its renderer travel by pickling, and the judge is made there."""
    config = run_file()

    async def there():
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return await rolling(TEXTS, executor=pool, config=config)

    group = asyncio.run(there())
    assert group.get_total_rewards() == [1.0, 0.0]
    assert group.metrics_G[0]["judge/calls"] == 1.0


def spoken(name: str, *texts: str, end: str = "<|im_end|>") -> list[str]:
    """What `replies` finds in real trajectories."""
    made = renderer(name)

    async def group() -> list[str]:
        policy = TinkerTokenCompleter(Client(texts, end), max_tokens=64)
        return replies([await rollouts.do_single_rollout(policy, Question(made)) for _ in texts], made)

    return asyncio.run(group())


def test_thinking_is_left_out_by_the_policys_own_renderer():
    """Of Qwen's reply the judge sees what follows the thought; of a plain one, all but the end mark."""
    assert spoken("qwen3", "<think>Rome, or not?</think>\n\nIt is Paris.") == ["It is Paris."]
    assert spoken("role_colon", "It is Paris.", end=END) == ["It is Paris."]


def test_a_reply_cut_off_in_its_thought_says_nothing():
    """The renderer gives such a text back whole; nobody answered with it."""
    assert spoken("qwen3", "<think>It is Paris, I", "<think>Rome?</think>It is Par", end="") == ["", "It is Par"]


def test_several_turns_are_refused(run_file):
    """The environment's texts are in no trajectory."""
    made = renderer()
    one = asyncio.run(rollouts.do_single_rollout(TinkerTokenCompleter(Client(TEXTS), max_tokens=64), Question(made)))
    with pytest.raises(DataError, match="trajectory 0 has 2 turns"):
        replies([type(one)(transitions=one.transitions * 2, final_ob=one.final_ob)], made)


def test_a_server(monkeypatch):
    """No judge in the process."""
    monkeypatch.setenv("JUDGE_API_KEY", KEY)
    with real() as (url, _):
        group = rolled(TEXTS, server=url)
    assert advantages(group) == [0.5, -0.5]


@dataclass(frozen=True)
class Preferred(PreferenceModel):
    """A judge of groups as the preference model of the documentation."""

    config: str

    async def __call__(self, comparison: Comparison) -> float:
        texts = [renderers.get_text_content(m) for [m] in (comparison.completion_A, comparison.completion_B)]
        (a, _), (b, _) = await group_rewards(texts, comparison.prompt_conversation, config=self.config)
        return b - a


def test_as_a_preference_model(run_file, endpoint):
    """Its tournament asks for pairs one by one; the same judge given the whole group has them all in flight."""
    endpoint.reply = lambda body: Canned(prefers_longer(str(body["messages"])), delay_s=0.1)
    config = run_file("recipe: pairwise\ngroup: {schedule: round_robin}\n")
    builder = PairwisePreferenceGroupBuilder(
        convo_prefix=QUESTION, policy_renderer=renderer(), tournament_pattern=TournamentPattern.ALL_PAIRS_ONE_WAY,
        preference_model=Preferred(config), num_envs=3,
    )  # fmt: skip
    policy = TinkerTokenCompleter(Client(("answer aaa.", "answer aa.", "answer aaaa.")), max_tokens=64)
    group = asyncio.run(rollouts.do_group_rollout(pickle.loads(pickle.dumps(builder)), policy))
    assert group.get_total_rewards() == [0.0, -1.0, 1.0]
    assert [m["win_minus_loss"] for m in group.metrics_G] == [0.0, -1.0, 1.0]
