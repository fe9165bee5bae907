#!/bin/sh
# SAC learns to reach with the reward of a vision-language model, the true one and the sparse one
# (docs/reinforcement_learning.md). Needs the extras sim, models, rl and report. Run it again and it goes on where it
# stopped.
#   runs/sac_reach.sh                                    # nine runs of 10,000 steps: half an hour of one idle core
#   STEPS=1500 SEEDS=0 runs/sac_reach.sh                 # a few minutes
#   REWARDS=each_picture runs/sac_reach.sh               # looks at every picture: some hours
set -e
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MUJOCO_GL="${MUJOCO_GL:-egl}" LP_NUM_THREADS="${LP_NUM_THREADS:-1}"
out="${OUT:-output/sac_reach}"
for seed in ${SEEDS:-0 1 2}; do
    for reward in ${REWARDS:-remembered true sparse}; do
        "${PYTHON:-python3}" -m spatialvlm_ros.rewards.examples.sac_reach \
            --reward "$reward" --seed "$seed" --steps "${STEPS:-10000}" --out "$out" "$@"
    done
done
exec "${PYTHON:-python3}" -m spatialvlm_ros.rewards.examples.sac_plot "$out"
