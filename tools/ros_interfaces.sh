#!/usr/bin/env bash
# Builds the messages, services and actions for a spatialvlm_ros that pip installed; it finds them by itself afterwards.
#   tools/ros_interfaces.sh [PYTHON]
# ROS is either sourced (setup.bash), or installed as wheels beside that Python.
set -euo pipefail

python=$(command -v "${1:-python3}")
repository=$(cd "$(dirname "$0")/.." && pwd)
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
read -r prefix scripts version <<< "$("$python" - <<'PY'
import sys
import sysconfig

print(sys.prefix, sysconfig.get_path("scripts"), f"python{sys.version_info.major}.{sys.version_info.minor}")
PY
)"
target=$("$python" -c 'from spatialvlm_ros.ros.built_interfaces import folder_to_build_in; print(folder_to_build_in())')

if [ -f "$prefix/share/rosidl_default_generators/package.xml" ]; then # wheels
  export PATH="$scripts:$PATH"
  export CMAKE_PREFIX_PATH="$prefix${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}"
  export AMENT_PREFIX_PATH="$prefix${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
elif [ -z "${AMENT_PREFIX_PATH:-}" ]; then
  echo "No ROS: source its setup.bash first, or install it with tools/ros_environment.sh." >&2
  exit 1
fi

# In a copy: CMake refuses include folders that lie inside the sources, and a virtual environment often does.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
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
