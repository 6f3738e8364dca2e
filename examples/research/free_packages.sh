#!/bin/sh
# Unpacks the packages whose pictures free_data.py reads into FOLDER; nothing is installed.
# Run: sh examples/research/free_packages.sh FOLDER [--share-alike]
set -eu
folder=${1:?"usage: free_packages.sh FOLDER [--share-alike]"}
debian="blender-data mypaint-data-extras"
[ "${2:-}" = --share-alike ] && debian="$debian mate-backgrounds plasma-workspace-wallpapers"
mkdir -p "$folder/python" && folder=$(cd "$folder" && pwd)
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
# shellcheck disable=SC2086
apt-get download $debian
for package in *.deb; do
    dpkg-deb -x "$package" "$folder"
    dpkg-deb -f "$package" Package Version
done > "$folder/packages.txt"
pip install --quiet --no-deps --no-compile --upgrade --target "$folder/python" scikit-image scikit-learn
