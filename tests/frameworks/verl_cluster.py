"""`ray` and `transfer_queue` as verl needs them for one reward: no cluster, no processes, no shared memory.

- An actor is a thread with an event loop of its own. What goes in and comes out is pickled, as between processes: a dict that one
  call writes into is not the dict of the next.
- The store is a dict of rows, each with its tag and its fields.
- Only what verl 0.9.1 uses between a response and its advantage is here. The rest of the names are there to be imported.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import cloudpickle


class ObjectRef:
    """A result to come: `await` it, or `ray.get` it."""

    def __init__(self, future: Future[Any]) -> None:
        self.future = future

    def __await__(self) -> Any:
        return asyncio.wrap_future(self.future).__await__()


class ActorHandle:
    """An object on a thread of its own."""

    alive: list[ActorHandle] = []  # noqa: RUF012  # of all, to end them

    def __init__(self, cls: type, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.alive.append(self)

        async def make() -> Any:
            return cls(*arguments, **options)

        self.object = asyncio.run_coroutine_threadsafe(make(), self._loop).result(60)

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *arguments, **options: self._call(name, cloudpickle.dumps((arguments, options))))

    def _call(self, name: str, sent: bytes) -> ObjectRef:
        async def there() -> Any:
            arguments, options = pickle.loads(sent)  # our own
            made = getattr(self.object, name)(*arguments, **options)
            return pickle.loads(cloudpickle.dumps(await made if asyncio.iscoroutine(made) else made))

        return ObjectRef(asyncio.run_coroutine_threadsafe(there(), self._loop))

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class ActorClass:
    """`ray.remote(cls)`."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls

    def options(self, **_: Any) -> ActorClass:
        return self

    def remote(self, *arguments: Any, **options: Any) -> ActorHandle:
        return ActorHandle(self.cls, arguments, options)


def remote(*cls: Any, **_: Any) -> Any:
    """As a decorator with or without arguments, and as a function."""
    return ActorClass(*cls) if cls else ActorClass


def get(refs: Any, **_: Any) -> Any:
    """Wait for one or more."""
    return refs.future.result(60) if isinstance(refs, ObjectRef) else [each.future.result(60) for each in refs]


# ---- transfer_queue ------------------------------------------------------------------------------------------------------


@dataclass
class KVBatchMeta:
    """Which rows, and their tags."""

    partition_id: str
    keys: list[str]
    tags: list[dict[str, Any]]
    extra_info: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)


_tags: dict[str, dict[str, dict[str, Any]]] = {}
_rows: dict[str, dict[str, Any]] = {}


def kv_put(key: str, partition_id: str, tag: Mapping[str, Any]) -> None:
    """The tag of one key."""
    _tags.setdefault(partition_id, {}).setdefault(key, {}).update(tag)


def kv_batch_put(keys: Sequence[str], partition_id: str, fields: Any, tags: Any = None) -> KVBatchMeta:
    """A TensorDict's rows, and their tags."""
    for i, key in enumerate(keys):
        for name in fields.keys():  # noqa: SIM118  # iterating a TensorDict gives rows
            value = fields.get(name)
            value = value.unbind()[i] if getattr(value, "is_nested", False) else value[i]
            _rows.setdefault(key, {})[name] = getattr(value, "data", value) if not hasattr(value, "shape") else value
        if tags is not None:
            kv_put(key, partition_id, tags[i])
    return KVBatchMeta(partition_id, list(keys), [_tags[partition_id][key] for key in keys])


def kv_batch_get(keys: Sequence[str], partition_id: str, select_fields: Sequence[str]) -> Any:
    """The rows as one TensorDict, each tensor jagged; a field that no row has is left out."""
    import torch
    from tensordict import NonTensorStack, TensorDict

    made: dict[str, Any] = {}
    for name in select_fields:
        values = [_rows[key][name] for key in keys if name in _rows[key]]
        if len(values) != len(keys):
            continue
        tensors = all(isinstance(v, torch.Tensor) for v in values)
        made[name] = torch.nested.as_nested_tensor(values, layout=torch.jagged) if tensors else NonTensorStack(*values)
    return TensorDict(made, batch_size=[len(keys)])


def kv_list(partition_id: str | None = None) -> dict[str, dict[str, dict[str, Any]]]:
    """Tags by partition and key, of one partition or all."""
    wanted = _tags if partition_id is None else {partition_id: _tags[partition_id]} if partition_id in _tags else {}
    return {partition: {key: dict(tag) for key, tag in keys.items()} for partition, keys in wanted.items()}


def kv_clear(partition_id: str, keys: Sequence[str]) -> None:
    """Forget them."""
    for key in keys:
        _tags[partition_id].pop(key, None)


def _awaited(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(**options: Any) -> Any:
        return function(**options)

    return call


# ---- both ----------------------------------------------------------------------------------------------------------------


def _module(name: str, **names: Any) -> ModuleType:
    module = ModuleType(name)
    module.__spec__, module.__path__ = ModuleSpec(name, None), []
    module.__dict__.update(names)
    sys.modules[name] = module
    return module


def install() -> None:
    """Put both where `import` finds them. Before verl is imported."""
    kinds = {name: type(name, (), {"__init__": lambda *_, **__: None}) for name in (
        "NodeAffinitySchedulingStrategy", "PlacementGroupSchedulingStrategy", "PlacementGroup",
    )}  # fmt: skip
    groups = _module("ray.util.placement_group", PlacementGroup=kinds.pop("PlacementGroup"), placement_group=None)
    strategies = _module("ray.util.scheduling_strategies", **kinds)
    util = _module("ray.util", placement_group=groups, scheduling_strategies=strategies)
    _module("ray.experimental")
    _module("ray.experimental.state")
    _module("ray.experimental.state.api", get_actor=None)
    actor = _module("ray.actor", ActorHandle=ActorHandle)
    nodes = [{"NodeID": "here", "Alive": True, "Resources": {"CPU": 2}}]
    _module("ray", remote=remote, get=get, nodes=lambda: nodes, ObjectRef=ObjectRef, util=util, actor=actor)
    _module(
        "transfer_queue", BatchMeta=type("BatchMeta", (), {}), KVBatchMeta=KVBatchMeta, init=lambda: None,
        kv_put=kv_put, kv_batch_put=kv_batch_put, kv_batch_get=kv_batch_get, kv_list=kv_list, kv_clear=kv_clear,
        async_kv_put=_awaited(kv_put), async_kv_batch_put=_awaited(kv_batch_put),
    )  # fmt: skip


def end() -> None:
    """Stop the actors and empty the store."""
    while ActorHandle.alive:
        ActorHandle.alive.pop().end()
    _tags.clear()
    _rows.clear()
