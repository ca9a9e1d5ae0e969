"""YAML as people write it, and as somebody who means harm writes it."""

from __future__ import annotations

import pytest

from judge.errors import InputError
from judge.yamlfile import MAX_BYTES, parse_yaml, read_yaml
from tests.clock import least_cpu

VALUES = [
    pytest.param("yes", "yes", id="yes-is-a-word"),
    pytest.param("off", "off", id="off-is-a-word"),
    pytest.param("true", True, id="true"),
    pytest.param("12:30", "12:30", id="a-time-is-no-number"),
    pytest.param("1_000", "1_000", id="underscore"),
    pytest.param("010", 10, id="no-octal"),
    pytest.param("-3", -3, id="negative"),
    pytest.param("1.5", 1.5, id="float"),
    pytest.param("~", None, id="null"),
    pytest.param("2024-01-01", "2024-01-01", id="a-date-is-text"),
    pytest.param('"5"', "5", id="quoted"),
    pytest.param("Qwen/Qwen3-8B", "Qwen/Qwen3-8B", id="model-name"),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_values_are_what_they_look_like(text, value):
    """A label `off` or `no` must not become a boolean on the way."""
    found = parse_yaml(f"a: {text}", "f.yaml").data["a"]
    assert found == value
    assert type(found) is type(value)


BAD = [
    pytest.param("a: 1\na: 2", "f.yaml:2: `a` stands twice here (first on line 1)", id="duplicate-key"),
    pytest.param("x:\n  b: 1\n  c: 2\n  b: 3", "f.yaml:4: `b` stands twice here (first on line 2)", id="duplicate-below"),
    pytest.param("a: .nan", "f.yaml:1: `.nan` is not a finite number", id="nan"),
    pytest.param("a: -.inf", "`-.inf` is not a finite number", id="infinity"),
    pytest.param("a: !!python/name:os.system", "is not allowed", id="python-tag"),
    pytest.param("a: !custom x", "the tag `!custom` is not allowed", id="own-tag"),
    pytest.param("? [a, b]\n: 1", "a key must be plain text", id="list-as-key"),
    pytest.param("", "f.yaml: the file is empty", id="empty"),
    pytest.param("# only a comment\n", "f.yaml: the file is empty", id="comment-only"),
    pytest.param("a: [1", "not valid YAML", id="open-bracket"),
    pytest.param("a: 1\n\tb: 2", "f.yaml:2: not valid YAML", id="tab"),
    pytest.param("a: 1\n---\nb: 2", "not valid YAML", id="two-documents"),
    pytest.param("[" * 5000, "f.yaml:1: ", id="deep-brackets"),
    pytest.param("- " * 5000 + "x", "nested more than 64 levels deep", id="deep-dashes"),
    pytest.param("a: &x [*x]", "f.yaml:1: ", id="alias-of-itself"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_what_is_refused_says_where(text, message):
    """Never a traceback, never a silent choice."""
    with pytest.raises(InputError) as error:
        parse_yaml(text, "f.yaml")
    assert message in str(error.value)


def test_an_alias_bomb_is_stopped_before_it_is_built():
    """Three hundred bytes that would become a billion values cost no time."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]

    def read():
        with pytest.raises(InputError, match=r"expands to more than 10000 values by its aliases"):
            parse_yaml("\n".join(lines), "f.yaml")

    assert least_cpu(read, 2.0) < 2.0


def test_honest_aliases_work():
    """Anchors are a way to write less."""
    assert parse_yaml("a: &x {b: 1}\nc: *x", "f.yaml").data == {"a": {"b": 1}, "c": {"b": 1}}


def test_lines_of_every_part():
    """An error in a nested value points at its own line, and at its parent's when it is absent."""
    source = parse_yaml("a:\n  - b: 1\n    c: 2\n  - d: 3\n", "f.yaml")
    assert source.where(("a", 0, "c")) == "f.yaml:3"
    assert source.where(("a", 1, "missing")) == "f.yaml:4"
    assert source.where(("nowhere",)) == "f.yaml:1"


def test_files(tmp_path):
    """Missing, too large, not UTF-8, a folder: each by name."""
    with pytest.raises(InputError, match="no such file"):
        read_yaml(tmp_path / "f.yaml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)
    (tmp_path / "big.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(InputError, match=f"at most {MAX_BYTES} are read"):
        read_yaml(tmp_path / "big.yaml")
    (tmp_path / "l.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(InputError, match=r"l.yaml:2: not UTF-8 \(byte 0xe9\)"):
        read_yaml(tmp_path / "l.yaml")
