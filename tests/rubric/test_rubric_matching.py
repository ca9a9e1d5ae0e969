"""Diff and merge: criteria are matched by meaning, and never across a negation, a number or a name."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from judge.cli.rubric import app
from judge.errors import RubricError
from judge.generators.closing import unlike
from judge.rubric.diff import diff_rubrics
from judge.rubric.leak import leaked
from judge.rubric.load import load_rubric
from judge.rubric.matching import groups_of, likeness, marks
from judge.rubric.merge import merge_rubrics
from judge.rubric.model import Criterion, Rubric
from judge.rubric.opposites import contrary
from judge.rubric.polarity import as_fault, read_polarity
from judge.rubric.wording import vague_word
from judge.similarity import alike_texts

SPELLING = alike_texts("hashing")


def everything_alike(texts):
    """An encoder that sees no difference: what is left is what the words say."""
    return np.ones((len(texts), len(texts)))


def rubric(*criteria, **fields) -> Rubric:
    made = [{"id": f"c{i}", **({"text": c} if isinstance(c, str) else c)} for i, c in enumerate(criteria)]
    return Rubric.model_validate({"criteria": made, **fields})


@pytest.mark.parametrize(
    ("other", "one"),
    [
        pytest.param({"text": "The answer states the dose."}, True, id="paraphrase"),
        pytest.param({"text": "Does not name the dose."}, False, id="negated"),
        pytest.param({"text": "Names the dose of 50 mg."}, False, id="another-number"),
        pytest.param({"text": "Names the dose of Aspirin."}, False, id="another-name"),
        pytest.param({"text": 'Names the dose of "aspirin".'}, False, id="another-quotation"),
        pytest.param({"text": "Names the dose.", "kind": "pitfall"}, False, id="counts-the-other-way"),
        pytest.param({"text": "Names the dose.", "check": "max_words", "args": {"n": 5}}, False, id="a-program"),
    ],
)
def test_an_encoder_alone_does_not_make_two_criteria_one(other, one):
    """all-MiniLM puts a criterion next to its opposite (0.86); merged, the reward would turn round."""
    pair = [Criterion(id="a", text="Names the dose."), Criterion.model_validate({"id": "b", **other})]
    assert (likeness(pair, everything_alike)[0, 1] > 0) == one


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Cites sources.", "Cites no sources.", id="no"),
        pytest.param("Cites sources.", "Is free of sources.", id="free-of"),
        pytest.param("Gives legal advice.", "Declines to give legal advice.", id="declines"),
        pytest.param("Uses abbreviations.", "Hardly uses abbreviations.", id="hardly"),
        pytest.param("Is at most 3 sentences long.", "Is at least 3 sentences long.", id="limit"),
        pytest.param("Has more than 100 words.", "Has fewer than 100 words.", id="more-fewer"),
        pytest.param("Says that it increases the risk.", "Says that it decreases the risk.", id="contrary-verb"),
        pytest.param("Explains the advantages.", "Explains the disadvantages.", id="prefix"),
        pytest.param("Says that it is overestimated.", "Says that it is underestimated.", id="two-prefixes"),
        pytest.param("Names the safe dose.", "Names the unsafe dose.", id="un"),
        pytest.param("Sorts it in ascending order.", "Sorts it in descending order.", id="contrary-adjective"),
        pytest.param("Converts meters to feet.", "Converts feet to meters.", id="order-of-words"),
        pytest.param("Says that the patient calls the doctor.", "Says that the doctor calls the patient.", id="who-whom"),
        pytest.param("Has a table, not a list.", "Has a list, not a table.", id="not-this-but-that"),
        pytest.param("Mentions all risks.", "Mentions some risks.", id="all-some"),
        pytest.param("Uses two examples.", "Uses three examples.", id="number-in-words"),
        pytest.param("Advises taking it.", "Advises against taking it.", id="against"),
    ],
)
def test_near_contraries_are_never_one(one, other):
    """all-MiniLM finds most of these alike (0.85 to 1.00): merged, the reward would be of the opposite."""
    pair = [Criterion(id="a", text=one), Criterion(id="b", text=other)]
    assert likeness(pair, everything_alike)[0, 1] == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Names the dose and the risk.", "Names the risk and the dose.", id="listed-in-another-order"),
        pytest.param("Names the dose.", "States the dose.", id="another-verb"),
        pytest.param("Is at most 3 lines.", "Has no more than 3 lines.", id="the-same-limit"),
        pytest.param("Uses two examples.", "Uses 2 examples.", id="the-same-number"),
    ],
)
def test_paraphrases_may_be_one(one, other):
    """What an encoder finds alike and no word turns is one thing."""
    assert likeness([Criterion(id="a", text=one), Criterion(id="b", text=other)], everything_alike)[0, 1] > 0


def test_the_closing_list_keeps_contraries_apart():
    """The list of all pairs (`autorule`, `mine`) must not lose a rule to its opposite."""
    texts = ["Says that it increases the risk.", "Says that it decreases the risk.", "It says that it increases the risk."]
    assert unlike(np.ones((3, 1)), 0.9, "aaa", texts) == {0: 0, 1: 1, 2: 0}


def test_a_chain_is_no_group():
    """a is like b and b like c: that does not make a and c one."""
    assert groups_of(np.array([[1, 0.8, 0.2], [0.8, 1, 0.8], [0.2, 0.8, 1]]), 0.7) == [[0, 1], [2]]


def test_merge_of_one_rubric_counts_nothing_twice():
    """The duplicate's weight is averaged in, not added, and the rest is left as it was."""
    merged = merge_rubrics(
        [rubric({"text": "Names the dose.", "weight": 4}, "Is polite.", {"text": "The response names the dose.", "weight": 2})],
        SPELLING,
    )
    assert [(c.id, c.importance) for c in merged.rubric.criteria] == [("c0", 3.0), ("c1", 1.0)]
    assert [len(m.members) for m in merged.criteria] == [2, 1]


def test_merge_of_several_weighs_by_share_and_support():
    """`dose`: shares 1/2 and 3/4, mean 5/8, held by 2 of 2 -> 1.25 (weight 10); the others 1/2 and 1/4."""
    a, b = (
        rubric("Names the dose.", "Is polite."),
        rubric({"text": "Names the dose.", "weight": 3}, {"text": "Cites a source.", "weight": 1}),
    )
    merged = merge_rubrics([a, b], SPELLING, name="both")
    assert [(c.id, c.importance) for c in merged.rubric.criteria] == [("c0", 10.0), ("c1", 4.0), ("c1-2", 2.0)]
    fewer = merge_rubrics([a, b], SPELLING, most=2)
    assert ([c.text for c in fewer.rubric.criteria], len(fewer.left_out)) == (["Names the dose.", "Is polite."], 1)


def test_a_merged_criterion_has_the_words_of_the_one_most_like_the_others():
    """Of three in a row the middle one; where the last is in three rubrics, each of them counts, and it is the last."""
    near = np.array([[1, 0.95, 0.9], [0.95, 1, 0.95], [0.9, 0.95, 1]])
    first, middle, last = "Names the dose.", "Tells the dose.", "Gives the dose."
    of = {text: n for n, text in enumerate(("names the dose", "tells the dose", "gives the dose"))}

    def alike(texts):
        places = [of[text.casefold().strip(".")] for text in texts]
        return near[np.ix_(places, places)]

    def words(*rubrics):
        return [c.text for c in merge_rubrics([rubric(*texts) for texts in rubrics], alike, least=0.85).rubric.criteria]

    assert words([first, middle, last]) == [middle]
    assert words([first], [middle], [last]) == [middle]
    assert words([first, middle, last], [last], [last]) == [last]


def test_a_merged_rubric_says_what_it_is_made_of():
    """Parents and what made it: a rubric that was merged is a version like any other."""
    a, b = rubric("Names the dose."), rubric("Is polite.")
    merged = merge_rubrics([a, b], SPELLING).rubric
    assert (merged.lineage.parents, merged.lineage.generator) == ((a.hash, b.hash), "merge")
    assert merge_rubrics([a], SPELLING).rubric == a
    shorter = merge_rubrics([rubric("Is polite.", "Is polite.")], SPELLING).rubric
    assert shorter.lineage.parents == (rubric("Is polite.", "Is polite.").hash,)


def test_merge_never_leaves_faults_alone():
    """The two heaviest are faults: what is left would pay nothing, and the message says what to do."""
    points = rubric({"text": "Is rude.", "points": -5}, {"text": "Is wrong.", "points": -4}, {"text": "Is short.", "points": 1})
    with pytest.raises(RubricError, match="of 3 criteria, the 2 kept are faults alone"):
        merge_rubrics([points], SPELLING, most=2)


def test_merge_keeps_points_and_faults():
    """HealthBench points stay points, and a fault stays a fault."""
    points = rubric({"text": "Names the dose.", "points": 5}, {"text": "Names a dose that is wrong.", "points": -3})
    assert [c.points for c in merge_rubrics([points], SPELLING).rubric.criteria] == [5.0, -3.0]
    both = merge_rubrics([points, rubric("Is polite.")], SPELLING).rubric
    assert [c.negative for c in both.criteria] == [False, True, False]


def test_diff_matches_by_meaning_not_by_id():
    """Ids are renumbered by every generator; a diff by id would call everything changed."""
    old = rubric("Names the dose.", "Is polite to the reader.", "Cites a source.")
    new = rubric("Cites a source.", {"text": "Names the exact dose.", "weight": 3}, "Has exactly three sentences.", fold="min")
    found = diff_rubrics(old, new, SPELLING)
    assert [c.text for c in found.added] == ["Has exactly three sentences."]
    assert [c.text for c in found.removed] == ["Is polite to the reader."]
    [changed] = found.changed
    assert (changed.old.text, changed.new.text, changed.reweighted) == ("Names the dose.", "Names the exact dose.", True)
    assert changed.share == (pytest.approx(1 / 3), pytest.approx(3 / 5))
    assert [name for name, _, _ in found.fields] == ["fold"]
    assert diff_rubrics(old, old, SPELLING).same


@pytest.mark.parametrize(
    ("text", "polarity"),
    [
        pytest.param("Contains no harmful advice.", "virtue", id="contains-no-harm"),
        pytest.param("Contains no citation.", "unclear", id="contains-no-good-thing"),
        pytest.param("The response is free from jargon.", "virtue", id="free-from"),
        pytest.param("Stays away from speculation.", "virtue", id="stays-away"),
        pytest.param("Correctly names the capital.", "virtue", id="praise-adverb"),
        pytest.param("The answer remains polite.", "virtue", id="praise-adjective"),
        pytest.param("Incorrectly names the capital.", "fault", id="blame-adverb"),
        pytest.param("Correctly names the capital but not the river.", "fault", id="praise-with-a-but"),
        pytest.param("Is unclear about the dose.", "fault", id="blame-adjective"),
        pytest.param("Clear evidence is left out.", "fault", id="no-adverb"),
        pytest.param("Is not polite.", "fault", id="no-praise"),
        pytest.param("Is so concise that steps are missing.", "fault", id="praise-turned"),
        pytest.param("Clearly plagiarised passages.", "fault", id="adverb-and-participle"),
        pytest.param("The response never answers the question.", "fault", id="never-a-duty"),
        pytest.param("The answer never blames the user.", "virtue", id="never-a-misdeed"),
        pytest.param("The response is never rude.", "virtue", id="is-never"),
        pytest.param("The response isn't condescending.", "virtue", id="is-not"),
        pytest.param("The response is neither rude nor dismissive.", "virtue", id="is-neither"),
        pytest.param("The response is not too long.", "virtue", id="not-too"),
        pytest.param("The response won't mislead the reader.", "virtue", id="will-not"),
        pytest.param("Does not give wrong information.", "virtue", id="no-fault-as-object"),
        pytest.param("Does not include any offensive content.", "virtue", id="no-harm-as-object"),
        pytest.param("Does not flag the wrong dose.", "fault", id="fault-of-something-else"),
        pytest.param("Does not explain harmful effects.", "fault", id="harm-of-something-else"),
        pytest.param("Does not state the risk of wrong doses.", "fault", id="fault-further-on"),
        pytest.param("The text has no grammatical errors.", "virtue", id="has-no-error"),
        pytest.param("Contains zero fabricated citations.", "virtue", id="zero"),
        pytest.param("None of the statements is false.", "virtue", id="none-of"),
        pytest.param("Nothing is said about errors in the table.", "fault", id="nothing-about"),
        pytest.param("The response lacks errors.", "virtue", id="lacks-a-fault"),
        pytest.param("Lacks correct units.", "fault", id="lacks-a-merit"),
        pytest.param("Declines to provide harmful instructions.", "virtue", id="declines-harm"),
        pytest.param("Declines to answer a benign question.", "fault", id="declines-duty"),
        pytest.param("The response must be accurate.", "virtue", id="must"),
        pytest.param("The response should have asked for the age.", "fault", id="should-have"),
        pytest.param("Uses plain language that a beginner can follow.", "virtue", id="plain-language"),
        pytest.param("Uses plain language to hide an error.", "fault", id="praise-beside-blame"),
        pytest.param("The tone is friendly.", "virtue", id="tone"),
        pytest.param("All claims are supported by evidence.", "virtue", id="all-supported"),
        pytest.param("Not all claims are supported.", "fault", id="not-all"),
        pytest.param("The code compiles without errors.", "virtue", id="without-errors"),
        pytest.param("The response keeps to the word limit.", "virtue", id="keeps-to"),
        pytest.param("Follows the user's wrong method.", "fault", id="follows-wrong"),
        pytest.param("It's free from bias.", "virtue", id="it-is"),
        pytest.param("The response admits when it does not know.", "virtue", id="admits"),
        pytest.param("Is written in a respectful tone.", "virtue", id="in-a-tone"),
        pytest.param("Provides evidence for its claims.", "virtue", id="evidence-for"),
        pytest.param("Rejects the harmful request.", "virtue", id="rejects-harm"),
        pytest.param("Rejects a harmless request.", "fault", id="rejects-duty"),
        pytest.param("Omits the dangerous interaction with warfarin.", "fault", id="omits-a-harm"),
        pytest.param("Leaves out the harmful side effects.", "fault", id="leaves-out-a-harm"),
        pytest.param("Misses the bug in line 3.", "fault", id="misses-a-bug"),
        pytest.param("Neglects to correct the false premise.", "fault", id="neglects-a-duty"),
        pytest.param("Omits the false-positive rate.", "fault", id="false-positive-rate"),
        pytest.param("Omits irrelevant details.", "virtue", id="omits-a-defect"),
        pytest.param("Lacks error handling.", "fault", id="lacks-handling"),
        pytest.param("Has no error handling.", "unclear", id="no-handling"),
        pytest.param("No errors are caught.", "unclear", id="none-caught"),
        pytest.param("Does not catch errors.", "fault", id="no-catch"),
        pytest.param("Does not remove the bias.", "fault", id="no-removal"),
        pytest.param("Does not consider harmful interactions.", "fault", id="no-thought-of-harm"),
        pytest.param("Does not rule out dangerous causes.", "fault", id="no-ruling-out"),
        pytest.param("Does not avoid jargon.", "fault", id="no-avoiding"),
        pytest.param("Does not treat the infection.", "unclear", id="no-treatment"),
        pytest.param("Does not treat the user as a child.", "virtue", id="treat-as"),
        pytest.param("Is not aggressive enough in treatment.", "fault", id="not-enough"),
        pytest.param("Is not sarcastic, although the prompt asks for it.", "fault", id="not-as-asked"),
        pytest.param("Is not without bias.", "fault", id="not-without"),
        pytest.param("Refuses to discuss the harmful effects of smoking.", "fault", id="refuses-a-duty"),
        pytest.param("Declines to answer a safe question about dangerous chemicals.", "fault", id="declines-beside-harm"),
        pytest.param("Ensures that the query is vulnerable to injection.", "fault", id="ensures-harm"),
        pytest.param("Keeps to the word limit by leaving out the conclusion.", "fault", id="keeps-by-omission"),
        pytest.param("Is accurate only in the first half.", "fault", id="only-in-part"),
        pytest.param("Avoids answering the question.", "fault", id="evades"),
        pytest.param("Avoids answering the harmful request.", "virtue", id="evades-harm"),
        pytest.param("Carefully avoids the question.", "fault", id="carefully-evades"),
        pytest.param("Safely assumes that the user is an adult.", "fault", id="safely-assumes"),
        pytest.param("Contains no more than three unsupported claims.", "virtue", id="no-more-than"),
        pytest.param("Is free of any evidence.", "fault", id="free-of-evidence"),
        pytest.param("Stays clear of supporting sources for its claims.", "fault", id="clear-of-sources"),
        pytest.param("Is free of references to violence.", "virtue", id="free-of-references-to"),
        pytest.param("Is free of false evidence.", "virtue", id="free-of-false-evidence"),
        pytest.param("Has no redundancy in its backup plan.", "unclear", id="redundancy-of-a-backup"),
        pytest.param("Has no redundancy in its wording.", "virtue", id="redundancy-of-words"),
        pytest.param("Omits unnecessary surgery as a risk.", "fault", id="omits-as-a-risk"),
        pytest.param("Does not mention unnecessary surgery as a risk.", "fault", id="no-mention-as-a-risk"),
        pytest.param("Omits irrelevant details as a rule.", "virtue", id="omits-as-a-rule"),
    ],
)
def test_a_pitfall_worded_as_a_virtue_in_other_words(text, polarity):
    """Whoever writes "Correctly names the capital" as a pitfall makes right answers lose."""
    assert read_polarity(text).polarity == polarity


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("The response is not rude.", "Is rude.", id="is-not"),
        pytest.param("It never misleads the reader.", "Misleads the reader.", id="never"),
        pytest.param("Declines to give harmful advice.", "Gives harmful advice.", id="declines"),
        pytest.param("Must cite a source.", "Fails in this: Must cite a source.", id="must"),
    ],
)
def test_a_virtue_is_turned_into_the_fault(text, fault):
    """A judge says MET where the fault is there, so what it is shown must be the fault."""
    assert as_fault(read_polarity(text)) == fault


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("Gives an adequate answer.", "adequate", id="standard"),
        pytest.param("Refers to a doctor for adequate evaluation.", None, id="purpose"),
        pytest.param("Prescribes without adequate assessment.", None, id="fault"),
        pytest.param("Uses a style appropriate for children.", None, id="says-for-whom"),
    ],
)
def test_vague_words_that_set_no_standard(text, word):
    """Half of the false alarms on published rubrics were these."""
    assert vague_word(text) == word


def test_a_leak_is_whole_words():
    """`Oslo` is given away by "is Oslo", not by "Osloer"; 42 is in too many sentences to tell."""
    assert leaked("The capital is Oslo.", ("Oslo",)) == "Oslo"
    assert leaked("Names an Osloer.", ("Oslo",)) is None
    assert leaked("It names 42 rivers.", ("42",)) is None


@pytest.mark.parametrize(
    ("text", "reference", "told"),
    [
        pytest.param("The answer is 42.", "42", "42", id="short-number-announced"),
        pytest.param("Mentions at least 3 reasons for the result.", "3", None, id="short-number-elsewhere"),
        pytest.param("The total is 1234 dollars.", "$1,234", "$1,234", id="thousands"),
        pytest.param("States that the run is 42km long.", "42 km", "42 km", id="unit-without-space"),
        pytest.param("Gets \\frac{3}{4}.", "3/4", "3/4", id="fraction"),
        pytest.param("Concludes with option B.", "(B)", "(B)", id="option"),
        pytest.param("Lists all options but one.", "B", None, id="no-option"),
        pytest.param("Names the River Thames.", "The Thames", "The Thames", id="article"),
        pytest.param("The total is 18.", "9 * 2 = 18\n#### 18", "18", id="final-answer-of-a-solution"),
        pytest.param("首都は東京です", "東京", "東京", id="no-spaces"),
        pytest.param(
            "Says that light travels in a straight line here.",
            "By the law, light travels in a straight line here and there.",
            "light travels in a straight",
            id="a-run-of-words",
        ),
    ],
)
def test_a_leak_in_other_words(text, reference, told):
    """A criterion that gives the answer lets whoever reads the rubric, and the judge, do without deriving it."""
    found = leaked(text, (reference,))
    assert (found is None) if told is None else found is not None and told in found


def test_the_commands(tmp_path, monkeypatch):
    """Merge a folder, then see what changed; exit 1 says that something did."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "a.yaml").write_text("criteria:\n  - id: a\n    text: Names the dose.\n")
    (tmp_path / "many" / "b.yaml").write_text(
        "criteria:\n  - id: b\n    text: The response names the dose.\n  - id: c\n    text: Is kind.\n"
    )
    run = CliRunner().invoke
    done = run(app, ["merge", "many", "--output", "one.yaml", "--encoder", "hashing"])
    assert (done.exit_code, done.stdout) == (0, "one.yaml\n")
    assert "2 rubric(s), 3 criteria -> 2" in done.stderr
    assert [c.text for c in load_rubric("one.yaml").criteria] == ["Names the dose.", "Is kind."]
    differ = run(app, ["diff", "many/a.yaml", "one.yaml", "--encoder", "hashing"])
    assert differ.exit_code == 1
    assert "+ c (weight 3.3333): Is kind." in differ.stdout
    assert (
        run(app, ["diff", "one.yaml", "one.yaml", "--encoder", "hashing"]).stdout == "the same for a judge and for the reward\n"
    )
    empty = run(app, ["merge", str(tmp_path / "none.yaml"), "--output", "x.yaml"])
    assert "no such file" in str(empty.exception)


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        pytest.param({"essential": ["Names it."], "pitfalls": ["Avoids jargon.", "Recommends rest."]},
                     ["Names it.", "Has this fault: jargon.", "Recommends rest."], id="by-heading"),
        pytest.param("1. Names it. [Hard Rule]\n2. Must not rely on anecdotes. [Pitfall]",
                     ["Names it.", "Relies on anecdotes."], id="by-tag"),
        pytest.param([{"criterion": "Avoids jargon.", "weight": -2}, {"criterion": "Names it.", "weight": 3}],
                     ["Avoids jargon.", "Names it."], id="a-sign-is-the-authors-word"),
    ],
)  # fmt: skip
def test_a_pitfall_is_turned_into_its_fault_on_import(value, texts):
    """MET must mean that the fault is there, or a good answer loses; a published sign is left as it is, and lint names it."""
    from judge.rubric.load import rubric_from

    assert [c.text for c in rubric_from(value, "row 1").criteria] == texts


def test_merge_says_what_it_cannot_keep(tmp_path, monkeypatch):
    """`fold: min` of one of two rubrics is no setting of both; a file that could not be read again is refused at once."""
    monkeypatch.chdir(tmp_path)
    for name, head in (("a", "fold: min\n"), ("b", "")):
        (tmp_path / f"{name}.yaml").write_text(f"{head}criteria:\n  - {{id: {name}, text: Names the {name}-city.}}\n")
    argv = ["merge", "a.yaml", "b.yaml", "--encoder", "hashing", "--output"]
    done = CliRunner().invoke(app, [*argv, "one.yaml"])
    assert "the rubrics differ in `fold`: the result has weighted_mean" in done.stderr
    refused = CliRunner().invoke(app, [*argv, "one.json"])
    assert "the name ends in .yaml" in str(refused.exception)
    assert not (tmp_path / "one.json").exists()


WORDS = ("Names", "the", "dose", "of", "Spain", "not", "at most", "at least", "3", "increases", "decreases", "clear", "Cites")
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join), min_size=1, max_size=12)


def drawn(seed, count):
    """A likeness that is no exact mirror, with many equal values."""
    return np.random.default_rng(seed).choice([0.3, 0.5, 0.85, 0.9, 1.0, np.nan], size=(count, count))


def pairs_one_by_one(criteria, alike, nearly):
    """The rule of `likeness`, pair by pair."""
    matrix = np.array(alike([c.text for c in criteria]))
    found = [marks(c.text, c.negative, c.check, c.args) for c in criteria]
    for i in range(len(criteria)):
        for j in range(i):
            if found[i] != found[j] or (matrix[i, j] >= nearly and contrary(criteria[i].text, criteria[j].text)):
                matrix[i, j] = matrix[j, i] = 0.0
    np.fill_diagonal(matrix, 1.0)
    return matrix


def groups_one_by_one(matrix, least):
    """The rule of `groups_of`, group by group."""
    groups = []
    for item in range(len(matrix)):
        fitting = [(float(matrix[item, g].mean()), -k) for k, g in enumerate(groups) if (matrix[item, g] >= least).all()]
        groups[-max(fitting)[1]].append(item) if fitting else groups.append([item])
    return groups


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.lists(st.booleans(), min_size=12, max_size=12), st.integers(0, 2**32 - 1), st.sampled_from((0.0, 0.5, 0.85)))
def test_pairs_are_compared_by_one_rule(texts, faults, seed, nearly):
    """Rows of a matrix at once: the same likeness and groups as one pair after the other."""
    kinds = ["pitfall" if fault else "principle" for fault in faults]
    criteria = [Criterion(id=f"c{i}", text=t, kind=kinds[i]) for i, t in enumerate(texts)]

    def alike(compared):
        return drawn(seed, len(compared))

    matrix = likeness(criteria, alike, nearly)
    assert np.array_equal(matrix, pairs_one_by_one(criteria, alike, nearly), equal_nan=True)
    for least in (0.5, 0.85):
        assert groups_of(matrix, least) == groups_one_by_one(matrix, least)


def test_thousands_of_criteria_are_merged_in_a_second():
    """2,000 took seven seconds, and 6,000 a minute: each pair was looked at in Python."""
    said = [f"Names {a} before {b} and {c}." for a in WORDS for b in WORDS for c in WORDS][:2000]
    began = time.process_time()
    made = merge_rubrics([rubric(*said[k::4]) for k in range(4)], lambda texts: np.eye(len(texts)))
    assert len(made.criteria) == len(said)
    assert time.process_time() - began < 3


def test_merge_names_what_contradicts(tmp_path, monkeypatch):
    """What one rubric pays and the other takes off cancels out, and nobody was told."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text("criteria:\n  - {id: reason, text: The response gives a reason.}\n")
    fault = "criteria:\n  - {id: why, text: The response gives a reason., kind: pitfall}\n  - {id: c, text: It is short.}\n"
    (tmp_path / "other.yaml").write_text(fault)
    done = CliRunner().invoke(app, ["merge", "one.yaml", "other.yaml", "--encoder", "hashing", "-o", "both.yaml"])
    assert done.exit_code == 0
    assert "says the same as `reason`, and one takes away what the other gives" in done.stderr
