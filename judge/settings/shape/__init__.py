"""The steps of a shaping chain: what is done to rewards between the judge and the trainer.

Formulas, sources and worked numbers stand with the code, in `judge/reward/shape/`. Rewards enter the first step in [0, 1], 1
best; each kind says what range leaves it, and a chain that makes no sense is refused before anything is judged.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from judge.settings.shape.bounded import ClipStep, ContrastiveStep, LscStep, ParStep, QuantiseStep, StepsStep, TopStretchStep
from judge.settings.shape.difficulty import GrpoSStep, VerpoStep
from judge.settings.shape.group import DitherStep, MinmaxStep, QuantileStep, RankStep, StdFloorStep, ZStep
from judge.settings.shape.length import CrfStep, GrpoLambdaStep, LaserDStep, LaserStep, OverlongStep
from judge.settings.shape.rubric_side import ContrastStep, InteractionStep, SaturationStep, VetoStep
from judge.settings.shape.text import FormatStep, R3Step, RelevanceStep, RepetitionStep

__all__ = [
    "ClipStep",
    "ContrastStep",
    "ContrastiveStep",
    "CrfStep",
    "DitherStep",
    "FormatStep",
    "GrpoLambdaStep",
    "GrpoSStep",
    "InteractionStep",
    "LaserDStep",
    "LaserStep",
    "LscStep",
    "MinmaxStep",
    "OverlongStep",
    "ParStep",
    "QuantileStep",
    "QuantiseStep",
    "R3Step",
    "RankStep",
    "RelevanceStep",
    "RepetitionStep",
    "SaturationStep",
    "ShapeStep",
    "StdFloorStep",
    "StepsStep",
    "TopStretchStep",
    "VerpoStep",
    "VetoStep",
    "ZStep",
]

ShapeStep = Annotated[
    ParStep
    | LscStep
    | ContrastiveStep
    | ClipStep
    | StepsStep
    | QuantiseStep
    | TopStretchStep
    | MinmaxStep
    | ZStep
    | RankStep
    | QuantileStep
    | StdFloorStep
    | DitherStep
    | VerpoStep
    | GrpoSStep
    | CrfStep
    | GrpoLambdaStep
    | LaserStep
    | LaserDStep
    | OverlongStep
    | RepetitionStep
    | RelevanceStep
    | R3Step
    | FormatStep
    | ContrastStep
    | SaturationStep
    | InteractionStep
    | VetoStep,
    Field(discriminator="kind"),
]
