"""Judged responses -> the ones to train on: best-of-n, rejection sampling, preference pairs.

Selecting (`best_of_n`, `preference_pairs`, `expected_best_of`) works on records and knows no file; `read_run` makes the
records from a run folder and its data, `write_rows` writes what was selected.
"""

from judge.batch.select.best import Chosen, Expected, Selection, best_of_n, estimate_best_of, expected_best_of
from judge.batch.select.model import ScoredResponse, has_reward, may_be_chosen
from judge.batch.select.pairs import Pairing, PreferencePair, Strategy, preference_pairs
from judge.batch.select.read import RunCandidates, read_run
from judge.batch.select.reliability import PairReliability, Reliabilities, read_reliability
from judge.batch.select.snapshot import Consistency, compare_snapshot
from judge.batch.select.write import best_rows, pair_rows, write_rows

__all__ = [
    "Chosen",
    "Consistency",
    "Expected",
    "PairReliability",
    "Pairing",
    "PreferencePair",
    "Reliabilities",
    "RunCandidates",
    "ScoredResponse",
    "Selection",
    "Strategy",
    "best_of_n",
    "best_rows",
    "compare_snapshot",
    "estimate_best_of",
    "expected_best_of",
    "has_reward",
    "may_be_chosen",
    "pair_rows",
    "preference_pairs",
    "read_reliability",
    "read_run",
    "write_rows",
]
