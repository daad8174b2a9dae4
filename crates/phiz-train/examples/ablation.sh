#!/usr/bin/env bash
# Which network learns most in the same time? Trains each for so many seconds of one thread and prints held-out figures.
#
#   cargo build --release -p phiz --features libtorch && cargo build --release -p phiz-train --features libtorch --example speed
#   PHIZ=target/release/phiz SPEED=target/release/examples/speed \
#     crates/phiz-train/examples/ablation.sh SHARDS FOLDER SECONDS SIDE NETWORK...
#
# The steps of a network follow from its speed, measured first; the recipe is otherwise the same: distillation and
# relations to the teacher whose templates the shards hold. Run alone, or two at a time on two cores.
set -euo pipefail
[ $# -ge 5 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
shards=$1 folder=$2 seconds=$3 side=$4
shift 4
batch=64
mkdir -p "$folder"
for network in "$@"; do
  # The last number of the line is what the back end reaches; the loader takes a part of the same core.
  speed=$("$SPEED" libtorch-bf16 "$network" "$side" "$batch" 1 6 | sed -n 's/.*: \([0-9.]*\) images.*/\1/p')
  steps=$(awk -v s="$seconds" -v v="$speed" -v b="$batch" 'BEGIN { print int(s * 0.85 * v / b) }')
  cat >"$folder/$network.toml" <<TOML
network = "$network"
seed = 11
batch = $batch
average = 0.99
[[stages]]
size = $side
schedule = { rate = 2e-3, warmup = $((steps / 20)), steps = $steps, fall = 1.0 }
[embed]
distil = 1.0
relations = 4.0
TOML
  began=$(date +%s)
  "$PHIZ" --threads 1 train embedder "$folder/$network.toml" --data "$shards" --run "$folder/$network" --plain \
    --evaluate-every 1000000 >"$folder/$network.log" 2>&1
  echo "$network: $steps steps of $batch at $side px, $speed images/s alone, $(($(date +%s) - began)) s in all:" \
    "$(grep '^held out' "$folder/$network.log" | tail -1)"
done
