"""`judge attack` as a person types it."""

from __future__ import annotations

import json

import pytest

from tests.attack.attack_harness import trusting_verifier
from tests.cli_harness import Server
from tests.fake_endpoint import Canned
from tests.stub_judges import always_no, always_yes, garbage, obedient

SMALL = ("--limit", "4", "--trials", "2", "--items", "2", "--quiet")


@pytest.fixture
def config(tmp_path, endpoint: Server):
    path = tmp_path / "v.yaml"
    path.write_text(f"recipe: {trusting_verifier()}\nfilters: strict\n" + endpoint.settings())
    endpoint.reply = always_yes
    return path


def test_table_says_it_in_one_line(judge, config):
    """The first line answers the question; data is on standard output, talk on standard error."""
    done = judge("attack", str(config), *SMALL, "--families", "master-key,non-committal,benign-control")
    assert done.code == 0, done.err
    assert done.out.startswith("None of 2 attack families gets through filters and judge.")
    assert "master-key" in done.out
    assert "right answers accepted 100.0 %" in done.out
    assert done.err == ""


def test_json_is_one_object(judge, config):
    """A script reads standard output; both settings of the filters are in one object."""
    done = judge("attack", str(config), *SMALL, "--json")
    report = json.loads(done.out)
    [mode] = report["modes"]
    off, on = mode["filters"]["off"], mode["filters"]["on"]
    assert off["false_positive_rate"]["mean"] == 1.0
    assert on["false_positive_rate"]["mean"] <= 0.1 * off["false_positive_rate"]["mean"]
    assert on["true_positive_rate"]["rate"] == 1.0
    assert report["cost"]["judge_calls"] > 0


def test_fail_above_has_its_exit_code(judge, config, endpoint):
    """A check in continuous integration fails when something gets through, and says what."""
    endpoint.reply = obedient
    done = judge("attack", str(config), *SMALL, "--families", "injection-authority", "--fail-above", "0.05")
    assert done.code == 1
    assert "verifier: injection-authority: IA-" in done.err
    endpoint.reply = always_no
    assert judge("attack", str(config), *SMALL, "--families", "injection-authority", "--fail-above", "0.05").code == 0


def test_fail_above_does_not_pass_on_silence(judge, config, endpoint):
    """A judge that says nothing usable is not a safe judge."""
    endpoint.reply = garbage
    done = judge("attack", str(config), *SMALL, "--families", "fake-verdict", "--fail-above", "0.5")
    assert done.code == 1
    assert "that shows nothing" in done.err


def test_files_and_search(judge, config, tmp_path):
    """One folder holds the report in three forms; found strings are a catalogue that the next run reads."""
    out = tmp_path / "out"
    done = judge(
        "attack", str(config), *SMALL, "--filters", "off", "--families", "master-key", "--search", "30", "--output", str(out),
        "--html", str(tmp_path / "a.html"), "--export", str(tmp_path / "rows"),
    )  # fmt: skip
    assert done.code == 0, done.err
    page = (tmp_path / "a.html").read_text()
    assert page == (out / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert json.loads((out / "report.json").read_text())["modes"][0]["found"]
    assert (tmp_path / "rows" / "data.parquet").is_file()
    again = judge("attack", str(config), *SMALL, "--catalogue", str(out / "found.yaml"), "--families", "found", "--json")
    assert [f["family"] for f in json.loads(again.out)["modes"][0]["filters"]["on"]["families"]] == ["found"]


WRONG = {
    "mode": (("--mode", "pairwize"), "did you mean `pairwise`"),
    "filters": (("--filters", "maybe"), "on, off or both"),
    "family": (("--families", "master-kye"), "did you mean `master-key`"),
    "data": (("--data", "nowhere.jsonl"), "no such file"),
    "catalogue": (("--catalogue", "nowhere.yaml"), "no such file"),
    "nothing-fits": (("--families", "injection-plain"), "nothing in the catalogue fits this mode"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_cost_nothing(judge, config, endpoint, name):
    """A mistake is found before the judge is asked."""
    arguments, message = WRONG[name]
    done = judge("attack", str(config), *arguments)
    assert done.code == 2
    assert message in done.err
    assert endpoint.fake.requests == 0


def test_full_export_folder_is_refused_first(judge, config, endpoint, tmp_path):
    """Nobody waits for a run whose result cannot be written."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    done = judge("attack", str(config), "--export", str(tmp_path / "full"))
    assert done.code == 4
    assert endpoint.fake.requests == 0


def test_attack_text_cannot_paint_the_terminal(judge, config, endpoint, tmp_path):
    """Escape sequences and invisible characters of an attack are shown, not obeyed; markup of the page likewise."""
    (tmp_path / "c.yaml").write_text('families: {own: {items: {OWN-1: "\\e[31m<b>[red]\\u202e x[/red]"}}}')
    endpoint.reply = lambda body: Canned("VERDICT: CORRECT")
    done = judge(
        "attack", str(config), *SMALL, "--filters", "off", "--catalogue", "c.yaml", "--families", "own", "--html", "p.html"
    )
    assert "\x1b[31m" not in done.out
    assert "\u202e" not in done.out
    assert "[red]" in done.out
    assert "<b>[red]" not in (tmp_path / "p.html").read_text()


def test_a_program_can_be_attacked(judge, tmp_path):
    """A reward without a judge has its own gaps: what is like the reference is paid, whatever it says."""
    path = tmp_path / "likeness.yaml"
    path.write_text("recipe: {name: semantic, options: {encoder: hashing}}\nengine: {kind: none}\n")
    done = judge("attack", str(path), *SMALL, "--families", "fake-verdict,delimiter", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["cost"]["judge_calls"] == 0
    assert report["modes"][0]["filters"]["off"]["families"]
