#!/usr/bin/env bash
# Builds Release, publishes the console tool, runs every benchmark and writes a table of each into a folder. See bench/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

usage() {
  cat <<'TEXT'
usage: bench/run-all.sh [--quick] [--results FOLDER] [--threads N] [--only NAME,NAME]
  --quick           fewer rounds and steps, small sizes only: shows that everything runs
  --results FOLDER  where the tables go (default bench/results/avx512-amx, avx512-bf16 or avx2, whichever this CPU is; with --quick artifacts/bench/quick)
  --threads N       threads of the benchmarks that take the option (default all)
  --only NAMES      only these tables, for example epoch,memory
TEXT
}

quick=""
results=""
threads=""
only=""
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) quick=1; shift ;;
    --results) results="$2"; shift 2 ;;
    --threads) threads="--threads $2"; shift 2 ;;
    --only) only=",$2,"; shift 2 ;;
    *) usage >&2; exit 2 ;;
  esac
done
kind=avx2
if grep -qs avx512_bf16 /proc/cpuinfo; then kind=avx512-bf16; fi
if grep -qs amx_bf16 /proc/cpuinfo; then kind=avx512-amx; fi
results="${results:-$([ -n "$quick" ] && echo artifacts/bench/quick || echo "bench/results/$kind")}"
mkdir -p "$results"

# Compiled ahead of time for this platform, as a user would publish it.
rid() {
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) echo linux-x64 ;;
    Darwin-arm64) echo osx-arm64 ;;
    *) echo win-x64 ;;
  esac
}
tool=artifacts/bench/finemix
dotnet publish samples/FineMixing.Cli -c Release -r "$(rid)" --self-contained false -o "$tool" -v quiet
dotnet build bench/FineMixing.Benchmarks -c Release -v quiet
program="bench/FineMixing.Benchmarks/bin/Release/net10.0/FineMixing.Benchmarks.dll"

# table NAME COMMAND [options]: one benchmark, its table in NAME.md.
failed=""
table() {
  local name=$1
  shift
  if [ -n "$only" ] && [[ "$only" != *",$name,"* ]]; then return; fi
  local start=$SECONDS
  echo "== $name: $*"
  dotnet "$program" "$@" --output "$results/$name.md" || failed="$failed $name"
  echo "== $name took $((SECONDS - start)) s"
}

# Real sentences where they are at hand.
shared=()
if [ -n "${FINEMIXING_SHARED:-}" ]; then shared=(--shared "$FINEMIXING_SHARED"); fi

# shellcheck disable=SC2086 # $threads is an option and its value.
if [ -n "$quick" ]; then
  table kernels kernels --job dry
  table mixing mixing --millions 20 --rounds 1
  table epur epur --small --rounds 1
  table files files --megabytes 100 --rounds 1 --cli "$tool/finemix"
  table files-memory files-memory --megabytes 100,1500 --rounds 1 --cli "$tool/finemix"
  table optimizer optimizer --sizes minilm --rounds 2 $threads
  table training-minilm training --sizes minilm --steps 1 --rounds 1 $threads
  table evaluation evaluation --sizes minilm --rounds 1 $threads
  table epoch epoch --batches 8 --naive-batches 1 --rounds 1 --no-warm-up ${shared[@]+"${shared[@]}"} $threads
  table sidebyside sidebyside --runs 2 --epochs 1 --rounds 1 --no-warm-up $threads
  table loss loss --steps 60 --seeds 1 $threads
  table memory memory --sizes minilm --tokens 64 --steps 2 $threads
  table defence-minilm defence --sizes minilm --epochs 2 --rounds 1 --no-warm-up --cli "$tool/finemix" $threads
else
  table kernels kernels --job short
  table mixing mixing --rounds 5
  table epur epur --rounds 5
  table files files --cli "$tool/finemix"
  table files-memory files-memory --cli "$tool/finemix"
  table optimizer optimizer --rounds 5 $threads
  table training-minilm training --sizes minilm --steps 4 --rounds 5 $threads
  table training-base training --sizes base --steps 2 --rounds 3 $threads
  table evaluation evaluation --rounds 3 $threads
  table epoch epoch --batches 64 --naive-batches 2 --rounds 2 --no-warm-up ${shared[@]+"${shared[@]}"} $threads
  table sidebyside sidebyside --rounds 3 --no-warm-up $threads
  table loss loss --steps 150 --seeds 3 $threads
  table memory memory --tokens 64 --steps 4 $threads
  table memory-long memory --tokens 256 --steps 2 $threads
  table defence-minilm defence --sizes minilm --rounds 3 --no-warm-up --cli "$tool/finemix" $threads
  table defence-base defence --sizes base --rounds 1 --no-warm-up --cli "$tool/finemix" $threads
fi

echo "All took $((SECONDS / 60)) min $((SECONDS % 60)) s; the tables are in $results."
if [ -n "$failed" ]; then
  echo "failed:$failed" >&2
  exit 1
fi
