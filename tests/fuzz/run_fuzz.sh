#!/usr/bin/env bash
# Builds the fuzz targets and runs each for SECONDS from a scratch copy of its corpus.
#   tests/fuzz/run_fuzz.sh SECONDS [TARGET...]
# One line a target; exit 1 on a finding (its input stays in the build folder), 4 without clang.
set -euo pipefail

seconds=${1:?usage: run_fuzz.sh SECONDS [TARGET...]}
shift
targets=("${@:-}")
[ -n "${targets[0]}" ] ||
  targets=(safetensors npy npz idx tar xyz ts arff checkpoint xz word_vectors png jpeg planetoid csv
    bvh image_list)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$here/../../build/fuzz
jobs=${JOBS:-$(nproc)}

clang=
for name in "${CLANGXX:-}" clang++ clang++-{20..14}; do
  if [ -n "$name" ] && command -v "$name" >/dev/null; then clang=$name; break; fi
done
if [ -z "$clang" ]; then
  echo "fuzz: clang++ with libFuzzer is missing; on Debian: apt-get install clang" >&2
  exit 4
fi

mkdir -p "$build"
if ! { cmake -S "$here" -B "$build" -DCMAKE_CXX_COMPILER="$clang" &&
       cmake --build "$build" --parallel "$jobs"; } >"$build/build.log" 2>&1; then
  cat "$build/build.log" >&2
  exit 1
fi

fuzz_one() {
  local name=$1 work log runs
  work=$build/runs/$name
  log=$work/log
  rm -rf "$work"
  mkdir -p "$work/corpus" "$work/findings"
  cp "$here/corpus/$name/"* "$work/corpus/"
  local status=0
  "$build/${name}_fuzz" -max_total_time="$seconds" -max_len=16384 -timeout=60 -rss_limit_mb=2048 \
    -use_value_profile=1 -artifact_prefix="$work/findings/" -print_final_stats=1 \
    "$work/corpus" >"$log" 2>&1 || status=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  if [ $status -eq 0 ]; then
    echo "fuzz $name: ${runs:-0} executions in $seconds s, no finding"
  else
    echo "fuzz $name: FINDING after ${runs:-?} executions, see $log"
    return 1
  fi
}

failed=0 running=0
for name in "${targets[@]}"; do
  if [ $running -ge "$jobs" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
  fuzz_one "$name" &
  running=$((running + 1))
done
while [ $running -gt 0 ]; do
  wait -n || failed=1
  running=$((running - 1))
done
exit $failed
