"""What the templates of a recipe must do together: say something, and show what is judged.

A prompt without the response is answered all the same, and every answer looks like a verdict on it. So this is found when
the recipe is loaded, not by a reader of the rewards.
"""

from __future__ import annotations

from judge.errors import Problem, RecipeError
from judge.recipe.load import Recipe
from judge.recipe.model import RecipeSpec
from judge.recipe.parts import Turn
from judge.render.environment import Templates

_ONE = frozenset({"response", "responses", "steps", "step"})
_SEVERAL = frozenset({"responses"})  # `response` is the first one shown


def earlier_turns(spec: RecipeSpec) -> dict[str, tuple[str, ...]]:
    """Template -> the turns before it, whose replies it may read as `outputs.NAME`.

    Example:
        >>> from judge.recipe.load import load_recipe
        >>> earlier_turns(load_recipe("verifier-extract").spec)["judge.md.j2"]
        ('extract',)
    """
    found: dict[str, tuple[str, ...]] = {}
    for place, turn in enumerate(spec.turns):
        for name in turn.templates:
            before = tuple(t.name for t in spec.turns[:place])
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *before)))
    return found


def check_shown(recipe: Recipe, templates: Templates) -> None:
    """Refuse a template that says nothing, and a recipe none of whose turns shows what is judged.

    A single turn may well show no response: a plan made once for each prompt, the baseline of a likelihood.

    Raises:
        RecipeError: With the file.
    """
    spec = recipe.spec
    for turn in spec.turns:
        for name in (turn.score,) if turn.score else turn.templates:  # a baseline may be the text behind no words at all
            if templates.blank(name):
                raise RecipeError(Problem(str(recipe.folder / name), f"empty: turn `{turn.name}` would say nothing"))
    wanted = _SEVERAL if spec.mode in ("pairwise", "listwise") else _ONE
    if spec.asks and not any(_own_conversation(turn) or wanted & _shown(turn, templates) for turn in spec.turns):
        raise RecipeError(Problem(str(recipe.folder / "recipe.yaml"), _unseen(spec)))


def _own_conversation(turn: Turn) -> bool:
    """Whether the response is the assistant's last message of what the turn sends."""
    return turn.conversation == "sample" and turn.scope == "response" and not (turn.prefill or turn.score)


def _shown(turn: Turn, templates: Templates) -> frozenset[str]:
    """What a turn shows; the passages of a response are the response."""
    shown = frozenset[str]().union(*(templates.prints(name) for name in turn.templates))
    in_passages = turn.passages is not None and turn.passages.of == "response" and "passage" in shown
    return shown | {"response"} if in_passages else shown


def _unseen(spec: RecipeSpec) -> str:
    if spec.mode in ("pairwise", "listwise"):
        return (
            "no turn shows the responses, so the judge would compare nothing; print them: "
            '{% for r in responses %}{{ r.text | quote("RESPONSE " ~ r.name) }}{% endfor %}'
        )
    how = "{{ response }}" if spec.exact else '{{ response | quote("RESPONSE") }}'
    return f"no turn shows the response, so the judge would grade nothing; print it (or its `steps`): {how}"
