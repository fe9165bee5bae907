#!/bin/sh
# Judges the rewards of the embedded model on simulated episodes that no training uses (docs/rewards.md). Run it again
# and it goes on where it stopped.
#   runs/judge_rewards.sh                                              # 50 of each outcome: some hours on an accelerator
#   EPISODES=4 runs/judge_rewards.sh --tasks pick --width 320 --height 240   # two processor cores: half an hour
# OUT and EPISODES come from the environment; all arguments go to the judge (--help lists them).
set -e
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MUJOCO_GL="${MUJOCO_GL:-egl}" LP_NUM_THREADS="${LP_NUM_THREADS:-1}"
exec "${PYTHON:-python3}" -m spatialvlm_ros.rewards.judging.run \
    --out "${OUT:-output/rewards}" --episodes "${EPISODES:-50}" "$@"
