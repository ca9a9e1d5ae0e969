"""docs/serving.md: its `curl` lines, sent to a server on a script."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.server.harness import client_of

PAGE = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
ASKED = re.findall(r"^curl [^\n]*:8421(/v1/(?:score|rank)) [^\n]*(?:\\\n)?[^\n]*-d '([^']*)'", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("route", "body"), ASKED, ids=[f"{route[4:]}-{i}" for i, (route, _) in enumerate(ASKED)])
async def test_what_a_reader_pastes_is_answered(route, body):
    """A field that was renamed would be refused with 422."""
    async with client_of() as client:
        answer = await client.post(route, json=json.loads(body))
        assert answer.status_code == 200, answer.text
        assert "reward" in answer.text


def test_there_are_such_lines():
    """Both routes are shown."""
    assert {route for route, _ in ASKED} == {"/v1/score", "/v1/rank"}
    assert len(ASKED) >= 4
