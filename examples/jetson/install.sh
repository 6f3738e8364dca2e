#!/bin/sh
# Installs edgefg as a service on a Jetson with JetPack 6.1 or later. It has not been run on a Jetson.
#
# Run in a checkout: sudo sh examples/jetson/install.sh [--dry-run]
#
# Says first what is missing, and by which command you get it. Running it again upgrades edgefg and keeps your files.
# --dry-run prints the commands instead of running them. EDGEFG_ROOT is a folder that stands for /, as for tests.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
root=${EDGEFG_ROOT:-}
python=$root/usr/bin/python3 # the one that JetPack's TensorRT is made for
cuda=$root/usr/local/cuda/bin
opt=$root/opt/edgefg
etc=$root/etc/edgefg

case "$#:${1:-}" in
    0:) dry_run=no ;;
    1:--dry-run) dry_run=yes ;;
    *)
        echo "usage: sudo sh install.sh [--dry-run]" >&2
        exit 2
        ;;
esac

# Jetson Linux, such as 36.4.3; empty where there is none
release=$(sed -n 's/^# R\([0-9]*\) .*REVISION: \([0-9.]*\).*/\1.\2/p' "$root/etc/nv_tegra_release" 2>/dev/null || true)

missing=no
need() { # what is missing, how to get it
    echo "missing: $1. To fix it: $2"
    missing=yes
}

answer() { # of a line of Python; empty if that fails
    "$python" -c "$1" 2>/dev/null || true
}

run() {
    echo "+ $*"
    [ "$dry_run" = yes ] || "$@"
}

write() { # file, line
    printf '%s\n' "$2" >"$1"
}

append() { # file, line
    printf '%s\n' "$2" >>"$1"
}

check_rights() {
    [ "$dry_run" = yes ] || [ "$(id -u)" = 0 ] || need "root's rights" "sudo sh $0"
}

check_jetpack() {
    case $release in
        36.[4-9]* | 3[7-9].* | [4-9][0-9].*) ;;
        '') need "a Jetson: there is no /etc/nv_tegra_release" "flash JetPack 6.1 or later by sdkmanager" ;;
        *) need "JetPack 6.1 or later: this is Jetson Linux $release" "flash it by sdkmanager" ;;
    esac
    state=$(dpkg-query --show --showformat='${db:Status-Status}' nvidia-jetpack 2>/dev/null || true)
    [ "$state" = installed ] || need "the package nvidia-jetpack" "sudo apt-get install nvidia-jetpack"
}

check_python() {
    version=$(answer 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $version in
        3.1[0-3]) ;;
        *) need "Python 3.10 to 3.13 as $python: found ${version:-none}" "sudo ln -sf python3.10 $python" ;;
    esac
    tensorrt=$(answer 'import tensorrt; print(tensorrt.__version__)')
    case $tensorrt in
        [1-9][0-9].*) ;;
        *) need "TensorRT 10 or later for $python: found ${tensorrt:-none}" "sudo apt-get install python3-libnvinfer" ;;
    esac
    # JetPack's own comes first. A wheel beside it breaks it.
    [ -n "$(answer 'import cv2; print(cv2.__version__)')" ] ||
        need "OpenCV for $python" "sudo apt-get install python3-opencv"
}

check_compilers() { # pip compiles pycuda
    [ -n "$(answer 'import ensurepip, venv; print(1)')" ] || need "venv" "sudo apt-get install python3-venv"
    headers=$(answer 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -e "${headers:-none}/Python.h" ] || need "Python's headers" "sudo apt-get install python3-dev"
    command -v g++ >/dev/null || need "a C++ compiler" "sudo apt-get install g++"
    [ -x "$cuda/nvcc" ] || need "CUDA's compiler, $cuda/nvcc" "sudo apt-get install nvidia-jetpack"
}

install_edgefg() {
    [ -x "$opt/venv/bin/pip" ] || run "$python" -m venv --system-site-packages "$opt/venv"
    # JetPack's cv2 is made for its NumPy, and its driver for CUDA 12 up to JetPack 6.
    run write "$opt/constraints.txt" "numpy==$(answer 'import numpy; print(numpy.__version__)')"
    case $release in 36.*) run append "$opt/constraints.txt" "cuda-bindings<13" ;; esac
    run env "PATH=$cuda:$PATH" \
        "$opt/venv/bin/pip" install --upgrade --constraint "$opt/constraints.txt" "${checkout}[tensorrt,watch]"
    [ -d "$opt/bundle" ] || run "$opt/venv/bin/edgefg" compile --target tensorrt --out "$opt/bundle"
}

install_service() {
    id edgefg >/dev/null 2>&1 || run useradd --system --home-dir /var/lib/edgefg --shell /usr/sbin/nologin edgefg
    run mkdir -p "$etc"
    if [ ! -e "$etc/watch.yaml" ]; then
        run cp "$here/watch.yaml" "$etc/watch.yaml"
        run chgrp edgefg "$etc/watch.yaml"
        run chmod 640 "$etc/watch.yaml" # its addresses may hold passwords
    fi
    run cp "$here/edgefg-watch.service" "$root/etc/systemd/system/edgefg-watch.service"
    run systemctl daemon-reload
    run systemctl enable edgefg-watch.service
    run systemctl try-restart edgefg-watch.service # the upgrade of one that runs
}

check_rights
check_jetpack
check_python
check_compilers
[ "$missing" = no ] || exit 1
install_edgefg
install_service
echo "Name your cameras in /etc/edgefg/watch.yaml. Then: sudo systemctl start edgefg-watch"
