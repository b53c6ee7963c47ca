#!/usr/bin/env bash
# The tools of compute-sanitizer over a reduced list of GPU tests; exits non-zero on the first report.
#   tests/gpu/sanitize.sh [FOLDER OF THE PUBLISHED TESTS [TOOL…]]      default: the Release build of this clone, all four tools
# The tools slow kernels 10 to 100 times: the list takes integers, odd sizes and every kernel family, and no large layer.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
tests=${1:-$root/tests/TeRA.Kernels.Tests/bin/Release/net10.0}
tools=("${@:2}"); [ ${#tools[@]} -gt 0 ] || tools=(memcheck racecheck initcheck synccheck)
list='FullyQualifiedName~Signs_give_the_bits|FullyQualifiedName~Integers_are_exact|FullyQualifiedName~Integers_through'
list+='|FullyQualifiedName~The_core_is_scaled|FullyQualifiedName~Optimisers_walk|FullyQualifiedName~Any_number_of_rows'
list+='|FullyQualifiedName~of_signs_|FullyQualifiedName~Every_cut_is_exact|FullyQualifiedName~Blocks_are_exact|FullyQualifiedName~An_addend_is_added'
for tool in "${tools[@]}"; do
  echo "== $tool"
  compute-sanitizer --tool "$tool" --error-exitcode 9 --target-processes all \
    "${DOTNET:-dotnet}" "$tests/TeRA.Kernels.Tests.dll" --filter "TestCategory=Gpu&($list)" | grep -E 'ERROR SUMMARY|RACECHECK SUMMARY|total:|failed:|skipped:'
done
