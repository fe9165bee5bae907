#!/bin/sh
# The full-size embedded model on one accelerator. On a machine without a network: make gpu-bundle, and see train.sh in it.
set -e
export MUJOCO_GL=egl
spatialvlm train --config config/train/embedded_gpu.yaml "$@"
spatialvlm calibrate output/train/embedded_gpu/model calibrate
