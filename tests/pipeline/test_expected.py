"""`signal: expected`: the judge's probabilities are the reward, from every verdict with a finite scale."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from judge import Judge, Sample
from judge.batch.dry_run import dry_run
from judge.engine.scripted import ScriptedEngine
from judge.errors import InputError
from judge.pipeline.build import plan
from judge.recipe.load import load_recipe
from judge.settings import RunSettings
from judge.types import Capability, Completion, Reason, TokenLogprobs

BASE = {"filters": "off", "engine": {"kind": "scripted"}, "signal": "expected", "readout": {"at": "first"}}
RUBRIC = {
    "name": "r",
    "criteria": [
        {"id": "right", "text": "It is right.", "kind": "essential", "weight": 3},
        {"id": "padded", "text": "It is padded.", "kind": "pitfall", "weight": 1},
    ],
}
LABELS = ("MET", "UNMET")


def token(chances, text=""):
    return TokenLogprobs(text or next(iter(chances)), {t: math.log(p) for t, p in chances.items()})


def first(**chances):
    """A reply of one token that ends at its limit."""
    made = token(chances)
    return Completion(made.text, "length", prompt_tokens=9, completion_tokens=1, logprobs=(made,))


def stated(text, **chances):
    """A reasoned reply whose last token is the verdict."""
    made = token(chances)
    tokens = [TokenLogprobs(text, {text: 0.0}), made, *([TokenLogprobs("]]", {"]]": 0.0})] if text.endswith("[[") else [])]
    return Completion("".join(t.text for t in tokens), logprobs=tuple(tokens))


def recipe(tmp_path, verdict, *, mode="pointwise", fields="", template="{{ response | quote('R') }}\nOne of {{ labels }}."):
    """A one-token recipe."""
    folder = tmp_path / "mine"
    folder.mkdir(exist_ok=True)
    (folder / "ask.j2").write_text(template)
    (folder / "recipe.yaml").write_text(
        f"name: mine\nsummary: s\nmode: {mode}\nsource: {{title: t}}\nsignal: expected\n"
        f"turns: [{{name: ask, user: ask.j2}}]\nverdict: {verdict}\n{fields or 'readout: {at: first}'}\n"
    )
    return {"recipe": str(folder), "filters": "off", "engine": {"kind": "scripted"}}


def score(config, engine, *samples):
    with Judge.from_config(config, engine=engine) as judge:
        return judge.score(list(samples))


# ---- one token --------------------------------------------------------------------------------------------------------


def test_one_call_of_one_token(tmp_path):
    """A probability costs one call and one token, is no failure at the token limit, and is neither forced nor asked again."""
    engine = ScriptedEngine([first(Yes=0.6, No=0.2, Maybe=0.2)])
    [reward] = score(recipe(tmp_path, "{kind: label, labels: {Yes: 1, No: 0}}"), engine, Sample.of("q", "a"))
    assert reward.raw_reward == pytest.approx(0.75)  # 0.6 / (0.6 + 0.2): what else it may have said is left out
    assert [(r.sampling.max_tokens, r.sampling.top_logprobs) for r in engine.requests] == [(1, 20)]
    assert reward.judge_calls == 1
    u = reward.uncertainty
    assert (u.expected, u.variance) == pytest.approx((0.75, 0.75 * 0.25))
    assert u.entropy == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))


VERDICTS = [
    pytest.param("{kind: label, labels: {Bad: 0, So: 0.5, Good: 1}}", {"Bad": 0.2, "So": 0.4, "Good": 0.4}, [0.6], id="label"),
    pytest.param("{kind: score, range: {min: 1, max: 9}}", {"1": 0.25, " 5": 0.5, "9": 0.25}, [0.5], id="score"),
    pytest.param("{kind: choice, form: bare}", {"A": 0.7, "B": 0.3}, [0.7, 0.3], id="choice"),
    pytest.param("{kind: choice, form: bare, tie: tie}", {"A": 0.5, "B": 0.1, "tie": 0.4}, [0.7, 0.3], id="choice-with-tie"),
    pytest.param(
        "{kind: graded_choice, form: bare, labels: {A: 1, a: 0.75, b: 0.25, B: 0}}", {"A": 0.5, "a": 0.4, "B": 0.1}, [0.8, 0.2],
        id="graded-choice",
    ),
    pytest.param("{kind: label, labels: {Yes: 1, No: 0}}", {" yes": 0.3, "Yes": 0.3, "NO": 0.4}, [0.6], id="spellings"),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "chances", "rewards"), VERDICTS)
def test_every_finite_scale(tmp_path, verdict, chances, rewards):
    """Labels, numbers, choices and graded choices all give the mean of their scale."""
    mode = "pairwise" if "choice" in verdict else "pointwise"
    template = "{% for r in responses %}{{ r.text | quote(r.name) }}{% endfor %}"
    config = recipe(tmp_path, verdict, mode=mode, template=template)
    found = score(config, ScriptedEngine([first(**chances)]), Sample.of("q", *("ab"[: len(rewards)])))
    assert [r.raw_reward for r in found] == pytest.approx(rewards)


def test_choice_among_three(tmp_path):
    """In a list, each response earns its own probability."""
    template = "{% for r in responses %}{{ r.text | quote(r.name) }}{% endfor %}"
    config = recipe(tmp_path, "{kind: choice, form: bare}", mode="listwise", template=template)
    found = score(config, ScriptedEngine([first(A=0.5, B=0.3, C=0.2)]), Sample.of("q", "a", "b", "c"))
    assert [r.raw_reward for r in found] == pytest.approx([0.5, 0.3, 0.2])
    assert [r.uncertainty.expected for r in found] == pytest.approx([0.5, 0.3, 0.2])


FAILURES = [
    pytest.param(first(The=0.9, Yes=0.08, No=0.02), Reason.UNCLEAR, "likeliest: 'The'", id="too-little-on-the-labels"),
    pytest.param(first(**{"<think>": 1.0}), Reason.UNCLEAR, "turn its thinking off", id="thinks-first"),
    pytest.param(Completion("Yes", "length"), Reason.UNCLEAR, "reported no log-probabilities", id="nothing-reported"),
    pytest.param(Completion("", "error", error="boom"), Reason.ENGINE_ERROR, "boom", id="engine"),
    pytest.param(Completion("", "over_length", error="too long"), Reason.OVER_LENGTH, "too long", id="prompt-too-long"),
    pytest.param(Completion("", refusal="I will not"), Reason.REFUSED, "I will not", id="refused"),
]


@pytest.mark.parametrize(("reply", "reason", "detail"), FAILURES)
def test_a_failure_is_no_number(tmp_path, reply, reason, detail):
    """What says nothing about the labels is a reason, and costs one call."""
    engine = ScriptedEngine([reply])
    [reward] = score(recipe(tmp_path, "{kind: label, labels: {Yes: 1, No: 0}}"), engine, Sample.of("q", "a"))
    assert (reward.raw_reward, reward.failure.reason) == (None, reason)
    assert detail in reward.failure.detail


def test_least_mass_is_settable(tmp_path):
    """What counts as too little is the recipe's to say."""
    config = recipe(tmp_path, "{kind: label, labels: {Yes: 1, No: 0}}", fields="readout: {at: first, min_mass: 0.05, top: 3}")
    engine = ScriptedEngine([first(The=0.9, Yes=0.08, No=0.02)])
    [reward] = score(config, engine, Sample.of("q", "a"))
    assert reward.raw_reward == pytest.approx(0.8)
    assert engine.requests[0].sampling.top_logprobs == 3


@pytest.mark.parametrize(
    ("chances", "reward"),
    [
        pytest.param({"Yes": 0.3, "No": 0.3, "Unsure": 0.4}, 0.5, id="left-out-of-the-mean"),
        pytest.param({"Yes": 0.3, "No": 0.1, "Unsure": 0.6}, Reason.ABSTAINED, id="likelier-than-not"),
    ],
)
def test_abstaining(tmp_path, chances, reward):
    """A judge that mostly says that it cannot judge gives no reward; one that hardly does is read without that."""
    config = recipe(tmp_path, "{kind: label, labels: {Yes: 1, No: 0, Unsure: null}}")
    [found] = score(config, ScriptedEngine([first(**chances)]), Sample.of("q", "a"))
    assert (found.failure.reason if found.failure else found.raw_reward) == (
        reward if isinstance(reward, Reason) else pytest.approx(reward)
    )


def test_one_and_ten_begin_alike(tmp_path):
    """Where `1` may be 1 or the begin of 10, nothing is guessed."""
    config = recipe(tmp_path, "{kind: score, range: {min: 1, max: 10}}")
    [reward] = score(config, ScriptedEngine([first(**{"1": 0.6, "5": 0.4})]), Sample.of("q", "a"))
    assert reward.failure.reason is Reason.UNCLEAR
    assert "begins several values" in reward.failure.detail


# ---- over any recipe ---------------------------------------------------------------------------------------------------


def test_per_criterion_with_a_pitfall():
    """Each criterion has its own expectation; a fault counts the other way round."""
    engine = ScriptedEngine(
        {
            "It is right.": stated("So.\nVERDICT: ", MET=0.9, UNMET=0.1),
            "It is padded.": stated("So.\nVERDICT: ", MET=0.2, UNMET=0.8),
        }
    )
    config = {"recipe": "checklist", "rubric": RUBRIC, "filters": "off", "engine": {"kind": "scripted"}, "signal": "expected"}
    [reward] = score(config, engine, Sample.of("q", "a"))
    assert dict(reward.components) == pytest.approx({"right": 0.9, "padded": 0.8})
    assert reward.raw_reward == pytest.approx(0.875)  # (3 * 0.9 + 1 * 0.8) / 4
    assert all(r.sampling.max_tokens > 1 for r in engine.requests)


def lines(*values):
    """A reply of one line a criterion, from (id, {label: probability})."""
    tokens = []
    for name, chances in values:
        head = f"VERDICT {name}: "
        tokens += [TokenLogprobs(head, {head: 0.0}), token(chances), TokenLogprobs("\n", {"\n": 0.0})]
    return Completion("".join(t.text for t in tokens), logprobs=tuple(tokens))


ALL = {"recipe": "checklist-all", "rubric": RUBRIC, "filters": "off", "engine": {"kind": "scripted"}, "signal": "expected"}


def test_all_criteria_in_one_call():
    """Each line of a checklist is read where it states its own label: one call, an expectation for each."""
    engine = ScriptedEngine([lines(("right", {"MET": 0.9, "UNMET": 0.1}), ("padded", {"UNMET": 0.8, "MET": 0.2}))])
    [reward] = score(ALL, engine, Sample.of("q", "a"))
    assert dict(reward.components) == pytest.approx({"right": 0.9, "padded": 0.8})
    assert (reward.raw_reward, reward.judge_calls) == (pytest.approx(0.875), 1)
    assert reward.uncertainty.variance == pytest.approx((0.09 + 0.16) / 2)


def test_one_unclear_criterion_leaves_no_verdict():
    """Half a checklist in probabilities and half in words would be on two scales."""
    engine = ScriptedEngine([lines(("right", {"MET": 0.9, "UNMET": 0.1}), ("padded", {"UNMET": 0.3, "?": 0.7}))])
    [reward] = score(ALL, engine, Sample.of("q", "a"))
    assert (reward.raw_reward, reward.failure.reason) == (None, Reason.UNCLEAR)
    assert "padded: the values hold 0.3" in reward.failure.detail


def test_all_steps_in_one_call(tmp_path):
    """A process reward from one call: the probability that each step is right, folded by the worst."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "ask.j2").write_text("{% for s in steps %}{{ s.text | quote(s.name) }}\n{% endfor %}VERDICT step_n: OK or BAD")
    (folder / "recipe.yaml").write_text(
        "name: mine\nsummary: s\nmode: pointwise\nsource: {title: t}\nsignal: steps\nsteps: {fold: min, base: expected}\n"
        "turns: [{name: ask, user: ask.j2}]\nverdict: {kind: criteria, labels: {OK: 1, BAD: 0}}\n"
    )
    engine = ScriptedEngine([lines(("step_1", {"OK": 0.9, "BAD": 0.1}), ("step_2", {"BAD": 0.6, "OK": 0.4}))])
    config = {"recipe": str(folder), "filters": "off", "engine": {"kind": "scripted"}}
    [reward] = score(config, engine, Sample.of("q", "a = 1\n\nb = 2"))
    assert dict(reward.components) == pytest.approx({"step_1": 0.9, "step_2": 0.4})
    assert reward.raw_reward == pytest.approx(0.4)


def test_both_orders_of_a_pair():
    """A judge that leans to the first place is averaged out, and said to disagree only when the winner changes."""
    engine = ScriptedEngine([stated("[[", A=0.9, B=0.1), stated("[[", A=0.4, B=0.6)])
    config = {"recipe": "pairwise", "filters": "off", "engine": {"kind": "scripted"}, "signal": "expected"}
    one, two = score(config, engine, Sample.of("q", "a", "b"))
    assert (one.raw_reward, two.raw_reward) == pytest.approx((0.75, 0.25))  # (0.9 + 0.6) / 2
    assert one.uncertainty.order_gap == pytest.approx(0.3)
    assert "order_inconsistent" not in {f.name for f in one.flags}


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        pytest.param({"A": 0.2, "B": 0.8}, None, id="same-winner"),
        pytest.param({"A": 0.8, "B": 0.2}, Reason.AMBIGUOUS, id="the-place-wins"),
    ],
)
def test_both_orders_must_agree(second, reason):
    """`both_agree` asks for one winner, not for equal digits."""
    engine = ScriptedEngine([stated("[[", A=0.9, B=0.1), stated("[[", **second)])
    config = {"recipe": "pairwise", "order": "both_agree", "filters": "off", "engine": {"kind": "scripted"}, "signal": "expected"}
    one, _ = score(config, engine, Sample.of("q", "a", "b"))
    assert (one.failure and one.failure.reason) == reason


def test_votes_are_averaged():
    """Several reasoned votes: the mean of their expectations."""
    engine = ScriptedEngine([stated("[[", A=0.9, B=0.1), stated("[[", A=0.5, B=0.5)])
    config = {"recipe": "pairwise", "order": "single", "votes": 2, "filters": "off", "engine": {"kind": "scripted"}}
    one, _ = score({**config, "signal": "expected"}, engine, Sample.of("q", "a", "b"))
    assert one.raw_reward == pytest.approx(0.7)
    assert one.uncertainty.spread == pytest.approx(0.2)


def test_a_forced_verdict_has_probabilities():
    """A reply without a verdict is continued, and the probabilities of that one token count."""
    forced = Completion("A", logprobs=(token({"A": 0.8, "B": 0.2}),))
    engine = ScriptedEngine([Completion("Both are fine.", logprobs=(token({"Both are fine.": 1.0}),)), forced])
    config = {"recipe": "pairwise", "order": "single", "filters": "off", "engine": {"kind": "scripted"}, "signal": "expected"}
    one, _ = score(config, engine, Sample.of("q", "a", "b"))
    assert one.raw_reward == pytest.approx(0.8)


def test_thinking_that_a_server_took_off():
    """A reasoning parser takes the thinking off the text, and not off the tokens: the verdict is found from the end."""
    tokens = (
        *(TokenLogprobs(t, {t: 0.0}) for t in ("<think>", "A? [[A]]", "</think>", "\n\n", "So ", "[[")),
        token({"B": 0.7, "A": 0.3}),
    )
    end = (TokenLogprobs("]]", {"]]": 0.0}), TokenLogprobs("<|im_end|>", {"<|im_end|>": 0.0}))
    reply = Completion("So [[B]]", reasoning="A? [[A]]", logprobs=(*tokens, *end))
    config = {"recipe": "pairwise", "order": "single", "filters": "off", "engine": {"kind": "scripted"}, "signal": "expected"}
    one, _ = score(config, ScriptedEngine([reply]), Sample.of("q", "a", "b"))
    assert one.raw_reward == pytest.approx(0.3)


def test_group_of_pairs():
    """A tournament of four responses runs on probabilities."""
    engine = ScriptedEngine(lambda _: stated("[[", A=0.8, B=0.2))
    config = {
        "recipe": "pairwise",
        "filters": "off",
        "engine": {"kind": "scripted"},
        "signal": "expected",
        "group": {"schedule": "anchor"},
    }
    rewards = score(config, engine, Sample.of("q", "a", "b", "c", "d"))
    assert [r.raw_reward for r in rewards] == pytest.approx([0.5] * 4)  # bound to a place: both orders cancel


def test_panel_member_reads_probabilities():
    """A member may read probabilities where the run's own judge states."""
    engine = ScriptedEngine(lambda r: stated("[[", A=0.8, B=0.2))
    member = {"name": "soft", "signal": "expected"}
    config = {
        "recipe": "pairwise",
        "order": "single",
        "filters": "off",
        "engine": {"kind": "scripted"},
        "panel": {"members": [member], "fold": "mean"},
    }
    one, _ = score(config, engine, Sample.of("q", "a", "b"))
    assert dict(one.components) == pytest.approx({"first": 1.0, "soft": 0.8})


# ---- rotation and prior --------------------------------------------------------------------------------------------------


def test_rotation_of_labels(tmp_path):
    """A judge that takes whatever stands first is brought to the middle: every cyclic order is asked once."""

    def reply(request):
        shown = request.messages[-1].text.rpartition("One of ")[2]
        likely = min(("Bad", "Fair", "Good"), key=shown.find)
        return first(**{name: 0.8 if name == likely else 0.1 for name in ("Bad", "Fair", "Good")})

    engine = ScriptedEngine(reply)
    config = recipe(tmp_path, "{kind: label, labels: {Bad: 0, Fair: 0.5, Good: 1}}", fields="readout: {at: first, rotate: true}")
    [reward] = score(config, engine, Sample.of("q", "a"))
    assert len(engine.requests) == 3
    assert reward.raw_reward == pytest.approx(0.5)
    assert reward.uncertainty.order_gap == pytest.approx(0.7)  # 0.15 with Bad first, 0.85 with Good first


def test_rotation_of_a_pair_is_both_orders():
    """`rotate` over a recipe with one order asks both."""
    engine = ScriptedEngine(lambda _: first(A=0.9, B=0.1))
    one, _ = score(
        {"recipe": "pairwise", "order": "single", **BASE, "readout": {"at": "first", "rotate": True}},
        engine,
        Sample.of("q", "a", "b"),
    )
    assert (len(engine.requests), one.raw_reward) == (2, pytest.approx(0.5))


def prior_or(request):
    blank = "N/A" in request.messages[-1].text
    return (
        first(Yes=0.8, No=0.2)
        if blank
        else first(
            Yes=0.8 if "good" in request.messages[-1].text else 0.5, No=0.2 if "good" in request.messages[-1].text else 0.5
        )
    )


def test_prior_once_a_prompt(tmp_path):
    """What the judge says without a response is divided out, and asked once for all completions of the prompt."""
    config = recipe(tmp_path, "{kind: label, labels: {Yes: 1, No: 0}}", fields="readout: {at: first, debias: prior}")
    engine = ScriptedEngine(prior_or)
    rewards = score(config, engine, *(Sample.of("q", text, id=text) for text in ("good", "poor", "good 2", "poor 2")))
    # good: 0.8 / 0.8 and 0.2 / 0.2 are 1 and 1; poor: 0.5 / 0.8 and 0.5 / 0.2 are 0.625 and 2.5
    assert [r.raw_reward for r in rewards] == pytest.approx([0.5, 0.2, 0.5, 0.2])
    blank = Counter("N/A" in r.messages[-1].text for r in engine.requests)
    assert blank == {True: 1, False: 4}
    assert sum(r.judge_calls for r in rewards) == 5
    assert [c.turn for c in rewards[0].calls] == ["ask:prior", "ask"]


def test_a_prior_that_fails_leaves_no_reward(tmp_path):
    """Without the prior there is nothing to divide by, and the biased number is not given instead."""
    config = recipe(tmp_path, "{kind: label, labels: {Yes: 1, No: 0}}", fields="readout: {at: first, debias: prior}")
    engine = ScriptedEngine(lambda r: first(Hm=1.0) if "N/A" in r.messages[-1].text else first(Yes=0.9, No=0.1))
    [reward] = score(config, engine, Sample.of("q", "a"))
    assert (reward.raw_reward, reward.failure.reason) == (None, Reason.UNCLEAR)
    assert "in place of the response" in reward.failure.detail


def test_calls_are_known_before(tmp_path):
    """The dry run counts rotations for certain, the prior as what may come on top, and nothing that is asked once more."""
    fields = "readout: {at: first, rotate: true, debias: prior}"
    config = recipe(tmp_path, "{kind: label, labels: {Bad: 0, Fair: 0.5, Good: 1}}", fields=fields)
    settings = RunSettings.model_validate(config)
    found = dry_run(plan(settings), [Sample.of("q", "a"), Sample.of("q", "b")])
    assert (found.calls, found.extra["priors"], found.extra["again"]) == (6, 6, 0)
    engine = ScriptedEngine(lambda _: first(Bad=0.5, Good=0.5))
    score(config, engine, Sample.of("q", "a", id="1"), Sample.of("q", "b", id="2"))
    assert len(engine.requests) == 9  # the priors of both are those of one prompt


def test_a_suspect_response_owes_its_proof(tmp_path):
    """A probability is never quite 0, so what a filter suspects is paid only with the words that state its answer."""
    config = {**recipe(tmp_path, "{kind: label, labels: {Yes: 1, No: 0}}"), "filters": "default"}
    engine = ScriptedEngine([first(Yes=0.4, No=0.6), "none"])
    [reward] = score(config, engine, Sample.of("What is 2+2?", "Let's solve this problem step by step."))
    assert reward.raw_reward == 0
    assert "no_answer" in {f.name for f in reward.flags}


# ---- settings --------------------------------------------------------------------------------------------------------------


REFUSED = [
    pytest.param({"recipe": "principle", "principle": "p"}, "one each; it is scores", id="several-values"),
    pytest.param({"recipe": "checklist-all", "rubric": RUBRIC}, "several criteria, and one first token", id="criteria-first"),
    pytest.param({"signal": "stated"}, "`readout` is for `signal: expected`", id="readout-without-signal"),
    pytest.param({"votes": 3}, "copies of one", id="votes-of-one-token"),
    pytest.param({"readout": {}, "votes": {"n": 3, "fold": "majority"}}, "never equal", id="majority"),
    pytest.param({"recipe": "pointwise", "rubric": RUBRIC, "readout": {"rotate": True}}, "asks for a score", id="no-labels"),
    pytest.param({"recipe": "verifier", "readout": {"rotate": True}}, "no template .* prints `labels`", id="unseen"),
    pytest.param({"recipe": "verifier"}, "`copied` wants a line", id="copied-words"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "says"), REFUSED)
def test_what_would_have_no_effect_is_refused(fields, says):
    """Before the first request, with what to do."""
    with pytest.raises(InputError, match=says):
        score({"recipe": "pairwise", **BASE, **fields}, ScriptedEngine([first(A=1.0)]), Sample.of("q", "a", "b"))


def test_an_engine_without_probabilities():
    """It is named, and so are those that have them."""
    engine = ScriptedEngine([first(A=1.0)], capabilities=frozenset({Capability.PREFILL}))
    with pytest.raises(InputError, match=r"needs top_logprobs; engine `scripted` can: prefill\. Engines with it: vllm"):
        score({"recipe": "pairwise", **BASE}, engine, Sample.of("q", "a", "b"))


def test_stated_over_a_recipe_of_one_token(tmp_path):
    """The other way round: a label that is written out, with room for it."""
    config = recipe(tmp_path, "{kind: label, form: bare, labels: {Yes: 1, No: 0}}")
    with pytest.raises(InputError, match=r"set `sampling\.max_tokens`"):
        score({**config, "signal": "stated"}, ScriptedEngine(["Yes"]), Sample.of("q", "a"))
    [reward] = score({**config, "signal": "stated", "sampling": {"max_tokens": 16}}, ScriptedEngine(["Yes"]), Sample.of("q", "a"))
    assert reward.raw_reward == 1.0


def test_recipe_file_says_where(tmp_path):
    """A recipe whose verdict has no probabilities does not load."""
    with pytest.raises(InputError, match=r"whole numbers, at most 101"):
        load_recipe(recipe(tmp_path, "{kind: score, range: {min: 0, max: 1, integer: false}}")["recipe"])
