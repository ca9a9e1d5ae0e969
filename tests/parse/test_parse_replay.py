"""Real judges' replies: our reading against the decision their authors recorded (docs/parsing.md explains every difference)."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "replay_recorded.py"
WINNERS = "recorded: equal ratings count as a win of the output shown second"
DEBATER = "recorded: `Output (a) is better` anywhere wins, even in a debater's mouth"
ASKED = "ours: the reply does not hold the sentence asked for"
LINE = "recorded: a line that starts with `Output (a)` wins, whatever it says"
REFUSAL = "recorded: a refusal to choose is read as a choice"
CUT = "ours: one token and finish reason `length` is a cut-off reply"
MARKS = "ours: the closing sentence stands in quotation marks"

SAME = {
    "llmbar chatgpt Vanilla": (200, 200),
    "llmbar chatgpt Metrics_Reference": (200, 200),
    "llmbar chatgpt CoT": (200, 200),
    "llmbar chatgpt CoT, as asked": (173, 200),
    "llmbar chatgpt Swap_CoT": (276, 284),
    "llmbar chatgpt Swap_CoT, as asked": (224, 284),
    "llmbar chatgpt Rating": (49, 100),
    "llmbar gpt4 Vanilla": (232, 232),
    "llmbar gpt4 Metrics_Reference": (234, 234),
    "llmbar gpt4 CoT": (234, 234),
    "llmbar gpt4 CoT, as asked": (234, 234),
    "llmbar gpt4 Swap_CoT": (258, 258),
    "llmbar gpt4 Swap_CoT, as asked": (257, 258),
    "llmbar gpt4 Rating": (99, 117),
    "llmbar gpt4 Rating_Reference": (104, 117),
    "llmbar llama2 Vanilla": (200, 200),
    "llmbar llama2 Metrics_Reference": (200, 200),
    "llmbar llama2 CoT": (199, 200),
    "llmbar llama2 CoT, as asked": (199, 200),
    "llmbar llama2 Swap_CoT": (298, 300),
    "llmbar llama2 Swap_CoT, as asked": (295, 300),
    "llmbar palm2 Vanilla": (200, 200),
    "llmbar palm2 Metrics_Reference": (200, 200),
    "llmbar palm2 CoT": (162, 200),
    "llmbar palm2 CoT, as asked": (26, 200),
    "llmbar palm2 Swap_CoT": (258, 258),
    "llmbar palm2 Swap_CoT, as asked": (78, 258),
    "judgebench arena-hard claude-3-haiku-20240307": (264, 264),
    "judgebench arena-hard o1-mini-2024-09-12": (349, 352),
    "alpacaeval cot ranking": (100, 100),
    "alpacaeval log-probs, as recorded": (0, 100),
    "alpacaeval log-probs, finish reason set aside": (100, 100),
}
CAUSES = {WINNERS: 82, DEBATER: 20, ASKED: 414, LINE: 61, REFUSAL: 2, CUT: 100, MARKS: 3}


@pytest.fixture(scope="module")
def script():
    """The benchmark script, as a module's names."""
    return runpy.run_path(str(SCRIPT))


def test_replay(script, data_dir):
    """What people wrote down as a judge's decision is what we read, except where their parser or the reply is at fault."""
    items = script["replay"](data_dir)
    assert script["summary"](items) == SAME
    counts = {}
    for per_format in script["causes"](items).values():
        for cause, count in per_format.items():
            counts[cause] = counts.get(cause, 0) + count
    assert counts == CAUSES
