"""In which language a judge writes (`recipe: {name: ..., language: German}`): one line behind each request that asks for words.

A judge may reason better in the language of the texts, and people who read its explanations may want their own. The words that
the form of the verdict asks for stay as they are, so nothing else of a recipe changes. Without the setting, no byte does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from judge.errors import RecipeError
from judge.recipe.model import WRITTEN, RecipeSpec
from judge.recipe.parts import Turn

OPTION = "language"  # a recipe that has an option of this name knows its own way
NAME = re.compile(r"[^\W\d_](?:[\w ()'’-]{0,38}[\w)])")


def writes(spec: RecipeSpec, turn: Turn) -> bool:
    """Whether a turn asks for words of the judge's own: not for a score of a text, a rating, or one token."""
    if turn.score or not turn.user:
        return False
    if turn is not spec.turns[-1]:
        return True
    return spec.reads in WRITTEN and spec.parsed


def in_language(text: str, language: str) -> str:
    """A request with the line that names the language.

    Example:
        >>> in_language("End with VERDICT: MET or UNMET", "German").split("\\n\\n")[1][:26]
        'Write your own sentences i'
    """
    return (
        f"{text}\n\nWrite your own sentences in {language}. The form asked for above (markers, labels, tags, keys, ids, numbers)"
        " stays exactly as it is written there, and whatever you copy from a text stays in the language of that text."
    )


def options_with(spec: RecipeSpec, language: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a recipe, of which one may say the language. Raises `RecipeError` where it is said in two ways."""
    if language is None or OPTION not in spec.options:
        return dict(options)
    if options.get(OPTION, language) != language:
        raise RecipeError(f"recipe `{spec.name}`: `language` and its option `language` say two things; leave one of them out")
    return {**options, OPTION: language}


def spoken_in(spec: RecipeSpec, language: str | None) -> str:
    """The language for the line behind the requests; empty: no line, because none is wanted or the recipe has its own way.

    Raises:
        RecipeError: The setting would have no effect.
    """
    if language is None or OPTION in spec.options:
        return ""
    if spec.exact:
        raise RecipeError(f"recipe `{spec.name}` sends the exact text of a prompt, so `language` is not for it")
    if not any(writes(spec, turn) for turn in spec.turns):
        raise RecipeError(f"recipe `{spec.name}` asks for no words of the judge's own, so `language` has no effect; leave it out")
    return language
