"""What a judge costs, and at which sum a run stops."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from judge.errors import Problem, SettingsError
from judge.rubric.model import Frozen
from judge.yamlfile import read_yaml, validate

PER = 1_000_000  # tokens that a price is for


def _day(value: object) -> object:
    """A date as text: YAML reads one without quotes as a date of its own."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and value:
        try:
            date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"must be a date such as 2026-11-30, not `{value}`") from None
    return value


Day = Annotated[str, BeforeValidator(_day)]
Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(Frozen):
    """What an engine costs: for each million tokens, or for each hour in which it works.

    Attributes:
        input: US dollars for a million prompt tokens.
        output: US dollars for a million completion tokens, thinking included.
        cached: US dollars for a million prompt tokens that the server had in its prefix cache. None: as `input`.
        per_hour: US dollars for an hour, of a machine that is rented; counted from the first call to the last.
        as_of: The day that the price is of (YYYY-MM-DD), repeated wherever a cost is shown.
    """

    input: Rate = 0.0
    output: Rate = 0.0
    cached: Rate | None = None
    per_hour: Rate = 0.0
    as_of: Day = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = self.model_fields_set
        for one, other in (("input", "output"), ("output", "input")):
            if one in given and other not in given:
                raise ValueError(f"`{other}` is missing beside `{one}`; write `{other}: 0` where those tokens cost nothing")
        return self

    def of_tokens(self, prompt: float, completion: float, cached: float = 0.0) -> float:
        """US dollars for tokens; `cached` of the prompt tokens came from the server's prefix cache.

        Example:
            >>> Price(input=0.15, output=0.6, cached=0.075).of_tokens(1_000_000, 100_000, cached=400_000)
            0.18
        """
        cheap = self.input if self.cached is None else self.cached
        cached = min(cached, prompt)
        return round(((prompt - cached) * self.input + cached * cheap + completion * self.output) / PER, 12)


class BudgetSettings(Frozen):
    """The sum at which the work stops. Calls in flight are let finish and kept; the same command goes on with a larger sum.

    Attributes:
        usd: US dollars, by `engine.price` or the table that `prices` names. Each judge of the run needs a price then.
        tokens: Prompt and completion tokens together.
    """

    usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    tokens: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.usd is None and self.tokens is None:
            raise ValueError("give `usd`, `tokens` or both, for example `budget: {usd: 5.0}`")
        return self


class PriceTable(Frozen):
    """A file of prices, such as a team keeps one.

    Attributes:
        as_of: The day that the prices are of (YYYY-MM-DD), for those that name none.
        models: Name of the model, as the engine has it, to its price.
    """

    as_of: Day = ""
    models: dict[str, Price]


def load_prices(name: str, base: Path | None) -> dict[str, Price]:
    """The prices of a file, by model.

    Args:
        base: Folder that a relative path refers to. None: the current one.

    Raises:
        SettingsError: No such file, or it is no price table.
    """
    path = Path(name).expanduser()
    path = path if base is None or path.is_absolute() else base / path
    if not path.is_file():
        raise SettingsError(
            Problem("prices", f"no file {path}; write one such as `models: {{MODEL: {{input: 0.15, output: 0.6}}}}`")
        )
    table = validate(PriceTable, read_yaml(path, SettingsError), error=SettingsError)
    return {
        model: price if price.as_of else price.model_copy(update={"as_of": table.as_of}) for model, price in table.models.items()
    }


def cost_text(cost: Mapping[str, Any]) -> str:
    """What was paid, of the `cost` in `run.json`; empty where no price is known and nothing is estimated.

    Example:
        >>> cost_text({"calls": 3, "usd": 0.0123})
        '0.0123 USD'
        >>> cost_text({"calls": 360, "usd": 0.13123, "estimated_calls": 360})
        'about 0.13 USD, estimated: the endpoint reports no tokens'
        >>> cost_text({"calls": 3, "usd": 0.0123, "cancelled_calls": 1})
        '0.0123 USD; 1 call cancelled, its cost estimated'
    """
    guessed, cancelled, usd = cost.get("estimated_calls", 0), cost.get("cancelled_calls", 0), cost.get("usd")
    said = ""
    if usd is not None:
        said = f"about {_rough(usd)} USD" if guessed else f"{usd:,.4f} USD"
    elif guessed:
        said = f"about {cost['tokens']['prompt'] + cost['tokens']['completion']:,} tokens"
    said += " in all starts of this run" if said and "before" in cost else ""
    said += f" (prices of {cost['prices_as_of']})" if usd is not None and "prices_as_of" in cost else ""
    if guessed:
        part = "" if guessed + cancelled >= cost["calls"] else f" for {guessed:,} of {cost['calls']:,} calls"
        said += f", estimated{part}: the endpoint reports no tokens"
    if cancelled:
        whose = "1 call cancelled, its" if cancelled == 1 else f"{cancelled:,} calls cancelled, their"
        said += ("; " if said else "") + f"{whose} {'tokens' if usd is None else 'cost'} estimated"
    return said


def _rough(usd: float) -> str:
    """Two significant digits, and never zero for a sum that is none."""
    digits = 1 - math.floor(math.log10(usd)) if usd > 0 else 2
    return f"{usd:,.{max(2, digits)}f}"
