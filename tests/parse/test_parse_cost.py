"""Reading costs time in proportion to the text, whatever a judge was made to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from parse_grammars import grammars, stopped

import judge.parse
from judge.parse import format_verdict, read
from tests.clock import least_cpu

pytestmark = pytest.mark.slow

ONE_PER_FORM = list(
    {g.question.spec.form: g for g in grammars() if g.question.spec.kind in ("score", "criteria", "scores")}.values()
)


def attacks(size: int, marker: str) -> dict[str, str]:
    """Texts of about `size` characters on which common verdict patterns take seconds to hours."""
    pieces = {
        "score": "score", "marker": marker, "marker-colon": f"{marker}:", "marker-lines": f"{marker}: \n",
        "headings": f"# {marker}\n", "mid-line": f"{marker}: x. ", "newlines": "\n", "stars": "*", "bullets": "- \n",
        "quote-lines": "> \n", "cues": "it says\n", "open-tags": f"<{marker}>", "think": "<think>", "end-think": "</think>",
        "braces": "{", "brackets": "[", "closing": "]]", "boxes": "\\boxed{", "keys": f'{{"{marker}": ',
        "objects": f'{{"{marker}": 1}} ', "fences": "```json {", "fence-lines": "```json\n", "quotes": '"', "open-quotes": ' "a',
        "open-curly": " “a", "apostrophes": " 'a", "letters": "a", "digits": "1", "lines": "1\n", "wide-colons": "：",
    }  # fmt: skip
    made = {name: piece * (size // len(piece)) for name, piece in pieces.items()}
    half = size // 2
    made["spaces"] = f"{marker}:{' ' * size}x"
    made["boxes-closed"] = "\\boxed{" * (half // 7) + "}" * (half // 7)
    made["brackets-closed"] = "[[" * (half // 2) + "]]" * (half // 2)
    made["keys-closed"] = f'{{"{marker}": ' * (half // (len(marker) + 5)) + "}" * (half // (len(marker) + 5))
    return made


@pytest.mark.parametrize("grammar", ONE_PER_FORM, ids=lambda g: g.id)
def test_linear_time(grammar):
    """One hostile answer, quoted by its judge, must not stall a run of thousands. Limits are loose for slow machines."""
    q, own = grammar.question, "\n" + format_verdict(grammar.question, grammar.failing)
    small, large = attacks(125_000, q.spec.marker), attacks(250_000, q.spec.marker)
    for name, text in large.items():
        for tail in ("", own):
            half, whole = stopped(small[name] + tail), stopped(text + tail)
            took = least_cpu(lambda it=whole: read(it, q), 0.25)
            assert took < 0.25, name  # 250 ms is the bar for four times as much
            for _ in range(6 if took > 0.02 else 0):  # a round compares times of one moment: the clock of a busy machine changes
                limit = 3.5 * least_cpu(lambda it=half: read(it, q), 0.0, 2) + 0.01
                if least_cpu(lambda it=whole: read(it, q), limit, 2) < limit:
                    break
            else:
                assert took <= 0.02, name


def test_no_pattern_repeats_a_repeat():
    """Nested repeats and `.*` are how released parsers hang; none is allowed in, not even a harmless one."""
    for path in Path(judge.parse.__file__).parent.glob("*.py"):
        for found in re.finditer(r"re\.compile\((.*)", path.read_text(encoding="utf-8")):
            assert not re.search(r"\.[*+](?!\?\\)|[+*]\)[+*]", found.group(1)), f"{path.name}: {found.group()}"
