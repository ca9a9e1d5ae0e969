"""What a run did not ask since it could hardly matter: votes after the last wave, criteria behind a failed veto, comparisons
outside the best of a group."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from judge.batch.store import Store
from judge.pipeline.build import Plan
from judge.recipe.parts import UnitSpec

_LEFT_OUT = re.compile(r"(\d+) of \d+ pairs are not compared: the best \d+ are settled without them")  # notes of a tournament
_SKIPPED = re.compile(r"(\d+) criteria were not asked about")  # the flag `decided_early`
_UNCERTAIN = re.compile(r"the best \d+ are not certain: (\d+) comparisons without a verdict")
_OWN = "turn IN (SELECT value FROM json_each(?1))"  # calls of the run's own judge


def saving_of(plan: Plan) -> dict[str, Any]:
    """What `saved_report` has to know of a run, as plain values; nothing where the run asks everything."""
    votes, group, turns = plan.votes, plan.settings.group, [turn.name for turn in plan.recipe.spec.turns]
    spec = plan.recipe.spec.unit
    unit = spec if isinstance(spec, UnitSpec) and spec.stop_when_decided else None
    rule = {"rule": votes.stop, "n": votes.n, "error": 0.0 if votes.stop == "decided" else votes.error, "margin": votes.margin}
    return {
        **({"votes_stop": {**rule, "turns": turns}} if votes.stop else {}),
        **({"unit_stop": {"criteria": unit.criteria, "votes": 1 if votes.stop else votes.n}} if unit else {}),
        **({"group_top": {"best": group.top, "turns": turns}} if group and group.top else {}),
    }


def saved_report(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of `run.json` about what was not asked.

    Args:
        asked: `saving_of` the plan.

    Returns:
        `votes_stop`: its `rule`, `questions` and how many of them were `stopped` early, `asked_votes` and `saved_votes`, and
        `error`, the most that the chance of another result is for each question stopped, in [0, 1]. `unit_stop`: `responses`
        judged, how many of them were `stopped` early, `saved_criteria`, and `saved_calls`, at least. `group_top`: `best`,
        `groups` that ended early, `asked_comparisons` and `saved_comparisons`, and groups whose best are `uncertain` because
        comparisons have no verdict.
    """
    votes, unit, top = asked.get("votes_stop"), asked.get("unit_stop"), asked.get("group_top")
    return {
        **({"votes_stop": _votes(store, votes)} if votes else {}),
        **({"unit_stop": _criteria(store, unit)} if unit else {}),
        **({"group_top": _comparisons(store, top)} if top else {}),
    }


def _votes(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    questions = stopped = made = saved = 0
    for votes in _votes_asked(store, asked["turns"]):
        questions, made = questions + 1, made + votes
        if votes < asked["n"]:
            stopped, saved = stopped + 1, saved + asked["n"] - votes
    return {
        **{name: asked[name] for name in ("rule", "error", *(("margin",) if asked["rule"] == "sprt" else ()))},
        "questions": questions,
        "stopped": stopped,
        "asked_votes": made,
        "saved_votes": saved,
    }


def _votes_asked(store: Store, turns: list[str]) -> Iterator[int]:
    """How many votes each question has: about these responses and criteria; a part that is asked about again is none."""
    pages = store.pages(
        f"SELECT row, shown, criteria, COUNT(DISTINCT vote), MAX(turn = ?2) FROM verdicts WHERE {_OWN}"
        " GROUP BY row, shown, criteria ORDER BY row",
        json.dumps(turns),
        turns[-1],
    )
    for _, rows in groupby(chain.from_iterable(pages), key=itemgetter(0)):
        about: dict[frozenset[int], dict[frozenset[str], int]] = {}  # responses -> criteria -> votes
        for _, shown, criteria, votes, final in rows:
            if final:
                questions, key = about.setdefault(frozenset(json.loads(shown)), {}), frozenset(json.loads(criteria))
                questions[key] = max(votes, questions.get(key, 0))
        for questions in about.values():
            yield from (votes for criteria, votes in questions.items() if not any(criteria < wider for wider in questions))


def _criteria(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    ((judged,),) = store.query("SELECT COUNT(*) FROM rewards WHERE status = 'judged'")
    pages = store.pages("SELECT flags FROM rewards WHERE status = 'judged' AND flags LIKE '%\"decided_early\"%'")
    early = (f["detail"] for (flags,) in chain.from_iterable(pages) for f in json.loads(flags) if f["name"] == "decided_early")
    left = [int(found[1]) for detail in early if (found := _SKIPPED.match(detail))]  # what other flags say may quote a response
    calls = sum(-(-count // asked["criteria"]) for count in left) * asked["votes"]
    return {"responses": judged, "stopped": len(left), "saved_criteria": sum(left), "saved_calls": calls}


def _comparisons(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    pages = store.pages(f"SELECT DISTINCT row, shown FROM verdicts WHERE {_OWN} ORDER BY row", json.dumps(asked["turns"]))
    by_row = groupby(chain.from_iterable(pages), key=itemgetter(0))
    made = sum(len({frozenset(shown) for _, text in rows if len(shown := json.loads(text)) == 2}) for _, rows in by_row)
    early, uncertain = _groups(store, _LEFT_OUT), _groups(store, _UNCERTAIN)
    return {
        "best": asked["best"],
        "groups": len(early),
        "asked_comparisons": made,
        "saved_comparisons": sum(early.values()),
        "uncertain": len(uncertain),
    }


def _groups(store: Store, said: re.Pattern[str]) -> dict[int | str, int]:
    """The number that a note of the tournament states, for each group that has the note."""
    found: dict[int | str, int] = {}
    for row, group, several, text in store.query(
        "SELECT row, grp, MAX(response_index) > 0, MAX(explanation) FROM rewards WHERE explanation LIKE '%the best%' GROUP BY row"
    ):
        if stated := said.search(text):
            found[row if several else group] = int(stated[1])
    return found


def saved_lines(run: Mapping[str, Any]) -> list[str]:
    """The report in the summary of a run.

    Example:
        >>> votes = {"rule": "beta", "error": 0.02, "questions": 50, "stopped": 40, "asked_votes": 450, "saved_votes": 300}
        >>> top = {"best": 1, "groups": 9, "asked_comparisons": 99, "saved_comparisons": 153, "uncertain": 0}
        >>> print(*saved_lines({"votes_stop": votes, "group_top": top}), sep="\\n")
        votes.stop: 40 of 50 questions ended early (`beta`)
          300 votes saved and 450 made; a question that ended would have come out otherwise with a chance of at most 2 %
        group.top: 9 groups ended early
          153 comparisons saved and 99 made; those saved could not change who is best
    """
    votes, unit, top = run.get("votes_stop"), run.get("unit_stop"), run.get("group_top")
    return [
        *(_vote_lines(votes) if votes else []),
        *(_unit_lines(unit) if unit else []),
        *(_top_lines(top) if top else []),
    ]


def _vote_lines(found: Mapping[str, Any]) -> list[str]:
    saved = f"  {found['saved_votes']:,} votes saved and {found['asked_votes']:,} made; "
    lines = [f"votes.stop: {found['stopped']:,} of {found['questions']:,} questions ended early (`{found['rule']}`)"]
    if found["rule"] == "decided":
        return [*lines, f"{saved}those saved could not change a result"]
    risk = f"{100 * found['error']:.3g} %"
    lines.append(f"{saved}a question that ended would have come out otherwise with a chance of at most {risk}")
    if found["rule"] == "sprt":
        lines.append(f"  (where the judge says one thing in {50 + 100 * found['margin']:.3g} % of its votes or more)")
    return lines


def _unit_lines(found: Mapping[str, Any]) -> list[str]:
    """The lines on criteria that were not asked about.

    Example:
        >>> print(*_unit_lines({"responses": 9, "stopped": 4, "saved_criteria": 14, "saved_calls": 8}), sep="\\n")
        unit.stop_when_decided: 4 of 9 responses decided early
          14 criteria not asked about, at least 8 calls saved; they could not change a reward
    """
    saved = f"{found['saved_criteria']:,} criteria not asked about, at least {found['saved_calls']:,} calls saved"
    return [
        f"unit.stop_when_decided: {found['stopped']:,} of {found['responses']:,} responses decided early",
        f"  {saved}; they could not change a reward",
    ]


def _top_lines(found: Mapping[str, Any]) -> list[str]:
    best = "is best" if found["best"] == 1 else f"is among the best {found['best']}"
    saved = f"  {found['saved_comparisons']:,} comparisons saved and {found['asked_comparisons']:,} made; "
    lines = [f"group.top: {_groups_of(found['groups'])} ended early", f"{saved}those saved could not change who {best}"]
    if found["uncertain"]:
        lines.append(f"  in {_groups_of(found['uncertain'])} that hangs on comparisons without a verdict")
    return lines


def _groups_of(count: int) -> str:
    return f"{count:,} group" + ("" if count == 1 else "s")
