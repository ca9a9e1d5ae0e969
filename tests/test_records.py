"""A quick record is the same record: frozen, equal, hashable, picklable, replaceable, with the same signature and errors."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from judge import types
from judge.records import quick
from judge.types import Call, Completion, Reward, Sample
from tests.clock import least_cpu


@dataclass(frozen=True, slots=True)
class Plain:
    name: str
    size: int = 3
    more: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size < 0:
            object.__setattr__(self, "size", 0)


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    name: str
    size: int = 3
    more: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.size < 0:
            object.__setattr__(self, "size", 0)


def test_it_holds_the_same_values():
    """Defaults, factories (a new one each time) and what is done after."""
    for arguments, named in ((("a",), {}), (("a", 5), {}), ((), {"more": {"x": 1}, "name": "b"}), (("a", -4), {})):
        one, two = Plain(*arguments, **named), Quick(*arguments, **named)
        assert [getattr(one, f.name) for f in fields(one)] == [getattr(two, f.name) for f in fields(two)]
        assert type(two) is Quick
    assert Quick("a").more is not Quick("a").more


def test_it_is_as_frozen_and_as_portable():
    """Records travel between threads and processes, and nobody changes them."""
    one = Quick("a", 4, {"x": 1})
    with pytest.raises(FrozenInstanceError):
        one.size = 5  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        one.other = 5  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one == Quick("a", 4, {"x": 1}) != Quick("b")
    assert replace(one, size=9) == Quick("a", 9, {"x": 1})
    assert repr(one) == "Quick(name='a', size=4, more={'x': 1})"
    assert list(inspect.signature(Quick).parameters) == list(inspect.signature(Plain).parameters)


@pytest.mark.parametrize("wrong", [{}, {"nme": "a"}, {"name": "a", "size": 1, "more": {}, "extra": 1}])
def test_a_wrong_call_is_the_same_error(wrong):
    """A mistyped field is told by its name."""
    with pytest.raises(TypeError, match="__init__"):
        Quick(**wrong)


def test_records_of_a_judgement_keep_their_hash_and_pickles():
    """Requests are keys of caches."""
    sample = Sample.of("q", "a", reference=["x", "y"])
    assert pickle.loads(pickle.dumps(sample)) == sample
    completion = Completion("text", prompt_tokens=3)
    call = Call("k", "t", (0,), (), 0, 0, completion, None)
    reward = Reward("s", 0, 1.0, calls=(call,))
    assert pickle.loads(pickle.dumps(reward)) == reward
    assert hash(completion) == hash(Completion("text", prompt_tokens=3))
    assert not hasattr(types.Call, "__dict__") or "request" in types.Call.__slots__


def test_it_is_made_in_less_time():
    """The reason why it is there."""
    slow = least_cpu(lambda: [Plain("a", 1) for _ in range(20_000)], 0.0, 3)
    fast = least_cpu(lambda: [Quick("a", 1) for _ in range(20_000)], 0.0, 3)
    assert fast < slow
