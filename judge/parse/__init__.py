"""Completion -> verdict, or the reason there is none.

`read` is what the pipeline calls. A failure is a value (`NoVerdict`), and no model output makes anything here raise.
How decisions are made, with examples: docs/parsing.md.
"""

from judge.parse.clean import strip_thinking
from judge.parse.read import read, read_forced, read_strict
from judge.parse.spell import constraint, spell

__all__ = ["constraint", "read", "read_forced", "read_strict", "spell", "strip_thinking"]
