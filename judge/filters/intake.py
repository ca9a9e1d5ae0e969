"""Is there anything in a response to judge, and what would the judge not see? Checked before any call.

Three outcomes. *Empty* is proved, without a word list: nothing visible, only symbols where the reference is none of them, the
prompt given back, a loop. Only that is decided without the judge. *Suspect* responses (announcements, hedges, pointers, lists of
alternatives; word lists may raise the suspicion, and a word in no list never does) are judged, and a positive verdict counts only
with the words that state the answer (judge/filters/proof.py). All else is *clear*.

"One Token to Fool LLM-as-a-Judge" (arXiv:2507.08794): strings without content buy a positive verdict from Qwen2.5-72B 67 % of
the time. A filter that vetoed them by words turned right answers away unread, in every language nobody had listed.
Each filter says in its docstring what it stops, what it does not stop, and what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from judge.errors import Problem, SettingsError, did_you_mean
from judge.filters.blank import empty_response, placeholder, symbols_only, trivial_response
from judge.filters.commitment import uncommitted
from judge.filters.echo import prompt_copy, prompt_echo
from judge.filters.evasive import non_committal
from judge.filters.injection import chat_tokens, hidden_unicode, planted_verdict
from judge.filters.little import says_little
from judge.filters.loop import loop, loop_tail
from judge.filters.opener import opener_only
from judge.filters.reference import reference as reference_of
from judge.filters.shotgun import shotgun
from judge.filters.surface import ResponseView
from judge.settings.filters import Action, FilterSettings
from judge.types import Flag, Sample

FilterFunction = Callable[[ResponseView], str | None]
"""What a filter found in a response, for a person to read; None when nothing."""

Agrees = Callable[[str, str], bool]
"""(response, reference) -> whether the whole response says the same as the reference."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One named check and what its finding does.

    Attributes:
        default: In verifier recipes, where a reference or nothing decides what is right.
        elsewhere: In all other recipes. One that is `off` there and named in `filters.actions` checks as in a verifier.
        strict: The two under `level: strict`, which vetoes by word lists as earlier versions did; None: the same.
        long: Whether it has to see responses that say much, too.
    """

    name: str
    check: FilterFunction
    default: Action
    elsewhere: Action
    strict: tuple[Action, Action] | None = None
    long: bool = True

    def action(self, settings: FilterSettings, mode: str) -> Action:
        """The user's action, else the level's; `trivial` stands for `veto`, and its `flag` or `off` for `prove`, too."""
        if self.name in settings.actions:
            return settings.actions[self.name]
        if settings.level == "off":
            return "off"
        pair = (self.default, self.elsewhere)
        if settings.level == "strict" and self.strict is not None:
            pair = self.strict
        action = pair[0] if mode == "verifier" else pair[1]
        if action == "veto" or (action == "prove" and settings.trivial in ("flag", "off")):
            return settings.trivial
        return action

    @property
    def about(self) -> str:
        """What it stops, does not stop, and costs: the docstring of its check."""
        return (self.check.__doc__ or "").strip()


_VETO: tuple[Action, Action] = ("veto", "veto")
_OFF: tuple[Action, Action] = ("off", "off")
_VERIFIER: tuple[Action, Action] = ("veto", "flag")
_ALL = (
    Filter("empty_response", empty_response, "veto", "veto"),
    Filter("symbols_only", symbols_only, "veto", "veto", _OFF),
    Filter("prompt_copy", prompt_copy, "veto", "veto", _OFF),
    Filter("loop", loop, "veto", "veto"),
    Filter("trivial_response", trivial_response, "prove", "prove", _VETO),
    Filter("placeholder", placeholder, "prove", "prove", _VETO, long=False),
    Filter("opener_only", opener_only, "prove", "prove", _VETO, long=False),
    Filter("uncommitted", uncommitted, "prove", "off", ("veto", "off"), long=False),
    Filter("non_committal", non_committal, "prove", "prove", _VERIFIER, long=False),
    Filter("says_little", says_little, "prove", "prove", _OFF, long=False),
    Filter("shotgun", shotgun, "prove", "flag", _VERIFIER, long=False),
    Filter("prompt_echo", prompt_echo, "prove", "flag", _VERIFIER),
    Filter("loop_tail", loop_tail, "flag", "flag"),
    Filter("hidden_unicode", hidden_unicode, "flag", "flag"),
    Filter("chat_tokens", chat_tokens, "flag", "flag"),
    Filter("planted_verdict", planted_verdict, "flag", "flag"),
)
FILTERS: Mapping[str, Filter] = MappingProxyType({f.name: f for f in _ALL})


@dataclass(frozen=True, slots=True)
class FilterResult:
    """What the intake found in one response.

    Attributes:
        flags: Everything found that is not `off`, the blocking one first.
        blocked: The finding that keeps the response from the judge; None when it goes on.
        action: What `blocked` comes to: `veto` (lowest reward) or `drop` (no reward). Else the strictest of `prove`, `flag` and
            (without findings) `off`.
    """

    flags: tuple[Flag, ...] = ()
    blocked: Flag | None = None
    action: Action = "off"

    @property
    def suspect(self) -> bool:
        """Whether a positive verdict needs proof."""
        return self.action == "prove"


_CLEAR = FilterResult()


class Intake:
    """The filters of one run, each with its action. Cheap to call: no request, 0.03 ms at most for an ordinary response.

    Raises:
        SettingsError: `settings.actions` names a filter that does not exist.
    """

    def __init__(self, settings: FilterSettings, mode: str) -> None:
        unknown = [name for name in settings.actions if name not in FILTERS]
        if unknown:
            raise SettingsError(
                Problem(
                    f"filters.actions.{name}", f"no filter `{name}`{did_you_mean(name, FILTERS)}; there are: {', '.join(FILTERS)}"
                )
                for name in unknown
            )
        if mode in ("pairwise", "listwise") and (names := [n for n, action in settings.actions.items() if action == "prove"]):
            raise SettingsError(
                Problem(
                    f"filters.actions.{name}",
                    f"`prove` has no effect in a recipe that compares responses ({mode}); use `flag`, `veto`, `drop` or `off`",
                )
                for name in names
            )
        self.mode = mode
        self.actions: dict[str, Action] = {f.name: f.action(settings, mode) for f in _ALL}
        self._blocking = tuple((f, self.actions[f.name]) for f in _ALL if self.actions[f.name] in ("veto", "drop"))
        self._proving = tuple((f, self.actions[f.name]) for f in _ALL if self.actions[f.name] == "prove")
        self._proving_long = tuple((f, action) for f, action in self._proving if f.long)
        self._flagging = tuple(f for f in _ALL if self.actions[f.name] == "flag")
        self._flagging_long = tuple(f for f in self._flagging if f.long)
        # who names a filter that this mode leaves off wants the answer that a verifier wants
        self._asked = frozenset(n for n in settings.actions if mode != "verifier" and FILTERS[n].elsewhere == "off")

    def check(self, sample: Sample, index: int, agrees: Agrees | None = None) -> FilterResult:
        """Look at one response of a sample.

        Args:
            agrees: Decides whether a response says the same as the reference; if so nothing blocks it.

        Example:
            >>> intake = Intake(FilterSettings(), "verifier")
            >>> found = intake.check(Sample.of("2+2?", "Let's solve this step by step.", "4", reference="4"), 0)
            >>> found.suspect, found.flags[0].name
            (True, 'opener_only')
            >>> intake.check(Sample.of("2+2?", "Let's solve this step by step.", "4", reference="4"), 1)
            FilterResult(flags=(), blocked=None, action='off')
        """
        view = self.view(sample, index)
        where = str(index)
        asked = replace(view, mode="verifier") if self._asked else view
        blocked, action = self._first(self._blocking, view, asked, where, agrees)
        found, why = blocked, action
        if blocked is None and self._proving:
            found, why = self._first(self._proving_long if view.says_much else self._proving, view, asked, where, agrees)
        flags = [found] if found else []
        for item in self._flagging_long if view.says_much else self._flagging:
            if (detail := item.check(asked if item.name in self._asked else view)) is not None:
                flags.append(Flag(item.name, detail, where))
        if not flags:
            return _CLEAR
        return FilterResult(tuple(flags), blocked, why if found else "flag")

    def view(self, sample: Sample, index: int) -> ResponseView:
        """One response of a sample as the filters see it."""
        known = None if sample.reference is None else reference_of(sample.reference)
        return ResponseView(sample.texts[index], sample.prompt_text, known, self.mode)

    def _first(
        self,
        filters: tuple[tuple[Filter, Action], ...],
        view: ResponseView,
        asked: ResponseView,
        where: str,
        agrees: Agrees | None,
    ) -> tuple[Flag | None, Action]:
        """The first finding. Whether the response agrees with the reference is asked only when there is one."""
        for item, action in filters:
            detail = item.check(asked if item.name in self._asked else view)
            if detail is None:
                continue
            parts = () if view.reference is None or agrees is None else view.reference.parts
            if agrees is not None and any(agrees(view.text, part) for part in parts):
                return None, "off"
            return Flag(item.name, detail, where), action
        return None, "off"
