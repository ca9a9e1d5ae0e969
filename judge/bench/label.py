"""Labels of one's own for a run: a page on this machine, blind, by keyboard, saved after each answer.

- Blind: neither the judge's verdict nor its reasoning is shown, and the two sides of a pair change places at random.
- Each answer is appended to `labels.jsonl` in the run folder at once; the last one of a person for an item counts, so an answer
  can be taken back, and a stopped session goes on where it was.
- The page is served to this machine alone, under a path that nobody can guess, and takes nothing from another origin.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from judge.errors import InputError, OutputError, Problem
from judge.jsonfile import appended_records
from judge.report.run_tables import RunTables

LabelMode = Literal["yes_no", "scale", "pairs", "criteria"]
FILE = "labels.jsonl"
MOST_BODY = 65_536  # bytes of one answer
PAIR_LABELS = ("A", "B", "tie")
_KEYS = ("key", "row", "label", "by", "criterion")


@dataclass(frozen=True, slots=True)
class LabelTask:
    """One thing to label.

    Attributes:
        responses: Index of each response shown, in the order shown; one, or the two of a pair.
        criterion: Its id, where one is asked about.
    """

    row: int
    id: str
    prompt: str
    texts: tuple[str, ...]
    responses: tuple[int, ...]
    criterion: str = ""

    @property
    def key(self) -> str:
        """What names it in the file and on the page."""
        return f"{self.row}/{min(self.responses) if len(self.responses) == 1 else 'pair'}/{self.criterion}"


def default_mode(tables: RunTables) -> LabelMode:
    """Pairs where two responses were compared; criteria where several were judged; else right or wrong."""
    counts = _responses(tables)
    if counts and all(n == 2 for n in counts.values()) and set(tables.criteria) <= {"overall"}:
        return "pairs"
    return "criteria" if len(set(tables.criteria) - {"overall"}) > 1 else "yes_no"


def _responses(tables: RunTables) -> dict[int, int]:
    counts: dict[int, int] = {}
    for row in tables.columns(["row"])["row"].to_pylist():
        counts[row] = counts.get(row, 0) + 1
    return counts


def label_tasks(tables: RunTables, mode: LabelMode, *, most: int | None = None, seed: int = 0) -> list[LabelTask]:
    """What is to be labelled, in an order drawn from the seed, so that the first hundred are a fair sample of all.

    Raises:
        InputError: The run has nothing of the kind, or its texts were not kept.
    """
    rows: dict[int, list[dict[str, Any]]] = {}
    for record in tables.columns(["row", "id", "response_index", "prompt", "response"]).to_pylist():
        rows.setdefault(record["row"], []).append(record)
    if not any(r.get("response") for each in rows.values() for r in each):
        raise InputError(Problem(str(tables.folder), "holds no responses to label"))
    rng = random.Random(seed)
    names = [n for n in tables.criteria if n != "overall"] or list(tables.criteria)
    tasks: list[LabelTask] = []
    for row, each in rows.items():
        if mode == "pairs":
            if len(each) != 2:
                continue
            shown = each if rng.random() < 0.5 else each[::-1]
            tasks.append(_task(row, shown))
        else:
            for one in each:
                tasks += [_task(row, [one], name) for name in (names if mode == "criteria" else [""])]
    if not tasks:
        raise InputError(Problem(str(tables.folder), f"has nothing for `--mode {mode}`: no row has two responses"))
    groups: dict[int, list[LabelTask]] = {}
    for task in tasks:
        groups.setdefault(task.row, []).append(task)
    order = list(groups)
    rng.shuffle(order)
    return [task for row in order for task in groups[row]][:most]


def _task(row: int, shown: Sequence[Mapping[str, Any]], criterion: str = "") -> LabelTask:
    texts = tuple(str(r["response"] or "") for r in shown)
    return LabelTask(
        row, str(shown[0]["id"]), str(shown[0]["prompt"] or ""), texts, tuple(r["response_index"] for r in shown), criterion
    )


class LabelFile:
    """`labels.jsonl` of one run folder. Safe to use from several threads."""

    def __init__(self, folder: Path, person: str) -> None:
        self._path = folder / FILE
        self._person = person
        self._lock = Lock()

    def given(self) -> dict[str, Any]:
        """Key of a task -> this person's label; taken back ones are left out."""
        out: dict[str, Any] = {}
        for record in appended_records(self._path, _KEYS):
            if record["by"] == self._person:
                out[record["key"]] = record["label"]
        return {key: label for key, label in out.items() if label is not None}

    def add(self, task: LabelTask, label: Any) -> None:
        """Append one label; None takes the last one back.

        Raises:
            OutputError: The disk does not take it.
        """
        record = {
            "key": task.key, "row": task.row, "response": task.responses[0] if len(task.responses) == 1 else None,
            "criterion": task.criterion, "label": label, "by": self._person, "time": round(time.time(), 1),
        }  # fmt: skip
        try:
            with self._lock, self._path.open("ab+") as out:
                torn = out.seek(0, 2) > 0 and (out.seek(-1, 2), out.read(1))[1] != b"\n"  # a session that was killed
                out.write(b"\n" * torn + json.dumps(record).encode() + b"\n")
        except OSError as why:
            raise OutputError(f"{self._path}: cannot be written: {why.strerror or why}; labels given before are kept") from None


def read_labels(folder: Path, responses: Mapping[int, int]) -> dict[int, Any]:
    """Row -> its label as a column of the data would hold it: see `judge.bench.labelled`.

    Args:
        responses: Row -> number of its responses.

    Returns:
        `A`, `B` or `tie` for a pair (of several people: what most say); one label, or a list of people's, for a row of one
        response; a list with one a response for others; with criteria a mapping of such.
    """
    latest: dict[tuple[int, int | None, str, str], Any] = {}
    for r in appended_records(folder / FILE, _KEYS):
        latest[r["row"], r.get("response"), r["criterion"], r["by"]] = r["label"]
    people: dict[tuple[int, int | None, str], list[Any]] = {}
    for (row, response, criterion, _), label in latest.items():
        if label is not None:
            people.setdefault((row, response, criterion), []).append(label)
    out: dict[int, Any] = {}
    for (row, response, criterion), labels in people.items():
        count = responses.get(row, 0)
        if not count:
            continue
        if response is None:
            out[row] = max(PAIR_LABELS, key=labels.count)
            continue
        one: Any = labels if count == 1 and len(labels) > 1 else labels[-1]
        if criterion:
            held = out.setdefault(row, {})
            held[criterion] = one if count == 1 else _at(held.get(criterion), response, one, count)
        else:
            out[row] = one if count == 1 else _at(out.get(row), response, one, count)
    return out


def _at(held: Any, place: int, label: Any, count: int) -> list[Any]:
    values = list(held) if isinstance(held, list) else [None] * count
    values[place] = label
    return values


class LabelServer:
    """The page and its three routes, on 127.0.0.1.

    Args:
        scale: Lowest and highest grade (mode `scale`).
        port: 0: any that is free.
    """

    def __init__(
        self, tasks: Sequence[LabelTask], mode: LabelMode, kept: LabelFile, *, scale: tuple[int, int] = (1, 5), port: int = 0
    ) -> None:
        self._tasks = {task.key: task for task in tasks}
        self._mode, self._kept, self._scale = mode, kept, scale
        self.token = secrets.token_urlsafe(12)
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        except OSError as why:
            raise InputError(f"--port {port}: cannot be used: {why.strerror or why}") from None
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{self.token}/"

    def serve(self) -> None:
        """Answer until `close`, or Ctrl-C."""
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def state(self) -> dict[str, Any]:
        """What the page is made of: everything but the judge's verdicts."""
        given = self._kept.given()
        shown = ("key", "id", "prompt", "texts", "criterion")
        tasks = [
            {name: getattr(t, name) for name in shown} | {"label": self._as_shown(t, given.get(t.key))}
            for t in self._tasks.values()
        ]
        return {"mode": self._mode, "scale": self._scale, "tasks": tasks}

    def take(self, answer: Any) -> str:
        """Enter one answer of the page; gives what is wrong with it, or nothing."""
        if not isinstance(answer, dict) or answer.get("key") not in self._tasks:
            return "no such item"
        task, label = self._tasks[answer["key"]], answer.get("label")
        if label is not None and label not in self._allowed():
            return f"the label must be one of {', '.join(map(str, self._allowed()))}"
        self._kept.add(task, self._as_shown(task, label))
        return ""

    def _allowed(self) -> Sequence[Any]:
        if self._mode == "pairs":
            return PAIR_LABELS
        return range(self._scale[0], self._scale[1] + 1) if self._mode == "scale" else (True, False)

    @staticmethod
    def _as_shown(task: LabelTask, label: Any) -> Any:
        """Between the place on the page and the place in the data, which may be the other one; its own inverse."""
        if label in ("A", "B") and len(task.responses) == 2 and task.responses[0] > task.responses[1]:
            return "B" if label == "A" else "A"
        return label

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            """Three routes under the token; everything else is not found."""

            def log_message(self, format: str, *args: Any) -> None:  # the base class's name
                """Say nothing."""

            def _allowed(self) -> bool:
                host = (self.headers.get("host") or "").partition(":")[0]
                origin = self.headers.get("origin")
                return host in ("127.0.0.1", "localhost") and (
                    origin is None or origin.startswith(("http://127.0.0.1:", "http://localhost:"))
                )

            def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.send_header("cache-control", "no-store")
                self.send_header("referrer-policy", "no-referrer")
                self.send_header("x-frame-options", "DENY")
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self) -> None:  # as above
                if not self._allowed():
                    self._send(HTTPStatus.FORBIDDEN, b"not from here", "text/plain")
                elif self.path == f"/{server.token}/":
                    self._send(HTTPStatus.OK, _page().encode(), "text/html; charset=utf-8")
                elif self.path == f"/{server.token}/state":
                    self._send(HTTPStatus.OK, json.dumps(server.state()).encode(), "application/json")
                else:
                    self._send(HTTPStatus.NOT_FOUND, b"not found", "text/plain")

            def do_POST(self) -> None:  # as above
                size = (
                    int(self.headers.get("content-length") or 0) if (self.headers.get("content-length") or "0").isdigit() else -1
                )
                if not self._allowed() or self.path != f"/{server.token}/label" or not 0 < size <= MOST_BODY:
                    self._send(HTTPStatus.NOT_FOUND, b"not found", "text/plain")
                    return
                try:
                    wrong = server.take(json.loads(self.rfile.read(size)))
                except ValueError:
                    wrong = "not JSON"
                except OutputError as why:
                    self._send(HTTPStatus.INSUFFICIENT_STORAGE, str(why).encode(), "text/plain")
                    return
                self._send(HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK, wrong.encode() or b"kept", "text/plain")

        return Handler


@cache
def _page() -> str:
    return (files("judge.bench") / "assets" / "label.html").read_text(encoding="utf-8")
