"""A rubric for a person to read, and as YAML.

What a judge sees is one thing; what becomes of its verdicts another. So the sheet ends with the arithmetic, worked on
three responses: one that is right throughout, one that meets nothing, and one with a fault or a gap.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from judge.rubric.model import Criterion, Lineage, Rubric, Scale

_ID_LIMIT = 40


def rubric_text(rubric: Rubric, width: int = 100) -> str:
    """The rubric as plain text, `width` columns wide: criteria, scales, and how the reward is computed."""
    lines = [f"{rubric.name}: {rubric.title}" if rubric.title else rubric.name]
    lines += [*_wrapped(rubric.description, width), *([f"source: {rubric.source}"] if rubric.source else [])]
    lines += [f"version: {rubric.version}"] if rubric.version else []
    lines += _wrapped(_lineage(rubric.lineage), width) if rubric.lineage else []
    lines += [f"hash: {rubric.hash}", "", f"{len(rubric.criteria)} criteria"]
    for criterion in rubric.criteria:
        lines += ["", *criterion_lines(criterion, width)]
    lines += ["", f"overall scale: {scale_words(rubric.scale)}", *_anchor_lines(rubric.scale, width), ""]
    return "\n".join([*lines, *_wrapped_all(reward_lines(rubric), width)]) + "\n"


def _lineage(lineage: Lineage) -> str:
    """Who wrote it, from what, and what it came to when it was tried."""
    facts = {"by": lineage.generator, "model": lineage.model, "prompts": lineage.prompt_hash, "data": lineage.data_hash}
    facts |= {"parents": ", ".join(lineage.parents), "made with": lineage.created_by}
    facts |= {name: f"{value:.3g}" for name, value in lineage.scores.items()}
    return "written: " + "; ".join(f"{name} {value}" for name, value in facts.items() if value)


def criterion_lines(criterion: Criterion, width: int) -> list[str]:
    """One criterion: a line of facts, its text, its anchors."""
    facts = [criterion.kind, importance(criterion), scale_words(criterion.scale), polarity(criterion)]
    facts += ["veto"] if criterion.veto else []
    facts += [f"check: {criterion.check}"] if criterion.check != "llm" else []
    head = f"  {criterion.id}  ({', '.join(facts)})"
    return [head, *_wrapped(criterion.text, width, 4), *_anchor_lines(criterion.scale, width, 4)]


def importance(criterion: Criterion) -> str:
    """`weight 3` or `points -5`."""
    if criterion.points is not None:
        return f"points {criterion.points:+g}"
    return f"weight {criterion.importance:g}"


def polarity(criterion: Criterion) -> str:
    """Which verdict is best for the response."""
    scale = criterion.scale
    low, high = ("UNMET", "MET") if scale.kind != "ordinal" else (str(scale.min), str(scale.max))
    return f"{low if criterion.negative else high} is best"


def scale_words(scale: Scale) -> str:
    """`binary`, `ternary`, or `1 to 5`."""
    return f"{scale.min} to {scale.max}" if scale.kind == "ordinal" else scale.kind


def reward_lines(rubric: Rubric) -> list[str]:
    """How verdicts become the reward: the formula, the veto rule, and worked cases."""
    lines = [f"reward = {_formula(rubric)}"]
    vetoes = [c for c in rubric.criteria if c.veto]
    if vetoes:
        names = ", ".join(f"`{c.id}`" for c in vetoes)
        lines.append(f"veto: 0 when {names} fail{'s' if len(vetoes) == 1 else ' (any of them)'}: below half of its scale, 1 best")
    cover = rubric.partial.min_coverage
    rule = "no reward when any criterion lacks a verdict"
    if cover < 1:
        rule = f"no reward unless the criteria with a verdict carry {cover:.0%} of the importance; flagged `partial` below 100%"
    lines.append(f"missing: {rule}")
    return lines + [f"  {case}" for case in _worked(rubric)]


def _formula(rubric: Rubric) -> str:
    """The fold in words and numbers, with the denominator by name."""
    if rubric.fold == "all_pass":
        return "1 if every criterion scores at least half of its scale, else 0   (fold all_pass)"
    if rubric.fold == "min":
        return "the lowest criterion score, 1 best   (fold min)"
    positive, everything = _sums(rubric)
    if rubric.fold == "harmonic_mean":
        return f"{everything:g} / (sum of weight / score), 0 when any score is 0   (fold harmonic_mean)"
    if rubric.effective_denominator == "positive_points":
        return f"(sum of what is met, faults subtracted) / {positive:g}, clipped to 0..1   (denominator positive_points)"
    faults = ", a pitfall scoring 1 when absent" if everything > positive else ""
    return f"(sum of weight x score{faults}) / {everything:g}   (denominator all_weights)"


def _sums(rubric: Rubric) -> tuple[float, float]:
    """Importance of the positive criteria, and of all."""
    positive = sum(c.importance for c in rubric.criteria if not c.negative)
    return positive, sum(c.importance for c in rubric.criteria)


def _worked(rubric: Rubric) -> list[str]:
    """Arithmetic on responses that anyone can imagine."""
    if rubric.fold != "weighted_mean":
        return []
    positive, total = _sums(rubric)
    by_points = rubric.effective_denominator == "positive_points"
    top = positive if by_points else total
    cases = [f"all met, no fault: {top:g} / {top:g} = 1"]
    loss = next((c for c in rubric.criteria if c.negative and not c.veto), None)
    loss = loss or next((c for c in rubric.criteria if not c.veto), None)
    if loss is not None:
        word, left = "fault" if loss.negative else "without", top - loss.importance
        clipped = ", clipped to 0" if left < 0 else ""
        cases.append(
            f"the same, {word} `{_short(loss.id)}`: ({top:g} - {loss.importance:g}) / {top:g} = {left / top:.3g}{clipped}"
        )
    veto = next((c for c in rubric.criteria if c.veto and not c.negative), None)
    if veto is not None:
        cases.append(f"nothing met: 0, by the veto `{_short(veto.id)}`")
    elif by_points:
        cases.append(f"nothing met, no fault: 0 / {top:g} = 0")
    else:
        free = total - positive
        cases.append(f"nothing met, no fault: {free:g} / {top:g} = {free / top:.3g}")
    return cases


def rubric_values(rubric: Rubric) -> dict[str, Any]:
    """The rubric as plain values, defaults left out: what a `rubric` column takes."""
    return {"name": rubric.name, **rubric.model_dump(mode="json", exclude_defaults=True)}


def rubric_yaml(rubric: Rubric, data: Mapping[str, Any] | None = None) -> str:
    """The rubric as a YAML file that loads to an equal rubric, defaults left out.

    Args:
        data: Its `rubric_values`, where they are at hand.
    """
    data = rubric_values(rubric) if data is None else data
    plain = {
        "name": rubric.name,
        **{k: v for k, v in data.items() if k not in ("name", "criteria")},
        "criteria": data["criteria"],
    }
    return _block(plain, "")


def lineage_yaml(lineage: Lineage) -> str:
    """The block `lineage:` of a rubric file."""
    return _block({"lineage": lineage.model_dump(mode="json", exclude_defaults=True)}, "")


def _block(value: Mapping[str, Any], pad: str, *, exact: bool = False) -> str:
    """A mapping as lines: lists indented, whole numbers without a point, levels as numbers, one line a text.

    `yaml.dump` says the same otherwise (`- id` at the margin, `3.0`, `'1':`), and for a rubric of ten criteria it takes 0.18 ms
    with libyaml and 1.0 without, against 0.03 here. Rubrics are written by the ten thousand, and one takes 0.4 ms in all.

    Args:
        exact: Within the arguments of a check: numbers and keys stay what they are.
    """
    text = ""
    for key, child in value.items():
        name = _key(key, exact)
        if type(child) is str:
            text += f"{pad}{name}: {_scalar(child)}\n"
        elif type(child) is dict and child:
            text += f"{pad}{name}:\n{_block(child, pad + '  ', exact=exact or key == 'args')}"
        elif type(child) is list and child and all(type(each) is dict and each for each in child):
            inner = pad + "    "
            entries = (_block(each, inner, exact=exact)[len(inner) :] for each in child)
            text += "".join([f"{pad}{name}:\n", *(f"{pad}  - {entry}" for entry in entries)])
        else:
            text += f"{pad}{name}: {_flow(child, exact)}\n"
    return text


@lru_cache(maxsize=1024)
def _key(key: str, exact: bool) -> str:
    """A key; the levels of a scale are whole numbers."""
    if not exact and key.lstrip("-").isdigit():
        return key
    return _quoted(key) if "," in key else _scalar(key)  # within brackets a comma ends it


def _flow(value: Any, exact: bool) -> str:
    """A scalar, or a list or mapping on one line."""
    if type(value) is str:
        return _scalar(value)
    if type(value) is list:
        return f"[{', '.join(_bare(each, exact) for each in value)}]"
    if type(value) is dict:
        return "{" + ", ".join(f"{_key(key, exact)}: {_bare(each, exact)}" for key, each in value.items()) + "}"
    return _number(value, exact) if type(value) is float else json.dumps(value)


def _bare(value: Any, exact: bool) -> str:
    """A value within brackets, where a comma ends a bare word."""
    return _quoted(value) if type(value) is str and "," in value else _flow(value, exact)


def _number(value: float, exact: bool) -> str:
    """A whole number as a person would have typed it; YAML 1.1 takes `1e-05` for text, so the point must be there."""
    if not exact and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    text = repr(value)
    return text.replace("e", ".0e", 1) if "e" in text and "." not in text else text


def _scalar(text: str) -> str:
    """Text as a person would have typed it where nothing in it means something to YAML; else in double quotes."""
    return text if _SIMPLE.fullmatch(text) and not (len(text) < _LONGEST_WORD and _WORDS.fullmatch(text)) else _quoted(text)


def _quoted(text: str) -> str:
    return _ODD.sub(lambda m: f"\\u{ord(m[0]):04x}", _IN_QUOTES(text))


_IN_QUOTES = json.JSONEncoder(ensure_ascii=False).encode
_EXACT = 1e15  # whole floats below it are exact
_SIMPLE = re.compile(r"[A-Za-z](?:[A-Za-z0-9_ ()/%+;.,'-]*[A-Za-z0-9_).%])?")  # no `: `, no ` #`, nothing that opens a flow
_WORDS = re.compile(r"(?:y|n|yes|no|on|off|true|false|null|nan|inf)", re.IGNORECASE)  # and what they mean in YAML 1.1
_LONGEST_WORD = 6
_ODD = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def _short(name: str) -> str:
    return name if len(name) <= _ID_LIMIT else name[: _ID_LIMIT - 1] + "…"


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    pad = " " * indent
    return [line for part in text.splitlines() for line in textwrap.wrap(part, width, initial_indent=pad, subsequent_indent=pad)]


def _wrapped_all(lines: list[str], width: int) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, width, subsequent_indent="    ")]


def _anchor_lines(scale: Scale, width: int, indent: int = 0) -> list[str]:
    pad = " " * (indent + 2)
    lines: list[str] = []
    for level, text in sorted(scale.anchors.items()):
        lines += textwrap.wrap(f"{level}  {text}", width, initial_indent=pad, subsequent_indent=pad + "   ")
    return lines
