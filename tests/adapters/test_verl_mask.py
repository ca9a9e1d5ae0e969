"""`judge.adapters.verl_manager`: whose words a response's tokens are (the rest runs under verl itself, in tests/frameworks)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from judge.adapters.verl_manager import JudgeRewardManager

SAID, RESULT, END = "I look it up.", "Capital: Paris", "It is Paris."
MASK = [1] * len(SAID) + [0] * len(RESULT) + [1] * len(END)


@pytest.mark.parametrize("mask", [None, [1] * len(MASK), MASK], ids=["none", "all-the-policys", "with-a-tool"])
def test_a_mask_tells_tools_from_the_policy(mask):
    """One string with a tool's words in it: they are marked as the tool's where the batch says so."""
    ids = [ord(c) for c in SAID + RESULT + END]
    batch = {"responses": np.array([*ids, 0, 0]), "attention_mask": np.array([1, 1, *[1] * len(ids), 0, 0])}
    if mask is not None:
        batch["response_mask"] = np.array([*mask, 0, 0])
    manager = JudgeRewardManager.__new__(JudgeRewardManager)
    manager.tokenizer = SimpleNamespace(decode=lambda ids, **_: "".join(map(chr, ids)))
    response, length = manager._response(batch)
    assert length == len(ids)
    if mask is MASK:
        assert [m.role for m in response] == ["assistant", "tool", "assistant"]
    else:
        assert response == SAID + RESULT + END
