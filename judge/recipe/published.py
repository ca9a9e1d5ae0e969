"""A published prompt in a file -> templates of an exact recipe, and how to know that they are the published text.

- The toolkit ships no published prompts. Who has one (from the paper's repository) makes a recipe of it, which stays theirs.
- Two samples are rendered, and the SHA-256 of the messages is compared with the one kept in the recipe's `serves`.
- Files come as text, YAML, JSON or Python; placeholders as `{name}`, `{{ name }}`, `<<name>>` or `$name`; braces doubled or not;
  with or without the last line break. Which of these it is, the hash tells.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judge.errors import Problem, RecipeError, did_you_mean
from judge.yamlfile import parse_yaml, shown

Turns = tuple[tuple[tuple[str, str], ...], ...]
"""The messages that each turn adds: (role, text)."""

CHECKS: tuple[Mapping[str, Any], ...] = (
    {"prompt": "What is 2 + 2?", "responses": ("It is 4.", "It is 5.")},
    {"prompt": "Solve $x^2=16$, x>0.", "responses": ('Thus \\boxed{4}. "done" a<b & {ok}', "So x = \\boxed{5}")},
)
"""What differs between the two samples that published prompts are checked with. Where one response is shown, it is the first."""
COMMON: Mapping[str, Any] = {"reference": "4", "principle": "Be right."}
RUBRIC: Mapping[str, Any] = {
    "name": "h",
    "description": "Is the answer right?",
    "scale": {"min": 1, "max": 5, "anchors": {n: f"level {n}" for n in range(1, 6)}},
    "criteria": [{"id": "right", "text": "Is right.", "points": 2.0}, {"id": "verbose", "text": "Is verbose.", "points": -2.0}],
}
"""The rubric of both samples; a recipe that asks per criterion asks about the last one."""

_ROLES = ("system", "user")
_MEETS = re.compile(r"\{(?=[{%#]|\Z)")  # what Jinja would take for its own


def messages_hash(messages: Sequence[tuple[str, str]]) -> str:
    """SHA-256 of chat messages: of JSON with sorted keys, no spaces, and characters as they are.

    Example:
        >>> messages_hash([("user", "2+2?")])[:12]
        'ed60fcb98482'
    """
    plain = [{"role": role, "content": content} for role, content in messages]
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# ---- the file ----------------------------------------------------------------------------------------------------------


def read_prompt_file(name: str, role: str = "user") -> Turns:
    """The prompt in a file.

    Args:
        name: A text file; YAML or JSON of a text, `{system: ..., user: ...}`, a list of messages, or `turns:`, a list of such; or
            a Python file, with the variable behind a colon where it has several texts: `prompts.py:JUDGE`. Nothing in it is run.
        role: Of a text that does not say.

    Raises:
        RecipeError: The file cannot be read, or holds no prompt.
    """
    path, variable = _parted(name)
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as why:
        raise RecipeError(Problem(str(path), f"cannot be read: {why.strerror or why}")) from None
    except UnicodeDecodeError:
        raise RecipeError(Problem(str(path), "not UTF-8; save the file as UTF-8")) from None
    if path.suffix == ".py":
        return _filled(path, (((role, _python(path, text, variable)),),))
    if path.suffix not in (".yaml", ".yml", ".json"):
        return _filled(path, (((role, text),),))
    data = parse_yaml(text, str(path), RecipeError).data
    turns = data.get("turns") if isinstance(data, dict) else None
    if turns is not None and not isinstance(turns, list):
        raise RecipeError(Problem(str(path), f"`turns` must be a list, one item a turn, not {shown(turns)}"))
    return _filled(path, tuple(_turn(path, part, role) for part in (turns if turns is not None else [data])))


def _filled(path: Path, turns: Turns) -> Turns:
    """The turns, each message of which says something."""
    if not turns or any(not text.strip() for turn in turns for _, text in turn):
        raise RecipeError(Problem(str(path), "a text is empty; expected the prompt as its authors published it"))
    return turns


def _parted(name: str) -> tuple[Path, str]:
    before, colon, after = name.rpartition(":")
    return (Path(before), after) if colon and before.endswith(".py") else (Path(name), "")


def _turn(path: Path, data: Any, role: str) -> tuple[tuple[str, str], ...]:
    if isinstance(data, str):
        return ((role, data),)
    if isinstance(data, dict):
        data = [data] if "content" in data else [{"role": r, "content": data[r]} for r in _ROLES if r in data]
    ok = isinstance(data, list) and data and all(isinstance(m, dict) and isinstance(m.get("content"), str) for m in data)
    if not ok or any(m.get("role", role) not in _ROLES for m in data):
        raise RecipeError(
            Problem(str(path), "expected a text, `system:` and `user:`, a list of messages with these roles, or `turns:`")
        )
    return tuple((m.get("role", role), m["content"]) for m in data)


def _python(path: Path, source: str, variable: str) -> str:
    """A text in a Python file, read and not run; of an f-string, the text with its expressions as placeholders."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as why:
        raise RecipeError(Problem(str(path), f"not valid Python: {why}")) from None
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        value = _literal(node.value) if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None else None
        found |= {t.id: value for t in targets if isinstance(t, ast.Name) and value is not None}
    if variable in found:
        return found[variable]
    if not variable and len(found) == 1:
        return next(iter(found.values()))
    names = ", ".join(sorted(found)) or "none"
    what = f"no text `{variable}`{did_you_mean(variable, found)}" if variable else f"name the text: --prompt {path}:NAME"
    raise RecipeError(Problem(str(path), f"{what} (there are: {names})"))


def _literal(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _literal(node.left), _literal(node.right)
        return None if left is None or right is None else left + right
    if isinstance(node, ast.JoinedStr):
        parts = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                parts.append("{" + ast.unparse(part.value) + "}")
            else:
                parts.append(_literal(part) or "")
        return "".join(parts)
    return None


# ---- templates ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the placeholders and the ends of a published text."""

    pattern: str  # of a placeholder, with NAME in it
    doubled: bool = False  # braces that are text stand twice
    end: str = ""  # `line`: the last line break is the editor's; `strip`: white space at both ends is


def readings() -> Iterator[Reading]:
    """All ways, the likeliest first."""
    for end in ("", "line", "strip"):
        for pattern, doubled in ((r"\{NAME\}", True), (r"\{NAME\}", False), (r"\{\{\s*NAME\s*\}\}", False), ("<<NAME>>", False)):
            yield Reading(pattern, doubled, end)
        yield Reading(r"\$\{?NAME\}?(?!\w)", False, end)


def template_of(text: str, placeholders: Mapping[str, str], reading: Reading) -> tuple[str, frozenset[str]]:
    """A published text as a template, and the placeholders that stand in it.

    Example:
        >>> template_of("Q: {q} {{}}", {"q": "prompt"}, Reading(r"\\{NAME\\}", doubled=True))
        ('Q: {{ prompt }} {}\\n', frozenset({'q'}))
    """
    if reading.end:
        text = text.removesuffix("\n") if reading.end == "line" else text.strip()
    names = "|".join(sorted(map(re.escape, placeholders), key=len, reverse=True))
    pattern = re.compile(reading.pattern.replace("NAME", f"({names})"))
    parts = pattern.split(text)  # text, name, text, name, ..., text
    out, used = [], set()
    for index, part in enumerate(parts):
        if index % 2:
            used.add(part)
            out.append(_printed(placeholders[part]))
        else:
            plain = part.replace("{{", "{").replace("}}", "}") if reading.doubled else part
            out.append(_MEETS.sub('{{ "{" }}', plain))
    return "".join(out) + "\n", frozenset(used)  # the last line break of a template is not part of its message


def _printed(expression: str) -> str:
    if "{{" not in expression and "{%" not in expression:
        return f"{{{{ {expression} }}}}"
    return f'{{{{ "" }}}}{expression}{{{{ "" }}}}'  # Jinja takes white space off around block tags, not around expressions


def left_over(turns: Turns, placeholders: Mapping[str, str], reading: Reading) -> list[str]:
    """Placeholders of a reading that the recipe does not know, as they stand in the text. (`\\boxed{x}` holds none.)

    Example:
        >>> turn = (("user", "Q: {question} A: {answer} {{is}} \\\\boxed{x}"),)
        >>> left_over((turn,), {"question": "prompt"}, Reading(r"\\{NAME\\}", doubled=True))
        ['{answer}']
    """
    name = r"([A-Za-z_]\w{0,40})"
    if "$" in reading.pattern:
        pattern = r"(?<![\w$])\$\{?([A-Za-z_]\w{2,40})\}?(?![\w$])"  # `$x$` is a formula
    elif "{{" in reading.pattern.replace("\\", ""):
        pattern = reading.pattern.replace("NAME", name)
    else:
        pattern = r"(?<![\w{}])" + reading.pattern.replace("NAME", name) + r"(?!\})"
    found = (match for turn in turns for _, text in turn for match in re.finditer(pattern, text))
    return list(dict.fromkeys(match[0] for match in found if match[1] not in placeholders))


def unknown_placeholders(turns: Turns, placeholders: Mapping[str, str]) -> list[str]:
    """Names in braces that the recipe does not know, with the one that was meant."""
    texts = "\n".join(text for turn in turns for _, text in turn)
    found = dict.fromkeys(re.findall(r"(?<!\{)\{([A-Za-z_]\w{0,40})\}(?!\})", texts))
    odd = [(name, did_you_mean(name, placeholders)) for name in found if name not in placeholders]
    return [f"{name}{near}" for name, near in sorted(odd, key=lambda each: not each[1])]
