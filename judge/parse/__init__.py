"""Completion -> verdict, or the reason there is none.

`read` is what the pipeline calls. A failure is a value (`NoVerdict`), and no model output makes anything here raise.
How decisions are made, with examples: docs/parsing.md.
"""

from judge.parse.copied import read_copied, read_copy
from judge.parse.format import constraint, format_verdict
from judge.parse.logprobs import value_scores, without_prior
from judge.parse.read import failure, read, read_forced, read_strict, weighed

__all__ = [
    "constraint",
    "failure",
    "format_verdict",
    "read",
    "read_copied",
    "read_copy",
    "read_forced",
    "read_strict",
    "value_scores",
    "weighed",
    "without_prior",
]
