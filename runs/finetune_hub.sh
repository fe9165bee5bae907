#!/bin/sh
# A hub model on a data set of your own camera: LoRA, then calibration. Run it again and it goes on where it stopped.
#   runs/finetune_hub.sh Qwen/Qwen2.5-VL-3B-Instruct data/kitchen adapters/kitchen       # one accelerator of 24 GB
#   runs/finetune_hub.sh HuggingFaceTB/SmolVLM-256M-Instruct data/kitchen adapters/small \
#       --set steps=100 --set batch_size=1 --set accumulate=4                            # a CPU
# The fourth argument and all after it go to `spatialvlm finetune`. CALIBRATE names views that were not trained on: a data
# set, or by default a split of the simulation.
set -e
[ $# -ge 3 ] || { echo "usage: $0 MODEL DATA OUT [OPTION ...]" >&2; exit 2; }
model=$1 data=$2 out=$3
shift 3
spatialvlm finetune "$model" --data "$data" --out "$out" "$@"
MUJOCO_GL="${MUJOCO_GL:-egl}" spatialvlm calibrate "$out" "${CALIBRATE:-calibrate}"
