"""What a response without a reward becomes in each framework: its default, and nothing it would misread.

The same failed judge call is excluded by TRL, read as 0 by ms-swift, turns a whole group into NaN in verl and crashes
OpenRLHF later somewhere else (each seen by running the framework's own code). So every adapter declares which policies its
framework supports, and refuses the others when it is made, before anything is trained on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from judge.errors import SettingsError, did_you_mean
from judge.settings import RunSettings
from judge.shape import across_groups, alone

Policy = Literal["exclude", "impute_group_mean", "constant", "raise"]


@dataclass(frozen=True)
class Framework:
    """What one framework can do with a missing reward.

    Attributes:
        policies: Those it supports, its default first.
        none_is: What a None (or NaN) reward means there.
        sees_groups: Whether one call can hold all completions of a prompt.
        meets: How group members meet at a server, where no call shows them.
        needs_number: Whether a group without any reward needs one all the same: it cannot be left out.
        sees_batch: Whether the groups of a training step can be brought together, over all processes.
    """

    name: str
    policies: tuple[Policy, ...]
    none_is: str
    sees_groups: bool
    meets: str = ""
    needs_number: bool = False
    sees_batch: bool = False

    def takes_constant(self, policy: str) -> bool:
        """Whether a policy comes with a number."""
        return policy == "constant" or (policy == "impute_group_mean" and self.needs_number)


FRAMEWORKS = {
    f.name: f
    for f in (
        Framework(
            "trl",
            ("exclude", "impute_group_mean", "constant", "raise"),
            "left out of the mean; advantage 0",
            True,
            sees_batch=True,
        ),
        Framework("trl-async", ("exclude", "impute_group_mean", "constant", "raise"), "left out of the mean", True),
        Framework(
            "unsloth", ("exclude", "impute_group_mean", "constant", "raise"), "left out of the mean", True, sees_batch=True
        ),
        Framework(
            "axolotl", ("exclude", "impute_group_mean", "constant", "raise"), "left out of the mean", True, sees_batch=True
        ),
        Framework("axolotl-async", ("impute_group_mean", "constant", "raise"), "0, as if the answer were the worst", True),
        Framework(
            "ms-swift", ("impute_group_mean", "constant", "raise"), "0, as if the answer were the worst", True, sees_batch=True
        ),
        Framework(
            "verl", ("raise", "constant"), "an error, or NaN for the whole group", False, "at a server, by `reward_kwargs.group`"
        ),
        Framework(
            "verl-manager",
            ("raise", "constant"),
            "an error, or NaN for the whole group",
            False,
            "at a server, with `reward.reward_kwargs.server`",
        ),
        Framework("openrlhf", ("constant",), "a crash later, its cause no longer visible", False),
        Framework(
            "openrlhf-agent",
            ("impute_group_mean", "constant", "raise"),
            "a crash later, its cause no longer visible",
            True,
            needs_number=True,
        ),
        Framework("verifiers", ("raise", "constant"), "NaN for the whole trace", False),
        Framework("verifiers-v0", ("impute_group_mean", "constant"), "0.0, as any exception is", True),
        Framework("slime", ("raise", "constant"), "a crash when rewards are normalised", False),
        Framework("slime-group", ("impute_group_mean", "constant", "raise"), "a crash when rewards are normalised", True),
        Framework(
            "art", ("exclude", "impute_group_mean", "constant", "raise"), "an error; a group that is None is left out", True
        ),
        Framework("skyrl", ("raise", "constant"), "a type error", False),
        Framework("skyrl-generator", ("impute_group_mean", "constant", "raise"), "a type error", True),
        Framework("areal", ("raise", "constant"), "an error later", False),
        Framework(
            "areal-workflow", ("exclude", "impute_group_mean", "constant"), "an error; an episode that is None is left out", True
        ),
        Framework("tinker", ("raise", "impute_group_mean", "constant"), "an error", True),
    )
}


def framework(name: str) -> Framework:
    """Look a framework up. Raises SettingsError with a suggestion."""
    if name not in FRAMEWORKS:
        raise SettingsError(f"no framework `{name}`{did_you_mean(name, FRAMEWORKS)}; known: {', '.join(FRAMEWORKS)}")
    return FRAMEWORKS[name]


def check_policy(name: str, policy: str | None, constant: float | None) -> Policy:
    """The policy in force for one framework.

    Args:
        policy: None takes the framework's default.
        constant: Needed by, and only allowed with, `constant` (and with what else takes one there).

    Raises:
        SettingsError: The framework does not support this policy.

    Example:
        >>> check_policy("trl", None, None)
        'exclude'
    """
    known = framework(name)
    chosen = policy or known.policies[0]
    if chosen not in known.policies:
        raise SettingsError(
            f"`{chosen}` is not supported for a missing reward: in {name}, None is {known.none_is}."
            f" Use one of: {', '.join(known.policies)}"
        )
    if known.takes_constant(chosen) != (constant is not None):
        what = "requires a `constant`, a finite number" if constant is None else "takes no `constant`: leave it out"
        raise SettingsError(f"{name}: the policy `{chosen}` {what}")
    if constant is not None and not math.isfinite(constant):
        raise SettingsError(f"{name}: `constant` must be a finite number, not {constant}")
    return chosen


_OWN: dict[str, Policy | None] = {"drop": None, "group_mean": "impute_group_mean", "constant": "constant", "raise": "raise"}


def policy_of(
    name: str, settings: RunSettings, policy: str | None = None, constant: float | None = None
) -> tuple[Policy, float | None]:
    """The policy in force and its constant: what the caller asks for, else the run's own `on_no_verdict`, else the default.

    Raises:
        SettingsError: The framework does not support it.

    Example:
        >>> policy_of("ms-swift", RunSettings())
        ('impute_group_mean', None)
        >>> policy_of("openrlhf", RunSettings(on_no_verdict="constant", no_verdict_constant=0.5))
        ('constant', 0.5)
    """
    known = framework(name)
    wanted = policy or _OWN[settings.on_no_verdict] or known.policies[0]
    if known.takes_constant(wanted) and constant is None:
        constant = settings.no_verdict_constant
    if wanted == "impute_group_mean" and known.needs_number and constant is None:
        raise SettingsError(
            f"{name} requires a number for every response, also where no response of a group has a reward."
            " Set `no_verdict_constant`, for example to 0.5, in the run settings"
        )
    if wanted == "constant" and constant is None and policy is None:
        raise SettingsError(
            f"{name} requires a number for a missing reward: None there is {known.none_is}."
            " Set `on_no_verdict: constant` and, for example, `no_verdict_constant: 0.5` in the run settings"
        )
    return check_policy(name, wanted, constant), constant


def needs_group(settings: RunSettings, policy: str) -> str:
    """What makes a response's reward depend on those of its group, or nothing.

    Example:
        >>> needs_group(RunSettings(), "impute_group_mean")
        '`impute_group_mean`'
    """
    if settings.group is not None:
        return "`group`"
    if not alone(settings.reward.shape):
        return "`reward.shape`"
    return "`impute_group_mean`" if policy == "impute_group_mean" or settings.on_no_verdict == "group_mean" else ""


def check_batch(name: str, settings: RunSettings, where: str) -> None:
    """Refuse steps that compare the groups of a training step where a framework never brings these together.

    Raises:
        SettingsError: Naming the steps.

    Example:
        >>> from judge.shape import RankStep
        >>> check_batch("slime-group", RunSettings(reward={"shape": (RankStep(over="batch"),)}), "judge")
        Traceback (most recent call last):
        judge.errors.SettingsError: judge: `rank` of `reward.shape` compares the groups of a training step, and slime-group ...
    """
    steps = across_groups(settings.reward.shape)
    if steps and not framework(name).sees_batch:
        named = ", ".join(f"`{step}`" for step in steps)
        raise SettingsError(
            f"{where}: {named} of `reward.shape` compares the groups of a training step, and {name} shows at most one group a"
            f" call; frameworks that show all: {', '.join(f.name for f in FRAMEWORKS.values() if f.sees_batch)}"
        )
