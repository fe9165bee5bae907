#!/bin/sh
# Measures chains of thought (docs/reasoning.md): generated questions with exact truth about rendered views of a split that
# no training uses, asked of exact geometry, of the embedded model with and without depth, and of a grey nothing. Run it
# again and it asks what is missing.
#   runs/reasoning.sh                              # 80 views, 2 x 384 questions: 10 minutes on one processor core
#   runs/reasoning.sh --split new_cameras --write build/page.md
# OUT comes from the environment; all arguments go to the command (spatialvlm reason --help lists them).
set -e
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" MUJOCO_GL="${MUJOCO_GL:-egl}" LP_NUM_THREADS="${LP_NUM_THREADS:-1}"
exec "${PYTHON:-python3}" -m spatialvlm_ros.cli.main reason --suite --scenes 80 --out "${OUT:-output/reasoning}" "$@"
