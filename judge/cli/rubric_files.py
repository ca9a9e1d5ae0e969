"""`judge rubric diff|merge`, and what the commands on rubric files share: reading a folder of them, writing one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from judge.cli.options import notice
from judge.errors import InputError, OutputError, RubricError
from judge.rubric.diff import ChangedCriterion, RubricDiff, diff_rubrics
from judge.rubric.lint import lint
from judge.rubric.load import SUFFIXES, load_rubric, parse_rubric
from judge.rubric.matching import SAME
from judge.rubric.merge import MergedRubric, merge_rubrics, unshared
from judge.rubric.model import Rubric
from judge.rubric.per_prompt import LINES
from judge.rubric.show import importance, lineage_yaml, rubric_yaml
from judge.similarity import ENCODER, alike_texts

RubricOrFolder = Annotated[
    list[str],
    typer.Argument(metavar="RUBRIC...", help="Shipped names, rubric files, or folders of them (of `generate`: kept)."),
]
EncoderOption = Annotated[
    str,
    typer.Option(
        "--encoder", metavar="NAME", help="Compares meaning: minilm-l6, a model folder or hub name, or `hashing` (spelling)."
    ),
]


def read_rubrics(names: list[str]) -> list[tuple[str, Rubric]]:
    """(name, rubric) of each name, file, and file of a folder, in the order given; a folder's files by name.

    Raises:
        RubricError: One of them is none, or a folder holds none.
    """
    found: list[tuple[str, Rubric]] = []
    for name in names:
        found += [(file, load_rubric(file)) for file in rubric_names(name)]
    return found


def rubric_names(name: str) -> list[str]:
    """The files of a folder, by name; of what `judge rubric generate` wrote, the kept rubrics. Else the name itself.

    Raises:
        RubricError: The folder holds none.
    """
    path = Path(name)
    if not path.is_dir():
        return [name]
    folder = path / "kept" if (path / LINES).is_file() else path
    files = sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES[:4] and p.is_file()) if folder.is_dir() else []
    if not files:
        raise RubricError(f"{folder}: the folder holds no rubric ({', '.join(SUFFIXES[:4])})")
    return [str(file) for file in files]


def check_yaml(path: Path) -> None:
    """Refuse a name under which a rubric written as YAML could not be read again. Raises InputError."""
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise InputError(f"--output {path}: a rubric is written as YAML, so the name ends in .yaml; nothing was written")


def write_rubric(path: Path, rubric: Rubric) -> None:
    """Write a rubric as YAML. Raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rubric_yaml(rubric), encoding="utf-8")
    except OSError as why:
        raise OutputError(f"{path}: cannot be written: {why.strerror}") from None


def write_lineage(path: Path, rubric: Rubric) -> None:
    """Put the lineage of a rubric into its YAML file; all the rest of the text stays, comments among it.

    The block `lineage:` is written anew, or put at the end. Where that does not give this rubric (a file within braces, say),
    the file is written anew as a whole, unless it has comments.

    Raises:
        OutputError: It cannot be written, or comments would be lost.
    """
    assert rubric.lineage is not None  # noqa: S101  # the caller has set it
    try:
        text = path.read_bytes().decode("utf-8")
        edited = _with_block(text, "lineage:", lineage_yaml(rubric.lineage))
        if _reads_as(edited, path, rubric):
            path.write_bytes(edited.encode("utf-8"))
            return
    except OSError as why:
        raise OutputError(f"{path}: cannot be written: {why.strerror}") from None
    if _COMMENT.search(text):
        raise OutputError(
            f"{path}: the scores are not written: a file of this form would have to be written anew, without its comments; copy"
            f" it first (`judge rubric show {path} --yaml > NEW.yaml`) and validate the copy"
        )
    write_rubric(path, rubric)


def _with_block(text: str, head: str, block: str) -> str:
    """The text with a block of the outermost mapping in place of the one with the same key, or at its end."""
    end = "\r\n" if "\r\n" in text else "\n"
    lines, new = text.splitlines(keepends=True), block.replace("\n", end)
    at = next((i for i, line in enumerate(lines) if line.startswith(head)), None)
    if at is None:
        return text + ("" if text.endswith("\n") or not text else end) + new
    after = at + 1
    while after < len(lines) and (lines[after][:1] in " \t" or not lines[after].strip()):
        after += 1
    while not lines[after - 1].strip():  # blank lines before what follows
        after -= 1
    return "".join([*lines[:at], new, *lines[after:]])


def _reads_as(text: str, path: Path, rubric: Rubric) -> bool:
    try:
        return parse_rubric(text, path) == rubric
    except RubricError:
        return False


_COMMENT = re.compile(r"(?:^|\s)#", re.MULTILINE)


def diff_command(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Shipped name or rubric file.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Shipped name or rubric file.")],
    encoder: EncoderOption = ENCODER,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines. [default: off]")] = False,
) -> None:
    """Say what changed between two versions of a rubric: criteria added, removed, reworded, reweighted.

    Criteria are matched by meaning, not by id, so a rewording is not a removal and an addition.

    \b
    Examples:
      judge rubric diff v1.yaml v2.yaml
      judge rubric diff v1.yaml v2.yaml --encoder hashing --json

    Exit codes: 0 the same, 1 they differ, 2 wrong input, 3 the encoder cannot be loaded.
    """
    found = diff_rubrics(load_rubric(old), load_rubric(new), alike_texts(encoder))
    if as_json:
        print(json.dumps(_diff_record(found), ensure_ascii=False))
    else:
        print("\n".join(_diff_lines(found)))
    if not found.same:
        raise typer.Exit(1)


def _diff_lines(found: RubricDiff) -> list[str]:
    if found.same:
        return ["the same for a judge and for the reward"]
    lines = [f"+ {c.id} ({importance(c)}): {c.text}" for c in found.added]
    lines += [f"- {c.id} ({importance(c)}): {c.text}" for c in found.removed]
    for pair in found.changed:
        lines += _changed_lines(pair)
    lines += [f"~ {name}: {_plain(a)} -> {_plain(b)}" for name, a, b in found.fields]
    same = len(found.kept) - len(found.changed)
    counts = f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed, {same} unchanged"
    return [*lines, counts]


def _changed_lines(pair: ChangedCriterion) -> list[str]:
    name = pair.new.id if pair.old.id == pair.new.id else f"{pair.old.id} -> {pair.new.id}"
    what = [f"reworded (likeness {pair.likeness:.2f})"] if pair.reworded else []
    if pair.reweighted:
        share = f"{pair.share[0]:.0%} -> {pair.share[1]:.0%} of the total"
        what.append(f"{importance(pair.old)} -> {importance(pair.new)}, {share}")
    what += [f"{part}: {_plain(getattr(pair.old, part))} -> {_plain(getattr(pair.new, part))}" for part in pair.parts]
    lines = [f"~ {name}: {'; '.join(what)}"]
    return lines + ([f"    was: {pair.old.text}", f"    now: {pair.new.text}"] if pair.reworded else [])


def _plain(value: Any) -> str:
    return json.dumps(value.model_dump(mode="json", exclude_defaults=True)) if hasattr(value, "model_dump") else str(value)


def _diff_record(found: RubricDiff) -> dict[str, Any]:
    def one(criterion: Any) -> Any:
        return criterion.model_dump(mode="json", exclude_defaults=True)

    return {
        "same": found.same,
        "added": [one(c) for c in found.added],
        "removed": [one(c) for c in found.removed],
        "changed": [
            {"old": one(c.old), "new": one(c.new), "likeness": round(c.likeness, 4), "share": list(c.share),
             "reworded": c.reworded, "reweighted": c.reweighted, "parts": list(c.parts)}
            for c in found.changed
        ],
        "fields": [{"name": name, "old": _plain(a), "new": _plain(b)} for name, a, b in found.fields],
    }  # fmt: skip


def merge_command(
    names: RubricOrFolder,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Rubric file to write (.yaml).")],
    least: Annotated[
        float,
        typer.Option("--alike", metavar="LIKENESS", min=0.3, max=1, help="Likeness from which two criteria are one, 0 to 1."),
    ] = SAME,
    most: Annotated[
        int | None,
        typer.Option("--max", metavar="N", min=1, max=5000, help="Keep at most N criteria. [default: all]", show_default=False),
    ] = None,
    encoder: EncoderOption = ENCODER,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not list what was merged. [default: off]")] = False,
) -> None:
    """Join rubrics, or one with duplicates, into one rubric in which each thing is said once.

    Criteria are compared by meaning; such that differ in a number, a name, a negation or the sign of what they count stay
    apart. Of several rubrics, a criterion weighs by its share of each and by how many hold it; the largest comes to 10.

    \b
    Prints the path on standard output, and what was merged on standard error.
    Examples:
      judge rubric merge mine.yaml --output mine.yaml
      judge rubric merge rubrics/kept --max 12 --output shared.yaml
      judge rubric merge a.yaml b.yaml --alike 0.7 --output both.yaml

    Exit codes: 0 written, 2 wrong input, 3 the encoder cannot be loaded, 4 cannot be written.
    """
    check_yaml(output)
    read = read_rubrics(names)
    merged = merge_rubrics(
        [rubric for _, rubric in read], alike_texts(encoder), least=least, most=most or 5000, name=output.stem or "merged"
    )
    write_rubric(output, merged.rubric)
    if not quiet:
        for line in _merged_lines(merged, [name for name, _ in read]):
            notice(line)
    for field in unshared([rubric for _, rubric in read]):
        notice(f"the rubrics differ in `{field}`: the result has {_plain(getattr(merged.rubric, field))}")
    for finding in lint(merged.rubric):
        if finding.rule == "contradiction":
            notice(f"{finding.where}: {finding.message}")
    before = sum(len(rubric.criteria) for _, rubric in read)
    notice(
        f"{len(read)} rubric(s), {before} criteria -> {len(merged.rubric.criteria)} ({len(merged.left_out)} left out by --max)"
    )
    print(output)


def _merged_lines(merged: MergedRubric, names: list[str]) -> list[str]:
    lines = []
    for each in merged.criteria:
        if len(each.members) > 1:
            lines.append(f"{each.criterion.id}: {each.criterion.text}")
            lines += [f"    = {Path(names[number]).stem}/{c.id}: {c.text}" for number, c in each.members[1:]]
    return lines
