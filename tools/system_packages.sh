#!/usr/bin/env bash
# Brings the system libraries that headless rendering, OpenCV and venv need: installs them when run as root on
# Debian/Ubuntu, otherwise says in one line what to install.
set -euo pipefail

need=()
have_library() { ldconfig -p 2>/dev/null | grep -q "$1"; }
have_library libEGL.so.1 || need+=(libegl1)
ls /usr/lib/*/libEGL_mesa.so.0 /usr/lib/libEGL_mesa.so.0 >/dev/null 2>&1 || ls /usr/lib/*/libEGL_nvidia.so.0 >/dev/null 2>&1 || need+=(libegl-mesa0)
have_library libOSMesa.so || need+=(libosmesa6)
have_library libGL.so.1 || need+=(libgl1)
have_library libglib-2.0.so.0 || need+=(libglib2.0-0)
ls /usr/lib/*/dri/swrast_dri.so /usr/lib/*/dri/*_dri.so >/dev/null 2>&1 || need+=(libgl1-mesa-dri)
"${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || need+=(python3-venv)
command -v "${PYTHON:-python3}" >/dev/null || need+=(python3)
# The asset pack is built from a Debian package that is only downloaded and unpacked, never installed.
command -v dpkg-deb >/dev/null || need+=(dpkg)

wants_lists=no
if command -v apt-cache >/dev/null && ! apt-cache show sweethome3d-furniture >/dev/null 2>&1; then wants_lists=yes; fi

if [ ${#need[@]} -eq 0 ] && [ "$wants_lists" = no ]; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  if [ ${#need[@]} -gt 0 ]; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
  fi
  exit 0
fi
if [ ${#need[@]} -eq 0 ]; then exit 0; fi
echo "Missing system packages. As root: apt-get update && apt-get install -y ${need[*]}" >&2
exit 1
