#!/bin/sh
# The embedded model on two processor cores: rendering and training in one sitting of 150 minutes, resumable.
# A later run can warm-start: add --set start_from=spatialvlm_ros/models/embedded/shipped
set -e
export OMP_NUM_THREADS=1 MUJOCO_GL=egl LP_NUM_THREADS=1
torchrun --nproc_per_node 2 -m spatialvlm_ros.cli.main train --config config/train/embedded.yaml "$@"
spatialvlm calibrate output/train/embedded/model calibrate
[ -e build/bench/bench.json ] || spatialvlm evaluate --build build/bench
spatialvlm evaluate output/train/embedded/model build/bench --train-store build/train_store --out output/evaluate/embedded
