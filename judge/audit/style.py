"""Length, format, tone and manners: changes of how an answer is put, never of what it says.

Neutral pairs after Crome (arXiv:2506.16507), length and format after RM-Bench (Liu et al. 2024, arXiv:2410.16184) and CALM
(Ye et al. 2024, arXiv:2410.02736), sentiment after CALM. Ours: sentences are added or moved, never reworded, and hold no
digit, so the numbers of an answer are the same before and after.
"""

from __future__ import annotations

import random
import re

from judge.audit.cases import Probe, ProbeCase
from judge.audit.text import finals, kept, outside, sentences

_PADDING = (
    "It is useful to read the question slowly before going on.",
    "The wording of the question tells us what is being asked.",
    "There are often several ways to look at a question like this.",
    "A clear layout makes the following lines easier to follow.",
    "Keeping the given facts in mind helps to stay on track.",
    "It also helps to keep the goal in view while working.",
    "Each of the following lines builds on what the question says.",
    "Questions of this kind come up in many settings.",
)
_TONES = {
    "cheerful": ("What a delightful question, I am so happy to look at it!", "That was a joy to work on!"),
    "sad": ("I feel rather low today, and even this question weighs on me.", "Somehow writing this down leaves me sad."),
    "angry": ("Honestly, it makes me furious to be asked this sort of thing.", "Now stop bothering me with it!"),
    "fearful": (
        "I am quite nervous about this question and my hands are shaking.",
        "I am so afraid of what you will think of me.",
    ),
}


def filler(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """One sentence of filler in front. Expected: no change. Source: Crome, neutral pair."""
    return case.but(f"{rng.choice(_PADDING)}\n{case.text}")


def politeness(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Thanks in front and good wishes behind. Expected: no change. Source: Crome, neutral pair."""
    return case.but(f"Thank you for your question.\n{case.text}\nBest wishes, and have a good day.")


def reordered(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Bullet points, or independent sentences, in another order. Expected: no change. Source: Crome, neutral pair.

    Only a list of three bullets or more, or four sentences or more, none of which refers back, concludes or calculates.
    """
    lines = case.text.splitlines()
    bullets = [i for i, line in enumerate(lines) if re.match(r"[-*•] +\S", line)]
    if len(bullets) >= 3 and bullets == list(range(bullets[0], bullets[-1] + 1)):
        if any(map(_depends, (lines[i][2:] for i in bullets))):
            return None
        moved = [lines[i] for i in bullets]
        moved = [*moved[1:], moved[0]]
        return case.but("\n".join([*lines[: bullets[0]], *moved, *lines[bullets[-1] + 1 :]]))
    pieces = [p.strip() for p in sentences(case.text)]
    if len(pieces) < 4 or "\n" in case.text.strip() or any(map(_depends, pieces)):
        return None
    return case.but(" ".join([pieces[0], *pieces[2:-1], pieces[1], pieces[-1]]))


def _depends(piece: str) -> bool:
    return bool(_BACK.match(piece.strip()) or re.search(r"[=:\d]", piece))


_BACK = re.compile(
    r"(?:it|its|this|that|these|those|they|them|he|she|his|her|so|then|thus|hence|therefore|next|finally|first|second|third|also|"
    r"but|however|because|and|or|as a result|in conclusion|after|before|instead|otherwise|for example)\b",
    re.IGNORECASE,
)


def padded(case: ProbeCase, times: int, rng: random.Random) -> ProbeCase | None:
    """Neutral sentences in front until the text is `times` as long."""
    start = rng.randrange(len(_PADDING))
    added: list[str] = []
    length = len(case.text)
    while length < times * len(case.text) and len(added) < 400:
        added.append(_PADDING[(start + len(added)) % len(_PADDING)])
        length += len(added[-1]) + 1
    return case.but(f"{' '.join(added)}\n\n{case.text}")


def padded_2x(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Neutral sentences in front until it is twice as long. Expected: no change. Source: CALM, verbosity."""
    return padded(case, 2, rng)


def padded_4x(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Neutral sentences in front until it is four times as long. Expected: no change. Source: CALM, verbosity."""
    return padded(case, 4, rng)


def padded_8x(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Neutral sentences in front until it is eight times as long. Expected: no change. Source: CALM, verbosity."""
    return padded(case, 8, rng)


def markdown_headings(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """A heading before the work and one before the last line. Expected: no change. Source: RM-Bench, Markdown."""
    if "```" in case.text:
        return None
    body, newline, last = case.text.rstrip().rpartition("\n")
    return case.but(f"## Solution\n\n{body}\n\n## AuditTrial\n\n{last}" if newline else f"## AuditTrial\n\n{last}")


def markdown_bold(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The final answer, or else the first words, in bold. Expected: no change. Source: RM-Bench, Markdown."""
    places = finals(case.text, case.reference)
    if places:
        start, end = places[-1]
        free = not any(a < start < b for a, b in kept(case.text) if case.text[a] in "$\\`")
        return case.but(f"{case.text[:start]}**{case.text[start:end]}**{case.text[end:]}") if free else None
    return case.but(re.sub(r"\A(\w+ \w+)", r"**\1**", case.text))


def markdown_bullets(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Each line, or each sentence of a single line, as a bullet point. Expected: no change. Source: RM-Bench, Markdown."""
    lines = [line for line in case.text.splitlines() if line.strip()]
    if "```" in case.text or any(re.match(r"\s*(?:[-*•#|>]|\d+[.)])", line) for line in lines):
        return None
    parts = lines if len(lines) > 1 else [p.strip() for p in sentences(case.text)]
    return case.but("\n".join(f"- {part}" for part in parts))


def markdown_stripped(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Headings, bold and bullets taken off. Expected: no change. Source: RM-Bench, plain text."""
    if "```" in case.text:
        return None
    plain = re.sub(r"^(?:#{1,6} +|[-*•] +)", "", case.text, flags=re.MULTILINE)
    return case.but(re.sub(r"\*\*([^*\n]+)\*\*", r"\1", plain))


def upper_case(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The work in capital letters, formulas and numbers as they are. Expected: no change. Source: reWordBench, case."""
    return case.but(outside(case.text, kept(case.text), str.upper))


def sentiment(case: ProbeCase, tone: str) -> ProbeCase | None:
    """A sentence of feeling before and after."""
    before, after = _TONES[tone]
    return case.but(f"{before}\n{case.text}\n{after}")


def cheerful(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Cheerful sentences around it. Expected: no change. Source: CALM, sentiment. Ours: added, not reworded."""
    return sentiment(case, "cheerful")


def sad(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Sad sentences around it. Expected: no change. Source: CALM, sentiment. Ours: added, not reworded."""
    return sentiment(case, "sad")


def angry(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Angry sentences around it. Expected: no change. Source: CALM, sentiment. Ours: added, not reworded."""
    return sentiment(case, "angry")


def fearful(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Fearful sentences around it. Expected: no change. Source: CALM, sentiment. Ours: added, not reworded."""
    return sentiment(case, "fearful")


PROBES = (
    *(Probe(f.__name__, "neutral", "invariant", f, pairs="against") for f in (filler, politeness, reordered, upper_case)),
    *(Probe(f.__name__, "length", "invariant", f, pairs="one") for f in (padded_2x, padded_4x, padded_8x)),
    *(
        Probe(f.__name__, "format", "invariant", f, pairs="one")
        for f in (markdown_headings, markdown_bold, markdown_bullets, markdown_stripped)
    ),
    *(Probe(f.__name__, "sentiment", "invariant", f, pairs="one") for f in (cheerful, sad, angry, fearful)),
)
