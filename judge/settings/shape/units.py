"""Kinds of values that several steps take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Over = Literal["group", "batch"]
Weight = Annotated[float, Field(ge=0, le=1000)]
Unit = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(ge=-1e6, le=1e6)]
Tokens = Annotated[int, Field(ge=1, le=10_000_000)]
