"""Changes of what makes an answer right or wrong, and changes that make no such difference.

Crome (Srivastava et al. 2025, "Robust Reward Modeling via Causal Rubrics", arXiv:2506.16507) trains on both: causal pairs
that must be separated and neutral pairs that must tie. Ours: an audit instead of training, made by rules instead of a
model, on the final answer and the work (the attributes that a rule can find), so every change is certain to be one.
"""

from __future__ import annotations

import random
import re
from fractions import Fraction

from judge.audit.cases import Probe, ProbeCase
from judge.audit.text import NUMBER, finals, last_number, put, sentences, stated
from judge.checks.match import number


def final_number_changed(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The final number of a right answer replaced by a near one. Expected: drop. Source: Crome, causal degradation."""
    if case.reference and number(case.reference) is None:
        return None
    places = finals(case.text, case.reference)
    if not places:
        return None
    return case.but(put(case.text, places, _near(case.text[slice(*places[-1])], rng)))


def final_answer_swapped(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The final words of a right answer replaced by another question's answer. Expected: drop. Source: Crome."""
    if not case.reference or number(case.reference) is not None:
        return None
    taken = case.reference.strip().casefold()
    known = [reference for o in case.others for reference in o.sample.reference or ()]
    words = [reference for reference in known if number(reference) is None]
    words = [w for w in words if w.strip().casefold() not in taken and taken not in w.strip().casefold()]
    places = stated(case.text, case.reference)
    return case.but(put(case.text, places, rng.choice(words).strip())) if places and words else None


_VERB = re.compile(r"\b(is|are|was|were|equals|has|have|can|will|does|must)\b(?!\s+not\b)")
_NEGATED = {"equals": "does not equal", "has": "does not have", "have": "do not have"}


def conclusion_negated(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """`is` becomes `is not` in the statement of the final answer. Expected: drop. Source: Crome, causal degradation."""
    places = finals(case.text, case.reference)
    if not places:
        return None
    start = max(case.text.rfind("\n", 0, places[-1][0]), case.text.rfind(". ", 0, places[-1][0])) + 1
    verbs = list(_VERB.finditer(case.text, start, places[-1][0]))
    if not verbs:
        return None
    verb = verbs[-1]
    return case.but(put(case.text, [verb.span()], _NEGATED.get(verb.group(), f"{verb.group()} not")))


def conclusion_removed(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """Every sentence that states the final answer removed; the work stays. Expected: drop. Source: Crome; Master-RM."""
    places = stated(case.text, case.reference) if case.reference else finals(case.text, None)
    if not places:
        return None
    pieces, at = [], 0
    for piece in sentences(case.text):
        if not any(at <= start < at + len(piece) for start, _ in places):
            pieces.append(piece)
        at += len(piece)
    left = "".join(pieces).strip()
    return case.but(left) if any(c.isalnum() for c in left) else None


_RESULT = re.compile(r"=\s*[$€£]?\s*(\d+(?:,\d{3})*(?:\.\d+)?)(?![\d.,]*\d|\s*[-+*/×=^%])")


def step_changed(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The result of one earlier step made wrong; the final answer stays. Expected: drop. Source: Crome; RM-Bench."""
    places = finals(case.text, case.reference)
    answer = number(case.text[slice(*places[-1])]) if places else None
    steps = [m for m in _RESULT.finditer(case.text) if places and m.end() < places[0][0] and number(m.group(1)) != answer]
    if not steps:
        return None
    step = steps[0]
    return case.but(put(case.text, [step.span(1)], _near(step.group(1), rng)))


_UNITS = {
    "dollars": "euros", "euros": "dollars", "cents": "dollars", "hours": "minutes", "minutes": "hours", "seconds": "minutes",
    "days": "weeks", "weeks": "days", "months": "years", "years": "months", "meters": "feet", "metres": "feet",
    "kilometers": "miles", "kilometres": "miles", "miles": "feet", "feet": "meters", "inches": "feet", "cm": "m", "km": "m",
    "kg": "g", "grams": "kilograms", "kilograms": "grams", "pounds": "ounces", "ounces": "pounds", "liters": "gallons",
    "litres": "gallons", "gallons": "liters", "degrees": "radians", "apples": "oranges", "boys": "girls", "girls": "boys",
}  # fmt: skip
_UNIT = re.compile(r"(?<=\d)(\s+(?:\w+\s+)?)(" + "|".join(_UNITS) + r")\b")


def unit_swapped(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The unit or thing counted behind the final number replaced. Expected: drop. Source: Crome, causal degradation."""
    places = finals(case.text, case.reference)
    found = [m for m in _UNIT.finditer(case.text) if places and m.start() == places[-1][1]]
    return case.but(put(case.text, [found[0].span(2)], _UNITS[found[0].group(2)])) if found else None


def answer_repaired(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The final number of a wrong answer replaced by the reference. Expected: rise. Source: Crome, causal upgrade."""
    if case.reference is None or number(case.reference) is None:
        return None
    last = last_number(case.text)
    if last is None or stated(case.text[last[0] :], case.reference):
        return None
    value = number(case.text[slice(*last)])
    same = [m.span() for m in NUMBER.finditer(case.text, case.text.rfind("\n", 0, last[0]) + 1) if number(m.group()) == value]
    return case.but(put(case.text, same, case.reference.strip()))


def truncated(case: ProbeCase, rng: random.Random) -> ProbeCase | None:
    """The second half of a right answer cut off in mid-sentence, the final answer with it. Expected: drop. Source: ours."""
    cut = case.text[: len(case.text) // 2].rstrip()
    goal = case.reference or next((case.text[slice(*place)] for place in finals(case.text, None)), "")
    return case.but(cut) if len(cut) >= 20 and goal and not stated(cut, goal) else None


def _near(text: str, rng: random.Random) -> str:
    """Another number of the same kind, near this one: a plausible slip.

    Example:
        >>> _near("1,000", random.Random(0)) in {"1,001", "999", "1,010", "2,000", "1,100"}
        True
    """
    value = number(text) or Fraction(0)
    if value.denominator != 1 and "." not in text:  # 3/4
        return str(value + 1)
    digits = len(text.partition(".")[2]) if "." in text else 0
    unit = Fraction(1, 10**digits)
    options = [value + unit, value - unit, value + 10 * unit, value * 2, value + value / 10]
    options = [o for o in options if o != value and o * 10**digits % 1 == 0 and (o >= 0 or value < 0)]
    new = rng.choice(options)
    return f"{float(new):,.{digits}f}" if "," in text else f"{float(new):.{digits}f}" if digits else str(new)


PROBES = (
    Probe("final_number_changed", "causal", "drop", final_number_changed, "right", "against"),
    Probe("final_answer_swapped", "causal", "drop", final_answer_swapped, "right", "against"),
    Probe("conclusion_negated", "causal", "drop", conclusion_negated, "right", "against"),
    Probe("conclusion_removed", "causal", "drop", conclusion_removed, "right", "against"),
    Probe("step_changed", "causal", "drop", step_changed, "right", "against", in_verifier=False),
    Probe("unit_swapped", "causal", "drop", unit_swapped, "right", "against", in_verifier=False),
    Probe("answer_repaired", "causal", "rise", answer_repaired, "wrong", "against"),
    Probe("truncated", "length", "drop", truncated, "right", "against"),
)
