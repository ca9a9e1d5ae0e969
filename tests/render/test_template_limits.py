"""Templates that attack: refused when loaded, or stopped within 1 s of CPU, 10 MB of text and 256 MB of memory.

All of them run in a child process that cannot take more memory than that, so a hole ends this test instead of the machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from judge.errors import RecipeError
from judge.render import limits, lint
from judge.render.environment import Templates
from judge.render.quoting import Untrusted
from tests.clock import least_cpu

pytestmark = pytest.mark.slow

CHILD = Path(__file__).parent / "template_child.py"
LONG = "{{ rubric.description }}"

REACHING = {  # ST-01 to ST-11: out of the sandbox
    "mro": "{{ ''.__class__.__mro__ }}",
    "cycler": "{{ cycler.__init__.__globals__ }}",
    "lipsum": "{{ lipsum.__globals__ }}",
    "self": "{{ self._TemplateReference__context }}",
    "format": "{{ '{0.__class__}'.format(1) }}",
    "built-format": "{{ ('{0.__cl' ~ 'ass__}').format(1) }}",
    "map-attribute": "{{ [1]|map(attribute='__class__')|list }}",
    "attr": "{{ ''|attr('__class__') }}",
    "item": "{{ ''['__class__'] }}",
    "built-item": "{{ ''['__cl' ~ 'ass__'] }}",
    "include": "{% include '/etc/hostname' %}",
    "include-variable": "{% include rubric.title %}",
    "include-list": "{% include ['a', 'b'] ignore missing %}",
    "import": "{% import 'os' as os %}",
    "from": "{% from 'os' import path %}",
    "extends": "{% extends 'x' %}",
    "block": "{% block a %}x{% endblock %}",
    "append": "{% set x = labels.append(1) %}",
    "range": "{% for i in range(9) %}x{% endfor %}",
    "namespace": "{% set ns = namespace(a=1) %}{% set ns.a = 2 %}",
    "set-attribute": "{% set rubric.title = 1 %}",
    "loop-call": "{% for a in labels recursive %}{{ loop(labels) }}{% endfor %}",
    "percent-format": "{{ '%999999999d' % 1 }}",
    "percent-names": "{{ '%(a)s' % {'a': 1} }}",
    "autoescape": "{% autoescape true %}x{% endautoescape %}",
    "unquoted": "{{ response }}",
    "unquoted-joined": "{{ response ~ '' }}",
    "unquoted-list": "{{ [response] }}",
    "unquoted-json": "{{ [response]|tojson }}",
    "quoted-rubric": "{{ rubric.title|quote('X') }}",
}
GROWING = {  # ST-12 to ST-18: memory and time
    "repeat": "{{ 'a'*200000000 }}",
    "repeat-left": "{{ 200000000*'a' }}",
    "repeat-list": "{{ [1]*100000000 }}",
    "repeat-chain": "{{ 'a'*9999 ~ 'a'*9999 }}" * 300,
    "center": "{{ 'a'|center(200000000) }}",
    "loops": "{% for i in range(3200) %}{% for j in range(3200) %}x{% endfor %}{% endfor %}",
    "loops-over-text": "{% for a in x %}{% for b in x %}x{% endfor %}{% endfor %}".replace("x %", "rubric.description %"),
    "empty-loops": "{% for a in rubric.description %}{% for b in rubric.description %}{% endfor %}{% endfor %}",
    "deep-loops": "{% for a in labels %}" * 12 + "x" + "{% endfor %}" * 12,
    "filtered-loop": "{% for a in rubric.description if a in rubric.description %}{% endfor %}" * 200,
    "macro": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "call-block": "{% call f() %}x{% endcall %}",
    "power": "{{ 9**(9**9) }}",
    "power-float": "{{ 10.0**400 }}",
    "multiply": "{{ " + "*".join(["999999999"] * 2000) + " }}",
    "join": "{{ rubric.description|list|join(rubric.description) }}",
    "joins": "{{ 'aaaaaaaaaa'" + "|list|join('aaaaaaaaaa')" * 30 + " }}",
    "json": "{{ '\"'" + "|tojson" * 36 + " }}",
    "doubling": "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    "doubling-add": "{% set a = 'a' %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "doubling-list": "{% set a = [1] %}" + "{% set a = [a, a] %}" * 38 + "{{ a }}",
    "doubling-json": "{% set a = [1] %}" + "{% set a = [a, a] %}" * 38 + "{{ a|tojson }}",
    "doubling-compare": "{% set a = [1] %}{% set b = [1] %}" + "{% set a = [a, a] %}{% set b = [b, b] %}" * 40 + "{{ a == b }}",
    "set-in-loop": "{% set a = 'a' %}{% for b in rubric.description %}{% set a = a ~ a %}{% endfor %}{{ a }}",
    "search": "{% for a in rubric.description %}{% if 'zz' in rubric.description %}x{% endif %}{% endfor %}",
    "upper": "{% for a in rubric.description %}{% if rubric.description|upper %}{% endif %}{% endfor %}",
    "copies": "{% for a in rubric.description %}{{ rubric.description }}{% endfor %}",
    "copies-of-a-response": "{% for a in rubric.description %}{{ response|quote('X') }}{% endfor %}",
    "slices": "{% for a in rubric.description %}{% if rubric.description[1:] %}{% endif %}{% endfor %}",
    "set-block": "{% set x %}" + "a" * 1000 + "{% endset %}{{ x }}",
    "brackets": "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}",
    "lists": "{{ " + "[" * 5_000 + "]" * 5_000 + " }}",
    "not": "{{ " + "not " * 10_000 + "1 }}",
    "blocks": "{% if 1 %}" * 5_000 + "{% endif %}" * 5_000,
    "concats": "{{ " + "~".join(["rubric.description"] * 3_000) + " }}",
    "attributes": "{{ rubric" + ".a" * 20_000 + " }}",
    "many": "{{ 1 }}" * 9_000,
    "long": "x" * 10_000_000,
    "digits": "{{ " + "9" * 5_000 + " }}",
    "comments": "{#" * 30_000,
    "raw": "{% raw %}" * 7_000,
    "openings": "{{" * 30_000,
    "divide": "{{ 1 // 0 }}",
    "modulo": "{{ 1 % 0 }}",
    "first-of-none": "{{ []|first }}",
    "filter-block": "{% filter upper %}x{% endfilter %}",
    "with": "{% with a = 1 %}{{ a }}{% endwith %}",
}
FINE = {
    "set": ("{% set n = labels | length %}{{ n }}", "3"),
    "loop": ("{% for l in labels %}{{ loop.index }}{{ l }}{% if not loop.last %}, {% endif %}{% endfor %}", "1a, 2b, 3c"),
    "arithmetic": ("{{ scale.max - 1 }}/{{ scale.max // 2 }} {{ rubric is defined }}", "4/2 True"),
    "rule": ("{{ '-' * 20 }}", "-" * 20),
    "json": ("{{ labels | tojson }}", '["a", "b", "c"]'),
    "condition": ("{{ 'x' if 'a' in labels else 'y' }}", "x"),
    "list": ("{{ labels }}", "['a', 'b', 'c']"),
    "joined": ("{{ labels | join(' or ') | upper }}", "A OR B OR C"),
    "ends": ("{{ labels|first ~ labels|last }}", "ac"),
    "safe-is-refused-elsewhere": ("{{ reference is none }}", "True"),
    "none": ("{{ reference }}", "None"),
}
VALUES = {
    "labels": ["a", "b", "c"],
    "scale": {"min": 1, "max": 5},
    "reference": None,
    "rubric": {"title": "t", "description": "d"},
}


@pytest.fixture(scope="module")
def stopped() -> dict[str, dict]:
    """What happened to each template, in a child process with a limit on its memory."""
    done = subprocess.run(
        [sys.executable, str(CHILD)],
        input=json.dumps(REACHING | GROWING),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {found["name"]: found for found in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", REACHING)
def test_no_way_out(stopped, name):
    """A recipe from the internet is data: what reaches for Python is refused, with file and line."""
    assert stopped[name]["error"].startswith("folder/t.j2:1: "), stopped[name]


@pytest.mark.parametrize("name", GROWING)
def test_bounded(stopped, name):
    """A template of a few bytes cannot take the machine: 1 s, 10 MB of text, 256 MB."""
    found = stopped[name]
    assert found["error"].startswith("folder/t.j2") or found["size"] <= 10_000_000, found
    assert found["seconds"] < 1, found
    assert found["memory"] < 256_000_000, found


def test_nothing_ran_out(stopped):
    """None was stopped by the child's own limit."""
    assert set(stopped) == set(REACHING) | set(GROWING)
    assert not [found for found in stopped.values() if "MemoryError" in found["error"]]


def made(source: str, **values: object) -> str:
    return Templates(Path("folder"), {"t.j2": source}).render("t.j2", VALUES | values)


@pytest.mark.parametrize("name", FINE)
def test_what_prompts_need_works(name):
    """Loops, conditions, joins, numbers: nothing that a prompt needs is refused."""
    source, text = FINE[name]
    assert made(source) == text


def test_every_includes_every_other():
    """Includes of includes multiply: 40 lines would make a terabyte."""
    folder = {f"{i}.j2": f'{{% include "{i + 1}.j2" %}}\n' * 40 for i in range(7)} | {"7.j2": "x" * 100}

    def load() -> None:
        with pytest.raises(RecipeError, match=r"includes more than 65,536 characters"):
            Templates(Path("folder"), folder)

    assert least_cpu(load, 1) < 1


def test_a_file_that_includes_itself():
    """No way round through another spelling of the same line, either."""
    for line in ('{% include "a.j2" %}', '{%+ include "a.j2" %}', '{% include "a.j2" without context %}'):
        with pytest.raises(RecipeError, match=r"includes itself|an include is written"):
            Templates(Path("folder"), {"a.j2": line})


def test_the_limit_leaves_out_the_sample():
    """A response of 20 MB may be shown twice; a template's own 20 MB may not."""
    long = Untrusted("word " * 4_000_000, "ab" * 5)
    twice = made("{{ response|quote('X') }}{{ response|quote('X') }}", response=long)
    assert len(twice) > 40_000_000
    with pytest.raises(RecipeError, match=r"t.j2: renders more than 2,000,000 characters beyond the sample's own texts"):
        made("{{ rubric.description }}", rubric={"description": "word " * 4_000_000})


def test_messages_name_file_and_line():
    """Whoever wrote the template finds the line."""
    for source, message in (
        ("a\nb\n{{ f() }}", "folder/t.j2:3: calling a function is not for recipe templates"),
        ("\n{{ labels|joined }}", "folder/t.j2:2: not a valid template: No filter named 'joined'; did you mean `join`?"),
        ("\n{{ 'a' is strin }}", "folder/t.j2:2: not a valid template: No test named 'strin'; did you mean `string`?"),
        ("a\n{{ labels + 1 }}", "folder/t.j2:2: `+` is for numbers, not for list; `~` joins texts"),
    ):
        with pytest.raises(RecipeError) as why:
            made(source)
        assert str(why.value) == message


def test_trusted_text_is_neutralised_however_it_is_printed():
    """Rubrics come from files and data sets: neither a filter nor a list around a text lets a control token through."""
    sly = "<|im_end|> [INST] <s> \x00"
    values = {"rubric": {"title": sly, "description": sly, "criteria": [{"id": sly}]}, "response": Untrusted("x", "ab" * 5)}
    for expression in (
        "rubric.title", "rubric.title|tojson", "rubric.criteria|tojson", "rubric.criteria", "rubric", "rubric.title|upper|lower",
        "rubric.title ~ 'x'", "rubric.criteria|join('')", "rubric.title|list|join('')", "response|quote(rubric.title)",
        "response|quote('a' ~ rubric.title)", "'<|im_end|>'", "'<s>'", "rubric.title|trim", "rubric.criteria|first",
    ):  # fmt: skip
        text = made(f"{{{{ {expression} }}}}", **values)
        assert not [token for token in ("<|im_end|>", "[INST]", "<s>", "\x00") if token in text], expression


def test_limits_are_counts():
    """The same template is refused everywhere or nowhere: no limit depends on how fast the machine is."""
    loop = "{% for a in rubric.description %}x{% endfor %}"
    weight = 2
    inside = {"description": "a" * (limits.MAX_STEPS // weight)}
    assert len(made(loop, rubric=inside)) == limits.MAX_STEPS // weight
    with pytest.raises(RecipeError, match="loops over more than 1,000,000 steps"):
        made(loop, rubric={"description": "a" * (limits.MAX_STEPS // weight + 1)})
    assert lint.MAX_SOURCE == 65_536
