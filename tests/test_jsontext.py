"""Fast JSON says the same as the standard library, also where orjson refuses."""

from __future__ import annotations

import json
import math

import pytest

from judge.jsontext import decoded, encoded

VALUES = [
    pytest.param({"model": "m", "messages": [{"role": "user", "content": "2+2?"}], "temperature": 0.7, "seed": 3}, id="a-body"),
    pytest.param("caf\u00e9 \u2603 \U0001f600", id="not-ascii"),
    pytest.param("half a pair: \ud83d", id="lone-surrogate"),
    pytest.param({"n": 2**70, "m": -(2**63)}, id="beyond-64-bits"),
    pytest.param([0.1, 1e-320, 1.7976931348623157e308, 5e-324], id="edges-of-floats"),
    pytest.param("\x00\x1f\u2028\u2029\x7f", id="controls"),
]


@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_reads_back_by_either_reader(value):
    """A response with half a surrogate pair in it is judged like any other, and arrives as it was."""
    assert json.loads(encoded(value)) == value
    assert decoded(json.dumps(value)) == value


def test_a_server_that_writes_nan_is_read():
    """Python servers write NaN, which is no JSON; the standard library has always read it."""
    assert math.isnan(decoded(b'{"logprob": NaN}')["logprob"])


@pytest.mark.parametrize("raw", [b"", b"{", b"<html>", b"\xff\xfe"])
def test_what_is_no_json_is_a_value_error(raw):
    """The engine turns this one error into a typed failure."""
    with pytest.raises(ValueError):  # noqa: PT011  # of either library
        decoded(raw)


def test_nesting_without_end_is_an_error_the_engine_knows():
    """A hostile server must not crash a run."""
    with pytest.raises((RecursionError, ValueError)):
        decoded(b"[" * 100_000)


def test_what_json_does_not_know_is_refused():
    """A mistake in our own code must not be sent as something else."""
    with pytest.raises(TypeError):
        encoded({"a": object()})
