"""Inspect, lm-eval and lighteval under their own code: a run as an eval log, and the judge as their metric."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from judge import Judge, ScriptedEngine
from tests.bench.bench_harness import write_judge, write_rows
from tests.cli_harness import run_judge

YES = {"no good": "No.\nVERDICT: UNMET", "silent": "hm", ".": "Yes.\nVERDICT: MET"}
SAID = ["fine", "no good", "silent"]
pytestmark = pytest.mark.filterwarnings("default")  # of theirs


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INSPECT_LOG_DIR", raising=False)
    write_judge(tmp_path / "judge.yaml", "checklist", YES, rubric=["It is right."], filters="off")
    return tmp_path


def judge_that(reply) -> Judge:
    settings = {"recipe": "checklist", "rubric": ["It is right."], "filters": "off"}
    return Judge.from_config(settings, engine=ScriptedEngine(reply))


# ---- Inspect -----------------------------------------------------------------------------------------------------------


def test_a_run_as_an_eval_log(here):
    """Inspect lists it, reads it, and takes its means over what has a reward."""
    from inspect_ai.log import list_eval_logs, read_eval_log

    rows = [{"prompt": "q", "response": text, "id": text, "label": text == "fine"} for text in SAID]
    write_rows(here / "rows.jsonl", rows)
    ended = run_judge("run", "judge.yaml", "--data", "rows.jsonl", "--output", "run", "--track", "inspect")
    assert ended.code == 0, ended.err
    [info] = list_eval_logs(str(here / "run" / "inspect"))
    log = read_eval_log(info)
    assert (log.status, log.eval.model, log.eval.dataset.samples) == ("success", "judge/scripted", 3)
    scores = {s.id: s.scores["judge"] for s in log.samples}
    assert (scores["fine[0]"].value, scores["no good[0]"].value) == (1.0, 0.0)
    assert math.isnan(scores["silent[0]"].value)
    assert scores["silent[0]"].reason == "grader_failed"
    assert scores["silent[0]"].explanation.startswith("missing")
    assert {s.id: (s.input, s.output.completion, s.target) for s in log.samples}["fine[0]"] == ("q", "fine", "true")
    [found] = log.results.scores
    assert (found.scored_samples, found.unscored_samples, found.metrics["reward_mean"].value) == (2, 1, 0.5)


def inspected(here, samples, scorer, before=()):
    """Evaluate answers that are the samples' ids: a solver gives them, since Inspect's own stand-in model counts tokens with a
    file from the network."""
    from inspect_ai import Task, eval
    from inspect_ai.model import ModelOutput
    from inspect_ai.solver import solver

    @solver
    def answers():
        async def solve(state, generate):
            state.messages += before
            state.output = ModelOutput.from_content("none", state.sample_id)
            state.messages.append(state.output.message)
            return state

        return solve

    made = Task(dataset=samples, scorer=scorer, solver=answers())
    [log] = eval(made, model="mockllm/model", log_dir=str(here / "logs"), display="none")
    return log


def test_inspect_scores_with_the_judge(here):
    """Rewards, reasons and the mean over what is known, as Inspect's own evaluation computes it."""
    from inspect_ai.dataset import Sample

    from judge.adapters.inspect_scorer import judge_scorer

    log = inspected(here, [Sample(input="q", target="fine", id=text) for text in SAID], judge_scorer("judge.yaml"))
    assert log.status == "success"
    scores = {s.id: s.scores["judge"] for s in log.samples}
    assert (scores["fine"].value, scores["no good"].value, scores["fine"].answer) == (1.0, 0.0, "fine")
    assert math.isnan(scores["silent"].value)
    assert "missing" in scores["silent"].explanation
    assert next(v for k, v in scores["fine"].metadata.items() if k.startswith("criterion.")) == 1.0
    [found] = log.results.scores
    assert (found.metrics["mean"].value, found.scored_samples, found.unscored_samples) == (0.5, 2, 1)


def test_inspect_shows_the_judge_what_it_needs(here):
    """Chat input, target and metadata reach the prompt; what an agent did between is in the response."""
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageTool, ChatMessageUser
    from inspect_ai.tool import ToolCall

    from judge.adapters.inspect_scorer import judge_scorer

    call = ToolCall(id="1", function="look_up", arguments={"city": "Paris"})
    between = [
        ChatMessageAssistant(content="I look.", tool_calls=[call]),
        ChatMessageTool(content="FROM-THE-TOOL", tool_call_id="1", function="look_up"),
    ]
    asked = []

    def reply(request):
        asked.append(request)
        return "Yes.\nVERDICT: MET"

    given = Sample(
        input=[ChatMessageSystem(content="SYSTEM-SAYS"), ChatMessageUser(content="QUESTION")],
        target="TARGET",
        id="ANSWER",
        metadata={"context": ["DOCUMENT"]},
    )
    judge = judge_that(reply)
    log = inspected(here, [given], judge_scorer(judge), between)
    assert log.status == "success", log.error
    [request] = asked
    shown = str(request)
    for text in ("SYSTEM-SAYS", "QUESTION", "look_up", "FROM-THE-TOOL", "ANSWER"):
        assert text in shown, text


def test_an_engine_that_is_down_is_no_grade_in_inspect(here):
    """The sample is an error in Inspect, never a score."""
    from inspect_ai.dataset import Sample

    from judge.adapters.inspect_scorer import judge_scorer
    from judge.errors import EngineDown

    def down(request):
        raise EngineDown("the engine is down")

    log = inspected(here, [Sample(input="q", target="t", id="a")], judge_scorer(judge_that(down)))
    assert log.status == "error"
    assert not any(s.scores for s in log.samples or ())


# ---- lm-eval -----------------------------------------------------------------------------------------------------------

TASK = """
task: judged_task
dataset_path: json
dataset_kwargs: {data_files: {test: "FOLDER/docs.jsonl"}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n\\n"]}
repeats: REPEATS
filter_list:
  - name: judged
    filter:
      - {function: judge, config: judge.yaml, prompt: "Q: {{question}}", reference: answer}
process_results: !function judged.reward
metric_list:
  - {metric: judge_reward, aggregation: nanmean, higher_is_better: true}
  - {metric: judge_missing, aggregation: mean, higher_is_better: false}
"""


def lm_evaluated(here, docs, texts, repeats=1, edit=lambda text: text):
    import lm_eval
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Fixed(LM):
        def generate_until(self, requests, disable_tqdm=False):
            return [texts[i % len(texts)] for i, _ in enumerate(requests)]

        def loglikelihood(self, requests):
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    write_rows(here / "docs.jsonl", docs)
    folder = here / "tasks"
    folder.mkdir(exist_ok=True)
    (folder / "judged.py").write_text(
        "from judge.adapters.lm_eval import register, reward  # noqa\nregister()\n", encoding="utf-8"
    )
    text = TASK.replace("FOLDER", str(here)).replace("REPEATS", str(repeats))
    (folder / "task.yaml").write_text(edit(text), encoding="utf-8")
    return lm_eval.simple_evaluate(
        model=Fixed(),
        tasks=["judged_task"],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
    )


def test_lm_eval_takes_the_reward_as_its_metric(here):
    """nanmean over what is known, and the share of what is not, from lm-eval's own evaluation."""
    docs = [{"question": "q", "answer": "fine"} for _ in SAID]
    found = lm_evaluated(here, docs, SAID)
    results = found["results"]["judged_task"]
    assert (results["judge_reward,judged"], results["judge_missing,judged"]) == (0.5, pytest.approx(1 / 3))
    each = [s["judge_reward"] for s in found["samples"]["judged_task"]]
    assert each[:2] == [1.0, 0.0]
    assert math.isnan(each[2])


def test_lm_eval_repeats_are_a_group(here):
    found = lm_evaluated(here, [{"question": "q", "answer": "fine"}], ["fine", "no good", "silent", "fine"], repeats=4)
    assert found["results"]["judged_task"]["judge_reward,judged"] == pytest.approx(2 / 3)


def test_lm_eval_a_wrong_column_is_named(here):
    from judge.errors import DataError

    with pytest.raises(DataError, match="no column `anwser`; did you mean `answer`"):
        lm_evaluated(
            here, [{"question": "q", "answer": "x"}], ["a"], edit=lambda t: t.replace("reference: answer", "reference: anwser")
        )


# ---- lighteval ---------------------------------------------------------------------------------------------------------


class TheTask:
    def __init__(self, metric):
        self.metric = metric

    def aggregation(self):
        return self.metric.get_corpus_aggregations()


def test_lighteval_takes_the_reward_as_its_metric(here):
    """One call for all documents, lighteval's own application and aggregation of metrics."""
    from lighteval.logging.info_loggers import MetricsLogger
    from lighteval.metrics import apply_metric
    from lighteval.models.model_output import ModelResponse
    from lighteval.tasks.requests import Doc

    from judge.adapters.lighteval import judge_metric

    asked = []

    def reply(request):
        asked.append(str(request))
        return next(v for k, v in YES.items() if k in str(request) or k == ".")

    metric = judge_metric(judge_that(reply))
    docs = [Doc(query="QUESTION", choices=["gold"], gold_index=0, specific={"principle": "Be brief."}) for _ in SAID]
    outputs = apply_metric([ModelResponse(text=[text]) for text in SAID], docs, [metric])
    values = [o["judge_reward"] for o in outputs]
    assert values[:2] == [1.0, 0.0]
    assert math.isnan(values[2])
    assert all("QUESTION" in text for text in asked)
    log = MetricsLogger()
    for output in outputs:
        log.log("mine", output)
    log.aggregate({"mine": TheTask(metric)})
    assert log.metric_aggregated["mine"]["judge_reward"] == 0.5
    json.dumps(str(metric.sample_level_fn))
