"""`judge rubric ...` as a person types it."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

from judge.cli.rubric import _print_table, app
from judge.errors import InputError, JudgeError, OutputError
from judge.rubric.load import list_rubrics, load_rubric
from judge.rubric.model import Rubric

BAD = "criteria:\n  - id: a\n    text: The tone is appropriate.\n  - id: b\n    text: Avoids jargon.\n    kind: pitfall\n"
RECORD = {"prompt_id": "p/1", "rubrics": [{"criterion": "Names a dose.", "points": 5, "tags": []}]}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a command in an empty folder; a JudgeError comes out as the real command line would print it."""
    monkeypatch.chdir(tmp_path)

    def _run(*args):
        result = CliRunner().invoke(app, list(args))
        if isinstance(result.exception, JudgeError):
            return result.exception.exit_code, "", str(result.exception)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout, result.stderr

    return _run


def test_list(run):
    """One line a rubric, ready for `cut`."""
    code, out, _ = run("list")
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()] == list_rubrics()


def test_show_prints_plain_text_into_a_pipe(run):
    """No colour codes or boxes in a file."""
    code, out, _ = run("show", "helpfulness")
    assert code == 0
    assert out.isascii()
    assert "denominator all_weights" in out


def test_show_yaml_is_a_starting_point(run, tmp_path):
    """Copy a shipped rubric, edit, use."""
    (tmp_path / "mine.yaml").write_text(run("show", "medical-answer", "--yaml")[1])
    assert load_rubric("mine.yaml") == load_rubric("medical-answer")


def test_an_unknown_name_is_an_error(run):
    """A typo gets a suggestion."""
    code, _, err = run("show", "helpfullness")
    assert code == 2
    assert "did you mean `helpfulness`?" in err


def test_lint_lines_and_exit_codes(run, tmp_path):
    """Lines that an editor can jump to; the exit code stops a build."""
    (tmp_path / "bad.yaml").write_text(BAD)
    code, out, err = run("lint", "bad.yaml")
    assert code == 2
    assert out.splitlines() == [
        "bad.yaml:5: error: b: counts against the response, but describes good behaviour; describe the fault: "
        "“Has this fault: jargon.” [double-negative]",
        "bad.yaml:3: warning: a: `appropriate` leaves the standard to the judge; say what can be seen, or give the scale anchors "
        "[vague]",
        "bad.yaml:1: warning: criteria: a response that meets nothing earns 0.50, for the faults it does not have; "
        "add a veto or fewer pitfalls [free-reward]",
    ]
    assert err == "1 error(s), 2 warning(s) in 1 rubric(s); 1 remark(s) not shown, see --info\n"


def test_lint_strict(run, tmp_path):
    """Warnings pass unless the author asks otherwise."""
    (tmp_path / "vague.yaml").write_text("\n".join(BAD.splitlines()[:3]) + "\n")
    assert run("lint", "vague.yaml")[0] == 0
    assert run("lint", "--strict", "vague.yaml")[0] == 1
    assert run("lint", "--strict", *list_rubrics())[0] == 0


def test_lint_goes_on_after_a_broken_file(run, tmp_path):
    """One unreadable file does not hide the others."""
    (tmp_path / "broken.yaml").write_text("criteria:\n  - id: a\n    txt: x\n")
    code, out, _ = run("lint", "broken.yaml", "none.yaml", "helpfulness")
    assert code == 2
    assert out.splitlines() == [
        "broken.yaml:2: error: `criteria.0.text` is missing",
        "broken.yaml:3: error: no field `txt`; did you mean `text`?",
        "none.yaml: error: no such file",
    ]


def test_import_writes_one_file_a_record(run, tmp_path):
    """A published file becomes rubrics that load; an id cannot lead out of the folder."""
    (tmp_path / "hb.jsonl").write_text(json.dumps(RECORD) + "\n" + json.dumps({**RECORD, "prompt_id": "../../up"}) + "\n")
    code, out, err = run("import", "hb.jsonl", "--output", "out")
    assert code == 0
    assert out.splitlines() == ["out/p-1.yaml", "out/up.yaml"]
    assert err == "2 rubric(s) written; 0 with notes at the top of the file\n"
    assert load_rubric("out/p-1.yaml").criteria[0].points == 5


@pytest.mark.parametrize("name", ["hb.yaml", "hb.parquet"])
def test_import_of_other_kinds(run, tmp_path, name):
    """Rubrics are published in Parquet, and written by people in YAML; fields that a column of structs fills up are not there."""
    records = [RECORD, {**RECORD, "prompt_id": "p-2", "note": "x"}]
    if name == "hb.yaml":
        (tmp_path / name).write_text(json.dumps(records))  # JSON is YAML
    else:
        pq.write_table(pa.Table.from_pylist([{"note": None, **r} for r in records]), tmp_path / name)
    code, out, _ = run("import", name, "--output", "out")
    assert (code, out.splitlines()) == (0, ["out/p-1.yaml", "out/p-2.yaml"])
    assert load_rubric("out/p-2.yaml").criteria == load_rubric("out/p-1.yaml").criteria


def test_import_says_what_it_changed(run, tmp_path):
    """A reworded pitfall can be checked by whoever opens the file."""
    items = [
        {"title": "a", "description": "Essential Criteria: Names a dose.", "weight": 5},
        {"title": "b", "description": "Pitfall Criteria: Avoids jargon.", "weight": -1},
    ]
    (tmp_path / "rar.json").write_text(json.dumps(items))
    code, out, err = run("import", "rar.json", "-o", "out")
    assert (code, out) == (0, "out/rar.yaml\n")
    assert err == "1 rubric(s) written; 1 with notes at the top of the file\n"
    first = (tmp_path / "out" / "rar.yaml").read_text().splitlines()[0]
    assert first == "# c2: describes good behaviour (rule `avoids`); 'Avoids jargon.' became 'Has this fault: jargon.'"
    assert run("import", "rar.json", "-o", "told", "--pitfall-polarity", "fault")[0] == 0
    assert load_rubric("told/rar.yaml").criteria[1].text == "Avoids jargon."


@pytest.mark.parametrize(
    ("content", "args", "error", "message"),
    [
        pytest.param("", [], InputError, "in.jsonl: holds no record", id="empty"),
        pytest.param('{"a": 1}\n{', [], InputError, "in.jsonl:1: a mapping with `a` fits no known form", id="unknown-form"),
        pytest.param(json.dumps(RECORD) + "\n{\n", [], InputError, "in.jsonl:2: not valid JSON", id="second-line-broken"),
        pytest.param(json.dumps(RECORD), ["--pitfall-polarity", "x"], InputError, "auto, fault or virtue", id="polarity"),
        pytest.param(json.dumps(RECORD), ["--format", "rar"], InputError, "in.jsonl:1: a RaR record has", id="other-form"),
    ],
)
def test_a_wrong_import_writes_nothing(run, tmp_path, content, args, error, message):
    """Half an import is worse than none."""
    (tmp_path / "in.jsonl").write_text(content)
    code, _, err = run("import", "in.jsonl", "-o", "out", *args)
    assert code == error.exit_code
    assert message in err
    assert not (tmp_path / "out").exists()


def test_import_replaces_nothing_unasked(run, tmp_path):
    """Edited rubrics survive a second import."""
    (tmp_path / "hb.jsonl").write_text(json.dumps(RECORD))
    assert run("import", "hb.jsonl", "-o", "out")[0] == 0
    code, _, err = run("import", "hb.jsonl", "-o", "out")
    assert (code, err) == (2, "out/p-1.yaml is already there; choose another folder or pass --overwrite\nnothing was written")
    assert run("import", "hb.jsonl", "-o", "out", "--overwrite")[0] == 0


def test_import_into_a_file_is_an_error(run, tmp_path):
    """A folder that cannot be made is said so."""
    (tmp_path / "hb.jsonl").write_text(json.dumps(RECORD))
    (tmp_path / "taken").write_text("")
    code, _, err = run("import", "hb.jsonl", "-o", "taken")
    assert code == OutputError.exit_code
    assert "cannot be written" in err


@pytest.mark.parametrize("command", [[], ["list"], ["show"], ["lint"], ["import"]])
def test_help_says_what_goes_in_and_out(run, command):
    """Each help page has an example to paste."""
    code, out, _ = run(*command, "--help")
    assert code == 0
    if command:
        assert "xit code" in out
        assert f"judge rubric {command[0]}" in out


def test_the_table_on_a_terminal_prints_text_as_it_is():
    """Square brackets in a criterion are not taken for colours."""
    rubric = Rubric.model_validate({"criteria": [{"id": "a", "text": "It cites [red]RFC 1[/red] \\[x]."}]})
    console = Console(width=120, file=io.StringIO(), force_terminal=True, no_color=True)
    _print_table(rubric, console)
    printed = console.file.getvalue()
    assert "It cites [red]RFC 1[/red] \\[x]." in printed
    assert "denominator all_weights" in printed


def test_a_folder_of_rubrics_is_linted_file_by_file(run, tmp_path):
    """What `generate` wrote is its kept rubrics, not its summary; a command that wants one rubric says what to give."""
    kept = tmp_path / "written" / "kept"
    kept.mkdir(parents=True)
    for name in ("a", "b"):
        (kept / f"{name}.yaml").write_text("criteria: [{id: dose, text: Names a dose of the drug.}]\n")
    (tmp_path / "written" / "rubrics.jsonl").write_text("")
    (tmp_path / "written" / "generate.json").write_text("{}")
    for folder in ("written", "written/kept"):
        code, _, err = run("lint", folder)
        assert (code, "0 error(s)" in err, "in 2 rubric(s)" in err) == (0, True, True)
    assert run("merge", "written", "--encoder", "hashing", "-o", "one.yaml")[0] == 0
    assert [c.id for c in load_rubric("one.yaml").criteria] == ["dose"]
    code, _, err = run("show", "written")
    assert (code, err) == (2, "written: is a folder, and one rubric is expected; give one of written/kept/*.yaml")
