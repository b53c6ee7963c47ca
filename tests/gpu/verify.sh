#!/usr/bin/env bash
# Everything that only a machine with a GPU can show, side by side: the Gpu category in three parts, the sanitizers' four tools, `tera check`,
# finetune on both devices. One log a part in FOLDER, a line a part on stdout; exits non-zero if a part fails or skips a test.
#   tests/gpu/verify.sh FOLDER [FOLDER OF THE PUBLISHED TESTS [FOLDER OF THE PUBLISHED tera]]      default: the Release builds of this clone
# About four minutes on an H100 with 16 cores. Nothing here is timed: for that the card must be idle (bench/measure.sh).
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:?usage: verify.sh FOLDER [PUBLISHED TESTS [PUBLISHED tera]]}
tests=${2:-$root/tests/TeRA.Kernels.Tests/bin/Release/net10.0} tera=${3:-$root/src/TeRA.Kernels.Cli/bin/Release/net10.0}
dotnet=${DOTNET:-dotnet}
mkdir -p "$out"

part() { # NAME COMMAND…: its log, and its exit code beside it
  local name=$1; shift
  "$@" >"$out/$name.log" 2>&1; echo $? >"$out/$name.code"
}

category() { part "$1" "$dotnet" "$tests/TeRA.Kernels.Tests.dll" --filter "TestCategory=Gpu&$2"; }

parts=()
start() { parts+=("$2"); "$@" & }
start category hopper 'FullyQualifiedName~Hopper'
start category large 'FullyQualifiedName~real_layers'
start category others 'FullyQualifiedName!~Hopper&FullyQualifiedName!~real_layers'
start part check "$dotnet" "$tera/tera.dll" check --device cuda
start part finetune-gpu "$dotnet" "$tera/tera.dll" finetune --device cuda
start part finetune-cpu "$dotnet" "$tera/tera.dll" finetune --device cpu
for tool in memcheck racecheck initcheck synccheck; do
  start part "$tool" bash "$root/tests/gpu/sanitize.sh" "$tests" "$tool"
done
wait

failed=0
for name in "${parts[@]}"; do
  code=$(cat "$out/$name.code") skipped=$(sed -nE 's/^ *skipped: ([0-9]+).*/\1/p' "$out/$name.log" | tail -1)
  summary=$(grep -E '^ *(total|failed|skipped):|SUMMARY|read back' "$out/$name.log" | tr -s ' \n' ' ')
  printf '%-13s exit code %s %s\n' "$name" "$code" "$summary"
  [ "$code" = 0 ] && [ "${skipped:-0}" = 0 ] || failed=1
done
exit $failed
