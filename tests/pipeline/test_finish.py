"""Between the judge and the trainer: what the shaping chain is told of a batch, and who takes part in it."""

from __future__ import annotations

from judge import Sample
from judge.pipeline.finish import Finish
from judge.settings import load_settings
from judge.types import NoVerdict, Reason, Reward

INVALID = NoVerdict(Reason.INVALID, "no prompt")


def finish(*shape, **settings) -> Finish:
    """A chain of these steps."""
    run, _ = load_settings({"recipe": "pointwise", "rubric": "helpfulness", "reward": {"shape": list(shape)}, **settings})
    return Finish(run, None)


def batch(*values: float | None, failure: NoVerdict | None = None) -> tuple[list[Sample], list[Reward]]:
    """Responses to one prompt; None: one that could not be judged, for `failure`."""
    samples = [Sample.of("q", f"answer {'word ' * n}", id=str(n)) for n in range(len(values))]
    rewards = [Reward(str(n), 0, value, failure if value is None else None, group="g") for n, value in enumerate(values)]
    return samples, rewards


def test_noise_is_drawn_anew_at_each_step():
    """The same batch at another step of the trainer gets other noise, and at the same step the same."""
    chain = finish({"kind": "dither", "width": 0.1})
    first, again, later = ([r.reward for r in chain.apply(*batch(0.5, 0.5), step=step)] for step in (3, 3, 4))
    assert first == again != later
    assert [r.reward for r in chain.apply(*batch(0.5, 0.5))] == [r.reward for r in chain.apply(*batch(0.5, 0.5), step=0)]


def test_lengths_are_counted_where_the_samples_do_not_say():
    """A chain that looks at lengths gets them from the judge's tokenizer."""
    chain = finish({"kind": "overlong", "limit": 10, "cache": 4})
    counted = chain.apply(*batch(1.0, 1.0), count_tokens=lambda text: 8 if "word" in text else 2)
    assert [r.reward for r in counted] == [1.0, 0.5]  # 8 is half way from 6 to 10
    assert chain.shaping.steps


def test_what_could_not_be_judged_takes_no_part():
    """The ranks of the others are theirs alone, in their own places; the invalid one has no reward and no stage."""
    chain = finish({"kind": "rank"})
    samples, rewards = batch(None, 0.25, 0.75, failure=INVALID)
    shaped = chain.apply(samples, rewards)
    assert [r.reward for r in shaped] == [None, 0.0, 1.0]
    assert shaped[0] is rewards[0]
