"""What templates see of a case: conversations, criteria, rubrics, and what is said of a field that is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from judge.conversation import media
from judge.render.quoting import Untrusted, defused, image_line
from judge.rubric.model import Criterion, Rubric, Scale
from judge.rubric.per_prompt import PromptRubrics
from judge.types import Conversation, ImagePart, Message, Part, ReasoningPart, Sample, TextPart


def own_messages(prompt: str | Conversation, response: str | Conversation | tuple[()], tokens: frozenset[str]) -> list[Message]:
    """The sample's own conversation as chat messages, with control tokens broken up, and what cannot be sent shown."""
    messages = [Message("user", prompt)] if isinstance(prompt, str) else list(prompt)
    messages += [Message("assistant", response)] if isinstance(response, str) else list(response)
    return [
        Message(m.role, defused(m.content, tokens) if isinstance(m.content, str) else _safe_parts(m, tokens)) for m in messages
    ]


def _safe_parts(message: Message, tokens: frozenset[str]) -> tuple[Part, ...]:
    """The parts of a message with control tokens broken up: images stay, everything else becomes its words."""
    parts = (p for p in message.parts if not isinstance(p, ReasoningPart))
    return tuple(p if isinstance(p, ImagePart) else TextPart(defused(p.text, tokens)) for p in parts)


def with_images(user: Message, images: Sequence[ImagePart], label: str) -> Message:
    """A message in which each image follows the line that names it; images that no line names are not shown."""
    text = user.text
    parts: list[Part] = []
    at = 0
    for found in re.finditer(re.escape(image_line(0, label)).replace("0", r"(\d{1,6})", 1), text):
        if 0 < int(found[1]) <= len(images):
            parts += [TextPart(text[at : found.end()]), images[int(found[1]) - 1]]
            at = found.end()
    return Message("user", (*parts, TextPart(text[at:]))) if parts else user


def message_views(prompt: str | Conversation, untrusted: Callable[..., Untrusted]) -> list[dict[str, Any]]:
    """The prompt as chat messages for templates; a message that is more than words is a conversation of its own."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": untrusted(prompt)}]
    out, images = [], 0
    for message in prompt:
        content = message.content if isinstance(message.content, str) else (message,)
        out.append({"role": message.role, "content": untrusted(content, first_image=images + 1)})
        images += len(media((message,)))
    return out


def field_view(value: Any, untrusted: Callable[..., Untrusted]) -> Any:
    """A field of the row for templates: its texts untrusted, at any depth."""
    if isinstance(value, str):
        return untrusted(value, field=True)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): field_view(part, untrusted) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [field_view(part, untrusted) for part in value]
    return value if value is None or isinstance(value, bool | int | float) else untrusted(str(value), field=True)


def material(sample: Sample) -> tuple[str, ...]:
    """Every text of a sample that a judge may be shown."""
    prompt = (sample.prompt,) if isinstance(sample.prompt, str) else tuple(m.text for m in sample.prompt)
    return (*sample.shown, *prompt, *sample.context, *(sample.reference or ()))


def _points(criterion: Criterion) -> float:
    """Importance with a sign, of a criterion that has a weight."""
    return -criterion.importance if criterion.negative else criterion.importance


@lru_cache(maxsize=4096)
def criterion_view(criterion: Criterion, own: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a template sees of a criterion; `own` are the labels of the recipe, if it has some."""
    return {
        "id": criterion.id,
        "text": criterion.text,
        "title": criterion.title,
        "kind": criterion.kind,
        "negative": criterion.negative,
        "importance": f"{criterion.importance:g}",
        "points": criterion.points if criterion.points is not None else _points(criterion),
        "labels": list(own or criterion.scale.labels),
        "anchors": [] if own else anchors(criterion.scale),  # of levels that the judge is not asked for
    }


@lru_cache(maxsize=512)
def rubric_view(rubric: Rubric, own: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a template sees of a rubric: the criteria that a judge is asked about."""
    criteria: Sequence[Criterion] = llm_criteria(rubric)
    return {
        "title": rubric.title or rubric.name,
        "description": rubric.description,
        "criteria": [criterion_view(c, own) for c in criteria],
    }


def tidy(value: float) -> int | float:
    """A whole number without its `.0`, as prompts print it."""
    return int(value) if value == int(value) else value


def anchors(scale: Scale) -> list[dict[str, Any]]:
    """The levels of a scale that have a description, lowest first."""
    return [{"value": level, "text": scale.anchors[level]} for level in sorted(scale.anchors)]


def lacking(recipe: str, name: str, rubrics: PromptRubrics | None = None) -> str:
    """What a sample without something that its recipe needs is told: where to put it, from every entry.

    Args:
        rubrics: The rubrics by prompt in which one for the sample was looked for.

    Example:
        >>> lacking("verifier", "reference")[:52]
        'recipe `verifier` needs a reference, and the sample '
    """
    what = {"steps": "steps", "context": "documents (`context`)", "exemplar": "an exemplar"}.get(name, f"a {name}")
    if rubrics is not None:
        return (
            f"recipe `{recipe}` needs {what}, and none of the {len(rubrics):,} in {rubrics.path} (`rubrics`) is for this prompt,"
            " which must be the same text (of a chat, roles and contents). Write one with `judge rubric generate`, put it into"
            " the row (`judge run --map rubric=COLUMN`), or set `rubric:` in the run settings, for prompts without one"
        )
    text = (
        f"recipe `{recipe}` needs {what}, and the sample has none: pass `Sample.of(..., {name}=...)` in Python, the field "
        f"`{name}` in a request, or a column of the data (`judge run --map {name}=COLUMN`)"
    )
    return f"{text}; or set `{name}:` in the run settings, for all samples" if name in ("rubric", "principle") else text


def not_a_pair(recipe: str, count: int) -> str:
    """What a sample is told that has more or fewer responses than the two that its recipe compares, and what would do.

    Example:
        >>> not_a_pair("pairwise", 1)[:56]
        'recipe `pairwise` compares 2 responses, and this has 1; '
    """
    return (
        f"recipe `{recipe}` compares 2 responses, and this has {count}; put both of a pair into one row (`responses`), or set"
        " `group: {schedule: round_robin}` so that all responses to a prompt compete"
    )


def lacking_field(recipe: str, name: str) -> str:
    """What a sample without a field of the row that its recipe needs is told.

    Example:
        >>> lacking_field("gemba", "source_lang")[:60]
        'recipe `gemba` needs the field `source_lang`, and the sample'
    """
    return (
        f"recipe `{recipe}` needs the field `{name}`, and the sample has none: pass `Sample.of(..., metadata={{'{name}': ...}})`"
        f" in Python, `metadata` in a request, or a column of the data (`judge run --map fields.{name}=COLUMN`)"
    )


def llm_criteria(rubric: Rubric | None) -> tuple[Criterion, ...]:
    """The criteria that a judge is asked about; the others are checked by programs."""
    return tuple(c for c in rubric.criteria if c.check == "llm") if rubric else ()
