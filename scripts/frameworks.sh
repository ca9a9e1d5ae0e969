#!/usr/bin/env bash
# Run the doors under the frameworks' own code.
#
#   scripts/frameworks.sh            all of tests/frameworks/*.txt
#   scripts/frameworks.sh verl ...   these
#
# A framework comes without its dependencies, at the version in tests/frameworks/NAME.txt, with what its reward path imports and
# .venv lacks. Each goes into a folder of its own, seen by its own tests alone: together they cannot be installed, and none
# may change what is in .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

# lane_of FILE: the longest name of a framework that the file's name begins with
lane_of() {
  local file=${1#tests/frameworks/test_} lane best=
  file=${file%.py}_
  for lane in $(basename -s .txt tests/frameworks/*.txt); do
    [[ $file != "$lane"_* || ${#lane} -le ${#best} ]] || best=$lane
  done
  printf '%s' "$best"
}

names=("$@")
[[ ${#names[@]} -gt 0 ]] || mapfile -t names < <(basename -s .txt tests/frameworks/*.txt)
failed=()
for name in "${names[@]}"; do
  packages=tests/frameworks/$name.txt
  [[ -f $packages ]] || { printf 'frameworks: no %s\n' "$packages" >&2; exit 2; }
  folder=.venv/frameworks/$name
  if ! cmp -s "$packages" "$folder/installed.txt"; then
    rm -rf "$folder"
    printf 'installing %s\n' "$(grep -v '^#' "$packages" | head -n 1)" >&2
    mkdir -p .venv/frameworks
    if ! .venv/bin/python -m pip install --no-deps --ignore-requires-python --target "$folder" -r "$packages" >"$folder.log" 2>&1; then
      tail -n 15 "$folder.log" >&2
      printf 'frameworks: %s cannot be installed; the whole output is in %s\n' "$name" "$folder.log" >&2
      exit 1
    fi
    cp "$packages" "$folder/installed.txt"
  fi
  tests=("tests/frameworks/test_$name.py")
  for more in tests/frameworks/test_"$name"_*.py; do # test_skyrl_generator.py is skyrl's, test_verifiers_v0_steps.py verifiers_v0's
    [[ ! -f $more || $(lane_of "$more") != "$name" ]] || tests+=("$more")
  done
  printf '%s: ' "$name"
  JUDGE_FRAMEWORK=$name PYTHONPATH=$PWD:$PWD/$folder .venv/bin/python -m pytest --no-header -p no:cacheprovider -p no:schemathesis "${tests[@]}" ||
    failed+=("$name")
done
[[ ${#failed[@]} -eq 0 ]] || { printf 'failed: %s\n' "${failed[*]}" >&2; exit 1; }
