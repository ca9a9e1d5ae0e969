"""A client of `judge serve`: rewards over HTTP with one deadline, retries that cost nothing twice, and no number for a failure.

The server may be another release than the client, so nothing of the server is imported here: shapes are checked as they arrive.
"""

from judge.client.aio import GROUP_DEADLINE_S, AsyncClient
from judge.client.sync import Client
from judge.client.wire import Member, Ranking, Scored, ServedReward

__all__ = ["GROUP_DEADLINE_S", "AsyncClient", "Client", "Member", "Ranking", "Scored", "ServedReward"]
