"""Shaping: a declared chain of steps between the judge's reward and the trainer.

Rewards are in [0, 1] up to here: folds, panels, filters and second opinions rely on it. From the first step on each kind says
what range leaves it (`span_of`), and a step that cannot work on the range before it is refused. The raw values and those after
every step are kept.
"""

from judge.shape.batch import ChainState, OrderKept, RewardBatch, RewardRange, StepKind, is_vetoed
from judge.shape.beside import AddStep, ShrinkStep
from judge.shape.calibrated import CalibrateStep, SureStep
from judge.shape.chain import (
    KINDS,
    Shaped,
    ShapeStep,
    across_groups,
    alone,
    as_optional,
    check_chain,
    needs,
    remembers,
    shape,
    span_of,
    step_names,
)
from judge.shape.constrained import ConstrainedStep, ConstraintSpec
from judge.shape.difficulty import GrpoSStep, VerpoStep
from judge.shape.form import FormatStep
from judge.shape.group import DitherStep, MinmaxStep, QuantileStep, RankStep, StdFloorStep, ZStep
from judge.shape.length import CrfStep, GrpoLambdaStep, LaserDStep, LaserStep, OverlongStep
from judge.shape.noise import FlipStep, PatternStep, RandomStep
from judge.shape.objectives import ObjectivesStep
from judge.shape.process import MinFormStep, ProfStep, RenormStep, ThoughtsStep
from judge.shape.repair import RepairLabelStep
from judge.shape.rubric_side import ContrastStep, InteractionStep, SaturationStep, VetoStep
from judge.shape.scalar import ClipStep, ContrastiveStep, LscStep, ParStep, QuantiseStep, StepsStep, TopStretchStep
from judge.shape.text import R3Step, RelevanceStep, RepetitionStep
from judge.shape.views import CoRewardStep, FuseStep

__all__ = [
    "KINDS",
    "AddStep",
    "CalibrateStep",
    "ChainState",
    "ClipStep",
    "CoRewardStep",
    "ConstrainedStep",
    "ConstraintSpec",
    "ContrastStep",
    "ContrastiveStep",
    "CrfStep",
    "DitherStep",
    "FlipStep",
    "FormatStep",
    "FuseStep",
    "GrpoLambdaStep",
    "GrpoSStep",
    "InteractionStep",
    "LaserDStep",
    "LaserStep",
    "LscStep",
    "MinFormStep",
    "MinmaxStep",
    "ObjectivesStep",
    "OrderKept",
    "OverlongStep",
    "ParStep",
    "PatternStep",
    "ProfStep",
    "QuantileStep",
    "QuantiseStep",
    "R3Step",
    "RandomStep",
    "RankStep",
    "RelevanceStep",
    "RenormStep",
    "RepairLabelStep",
    "RepetitionStep",
    "RewardBatch",
    "RewardRange",
    "SaturationStep",
    "ShapeStep",
    "Shaped",
    "ShrinkStep",
    "StdFloorStep",
    "StepKind",
    "StepsStep",
    "SureStep",
    "ThoughtsStep",
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
    "remembers",
    "shape",
    "span_of",
    "step_names",
]
