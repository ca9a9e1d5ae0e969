"""Requests nobody wrote by hand, generated from the server's own OpenAPI document: no 500, and every answer as documented.

A few examples a route by default; `JUDGE_FUZZ_EXAMPLES=500` for the real thing.
"""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from judge.server.app import make_app
from judge.server.auth import Keys
from judge.settings.server import GroupServing, ServerSettings
from tests.server.harness import AUTH, KEY, Scripted, judge_of, served

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("JUDGE_FUZZ_EXAMPLES", "8"))
BEYOND_THE_SCHEMA = [positive_data_acceptance]  # what a rubric or a chat template holds is not in a JSON schema
ROUTES = [
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("POST", "/v1/score"),
    ("POST", "/v1/rank"),
    ("GET", "/v1/rubric"),
    ("GET", "/v1/rubric/{version}"),
    ("POST", "/v1/rubric/{version}/score"),
    ("POST", "/v1/groups/{group_id}/members/{index}"),
    ("POST", "/get_reward"),
    ("POST", "/remote_rm"),
    ("POST", "/seed_session"),
    ("POST", "/verify"),
    ("POST", "/compare"),
    ("POST", "/classify"),
    ("POST", "/pooling"),
]


@pytest.fixture(scope="module")
def api():
    """A real server whose judge answers everything, and whose groups do not wait long."""
    fast = ServerSettings(group=GroupServing(incomplete_s=0.02, keep_s=0.1), neutral=0.5)
    with judge_of(Scripted()) as judge, served(make_app(judge, fast, keys=Keys((KEY,)))) as url:
        yield schemathesis.openapi.from_url(f"{url}/openapi.json", headers=AUTH)


def test_the_list_of_routes_is_whole(api):
    """A route that somebody adds is tried too."""
    assert {(o.ok().method.upper(), o.ok().path) for o in api.get_all_operations()} == set(ROUTES)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route(api, method, path, mode):
    """Whatever comes in, the answer is one that the document names, in the shape that it names."""
    operation = api[path][method]
    if mode is GenerationMode.NEGATIVE and method == "GET":
        pytest.skip("takes nothing")

    @settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case):
        case.call_and_validate(headers=AUTH, excluded_checks=BEYOND_THE_SCHEMA)

    run()
