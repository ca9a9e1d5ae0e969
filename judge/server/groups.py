"""Completions of one prompt, sent one by one from anywhere -> one judgement of the group, and to each sender its own reward.

Several trainers never show a reward function a whole group: its members are scored by different workers on different machines.
They meet here (a rendezvous). A member waits in its request until the group is complete; the group is judged once; each caller
receives its own reward.

- The same member again (a retry) waits with the first, or gets the answer already there. Other content under the same index is
  an error for the newcomer alone (409).
- A group that is not complete in time fails for all of its members (409), naming the missing ones; it is never judged in part.
- The judging belongs to the group, not to a request: a sender that disconnects does not cancel it for the others; when all have
  disconnected, it is cancelled after a moment.
- A higher `attempt` starts the same group afresh, and ends lower ones that are not finished (409).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from judge.server.errors import APIError
from judge.server.log import log
from judge.server.service import JudgingService
from judge.settings.server import GroupServing
from judge.types import Reward, Sample

SHARED = ("prompt", "reference", "context", "rubric", "principle")  # what the members of a group have in common
WAITING_SHARE = 7 / 8  # of all connections may be members that wait for their group; the rest is for other requests
ABANDONED_S = 10.0  # that nobody waits before the judging is cancelled


@dataclass(eq=False)
class Group:
    """One attempt at one group.

    Attributes:
        shared: What all members have in common: prompt, reference, context, rubric, principle.
        members: Index -> hash of the content, and the sample.
        waiting: Requests that wait for the result.
        timer: What happens next by itself: failing, or being forgotten.
    """

    name: str
    attempt: int
    size: int
    shared: tuple[object, ...]
    result: asyncio.Future[list[Reward]]
    members: dict[int, tuple[bytes, Sample]] = field(default_factory=dict)
    waiting: int = 0
    timer: asyncio.TimerHandle | None = None
    job: asyncio.Task[None] | None = None

    @property
    def missing(self) -> list[int]:
        """Indices of members that have not arrived."""
        return [i for i in range(self.size) if i not in self.members]


class GroupRendezvous:
    """Where the members of groups meet: on one event loop, in one process.

    Args:
        keys: API keys of the server; each may hold its share of groups and of connections that wait.
        connections: That the server may hold.
    """

    def __init__(self, service: JudgingService, settings: GroupServing, *, keys: int = 1, connections: int = 4096) -> None:
        self._service = service
        self._settings = settings
        self._groups: dict[tuple[str, str], Group] = {}
        self._most_groups = max(1, settings.max_groups // max(1, keys))
        self._most_awaited = max(1, int(connections * WAITING_SHARE) // max(1, keys))
        self._held: Counter[str] = Counter()  # groups of each holder of a key
        self._awaited: Counter[str] = Counter()  # members of its groups that are not finished: each may wait in a request

    @property
    def open(self) -> int:
        """Groups whose members are awaited or judged."""
        return sum(not group.result.done() for group in self._groups.values())

    async def member(
        self, owner: str, name: str, index: int, size: int, attempt: int, sample: Sample
    ) -> tuple[Sequence[Reward], Reward]:
        """Bring one member, wait for its group, and take all rewards and its own.

        Args:
            owner: Holder of the API key; groups of different holders never meet.
            sample: Its one response is the member.

        Raises:
            APIError: 409: it does not fit its group, or the group is incomplete; 422: no such index, or the settings compare the
                groups of a batch; 429: too many groups; and what judging the group was refused for.
        """
        self._service.check_one_group()
        if not index < size <= self._settings.max_size:
            message = f"index {index} of a group of {size}; indices begin at 0, and a group has 1 to {self._settings.max_size}"
            raise APIError(422, "bad_index", message, where="index")
        group = self._find((owner, name), attempt) or self._open((owner, name), size, attempt, sample)
        self._join((owner, name), group, index, size, sample)
        group.waiting += 1
        try:
            rewards = await asyncio.shield(group.result)
        finally:
            group.waiting -= 1
            if not group.waiting and group.job is not None and not group.job.done():
                asyncio.get_running_loop().call_later(ABANDONED_S, self._abandon, (owner, name), group)
        return rewards, rewards[index]

    def _find(self, key: tuple[str, str], attempt: int) -> Group | None:
        """The group as it stands, at this attempt; a lower attempt of it is ended."""
        group = self._groups.get(key)
        if group is None or attempt == group.attempt:
            return group
        if attempt < group.attempt:
            message = f"group `{group.name}` is at attempt {group.attempt}; this is attempt {attempt}"
            raise APIError(409, "group_superseded", message, where="attempt")
        message = f"attempt {attempt} of group `{group.name}` replaced attempt {group.attempt}"
        self._fail(group, APIError(409, "group_superseded", message, where="attempt"))
        self._forget(key, group)
        return None

    def _open(self, key: tuple[str, str], size: int, attempt: int, sample: Sample) -> Group:
        self._service.check_open()
        self._check_share(key[0], size)
        loop = asyncio.get_running_loop()
        result: asyncio.Future[list[Reward]] = loop.create_future()
        result.add_done_callback(_read)
        result.add_done_callback(lambda _: self._awaited.subtract({key[0]: size}))
        group = self._groups[key] = Group(key[1], attempt, size, tuple(getattr(sample, name) for name in SHARED), result)
        self._held[key[0]] += 1
        self._awaited[key[0]] += size
        group.timer = loop.call_later(self._settings.incomplete_s, self._expire, key, group)
        return group

    def _check_share(self, owner: str, size: int) -> None:
        """Refuse a new group when there is no room for it, or none in the caller's share."""
        if len(self._groups) >= self._settings.max_groups or self._held[owner] >= self._most_groups:
            message = f"{self._held[owner]} groups of this key are held, {len(self._groups)} in all; no more are taken"
            raise APIError(429, "too_many_groups", message, retry_s=10)
        awaited = self._awaited[owner]
        if awaited and awaited + size > self._most_awaited:  # members of a group that is open are always let in
            message = f"open groups of this key have {awaited} members; with {size} more they would be over {self._most_awaited}"
            raise APIError(429, "too_many_groups", message, retry_s=10)

    def _join(self, key: tuple[str, str], group: Group, index: int, size: int, sample: Sample) -> None:
        if size != group.size:
            message = f"group `{group.name}` has {group.size} members, but this one says {size}"
            raise APIError(409, "size_differs", message, where="size")
        print_, known = _print(sample), group.members.get(index)
        if known is not None:
            if known[0] != print_:
                message = f"member {index} of group `{group.name}` was already sent with different content"
                raise APIError(409, "member_differs", message, where="index", hint="send the group again with a higher `attempt`")
            return
        for name, common in zip(SHARED, group.shared, strict=True):
            if getattr(sample, name) != common:
                message = f"member {index} has a different {name} from the rest of group `{group.name}`"
                raise APIError(409, f"{name}_differs", message, where=name)
        if group.result.done():  # failed; the newcomer is told why
            return
        group.members[index] = (print_, replace(sample, id=str(index), group=group.name))
        if not group.missing:
            if group.timer is not None:
                group.timer.cancel()
            group.job = asyncio.create_task(self._judge(key, group))

    async def _judge(self, key: tuple[str, str], group: Group) -> None:
        samples = [group.members[i][1] for i in range(group.size)]
        rewards: list[list[Reward]] = [[] for _ in samples]
        try:
            with self._service.enter(len(samples), patient=True), self._service.drain.track():
                async for places, own in self._service.each(samples, limit_s=self._settings.result_s):
                    for place, found in zip(places, own, strict=True):
                        rewards[place] = found
            if not group.result.done():
                group.result.set_result([one for [one] in rewards])
            self._keep(key, group)
        except APIError as error:  # such as: the engine is down; who asks again begins the group again
            self._fail(group, error)
            self._forget(key, group)
        except Exception as why:  # noqa: BLE001  # else all members would wait for ever for a group that nobody judges
            log("group_failed", level=logging.ERROR, failed=why)
            self._fail(group, APIError(500, "internal", "internal server error; see the server log"))
            self._forget(key, group)

    def _expire(self, key: tuple[str, str], group: Group) -> None:
        there, missing = len(group.members), ", ".join(map(str, group.missing[:32]))
        waited = f"after {self._settings.incomplete_s:g} s"
        message = f"group `{group.name}` has {there} of {group.size} members {waited}; missing: {missing}"
        log("group_incomplete", members=there, size=group.size)
        hint = "send the group again with a higher `attempt`"
        self._fail(group, APIError(409, "group_incomplete", message, where="group_id", hint=hint))
        self._keep(key, group)

    def _keep(self, key: tuple[str, str], group: Group) -> None:
        """Hold a finished group for members that ask again; what it was judged from is needed no more."""
        group.members = {i: (print_, _EMPTY) for i, (print_, _) in group.members.items()}
        group.timer = asyncio.get_running_loop().call_later(self._settings.keep_s, self._forget, key, group)

    def _fail(self, group: Group, error: APIError) -> None:
        if group.timer is not None:
            group.timer.cancel()
        if not group.result.done():
            group.result.set_exception(error)
        if group.job is not None and group.job is not asyncio.current_task():
            group.job.cancel()

    def _abandon(self, key: tuple[str, str], group: Group) -> None:
        if not group.waiting and not group.result.done():
            log("group_abandoned", size=group.size)
            self._fail(group, APIError(409, "group_abandoned", f"all members of group `{group.name}` disconnected"))
            self._forget(key, group)

    def _forget(self, key: tuple[str, str], group: Group) -> None:
        if group.timer is not None:
            group.timer.cancel()
        if self._groups.get(key) is group:
            del self._groups[key]
            self._held[key[0]] -= 1

    def close(self) -> None:
        """End everything."""
        for key, group in list(self._groups.items()):
            self._fail(group, self._service.drain.error)
            self._forget(key, group)


_EMPTY = Sample(prompt="", responses=("",))


def _print(sample: Sample) -> bytes:
    """Hash of everything a member says."""
    s = sample
    text = repr((s.prompt, s.responses, s.reference, s.context, s.principle, s.steps, s.exemplar, s.rubric))
    metadata = repr(sorted(sample.metadata.items()))
    return hashlib.blake2b((text + metadata).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _read(result: asyncio.Future[list[Reward]]) -> None:
    """Take note of a failure that nobody waits for any more, so that asyncio does not report it as lost."""
    if not result.cancelled():
        result.exception()
