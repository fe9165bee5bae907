#!/usr/bin/env bash
# Builds the messages, services and actions for a spatialvlm_ros that pip installed; it finds them by itself afterwards.
#   tools/ros_interfaces.sh [PYTHON]
# ROS is either sourced (setup.bash), or installed as wheels beside that Python.
set -euo pipefail

python=$(command -v "${1:-python3}")
case $python in /*) ;; *) python=$PWD/$python ;; esac
repository=$(cd "$(dirname "$0")/.." && pwd)
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" # here only an installed spatialvlm_ros can be imported

mapfile -t facts < <("$python" - <<'PY'
import sys

try:
    from spatialvlm_ros.ros.built_interfaces import folder_to_build_in
except ImportError as error:
    sys.exit(f"Install the package first (pip install .): {error}")
print(sys.prefix, f"python{sys.version_info.major}.{sys.version_info.minor}", folder_to_build_in(), sep="\n")
PY
)
if [ ${#facts[@]} != 3 ]; then exit 1; fi
prefix=${facts[0]} version=${facts[1]} target=${facts[2]}

if [ -f "$prefix/share/rosidl_default_generators/package.xml" ]; then # wheels
  export PATH="$prefix/bin:$PATH"
  export CMAKE_PREFIX_PATH="$prefix${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}"
  export AMENT_PREFIX_PATH="$prefix${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
elif [ -z "${AMENT_PREFIX_PATH:-}" ]; then
  echo "No ROS: source its setup.bash first, or install it with tools/ros_environment.sh." >&2
  exit 1
fi

# In a copy: CMake refuses include folders that lie inside the sources, and a virtual environment often does.
cp -r "$repository"/{CMakeLists.txt,package.xml,msg,srv,action} "$work"
generator=()
if command -v ninja > /dev/null; then generator=(-G Ninja); fi
run() { "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }; }
run cmake "${generator[@]}" -S "$work" -B "$work/build" -DINTERFACES_ONLY=ON -DBUILD_TESTING=OFF \
  -DPython3_EXECUTABLE="$python" -DPYTHON_INSTALL_DIR="$version" -DCMAKE_INSTALL_PREFIX="$target"
run cmake --build "$work/build" --parallel 2
rm -rf "$target"
run cmake --install "$work/build"
"$python" -c 'import spatialvlm_ros.msg, spatialvlm_ros.geometry; print(spatialvlm_ros.msg.__file__)'
