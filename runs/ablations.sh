#!/bin/sh
# The ablations of docs/training.md on two processor cores, one seed each: 16 runs of about 15 minutes per core.
# Resumable at any point: run it again. Groups can be named: runs/ablations.sh --only camera
# It uses the view stores of train_embedded.sh and the bench; what is missing is rendered first.
set -e
export OMP_NUM_THREADS=1 MUJOCO_GL=egl LP_NUM_THREADS=1
[ -e build/bench/bench.json ] || spatialvlm evaluate --build build/bench
spatialvlm ablate --prepare
spatialvlm ablate --seeds 0 "$@" & first=$!
spatialvlm ablate --seeds 1 "$@" & second=$!
wait $first
wait $second
spatialvlm ablate --seeds 0 1 --table --write
