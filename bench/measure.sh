#!/usr/bin/env bash
# Measures on this machine's GPU and writes one table and one JSON file for each part.
#
#   bash bench/measure.sh FOLDER [PART ...]      for example: bash bench/measure.sh bench/results/h100
#
# Parts, all by default: products layers steps regret host peers. peers needs python3 with torch and peft.
# TERA_BENCH names the benchmark program where it was built elsewhere; PYTHON names the Python.
# Close other programs that use the GPU first. All parts take about five minutes on an H100.
set -uo pipefail
[ $# -gt 0 ] || { sed -n 2,8p "$0"; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
folder=$1; shift
parts=("$@"); [ ${#parts[@]} -gt 0 ] || parts=(products layers steps regret host peers)
read -ra bench <<< "${TERA_BENCH:-dotnet run -c Release --project $here/TeRA.Kernels.Benchmarks --}"
date=$(date -u +%F); failed=0
mkdir -p "$folder"

for part in "${parts[@]}"; do
  file="$folder/$date-$part"; started=$SECONDS
  case $part in
    peers) command=("${PYTHON:-python3}" "$here/peers/measure_peers.py" --json "$file.json") ;;
    *) command=("${bench[@]}" "$part" --json "$file.json") ;;
  esac
  if "${command[@]}" > "$file.txt" 2> "$file.err"; then rm "$file.err"; else
    echo "$part failed with exit code $?; $file.err says why"; tail -3 "$file.err"; failed=1
  fi
  echo "$part: $((SECONDS - started)) s"
done

"${bench[@]}" compare --results "$folder" || true
echo "The plot and the README's table are made from these files by the program's commands 'plot' and 'readme', with --results $folder."
exit $failed
