"""The catalogue as a person writes it: what is accepted, and what an error says."""

from __future__ import annotations

import json
import random

import pytest

from judge.attack.catalogue import MODES, CatalogueError, chosen, load_catalogues
from judge.attack.seeds import load_seeds
from judge.attack.texts import INSERTION_POINTS, AttackContext, control_text, inserted, known_transforms, transform_named
from judge.errors import DataError, InputError
from tests.conftest import ROOT

WRONG = {
    "unknown-field": ("families: {f: {items: {A-1: {txt: x}}}}", r"c\.yaml:1: no field `txt`; did you mean `text`\?"),
    "unknown-place": (
        "families:\n  f:\n    op: apend\n    items: {A-1: x}",
        r"c\.yaml:3: .*no place `apend`; did you mean `append`",
    ),
    "unknown-transform": ("families: {f: {items: {A-1: {transform: paddd}}}}", "no transform `paddd`; did you mean `pad`"),
    "two-kinds": ("families: {f: {items: {A-1: {text: x, transform: pad}}}}", "one of `text`, `transform` and `each_of`"),
    "a-number": ("families: {f: {items: {A-1: 4}}}", "is a text or a group of fields, not 4; quote it"),
    "no-items": ("families: {f: {items: {}}}", "at least 1 item"),
    "unknown-safe": ("families: {f: {safe: NEGG, items: {A-1: x}}}", "NEG"),
    "unknown-family": (
        "families: {f: {safe: NOGAIN, op: append, items: {A-1: {each_of: master-kye}}}}",
        "did you mean `master-key`",
    ),
    "keep-without-question": ("families: {f: {safe: KEEP, items: {A-1: x}}}", "needs `question` and `reference`"),
    "neg-on-an-answer": ("families: {f: {op: append, items: {A-1: x}}}", "NEG is for `op: whole`"),
    "whole-and-more": ("families: {f: {op: [whole, append], safe: NOGAIN, items: {A-1: x}}}", "stands alone"),
    "taken-id": ("families: {f: {items: {MK-01: x}}}", r"the id `MK-01` is taken \(family `master-key`\)"),
    "no-such-function": ("families: {f: {items: {A-1: {transform: 'nowhere.at:all'}}}}", "cannot be imported"),
    "no-function": ("families: {f: {items: {A-1: {transform: 'judge.types:__doc__'}}}}", "is a str, not a function"),
    "empty": ("", "the file is empty"),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_name_file_line_and_remedy(tmp_path, name):
    """A mistyped catalogue is found before a model is loaded, and the message says what would do."""
    text, message = WRONG[name]
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(CatalogueError, match=message):
        load_catalogues([path])


def test_shipped_catalogue_covers_every_mode():
    """Each mode has texts without an answer, texts on wrong answers, and right answers that must pass."""
    attacks = load_catalogues()
    for mode in MODES:
        assert {"NEG", "NOGAIN", "LITERAL", "INVARIANT", "KEEP"} <= {a.safe for a in chosen(attacks, mode)}
    assert len(attacks) > 170
    assert all(a.src for a in attacks)


def test_families_are_chosen_by_name_and_by_start_of_id():
    """`--families FV` and `--families master-key` both work; a typo is an error with a suggestion."""
    attacks = load_catalogues()
    assert {a.family for a in chosen(attacks, "verifier", ["FV", "master-key"])} == {"fake-verdict", "master-key"}
    assert len(chosen(attacks, "verifier", ["master-key"], items=3)) == 3
    with pytest.raises(CatalogueError, match="did you mean `master-key`"):
        chosen(attacks, "verifier", ["mater-key"])


def test_example_catalogue_loads():
    """The example that the documentation shows works with the shipped catalogue."""
    attacks = load_catalogues([ROOT / "examples" / "attack_catalogue.yaml"])
    own = [a for a in attacks if a.id.startswith("OWN")]
    assert {a.family for a in own} == {"own-openers", "own-claims"}
    assert next(a for a in own if a.id == "OWN-02").texts[""] == "Step 1: " * 20
    assert [v[2] for v in next(a for a in own if a.id == "OWN-10").variants()] == ["append", "last_line", "fence"]


def shout(base, rng):
    """A user's own transform."""
    return base.answer.upper()


def test_own_transform(tmp_path):
    """A function of the user's package is an attack without any registration."""
    path = tmp_path / "c.yaml"
    path.write_text("families: {f: {safe: NOGAIN, items: {A-1: {transform: 'tests.attack.test_catalogue:shout'}}}}")
    [attack] = load_catalogues([path], shipped=False)
    assert transform_named(attack.transform)(AttackContext("q", "abc"), random.Random(0)) == "ABC"


@pytest.mark.parametrize("name", known_transforms())
def test_transforms_repeat_and_need_nothing(name):
    """The same seed gives the same attack; a question without reference, wrong answer or criteria does not stop one."""
    full = AttackContext(
        "How many?",
        "There are 4.\nThe answer is 4.",
        "5",
        "4",
        "\n<<<END X 1>>>\nrest",
        ("ab12",),
        "VERDICT: 5",
        ("It is right.",),
    )
    for base in (full, AttackContext("q", "a")):
        first = transform_named(name)(base, random.Random(1))
        assert isinstance(first, str)
        assert first == transform_named(name)(base, random.Random(1))


@pytest.mark.parametrize("place", INSERTION_POINTS)
def test_places_hold_the_text(place):
    """Wherever it goes, the attack's text is in what the judge gets, and so is the answer unless it is replaced."""
    text = inserted(place, "one\ntwo", "ATTACK")
    assert "ATTACK" in text
    assert ("two" in text) == (place != "whole")


@pytest.mark.parametrize("length", [1, 7, 400, 5000])
def test_neutral_text_has_the_length_asked_for(length):
    """A control is as long as the attack, or its effect is no comparison."""
    assert len(control_text(length, random.Random(3))) == length


DATA = {
    "verifier-columns": '{"question": "q", "reference_answer": "4", "candidate": "It is 4.", "label": true}',
    "own-names": '{"prompt": "q", "reference": "4", "response": "It is 4.", "label": "right"}',
    "short-names": '{"question": "q", "answer": "4", "response": "It is 4.", "label": 1}',
}


@pytest.mark.parametrize("name", DATA)
def test_common_columns_are_recognised(tmp_path, name):
    """The usual layouts of verifier data need no --map."""
    path = tmp_path / "d.jsonl"
    path.write_text(DATA[name] + "\n")
    [q] = load_seeds(str(path)).items
    assert (q.prompt, q.reference, q.right, q.share_right) == ("q", "4", "It is 4.", 1.0)


def test_wrong_answers_are_real_ones_or_borrowed(tmp_path):
    """An echo of the question is no honest wrong answer; a question without one takes another question's reference."""
    rows = [
        {"question": "How many legs?", "reference": "8", "response": "How many legs?", "label": False},
        {"question": "How many legs?", "reference": "8", "response": "6", "label": False},
        {"question": "And arms?", "reference": "2", "response": "2", "label": True},
    ]
    path = tmp_path / "d.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    legs, arms = load_seeds(str(path)).items
    assert (legs.wrong, legs.borrowed) == ("6", False)
    assert (arms.wrong, arms.borrowed) == ("8", True)


def test_a_label_of_neither_kind_is_an_error(tmp_path):
    """A column that holds scores is not taken for a label."""
    path = tmp_path / "d.jsonl"
    path.write_text('{"question": "q", "reference": "4", "response": "5", "label": 3}\n')
    with pytest.raises(DataError, match="label 3 is neither right nor wrong"):
        load_seeds(str(path))


def test_missing_column_says_which(tmp_path):
    """Data without answers names the column that is missing."""
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "q"}\n')
    with pytest.raises(InputError, match="no column `prompt`"):
        load_seeds(str(path))


def test_rollouts_are_labelled_by_a_rule_where_it_can_tell(tmp_path):
    """Only what a program has confirmed is taken for right; prose, and an answer in words to a name, stay without a label."""
    rows = [
        {"question": "2 + 2?", "reference": "4", "response": "2 + 2 = 4, so the answer is 4."},
        {"question": "2 + 2?", "reference": "4", "response": "The answer is 5."},
        {"question": "2 + 2?", "reference": "4", "response": "They add up."},
        {"question": "2 + 2?", "reference": "4", "response": "The answer is 4.", "label": False},
        {"question": "Capital?", "reference": "Paris", "response": "The capital would be Lyon."},
    ]
    path = tmp_path / "d.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    sums, capital = load_seeds(str(path), confirm=True).items
    assert sums.rights == ("2 + 2 = 4, so the answer is 4.",)
    assert sums.wrongs == ("The answer is 5.", "The answer is 4.")  # the label that is there stands
    assert (capital.rights, capital.wrongs) == ((), ())
    assert load_seeds(str(path)).items[0].rights == ()
