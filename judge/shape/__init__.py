"""Shaping: a declared chain of steps between the judge's reward and the trainer.

Rewards are in [0, 1] up to here: folds, panels, filters and second opinions rely on it. From the first step on each kind says
what range leaves it (`span_of`), and a step that cannot work on the range before it is refused. The raw values and those after
every step are kept.
"""

from judge.shape.batch import ChainState, OrderKept, RewardBatch, RewardRange, StepKind, is_vetoed
from judge.shape.chain import (
    KINDS,
    Shaped,
    ShapeStep,
    across_groups,
    alone,
    as_optional,
    check_chain,
    needs,
    shape,
    span_of,
    step_names,
)
from judge.shape.difficulty import GrpoSStep, VerpoStep
from judge.shape.form import FormatStep
from judge.shape.group import DitherStep, MinmaxStep, QuantileStep, RankStep, StdFloorStep, ZStep
from judge.shape.length import CrfStep, GrpoLambdaStep, LaserDStep, LaserStep, OverlongStep
from judge.shape.rubric_side import ContrastStep, InteractionStep, SaturationStep, VetoStep
from judge.shape.scalar import ClipStep, ContrastiveStep, LscStep, ParStep, QuantiseStep, StepsStep, TopStretchStep
from judge.shape.text import R3Step, RelevanceStep, RepetitionStep

__all__ = [
    "KINDS",
    "ChainState",
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
    "OrderKept",
    "OverlongStep",
    "ParStep",
    "QuantileStep",
    "QuantiseStep",
    "R3Step",
    "RankStep",
    "RelevanceStep",
    "RepetitionStep",
    "RewardBatch",
    "RewardRange",
    "SaturationStep",
    "ShapeStep",
    "Shaped",
    "StdFloorStep",
    "StepKind",
    "StepsStep",
    "TopStretchStep",
    "VerpoStep",
    "VetoStep",
    "ZStep",
    "across_groups",
    "alone",
    "as_optional",
    "check_chain",
    "is_vetoed",
    "needs",
    "shape",
    "span_of",
    "step_names",
]
