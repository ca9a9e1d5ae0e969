"""Files that attack their reader: refused by every reader within 0.1 s of a quiet core and 50 MB, the file (and line) named."""

from __future__ import annotations

import os
import shutil
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from judge.batch.read import BadRow, read_samples
from judge.errors import InputError, RecipeError, RubricError
from judge.jsonfile import parse_json
from judge.recipe.load import list_recipes, load_recipe
from judge.rubric.load import load_rubric, rubric_from
from judge.settings import load_settings
from judge.shipped import shipped_dir
from tests.clock import least_cpu

SECONDS, MEMORY = 0.3, 50_000_000  # CPU: 0.09 s at most where nothing else runs; a bomb takes minutes


def measured(reader: Callable[[], object]) -> tuple[InputError, float, int]:
    """What a reader says, its CPU seconds (the least of three) and its peak of new memory."""
    took = []
    for _ in range(3):
        begin = time.thread_time()
        with pytest.raises(InputError):
            reader()
        took.append(time.thread_time() - begin)
    tracemalloc.start()
    with pytest.raises(InputError) as error:
        reader()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return error.value, min(took), peak


def aliases(levels: int) -> str:
    """Nine references a level: 292 bytes of six levels are 5.5 MB once written out."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


YAML = {
    **{f"aliases-{n}": (aliases(n), "by its aliases") for n in range(6, 13)},
    "aliases-in-keys": (
        "a: &a {" + ", ".join(f"k{i}: 1" for i in range(3000)) + "}\nb: [*a, *a, *a, *a, *a]\n",
        "by its aliases",
    ),
    # newer releases of libyaml refuse these three before we count, in words of their own
    "flow-lists": ("a: " + "[" * 2000 + "]" * 2000, ":1: "),
    "flow-maps": ("a: " + "{a: " * 2000 + "}" * 2000, ":1: "),
    "open-lists": ("a: " + "[" * 100_000, ":1: "),
    "dashes": ("- " * 100_000, "nested more than 64 levels deep"),
    "block-maps": ("\n".join(" " * i + "a:" for i in range(1000)), "nested more than 64 levels deep"),
    "python-apply": ("a: !!python/object/apply:os.getcwd []", "is not allowed"),
    "python-name": ("a: !!python/name:os.system", "is not allowed"),
    "python-new": ("!!python/object/new:os.system [echo]", "is not allowed"),
    "python-tuple": ("a: !!python/tuple [1]", "is not allowed"),
    "set": ("a: !!set {x, y}", "is not allowed"),
    "binary": ("a: !!binary aGk=", "is not allowed"),
    "infinity": ("weight: .inf", "`.inf` is not a finite number"),
    "not-a-number": ("weight: .NaN", "`.NaN` is not a finite number"),
    "digits": ("a: " + "9" * 5000, "a number of 5000 digits"),
    "same-key": ("a: 1\na: 2", ":2: `a` stands twice"),
    "nul": ("a: 1\nb: \0", ":2: not valid YAML"),
    "many-values": ("a: [" + "x," * 1_000_000 + "]", "more than 100000 values"),
    "many-keys": ("\n".join(f"k{i}: 1" for i in range(200_000)), "more than 100000 values"),
    "comment": ("#" * 3_000_000, "the file is empty"),
}
READERS = {
    "rubric": ("r.yaml", load_rubric),
    "settings": ("c.yaml", load_settings),
    "recipe": ("recipe.yaml", lambda path: load_recipe(path.parent)),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("bomb", YAML)
def test_yaml(tmp_path, reader, bomb):
    """A rubric, a recipe or settings from somebody else cannot stop the machine or mean two things."""
    name, load = READERS[reader]
    text, message = YAML[bomb]
    path = tmp_path / name
    path.write_text(text)
    error, seconds, peak = measured(lambda: load(path))
    assert message in str(error)
    assert str(path) in str(error)
    if message != "the file is empty":
        assert f"{path}:" in str(error), "no line"
    assert seconds < SECONDS, f"{seconds * 1e3:.0f} ms"
    assert peak < MEMORY, f"{peak / 1e6:.0f} MB"


WEIGHTS = ["yes", ".inf", "-.inf", ".nan", "12:30:45", "-1", "'1'", "true", "1e400", "9" * 400, "[1]", "0x1F", "1_000"]


@pytest.mark.parametrize("weight", WEIGHTS, ids=lambda w: w[:12])
def test_weights(tmp_path, weight):
    """A weight that another reader would take for a boolean, for 45,045 seconds or for infinity is refused on its line."""
    path = tmp_path / "r.yaml"
    path.write_text(f"criteria:\n  - id: a\n    text: It is right.\n    weight: {weight}\n")
    error, seconds, _ = measured(lambda: load_rubric(path))
    assert f"{path}:4: " in str(error)
    assert seconds < SECONDS


JSON = {
    "nan": ('{"score": NaN}', "`NaN` is not a finite number"),
    "infinity": ('{"score": [-Infinity]}', "`-Infinity` is not a finite number"),
    "too-large": ('{"score": 1e999}', "too large"),
    "same-key": ('{"score": 1, "score": 0}', "`score` stands twice"),
    "same-key-below": ('{"a": {"b": 1, "b": 1}}', "`b` stands twice"),
    "same-key-escaped": ('{"a": 1, "\\u0061": 0}', "`a` stands twice"),
    "many-same-keys": ("{" + ", ".join('"a": 1' for _ in range(20_000)) + "}", "`a` stands twice"),
    "deep-lists": ("[" * 100_000 + "]" * 100_000, "nested more than 64 levels deep"),
    "deep-objects": ('{"a": ' * 100_000 + "1" + "}" * 100_000, "nested more than 64 levels deep"),
    "open-lists": ("[" * 100_000, "nested more than 64 levels deep"),
    "somewhat-deep": ("[" * 65 + "]" * 65, "nested more than 64 levels deep"),
    "digits": ('{"a": ' + "9" * 5000 + "}", "a number of 5000 digits"),
    "minus-digits": ('{"a": -' + "9" * 5000 + "}", "a number of 5001 digits"),
    "half-a-pair": ('{"a": "\\ud800"}', "half a surrogate pair"),
    "half-a-pair-in-a-key": ('{"\\udfff": 1}', "half a surrogate pair"),
    "cut": ('{"a": [1,', "not valid JSON"),
    "two": ("{} {}", "not valid JSON"),
    "empty": ("", ": "),
}


@pytest.mark.parametrize("bomb", JSON)
def test_json_door(bomb):
    """One strict reader for all JSON that comes from outside."""
    text, message = JSON[bomb]
    error, seconds, peak = measured(lambda: parse_json(text, "f.json"))
    assert str(error).startswith("f.json: ")
    assert message in str(error)
    assert seconds < SECONDS
    assert peak < MEMORY


@pytest.mark.parametrize("bomb", JSON)
def test_json_rubric(tmp_path, bomb):
    """The same in a rubric file, and in a cell of a data set."""
    text, message = JSON[bomb]
    (tmp_path / "r.json").write_text(text)
    for reader in (lambda: load_rubric(tmp_path / "r.json"), lambda: rubric_from(text or "{", "row 1")):
        error, seconds, peak = measured(reader)
        assert isinstance(error, RubricError)
        assert message in str(error) or not text
        assert seconds < SECONDS
        assert peak < MEMORY


@pytest.mark.parametrize("bomb", [b for b in JSON if "half" not in b and b not in ("empty", "nan")])
def test_json_rows(tmp_path, bomb):
    """A bad row is named and judged by nobody; the rows around it are."""
    text, message = JSON[bomb]
    good = '{"prompt": "2+2?", "response": "4"}'
    path = tmp_path / "d.jsonl"
    path.write_text(f"{good}\n{text}\n{good}\n")
    assert least_cpu(lambda: list(read_samples(str(path))), 3 * SECONDS) < 3 * SECONDS
    first, bad, last = read_samples(str(path))
    assert isinstance(bad, BadRow)
    assert message in bad.problem
    assert f"{path}:2: " in bad.problem
    assert not isinstance(first, BadRow)
    assert not isinstance(last, BadRow)


def test_half_a_pair_in_a_row_is_judged(tmp_path):
    """A policy can emit half a surrogate pair: the row is kept, and its prompt shows `[U+D800]`."""
    path = tmp_path / "d.jsonl"
    path.write_text('{"prompt": "2+2?", "response": "4\\ud800"}\n')
    (sample,) = read_samples(str(path))
    assert not isinstance(sample, BadRow)
    assert sample.responses == ("4\ud800",)


# ---- paths -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A recipe folder of one's own, beside a file that is none of its business."""
    (tmp_path / "secret.j2").write_text("the gold answer")
    return Path(shutil.copytree(shipped_dir("prompts") / "pointwise", tmp_path / "mine"))


NAMES = [
    pytest.param("../secret.j2", id="parent"),
    pytest.param("a/../../secret.j2", id="parent-inside"),
    pytest.param("/etc/hostname", id="absolute"),
    pytest.param("link.j2", id="link"),
    pytest.param("linked/secret.j2", id="linked-folder"),
    pytest.param("_shared/../pairwise/judge.md.j2", id="parent-of-shared"),
    pytest.param('"a\\0.j2"', id="nul"),
    pytest.param("turns", id="folder"),
    pytest.param("ring.j2", id="ring-of-links"),
    pytest.param("zero.j2", id="device"),
]


@pytest.mark.parametrize("name", NAMES)
def test_templates_stay_in_their_folder(folder, name):
    """A recipe from elsewhere cannot put a file of this machine into a prompt, by no name and no link."""
    (folder / "link.j2").symlink_to(folder.parent / "secret.j2")
    (folder / "linked").symlink_to(folder.parent)
    (folder / "ring.j2").symlink_to(folder / "ring.j2")
    (folder / "zero.j2").symlink_to("/dev/zero")
    (folder / "turns").mkdir()
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("user: judge.md.j2", f"user: {name}"))
    error, seconds, peak = measured(lambda: load_recipe(folder))
    assert isinstance(error, RecipeError)
    assert str(folder) in str(error)
    assert seconds < SECONDS
    assert peak < MEMORY


@pytest.mark.parametrize("name", ["../secret.j2", "/etc/hostname", "link.j2"])
def test_includes_stay_in_their_folder(folder, name):
    """The same for an include."""
    (folder / "link.j2").symlink_to(folder.parent / "secret.j2")
    (folder / "judge.md.j2").write_text(f"{{% include '{name}' %}}")
    with pytest.raises(RecipeError, match="lies outside the recipe's folder"):
        load_recipe(folder)


def test_a_folder_behind_a_link_is_no_attack(folder):
    """People link their recipe folders; templates inside them are found."""
    os.symlink(folder, folder.parent / "by-link")
    assert load_recipe(folder.parent / "by-link").templates == load_recipe(folder).templates
    assert "pointwise" in list_recipes()


@pytest.mark.parametrize("name", ["../rubrics/helpfulness", "/etc/passwd", "./r.yaml", "a\0b", "../../x.yaml", "~/.ssh/id_rsa"])
def test_a_cell_names_no_path(tmp_path, monkeypatch, name):
    """The rubric column of a data set is untrusted: it may name a shipped rubric, and nothing on this disk."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text("criteria: [{id: a, text: It is right.}]\n")
    with pytest.raises(RubricError, match="neither JSON nor the name of a shipped rubric"):
        rubric_from(name, "row 1")


@pytest.mark.parametrize("name", ["a\0.yaml", "a\0"])
def test_nul_in_names(name):
    """A NUL in a name is an error of the file name, not of Python."""
    for reader in (load_rubric, load_recipe, load_settings):
        with pytest.raises(InputError):
            reader(name)
