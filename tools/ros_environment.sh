#!/usr/bin/env bash
# A real ROS 2 in a virtual environment, from wheels: for machines without a ROS installation (the tests use it).
#   tools/ros_environment.sh kilted .venv-kilted [.venv]
# The third argument is an environment whose packages (torch, transformers, ...) are seen from the new one.
set -euo pipefail

distro=$1
folder=$2
beneath=${3:-}
python=${PYTHON:-python3}

packages=(
  "ros-$distro-rclpy[fastrtps]"
  # the ones of other distros' names
  ros-python-cmake-module ros-fastrtps-cmake-module
  # what colcon and the generators need
  "empy==3.3.4" lark catkin_pkg "cmake<4" ninja "setuptools<80" wheel pytest colcon-common-extensions
)
for name in std-msgs std-srvs sensor-msgs geometry-msgs diagnostic-msgs visualization-msgs nav-msgs \
  rosidl-default-generators rosidl-core-generators ament-cmake ament-cmake-python ament-package pybind11-vendor \
  ament-cmake-include-directories ament-cmake-gmock ament-cmake-gtest ament-cmake-pytest ament-cmake-ros \
  uncrustify-vendor; do
  packages+=("ros-$distro-$name")
done
if [ "$distro" = kilted ]; then packages+=(ros-ament-cmake-ros-core); fi
# The exported CMake files want NumPy beside them; the same version as beneath, because this one is seen first.
packages+=(numpy)

"$python" -m venv "$folder"
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
here=$(cd "$folder" && pwd)
site=$("$here/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
rm -f "$site/_beneath.pth" # until the end: pip would leave out what it sees beneath
"$here/bin/python" -m pip install -q --disable-pip-version-check \
  -c "$(dirname "$0")/../constraints.txt" "${packages[@]}" 2>&1 | { grep -v '^WARNING' || true; }

if [ -n "$beneath" ]; then
  "$beneath/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/_beneath.pth"
fi

# The exported CMake files name the folders of the machine that built the wheels.
"$here/bin/python" - <<'PY'
import re
import sysconfig
from pathlib import Path

include, site = sysconfig.get_path("include"), sysconfig.get_path("purelib")
pattern = re.compile(r"/opt/python/cp\d+-cp\d+/(include/python3\.\d+|lib/python3\.\d+/site-packages)")
root = Path(sysconfig.get_path("data"))
for path in root.rglob("*.cmake"):
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    fixed = pattern.sub(lambda m: include if m[1].startswith("include") else site, text)
    if fixed != text:
        path.write_text(fixed, encoding="utf-8", errors="surrogateescape")
PY

# What robots' frames come in; the wheels lack it. ROS from apt has the whole package.
if ! "$here/bin/python" -c 'import tf2_msgs.msg' 2> /dev/null; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cp -r "$(dirname "$0")/tf2_msgs" "$work/source"
  run() { "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }; }
  export PATH="$here/bin:$PATH" CMAKE_PREFIX_PATH="$here" AMENT_PREFIX_PATH="$here"
  run cmake -G Ninja -S "$work/source" -B "$work/build" -Wno-dev "-DPython3_EXECUTABLE=$here/bin/python" \
    "-DPYTHON_INSTALL_DIR=${site#"$here/"}" "-DCMAKE_INSTALL_PREFIX=$here"
  run cmake --build "$work/build" --parallel 2
  run cmake --install "$work/build"
  "$here/bin/python" -c 'import tf2_msgs.msg'
fi
