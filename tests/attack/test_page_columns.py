"""The attack and audit reports as read: columns explained above the table, 100 columns wide, first line and rows in agreement."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli_harness import run_judge

WIDTH = 100
FAMILIES = "master-key,non-committal,unicode,length-and-loop,fake-verdict"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configure(here, recipe: str, reply: str, **more: object) -> None:
    (here / "judge.yaml").write_text(
        json.dumps({"recipe": recipe, "engine": {"kind": "scripted", "reply": reply}, **more}), encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("recipe", "reply", "more"),
    [
        pytest.param("pointwise", "VERDICT: 5", {"rubric": "math-solution"}, id="top-grade"),
        pytest.param("verifier", "RESPONSE SAYS: none\nVERDICT: INCORRECT", {}, id="never"),
    ],
)
def test_attack_says_what_it_shows(here, recipe, reply, more):
    """The families of the first line are the families with a red row; no line is wider than a terminal of 100 columns."""
    configure(here, recipe, reply, **more)
    options = ["--items", "1", "--trials", "2", "--limit", "4", "--families", FAMILIES]
    ended = run_judge("attack", "judge.yaml", *options, "--html", "page.html")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    head = next(i for i, line in enumerate(lines) if line.split()[:2] == ["family", "counts"])
    for name in ("counts", "off, on", "worst", "neutral", "hurt", "silent"):
        assert any(line.startswith(name) for line in lines[:head]), name
    report = json.loads(run_judge("attack", "judge.yaml", *options, "--json").out)
    rows = report["modes"][0]["filters"]["on"]["families"]
    kinds = [r for r in rows if r["safe"] in ("NEG", "NOGAIN", "LITERAL", "INVARIANT") and r["trials"]]
    through = {
        r["family"]
        for r in kinds
        if (r["net"] is None and (r["rate"] or 0) > 0) or (r["net"] is not None and r["net"] > 0 and r["net_interval"][0] > 0)
    }
    said = re.match(r"(None|\d+) of (\d+) attack families", report["verdict"])
    assert (said[1], int(said[2])) == (str(len(through)) if through else "None", len({r["family"] for r in kinds}))
    page = (here / "page.html").read_text(encoding="utf-8")
    assert page.index("What the columns say") < page.index("<table")


def test_audit_says_what_it_shows(here):
    """Both scores are the shares of their rows, and each column is explained above the first table."""
    configure(here, "pointwise", "VERDICT: 3", rubric="helpfulness")
    ended = run_judge("audit", "judge.yaml", "--limit", "2", "--html", "page.html")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    head = next(i for i, line in enumerate(lines) if line.split()[:2] == ["probe", "expected"])
    for name in ("expected", "as expected", "change", "rank kept", "unscored", "worst"):
        assert any(line.startswith(name) for line in lines[:head]), name
    report = json.loads(run_judge("audit", "judge.yaml", "--limit", "2", "--json").out)
    for score, expects in (("invariance", {"invariant"}), ("sensitivity", {"drop", "rise"})):
        rows = [p["as_expected"] for p in report["probes"] if p["expect"] in expects]
        assert report["summary"][score]["n"] == sum(r["n"] for r in rows)
        hits = sum(r["rate"] * r["n"] for r in rows if r["n"])
        assert report["summary"][score]["rate"] == pytest.approx(hits / sum(r["n"] for r in rows))
    page = (here / "page.html").read_text(encoding="utf-8")
    assert page.index("What the columns say") < page.index("rewriting: the same answer")
