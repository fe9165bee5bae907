#!/usr/bin/env bash
# Builds and tests this package with colcon in a workspace of its own, against the ROS of one environment.
#   tools/ros_workspace.sh .venv-kilted build/ros-kilted [test name pattern]
set -euo pipefail

environment=$(cd "$1" && pwd)
mkdir -p "$2"
workspace=$(cd "$2" && pwd)
pattern=${3:-.}
cd "$(dirname "$0")/.."

# A copy: CMake refuses include folders that lie inside the sources, and the environment does.
rm -rf "$workspace/src"
mkdir -p "$workspace/src/spatialvlm_ros"
parts=(CMakeLists.txt package.xml setup.py setup.cfg pyproject.toml)
parts+=(scripts msg srv action config launch spatialvlm_ros test/ros_graph)
# What the tests run: a page with its picture, servers, a recording.
parts+=(docs/reasoning.md docs/images/reasoning.jpg test/models/remote test/conftest.py)
tar --create --exclude=__pycache__ "${parts[@]}" | tar --extract --directory "$workspace/src/spatialvlm_ros"

unset _ROS_WHEELS_BOOTSTRAP_COMPLETE PYTHONPATH
export PATH="$environment/bin:$PATH" CMAKE_PREFIX_PATH="$environment" AMENT_PREFIX_PATH="$environment"
export OMP_NUM_THREADS=1 CTEST_PARALLEL_LEVEL=2
cd "$workspace"
# Results of an earlier run would be reported again.
rm -rf build/*/test_results
colcon --log-level error build --executor sequential --event-handlers console_stderr+ summary+ \
  --cmake-args -G Ninja "-DPython3_EXECUTABLE=$environment/bin/python" -Wno-dev
colcon --log-level error test --executor sequential --event-handlers summary+ \
  --packages-select spatialvlm_ros --ctest-args -R "$pattern" --no-tests=error
colcon test-result --verbose --test-result-base build/spatialvlm_ros/test_results
