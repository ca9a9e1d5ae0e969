"""A published prompt in a file becomes an exact recipe, and a missing space in it is found."""

from __future__ import annotations

import json

import pytest

from judge.engine.scripted import ScriptedEngine
from judge.pipeline.adopt import adopt, hashes, messages_of
from judge.pipeline.judge import Judge
from judge.pipeline.selftest import run_transcripts
from judge.recipe.load import Recipe, load_recipe
from judge.recipe.published import CHECKS, messages_hash
from judge.types import Sample
from tests.cli_harness import run_judge

# A prompt of our own stands for a published one: braces that are text, a space at the end, a system text.
SYSTEM = 'Judge {fairly}. Write {"winner": "A"} or {"winner": "B"}.'
USER = "Q: {question}\n\nA: {a}\nB: {b}\n\nDecide {{now}} {%: "


def shown(check: int) -> str:
    of = CHECKS[check]
    return USER.replace("{question}", of["prompt"]).replace("{a}", of["responses"][0]).replace("{b}", of["responses"][1])


MESSAGES = [[("system", SYSTEM), ("user", shown(i))] for i in (0, 1)]
RECIPE = """\
name: ours
summary: s
mode: pairwise
source: {{title: t}}
turns: [{{name: judge, system: s.j2, user: u.j2}}]
verdict: {{kind: choice, form: json, marker: winner}}
options: {{rule_first: false}}
serves:
  - model: a/judge
    licence: MIT
    sampling: {{temperature: 0.3}}
    placeholders: {{question: prompt, a: "responses[0].text", b: "responses[1].text"}}
    sha256: [{hashes}]
"""


@pytest.fixture
def ours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "ours"
    made.mkdir()
    (made / "recipe.yaml").write_text(RECIPE.format(hashes=", ".join(messages_hash(m) for m in MESSAGES)))
    (made / "s.j2").write_text("Judge in our words, as JSON: winner.")
    (made / "u.j2").write_text('{{ responses[0].text | quote("A") }}{{ responses[1].text | quote("B") }}')
    (made / "transcripts.yaml").write_text('transcripts: [{name: good, replies: [\'{"winner": "A"}\'], rewards: [1, 0]}]')
    return made


def doubled(text: str) -> str:
    """As a Python format string has it."""
    out = text.replace("{", "{{").replace("}", "}}")
    for name in ("question", "a", "b"):
        out = out.replace("{{" + name + "}}", "{" + name + "}")
    return out


FILES = {
    "yaml": lambda: {"p.yaml": json.dumps({"system": SYSTEM, "user": USER})},
    "messages": lambda: {"p.json": json.dumps([{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}])},
    "turns": lambda: {"p.yml": json.dumps({"turns": [{"system": SYSTEM, "user": USER}]})},
    "jinja": lambda: {"p.yaml": json.dumps({"system": SYSTEM, "user": USER.replace("{question}", "{{ question }}")
                                            .replace("{a}", "{{a}}").replace("{b}", "{{ b }}")})},
    "doubled": lambda: {"p.yaml": json.dumps({"system": doubled(SYSTEM), "user": doubled(USER)})},
    "marks": lambda: {"p.yaml": json.dumps({"system": SYSTEM, "user": USER.replace("{question}", "<<question>>")
                                            .replace("{a}", "<<a>>").replace("{b}", "<<b>>")})},
    "text": lambda: {"p.txt": USER + "\n", "s.txt": SYSTEM + "\n"},
    "python": lambda: {"p.py": f"import os\nSYS = {SYSTEM!r}\nUSER = ({USER[:9]!r}\n  {USER[9:]!r})\nraise SystemExit(1)\n"},
}  # fmt: skip


@pytest.mark.parametrize("form", sorted(FILES))
def test_every_form_of_the_file_comes_to_the_published_bytes(ours, tmp_path, form):
    """The user's copy is taken as it is; how braces and line breaks are meant, the hash tells."""
    for name, text in FILES[form]().items():
        (tmp_path / name).write_text(text)
    name = next(iter(FILES[form]()))
    more = ["--system", "s.txt"] if form == "text" else ["--system", "p.py:SYS"] if form == "python" else []
    ended = run_judge("recipe", "adopt", "./ours", "--prompt", "p.py:USER" if form == "python" else name, *more)
    assert (ended.code, "byte for byte" in ended.err) == (0, True), ended.err
    made = load_recipe("./ours-exact")
    assert hashes(made) == tuple(messages_hash(m) for m in MESSAGES)
    assert (made.spec.name, made.spec.exact, made.spec.serves[0].prompt) == ("ours-exact", True, "exact")


def test_the_new_recipe_judges(ours, tmp_path):
    """With the grammar and the sampling of the old one, and the published text."""
    (tmp_path / "p.yaml").write_text(json.dumps({"system": SYSTEM, "user": USER}))
    assert run_judge("recipe", "adopt", "./ours", "--prompt", "p.yaml", "--output", "new").code == 0
    engine = ScriptedEngine(['{"winner": "B"}'], repeat_last=True, model="a/judge")
    settings = {"recipe": "./new", "engine": {"kind": "scripted", "model": "a/judge"}}
    with Judge.from_config(settings, engine=engine) as judge:
        rewards = judge.score([Sample.of("Why?", "<|im_end|>", "b")])
    assert [r.reward for r in rewards] == [0, 1]
    assert engine.requests[0].sampling.temperature == 0.3
    assert engine.requests[0].messages[1].text == "Q: Why?\n\nA: < |im_end| >\nB: b\n\nDecide {{now}} {%: "


@pytest.mark.parametrize(
    ("user", "more", "expected"),
    [
        pytest.param(USER[:-1], [], "does not come to the published messages of a/judge", id="a-space-is-missing"),
        pytest.param(
            USER.replace("{question}", "{questoin}"), [], "not known: questoin; did you mean `question`?", id="placeholder"
        ),
        pytest.param(USER, ["--model", "a/jugde"], "has no published prompt for `a/jugde`; did you mean `a/judge`?", id="model"),
    ],
)  # fmt: skip
def test_what_is_not_the_published_prompt_is_refused(ours, tmp_path, user, more, expected):
    """Nothing is written, unless it is asked for."""
    (tmp_path / "p.yaml").write_text(json.dumps({"system": SYSTEM, "user": user}))
    ended = run_judge("recipe", "adopt", "./ours", "--prompt", "p.yaml", *more)
    assert ended.code == 2
    assert expected in ended.err
    assert not (tmp_path / "ours-exact").exists()


def test_an_unchecked_file_is_taken_where_the_user_says_so(ours, tmp_path):
    """And the command says that nobody knows whether it is the published prompt."""
    (tmp_path / "p.yaml").write_text(json.dumps({"system": doubled(SYSTEM), "user": doubled(USER[:-1])}))
    ended = run_judge("recipe", "adopt", "./ours", "--prompt", "p.yaml", "--unchecked")
    assert (ended.code, "was not checked" in ended.err) == (0, True)
    again = run_judge("recipe", "adopt", "./ours", "--prompt", "p.yaml", "--unchecked")
    assert (again.code, "is there already" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        pytest.param(USER + "{answer}", "leave as it stands: {fairly}, {answer}; known: a, b, question", id="unknown"),
        pytest.param(
            doubled(USER).replace("{question}", "{questoin}"), "{questoin}; did you mean `question`?", id="misspelt"
        ),
        pytest.param("Which is better?", "no turn shows the responses", id="none-at-all"),
        pytest.param("  \n", "p.yaml: a text is empty", id="empty"),
    ],
)  # fmt: skip
def test_unchecked_is_not_unfit(ours, tmp_path, user, expected):
    """A judge that is shown `{answer}`, or nothing, replies all the same, so no check of the replies would find it."""
    system = SYSTEM if "{answer}" in user else doubled(SYSTEM)
    (tmp_path / "p.yaml").write_text(json.dumps({"system": system, "user": user}))
    ended = run_judge("recipe", "adopt", "./ours", "--prompt", "p.yaml", "--unchecked")
    assert (ended.code, "Traceback" in ended.err) == (2, False)
    assert expected in " ".join(ended.err.split())
    assert not (tmp_path / "ours-exact").exists()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("p.txt", "\n", "p.txt: a text is empty", id="empty"),
        pytest.param("p.py", "A = 'x'\nB = 'y'\n", "name the text: --prompt p.py:NAME (there are: A, B)", id="two-texts"),
        pytest.param("p.py:C", "A = 'x'\n", "no text `C` (there are: A)", id="no-such-text"),
        pytest.param("p.py", "A = (", "p.py: not valid Python", id="not-python"),
        pytest.param("p.yaml", "user: 5\n", "expected a text, `system:` and `user:`", id="not-text"),
        pytest.param("p.yaml", "turns: 5\n", "`turns` must be a list", id="turns"),
        pytest.param("no.txt", None, "no.txt: cannot be read", id="no-file"),
    ],
)
def test_a_file_that_holds_no_prompt(ours, tmp_path, name, text, expected):
    """One line that says what would do, never a traceback."""
    if text is not None:
        (tmp_path / name.partition(":")[0]).write_text(text)
    ended = run_judge("recipe", "adopt", "./ours", "--prompt", name)
    assert (ended.code, "Traceback" in ended.err) == (2, False)
    assert expected in ended.err


# ---- the real ones: kept outside the repository, since their words are their authors' ----------------------------------

PUBLISHED = {  # judge -> recipe, and the placeholders in place of the words of the first sample
    "prometheus-2 absolute": ("prometheus", {
        "What is 2 + 2?": "{instruction}", "It is 4.": "{response}",
        "[Is the answer right?]\n" + "\n".join(f"Score {n}: level {n}" for n in range(1, 6)): "{rubric}",
    }),
    "prometheus-2 relative": ("prometheus-relative", {
        "What is 2 + 2?": "{instruction}", "It is 4.": "{response_A}", "It is 5.": "{response_B}",
        "[Is the answer right?]": "{rubric}",
    }),
    "CompassVerifier": ("compass-verifier", {
        "What is 2 + 2?": "{question}", "It is 4.": "{llm_response}", "\n4\n<": "\n{gold_answer}\n<",
    }),
    "RewardAnything": ("principle", {"user": "{input}"}),
    "BRRM": ("branch-rethink", {"User: What is 2 + 2?": "{context}", "It is 4.": "{response1}", "It is 5.": "{response2}"}),
    "RM-R1 reasoning family": ("rm-r1", {"What is 2 + 2?": "{question}", "It is 4.": "{answer_a}", "It is 5.": "{answer_b}"}),
    "GRAM": ("gram", {"What is 2 + 2?": "{question}", "It is 4.": "{answer_a}", "It is 5.": "{answer_b}"}),
    "HealthBench grader": ("healthbench", {
        "user: What is 2 + 2?\n\nassistant: It is 4.": "<<conversation>>", "[-2.0] Is verbose.": "<<rubric_item>>",
    }),
}  # fmt: skip


@pytest.mark.parametrize("judge", sorted(PUBLISHED))
def test_published_prompts_byte_for_byte(data_dir, tmp_path, judge):
    """All messages of both samples are those of the published code; the second sample was not used to make the recipe.

    The new folder reads replies as the old one does: the transcripts that hold for it come along.
    """
    rows = [json.loads(line) for line in (data_dir / "published_prompts" / "messages.jsonl").read_text("utf-8").splitlines()]
    mine = [[(m["role"], m["content"]) for m in row["messages"]] for row in rows if row["judge"].startswith(judge)]
    recipe, words = PUBLISHED[judge]
    turns = len(mine) // 2
    made = adopt(recipe, tuple(tuple((role, put(role, text, words)) for role, text in turn) for turn in mine[:turns]))
    assert made.checked
    made.write(tmp_path / "exact")
    results = run_transcripts(load_recipe(tmp_path / "exact"))
    assert [r for r in results if r.problem] == []
    assert results
    assert rendered(made.recipe) == [mine[:turns], mine[turns:]]


def put(role: str, text: str, words: dict[str, str]) -> str:
    """A message of the first sample with placeholders in place of its words."""
    if role in words:
        return words[role]
    for old, new in words.items():
        text = text.replace(old, new)
    return text


def rendered(recipe: Recipe) -> list[list[list[tuple[str, str]]]]:
    """The messages of each turn, for each of the two samples."""
    return [[messages_of(recipe, turn, check) for turn in recipe.spec.turns] for check in CHECKS]
