"""`signal: likelihood` and `signal: scalar`: rewards without a written verdict."""

from __future__ import annotations

import math

import pytest

from judge import Judge, Sample
from judge.engine.scripted import ScriptedEngine
from judge.errors import InputError, RequestFailed
from judge.pipeline.build import plan
from judge.pipeline.preview import previews
from judge.recipe.load import load_recipe
from judge.settings import RunSettings
from judge.types import Reason

REASONED = {
    "ask.j2": "{{ prompt }}",
    "begun.j2": '{{ response | before("<answer>") }}<answer>',
    "bare.j2": "<answer>",
    "ref.j2": "{{ reference }}",
}
TURNS = (
    "turns:\n"
    "  - {name: bare, conversation: sample, scope: prompt, prefill: bare.j2, score: ref.j2}\n"
    "  - {name: reasoned, conversation: sample, prefill: begun.j2, score: ref.j2}\n"
)
ONE = "turns: [{name: reasoned, conversation: sample, prefill: begun.j2, score: ref.j2}]\n"
DIFFERENCE = TURNS + "likelihood: {of: reasoned, baseline: bare, fold: mean_probability, compare: difference, squash: clip}\n"


def folder(tmp_path, fields, signal="likelihood", files=REASONED, **more):
    path = tmp_path / "mine"
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / name).write_text(text)
    (path / "recipe.yaml").write_text(
        f"name: mine\nsummary: s\nmode: pointwise\nexact: true\nsource: {{title: t}}\nsignal: {signal}\n{fields}"
    )
    return {"recipe": str(path), "filters": "off", "engine": {"kind": "scripted"}, **more}


def engine(**chances):
    """Scores each word by the first phrase found in the conversation; keeps what was asked."""
    asked = []

    def score(messages, text):
        said = "\n".join(m.text for m in messages)
        asked.append((said, text))
        chance = next((p for phrase, p in chances.items() if phrase.replace("_", " ") in said), 0.25)
        if isinstance(chance, Exception):
            raise chance
        return [math.log(chance)] * len(text.split())

    made = ScriptedEngine(["unused"], scores=score)
    made.asked = asked
    return made


def score(config, engine, *samples):
    with Judge.from_config(config, engine=engine) as judge:
        return judge.score(list(samples))


def test_reference_after_the_reasoning(tmp_path):
    """RLPR's shape: the reference takes the answer's place, and what it gets without reasoning is taken off, once a prompt."""
    judge = engine(two_and_two=0.9, no_idea=0.3)
    texts = ("two and two <answer>5</answer>", "no idea <answer>4</answer>", "well <answer>4</answer>")
    rewards = score(folder(tmp_path, DIFFERENCE), judge, *(Sample.of("2+2?", t, reference="it is 4", id=t) for t in texts))
    assert [r.raw_reward for r in rewards] == pytest.approx([0.65, 0.05, 0.0])  # 0.9, 0.3 and 0.25 less 0.25
    assert len(judge.asked) == 4  # one baseline, three responses
    assert judge.asked.count(("2+2?\n<answer>", "it is 4")) == 1
    assert ("2+2?\ntwo and two <answer>", "it is 4") in judge.asked  # the answer is cut away
    assert [c.turn for c in rewards[0].calls] == ["bare", "reasoned"]
    assert rewards[0].calls[-1].outcome.value == pytest.approx({"bare": 0.25, "reasoned": 0.9})
    assert rewards[0].explanation == "how likely the judge finds the scored text"


def test_best_of_several_references(tmp_path):
    """A right answer is not punished for the other ways to say it."""
    fields = ONE + "likelihood: {of: reasoned, fold: sum, squash: exp}\n"
    judge = engine(two=0.5)
    [reward] = score(folder(tmp_path, fields), judge, Sample.of("2+2?", "two", reference=("it is surely 4", "4")))
    assert reward.raw_reward == pytest.approx(0.5)  # one word, not 0.5^4
    assert sorted(text for _, text in judge.asked) == ["4", "it is surely 4"]


def test_lines_are_averaged(tmp_path):
    """Follow-ups are texts of their own: each is scored by itself."""
    files = {**REASONED, "good.j2": "Thank you\n\n that was it\n", "bad.j2": "You did not answer\n"}
    fields = (
        "turns:\n  - {name: good, conversation: sample, score: good.j2, prefill: begun.j2}\n"
        "  - {name: bad, conversation: sample, score: bad.j2, prefill: begun.j2}\n"
        "likelihood: {of: good, baseline: bad, fold: sum, texts: lines, compare: difference, squash: sigmoid}\n"
    )
    judge = engine()
    [reward] = score(folder(tmp_path, fields, files=files), judge, Sample.of("q", "a"))
    # sums are 2, 3 and 4 times log 0.25: the mean of the good ones less the bad one is 2.5 - 4 = -1.5 times it
    assert reward.raw_reward == pytest.approx(1 / (1 + math.exp(1.5 * math.log(0.25))))
    assert [text for _, text in judge.asked] == ["Thank you", "that was it", "You did not answer"]


FAILURES = [
    pytest.param({"two": RequestFailed("lost")}, Reason.ENGINE_ERROR, "lost", id="engine"),
    pytest.param({"two": RequestFailed("too long", "over_length")}, Reason.OVER_LENGTH, "too long", id="prompt-too-long"),
    pytest.param({"two": RequestFailed("late", "timeout")}, Reason.TIMEOUT, "late", id="timeout"),
]


@pytest.mark.parametrize(("chances", "reason", "detail"), FAILURES)
def test_a_failure_is_no_number(tmp_path, chances, reason, detail):
    """A request that fails leaves no reward, and the others theirs."""
    config = folder(tmp_path, ONE + "likelihood: {of: reasoned}\n")
    bad, good = score(config, engine(**chances), Sample.of("q", "two", reference="4"), Sample.of("q", "one", reference="4"))
    assert (bad.raw_reward, bad.failure.reason) == (None, reason)
    assert detail in bad.failure.detail
    assert good.raw_reward == pytest.approx(0.25)


def test_one_lost_reference_is_a_failure(tmp_path):
    """The one that was not scored may have been the best: half a maximum is no maximum."""

    def some(messages, text):
        if text == "four":
            raise RequestFailed("lost")
        return [-1.0]

    config = folder(tmp_path, ONE + "likelihood: {of: reasoned}\n")
    [reward] = score(config, ScriptedEngine(["-"], scores=some), Sample.of("q", "a", reference=("4", "four")))
    assert (reward.raw_reward, reward.failure.reason) == (None, Reason.ENGINE_ERROR)


def test_nothing_to_score(tmp_path):
    """An empty text has no probability."""
    files = {**REASONED, "ref.j2": '{{ reference | after("####") }}'}
    config = folder(tmp_path, ONE + "likelihood: {of: reasoned}\n", files=files)
    judge = engine()
    [reward] = score(config, judge, Sample.of("q", "a", reference="so ####"))
    assert (reward.failure.reason, judge.asked) == (Reason.EMPTY, [])


def test_undefined_comparison(tmp_path):
    """A probability that is 0 in both is no drop and no rise."""
    fields = TURNS + "likelihood: {of: reasoned, baseline: bare, compare: drop, squash: clip}\n"
    judge = ScriptedEngine(["-"], scores=lambda m, t: [-math.inf])
    [reward] = score(folder(tmp_path, fields), judge, Sample.of("q", "a", reference="4"))
    assert reward.failure.reason is Reason.UNCLEAR


def test_scores_are_journalled(tmp_path):
    """What was scored is not scored again, by whoever shares the cache."""
    config = folder(tmp_path, DIFFERENCE, cache=str(tmp_path / "cache"))
    first, second = engine(two=0.9), engine(two=0.1)
    sample = Sample.of("2+2?", "two", reference="4")
    before, after = score(config, first, sample), score(config, second, sample)
    assert before[0].raw_reward == after[0].raw_reward == pytest.approx(0.65)
    assert (len(first.asked), len(second.asked)) == (2, 0)
    assert after[0].judge_calls == 0


def test_no_probability_is_no_certainty(tmp_path):
    """A token without a number must not count as certain, nor as impossible."""
    judge = ScriptedEngine(["-"], scores=lambda m, t: [-1.0, math.nan])
    [reward] = score(folder(tmp_path, ONE + "likelihood: {of: reasoned}\n"), judge, Sample.of("q", "a", reference="4"))
    assert (reward.raw_reward, reward.failure.reason) == (None, Reason.UNCLEAR)


def test_another_model_for_the_baseline(tmp_path):
    """A density ratio: the strong model against the weak one, each under its own name."""
    script = tmp_path / "weak.yaml"
    script.write_text('["unused"]')
    config = folder(tmp_path, DIFFERENCE, baseline_engine={"kind": "scripted", "model": "weak", "replies": str(script)})
    [reward] = score(config, engine(two=0.9), Sample.of("2+2?", "two", reference="4"))
    assert reward.raw_reward == pytest.approx(0.9 - math.exp(-1))  # such a script scores every word with -1
    assert [c.model for c in reward.calls] == ["weak", "scripted"]


def test_second_model_without_a_baseline(tmp_path):
    """It would be started for nothing."""
    config = folder(tmp_path, ONE + "likelihood: {of: reasoned}\n", baseline_engine={"kind": "scripted", "reply": "-"})
    with pytest.raises(InputError, match="has no baseline to ask another model about"):
        score(config, engine(), Sample.of("q", "a", reference="4"))


def test_what_would_be_sent(tmp_path):
    """The dry run counts each scored text, for each reference."""
    settings = RunSettings.model_validate(folder(tmp_path, DIFFERENCE))
    shown = previews(plan(settings), Sample.of("2+2?", "two <answer>5", reference=("4", "four")))
    assert [(p.turn, p.allowed) for p in shown] == [
        ("bare", "log-probabilities of '4'"),
        ("reasoned", "log-probabilities of '4'"),
        ("bare", "log-probabilities of 'four'"),
        ("reasoned", "log-probabilities of 'four'"),
    ]


def test_a_text_behind_each_step():
    """IGPO: what a turn adds to the probability of the answer; what follows a turn is what precedes the next, asked once."""
    judge = engine(Paris_it_is=0.9, the_capital_is_Paris=0.5)
    turns = [
        {"role": "assistant", "content": "Let me look."},
        {"role": "tool", "content": "the capital is Paris"},
        {"role": "assistant", "content": "Paris it is."},
    ]
    config = {"recipe": "igpo", "filters": "off", "engine": {"kind": "scripted"}}
    [reward] = score(config, judge, Sample.of("Capital of France?", turns, reference="Paris"))
    gains = [1 / (1 + math.exp(-4 * gain)) for gain in (0.5 - 0.25, 0.9 - 0.5)]
    assert [reward.components[f"step_{n}"] for n in (1, 2)] == pytest.approx(gains)
    assert reward.raw_reward == pytest.approx(sum(gains) / 2)
    assert len(judge.asked) == 3  # before the first turn, and after each of the two


# ---- a reward-model head --------------------------------------------------------------------------------------------------

HEAD = "turns: [{name: rate, conversation: sample}]\n"


def rater(value):
    return ScriptedEngine(["unused"], capabilities=frozenset(), rates=lambda messages: value)


@pytest.mark.parametrize(
    ("scalar", "number", "reward"),
    [
        pytest.param("", 0.0, 0.5, id="sigmoid-by-default"),
        pytest.param("scalar: {scale: 0.5, offset: 1}\n", 2.0, 1 / (1 + math.exp(-2)), id="scale-and-offset"),
        pytest.param("scalar: {squash: clip}\n", 1.7, 1.0, id="clip"),
        pytest.param("scalar: {squash: none}\n", 0.25, 0.25, id="as-it-is"),
        pytest.param("scalar: {squash: none}\n", 1.25, Reason.OFF_SCALE, id="outside"),
        pytest.param("", math.nan, Reason.UNCLEAR, id="no-number"),
    ],
)
def test_number_of_a_head(tmp_path, scalar, number, reward):
    """One request a response, and its number in [0, 1]."""
    [found] = score(folder(tmp_path, HEAD + scalar, "scalar"), rater(number), Sample.of("q", "a"))
    assert (found.failure.reason if isinstance(reward, Reason) else found.raw_reward) == (
        reward if isinstance(reward, Reason) else pytest.approx(reward)
    )
    assert found.judge_calls == 1


def test_a_head_sees_the_conversation(tmp_path):
    """The prompt's own messages, and the response as the assistant's."""
    seen = []
    judge = ScriptedEngine(["-"], capabilities=frozenset(), rates=lambda messages: seen.append(messages) or 0.0)
    score(
        folder(tmp_path, HEAD, "scalar"),
        judge,
        Sample.of([{"role": "system", "content": "s"}, {"role": "user", "content": "q"}], "a"),
    )
    assert [(m.role, m.text) for m in seen[0]] == [("system", "s"), ("user", "q"), ("assistant", "a")]


# ---- what does not go together ----


REFUSED = [
    pytest.param(ONE + "likelihood: {of: reasond}\n", "did you mean `reasoned`", id="no-such-turn"),
    pytest.param(ONE, "needs `likelihood: {of: TURN}`", id="no-likelihood"),
    pytest.param(TURNS + "likelihood: {of: reasoned}\n", "turn `bare` is scored for nothing", id="idle-turn"),
    pytest.param(ONE + "likelihood: {of: reasoned, compare: difference}\n", "go together", id="no-baseline"),
    pytest.param(ONE + "likelihood: {of: reasoned, fold: sum}\n", "need not lie in", id="sum-without-squash"),
    pytest.param(ONE + "likelihood: {of: reasoned, fold: sum, squash: clip}\n", "would always give 0", id="clipped-logs"),
    pytest.param(ONE + "likelihood: {of: reasoned, squash: exp}\n", "never above 0", id="exp-of-a-probability"),
    pytest.param(
        TURNS + "likelihood: {of: reasoned, baseline: bare, fold: sum, compare: ratio, squash: clip}\n",
        "a ratio of logarithms grows", id="ratio-of-logs",
    ),
    pytest.param(ONE + "likelihood: {of: reasoned}\nverdict: {kind: score}\n", "reads no verdict", id="verdict"),
    pytest.param(
        ONE + "likelihood: {of: reasoned}\nsteps: {fold: mean}\n", "`steps` and `signal: steps` go together", id="steps"
    ),
    pytest.param(ONE + "likelihood: {of: reasoned}\nscalar: {scale: 2}\n", "`scalar` is for `signal: scalar`", id="other-signal"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "says"), REFUSED)
def test_combinations_that_cannot_be(tmp_path, fields, says):
    """A reward that could leave [0, 1], or a field without effect, is told at load, with its file."""
    with pytest.raises(InputError, match=says):
        load_recipe(folder(tmp_path, fields)["recipe"])


def test_engines_are_named(tmp_path):
    """Who cannot score, or cannot rate, or only rates, is told so with those that can."""
    sample = Sample.of("q", "a", reference="4")
    with pytest.raises(InputError, match=r"\(signal `likelihood`\) needs score_continuation; .* Engines with it: vllm"):
        score(folder(tmp_path, ONE + "likelihood: {of: reasoned}\n"), ScriptedEngine(["-"]), sample)
    with pytest.raises(InputError, match=r"\(signal `scalar`\) needs rate; .* with a reward model"):
        score(folder(tmp_path, HEAD, "scalar"), ScriptedEngine(["-"]), sample)
    with pytest.raises(InputError, match="is a reward model: it gives one number"):
        score({"recipe": "pairwise", "filters": "off", "engine": {"kind": "scripted"}}, rater(0.0), Sample.of("q", "a", "b"))


def test_votes_would_be_copies(tmp_path):
    """Nothing is drawn."""
    with pytest.raises(InputError, match="3 votes are 3 copies of one"):
        score(folder(tmp_path, HEAD, "scalar", votes=3), rater(0.0), Sample.of("q", "a"))
