"""Public data sets whose columns have names of their own: which column is which field, and how the label is meant.

A layout is taken only where all the columns that tell it apart are there, and only for fields that `--map` leaves open.
docs/data.md has the table for readers; a test keeps both the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from judge.labels import Best

DataRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RowLayout:
    """One data set's columns.

    Attributes:
        name: Of the data set, for a reader.
        tells: Columns that together tell it apart.
        fields: Sample field -> column, dotted path, or several columns put together by a blank line (`instruction+input`).
        best: How a number in its label says which response is better: `from 0` and `from 1` count them (any other number is a
            tie), `signed` is below 0 for the first, `1 or 0` is 1 for it, `annotators` are several of `from 1`.
        read: Fields that no path reaches, from the whole row.
    """

    name: str
    tells: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)
    best: Best = ""
    read: Callable[[DataRow], Mapping[str, Any]] | None = None
    makes: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Whether it says where a field is."""
        return name in self.fields or name in self.makes


def _answers_of_systems(row: DataRow) -> Mapping[str, Any]:
    """EVOUNA: a column `answer_NAME` a system, `judge_NAME` beside it; alternatives of the reference between slashes."""
    names = [name.removeprefix("answer_") for name in row if name.startswith("answer_") and row[name] is not None]
    known = str(row.get("golden_answer") or "")
    return {
        "responses": [row[f"answer_{name}"] for name in names],
        "label": [row.get(f"judge_{name}") for name in names],
        "reference": [part for part in known.split("/") if part.strip()] or known,
    }


def _model_solutions(row: DataRow) -> Mapping[str, Any]:
    """GSM8K's example solutions: a column `{solution, is_correct}` a model."""
    found = [part for part in row.values() if isinstance(part, Mapping) and "solution" in part]
    return {"responses": [part["solution"] for part in found], "label": [part.get("is_correct") for part in found]}


def _steps_of(row: DataRow) -> Mapping[str, Any]:
    """A solution given in steps is their text, one paragraph a step."""
    steps = row.get("steps")
    return {"response": "\n\n".join(map(str, steps)) if isinstance(steps, list) else steps, "steps": steps}


def _prm800k(row: DataRow) -> Mapping[str, Any]:
    """PRM800K: of each step the completion that was chosen, or a person's own."""
    steps, ratings = [], []
    for step in row["label"].get("steps") or ():
        said = step.get("completions") or []
        chosen = said[step.get("chosen_completion") or 0] if said else step.get("human_completion")
        if isinstance(chosen, Mapping):
            steps.append(str(chosen.get("text", "")))
            ratings.append(chosen.get("rating"))
    question = row["question"]
    made = {"prompt": question.get("problem"), "reference": question.get("ground_truth_answer"), "label": ratings}
    return made | {"response": "\n".join(steps), "steps": steps}


_PROMETHEUS = (
    ("prompt", "###The instruction to evaluate:"),
    ("response", "###Response to evaluate:"),
    ("reference", "###Reference Answer (Score 5):"),
    ("rubric", "###Score Rubrics:"),
    ("", "###Feedback:"),
)


def _prometheus(text: Any) -> dict[str, str]:
    """The parts of a direct-assessment prompt of Prometheus, by its headings in their order."""
    text, found = str(text), dict[str, str]()
    marks = [(name, text.find(mark), len(mark)) for name, mark in _PROMETHEUS]
    marks = [mark for mark in marks if mark[1] >= 0]
    for (name, start, size), (_, end, _) in zip(marks, [*marks[1:], ("", len(text), 0)], strict=True):
        if name and end > start:
            found[name] = text[start + size : end].strip()
    return found


def _prometheus_row(row: DataRow) -> Mapping[str, Any]:
    return {**_prometheus(row["instruction"]), "label": row.get("gpt4_score", row.get("score"))}


def _prometheus_pair(row: DataRow) -> Mapping[str, Any]:
    better, worse = _prometheus(row["chosen_instruction"]), _prometheus(row["rejected_instruction"])
    return {**better, "response": None, "chosen": better.get("response"), "rejected": worse.get("response")}


def _verl(row: DataRow) -> Mapping[str, Any]:
    """verl: the reference under `reward_model.ground_truth`, its rubric beside it, the question also in `extra_info`."""
    kept = _mapping(row["reward_model"])
    rubric = kept.get("rubrics") or kept.get("rubric") or _mapping(row.get("extra_info")).get("rubrics")
    return {"reference": kept.get("ground_truth"), "rubric": rubric}


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}


def _ifeval(row: DataRow) -> Mapping[str, Any]:
    return {"rubric": {"instruction_id_list": row["instruction_id_list"], "kwargs": row.get("kwargs")}}


def _arena(row: DataRow) -> Mapping[str, Any]:
    """Chatbot Arena's three columns of 0 and 1."""
    names = {"winner_model_a": "model_a", "winner_model_b": "model_b", "winner_tie": "tie"}
    return {"label": next((label for column, label in names.items() if row.get(column) == 1), None)}


def _pair(prompt: str, first: str, second: str, label: str = "label", **more: str) -> dict[str, str]:
    return {"prompt": prompt, "response_a": first, "response_b": second, "label": label, **more}


LAYOUTS: tuple[RowLayout, ...] = (
    RowLayout("JudgeBench", ("question", "response_A", "response_B"),
              _pair("question", "response_A", "response_B", id="pair_id")),
    RowLayout(
        "HelpSteer3",
        ("context", "response1", "response2", "overall_preference"),
        _pair("context", "response1", "response2", "overall_preference"),
        "signed",
    ),
    RowLayout(
        "HelpSteer2 preference",
        ("prompt", "response_1", "response_2", "preference_strength"),
        _pair("prompt", "response_1", "response_2", "preference_strength"),
        "signed",
    ),
    RowLayout("LLMBar, FairEval", ("input", "output_1", "output_2"), _pair("input", "output_1", "output_2"), "from 1"),
    RowLayout(
        "AlpacaFarm, AlpacaEval pairs",
        ("instruction", "output_1", "output_2"),
        _pair("instruction+input", "output_1", "output_2", "preference"),
        "from 1",
    ),
    RowLayout(
        "PandaLM",
        ("instruction", "response1", "response2", "annotator1"),
        _pair("instruction+input", "response1", "response2", "annotator1,annotator2,annotator3", id="idx"),
        "annotators",
    ),
    RowLayout("EvalBiasBench", ("instruction", "response1", "response2"), _pair("instruction+input", "response1", "response2"),
           "from 1"),
    RowLayout("Auto-J", ("prompt", "response 1", "response 2"), _pair("prompt", "response 1", "response 2"), "from 0"),
    RowLayout(
        "PPE, arena pairs",
        ("prompt", "response_1", "response_2", "winner"),
        _pair("prompt", "response_1", "response_2", "winner"),
    ),
    RowLayout(
        "Chatbot Arena (prompt)",
        ("prompt", "response_a", "response_b", "winner_model_a"),
        {},
        read=_arena,
        makes=("label",),
    ),
    RowLayout("Chatbot Arena", ("conversation_a", "conversation_b", "winner"),
           {"response_a": "conversation_a", "response_b": "conversation_b", "label": "winner", "id": "question_id"}),
    RowLayout("RMB pairs", ("conversation_input", "chosen", "reject"),
           {"prompt": "conversation_input", "chosen": "chosen.answer", "rejected": "reject.answer", "id": "pair_uid"}),
    RowLayout("RMB best of N", ("conversation_input", "bon_best", "loser_list"),
           {"prompt": "conversation_input", "chosen": "bon_best.answer,", "rejected": "loser_list.*.answer", "id": "bon_uid"}),
    RowLayout("IFBench (reward models)", ("text_chosen", "text_rejected"),
              {"chosen": "text_chosen", "rejected": "text_rejected"}),
    RowLayout("SHP", ("history", "human_ref_A", "human_ref_B"),
           _pair("history", "human_ref_A", "human_ref_B", "labels", id="post_id"), "1 or 0"),
    RowLayout("UltraFeedback", ("instruction", "completions"),
           {"prompt": "instruction", "responses": "completions.*.response", "label": "completions.*.overall_score"}),
    RowLayout("Nectar", ("prompt", "answers"), {"responses": "answers.*.answer", "label": "answers.*.rank"}),
    RowLayout("list of candidates", ("prompt", "candidates", "best"), {"responses": "candidates", "label": "best"}),
    RowLayout("Qwen2.5-Math samples", ("question", "gt", "response", "score"),
           {"prompt": "question", "reference": "gt", "responses": "response", "label": "score", "id": "idx"}),
    RowLayout("HaluEval general", ("user_query", "chatgpt_response"),
           {"prompt": "user_query", "response": "chatgpt_response", "label": "hallucination", "id": "ID"}),
    RowLayout("HaluEval QA", ("question", "right_answer", "hallucinated_answer"),
           {"prompt": "question", "chosen": "right_answer", "rejected": "hallucinated_answer", "context": "knowledge"}),
    RowLayout("verifier sets", ("question", "reference_answer", "candidate"),
           {"prompt": "question", "reference": "reference_answer", "response": "candidate", "label": "label"}),
    RowLayout("EVOUNA", ("question", "golden_answer"), {"prompt": "question"}, read=_answers_of_systems,
           makes=("responses", "label", "reference")),
    RowLayout("GSM8K model solutions", ("question", "ground_truth", "6b_verification"),
           {"prompt": "question", "reference": "ground_truth"}, read=_model_solutions, makes=("responses", "label")),
    RowLayout("ProcessBench", ("problem", "steps", "label"), {"prompt": "problem", "label": "label"}, read=_steps_of,
           makes=("response", "steps")),
    RowLayout("solutions in steps", ("problem", "steps", "first_error"), {"prompt": "problem", "label": "first_error"},
           read=_steps_of, makes=("response", "steps")),
    RowLayout("PRM800K", ("question", "label", "labeler"), {}, read=_prm800k,
           makes=("prompt", "reference", "response", "steps", "label")),
    RowLayout("Prometheus pairs", ("chosen_instruction", "rejected_instruction"), {}, read=_prometheus_pair,
           makes=("prompt", "chosen", "rejected", "reference", "rubric")),
    RowLayout("Prometheus evaluation", ("instruction", "gpt4_score"), {"id": "idx"}, read=_prometheus_row,
           makes=("prompt", "response", "reference", "rubric", "label")),
    RowLayout("Themis (Topical-Chat, SummEval)", ("source", "target", "human_rating"),
           {"prompt": "source", "response": "target", "label": "human_rating"}),
    RowLayout("HealthBench, graded", ("prompt", "rubrics", "prompt_response"),
           {"response": "prompt_response", "rubric": "rubrics", "label": "score", "id": "prompt_id"}),
    RowLayout("IFEval responses", ("prompt", "response", "instruction_id_list"), {"id": "key"}, read=_ifeval, makes=("rubric",)),
    RowLayout("verl", ("prompt", "reward_model"), {}, read=_verl, makes=("reference", "rubric")),
    RowLayout("verl validation dump", ("input", "output", "gts"),
           {"prompt": "input", "response": "output", "reference": "gts", "label": "score"}),
    RowLayout("rubric sets", ("prompt", "response", "rubrics"), {"rubric": "rubrics"}),
    RowLayout("scored responses", ("prompt", "response", "score"), {"label": "score"}),
    RowLayout("TRL completions", ("prompt", "completion"), {"response": "completion"}),
    RowLayout("TRL groups", ("prompt", "completions"), {"responses": "completions"}),
    RowLayout("instruction and output", ("instruction", "output"), {"prompt": "instruction+input", "response": "output"}),
)  # fmt: skip


@lru_cache(maxsize=1024)
def layout_of(columns: frozenset[str]) -> RowLayout | None:
    """The first layout whose columns are all there.

    Example:
        >>> layout_of(frozenset({"question", "response_A", "response_B", "label"})).name
        'JudgeBench'
    """
    return next((layout for layout in LAYOUTS if columns.issuperset(layout.tells)), None)
