"""NeMo-Gym's words: a Responses-API task and answer -> a sample; a reward -> `reward`, `mask_sample`, `failure_kind`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judge.adapters._shared.sample import group_key, reference_column, reference_of
from judge.errors import DataError
from judge.server.refusal import Refusal
from judge.server.results import failure_of
from judge.server.samples import row_sample
from judge.types import Message, Reason, Reward, Role, Sample

GROUP, TASK, INDEX, ATTEMPT = "_ng_group_id", "_ng_task_index", "_ng_rollout_index", "_ng_group_attempt"
_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "user"}
_KINDS = {
    Reason.ENGINE_ERROR: "judge_failed",
    Reason.OVER_LENGTH: "judge_failed",
    Reason.CHECK_ERROR: "judge_failed",
    Reason.DROPPED: "judge_failed",
    Reason.INVALID: "judge_failed",
    Reason.TIMEOUT: "transport_timeout",
}  # every other reason: the judge answered, and its answer cannot be used
_FAILED = "_ng_failure_class"  # such a row is kept apart, and asked again when a collection resumes; a masked one is done


def sample_in(task: Mapping[str, Any], response: Mapping[str, Any], row: Mapping[str, Any], *, rubrics: str) -> Sample:
    """One rollout as a sample. The reference is the first known field of the row (`answer`, `ground_truth`...); `context`,
    `principle` and `rubric` are what they are everywhere.

    Args:
        rubrics: `client_rubrics` of the settings.

    Raises:
        Refusal: 422: the task or the response cannot be read.
    """
    try:
        column = reference_column(row, None)
    except DataError as why:  # pragma: no cover  # only raised for a column asked for by name
        raise Refusal(422, "bad_field", str(why)) from None
    reference = reference_of(row[column]) if column is not None else None
    return row_sample(_prompt(task), answer_in(response), reference, row, where="", rubrics=rubrics)


def verdict_out(reward: Reward) -> dict[str, Any]:
    """The fields that `/verify` adds. Without a reward it is masked; the 0.0 is NeMo-Gym's placeholder, not a grade."""
    failure, value = failure_of(reward), reward.trained
    extra = {"components": dict(reward.components), "flags": [f.name for f in reward.flags], "explanation": reward.explanation}
    if failure is None or value is not None:
        return {"reward": value, "mask_sample": False, "failure_kind": None, "failure_reason": None, "judge": extra}
    kind = _KINDS.get(failure.reason, "judge_unparseable")
    return {
        "reward": 0.0,
        "mask_sample": True,
        "failure_kind": kind,
        "failure_reason": f"{failure.reason}: {failure.detail}",
        "judge": extra,
        **({} if kind == "judge_unparseable" else {_FAILED: "judge_failed"}),
    }


def group_name(sample: Sample, row: Mapping[str, Any]) -> str | None:
    """Where a rollout meets its siblings: the group that a trainer names, else the task that a collection numbers.

    Example:
        >>> group_name(Sample.of("2+2?", "4"), {"_ng_group_id": "g", "_ng_task_index": 3})
        'g'
    """
    name, task = row.get(GROUP), row.get(TASK)
    if isinstance(name, str) or _whole(name):
        return str(name)[:256]
    return f"task {task} {group_key(sample.prompt, None)}" if _whole(task) else None  # several collections count from 0


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _prompt(task: Mapping[str, Any]) -> str | tuple[Message, ...]:
    given, instructions = task.get("input"), task.get("instructions")
    if isinstance(given, str):
        return (Message("system", instructions), Message("user", given)) if isinstance(instructions, str) else given
    where = "responses_create_params.input"
    if not isinstance(given, list) or not given:
        raise Refusal(422, "bad_field", f"`{where}` is text or a list of messages", where=where)
    messages = [Message("system", instructions)] if isinstance(instructions, str) else []
    for place, item in enumerate(given):
        if not isinstance(item, dict):
            raise Refusal(422, "bad_field", "an item of the input is no message", where=f"{where}[{place}]")
        role = _ROLES.get(str(item.get("role")))
        if role is not None:
            messages.append(Message(role, _text(item.get("content"))))
        elif item.get("type") == "function_call_output":
            messages.append(Message("user", _text(item.get("output"))))
    if not messages:
        raise Refusal(422, "bad_field", f"`{where}` holds no message", where=where)
    return tuple(messages)


def answer_in(response: Mapping[str, Any], where: str = "response") -> str:
    """The text of the assistant's messages; a response without any is empty, and is judged as such.

    Raises:
        Refusal: 422: it holds no list of items.
    """
    output = response.get("output")
    if not isinstance(output, list):
        raise Refusal(422, "bad_field", f"`{where}.output` is a list of items", where=f"{where}.output")
    items = [i for i in output if isinstance(i, dict)]
    said = [_text(i.get("content")) for i in items if i.get("type", "message") == "message" and i.get("role") == "assistant"]
    return "\n\n".join(text for text in said if text)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(p["text"]) for p in parts if isinstance(p, dict) and isinstance(p.get("text"), str))
