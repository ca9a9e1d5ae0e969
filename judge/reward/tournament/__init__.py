"""A group competes: schedules of comparisons, one win matrix, and rewards from it.

`play` (pairs) and `play_lists` (lists) are asynchronous and know nothing of judges: they call a comparator.
"""

from judge.reward.tournament.model import Arrange, Compare, Comparison, Tournament, both_orders
from judge.reward.tournament.play import play, play_lists
from judge.reward.tournament.ranking import linear_rank, settle, strengths, win_probability, win_rate

__all__ = [
    "Arrange",
    "Compare",
    "Comparison",
    "Tournament",
    "both_orders",
    "linear_rank",
    "play",
    "play_lists",
    "settle",
    "strengths",
    "win_probability",
    "win_rate",
]
