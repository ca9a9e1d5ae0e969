"""A run over two servers of the same model, one of which is lost on the way."""

from __future__ import annotations

import pytest

from judge.batch.run import run_batch
from judge.pipeline.build import plan
from judge.settings import load_settings
from tests.batch_harness import SETTINGS, rewards, samples
from tests.fake_endpoint import Canned, FakeEndpoint


@pytest.mark.parametrize("dies", [False, True])
async def test_two_servers_share_a_run_and_one_is_enough(tmp_path, dies):
    """`vllm serve` on two machines: both work, and when one goes away every row still gets its reward."""
    one = FakeEndpoint({"judge": lambda body: Canned("VERDICT: MET", delay_s=0.01)})
    async with one, FakeEndpoint({"judge": lambda body: Canned("VERDICT: MET", delay_s=0.01)}) as two:

        def read():
            for number, sample in enumerate(samples(60)):
                if dies and number == 30:
                    one._models["judge"] = lambda body: Canned(cut=True)
                yield sample

        engine = {"kind": "openai", "model": "judge", "base_url": [one.url, two.url], "patience_s": 5}
        settings, _ = load_settings(SETTINGS | {"engine": engine, "max_in_flight": 8})
        result = await run_batch(plan(settings), read(), tmp_path, quiet=True)
    assert [row["detail"] for row in rewards(tmp_path) if row["reward"] is None] == []
    assert result.run["counts"]["samples"] == 60
    assert {row["reward"] for row in rewards(tmp_path)} == {1.0}
    shares = one.requests, two.requests
    assert min(shares) > 20
    assert shares[1] > 60 if dies else abs(shares[0] - shares[1]) <= 20
