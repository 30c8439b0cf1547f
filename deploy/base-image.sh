#!/usr/bin/env bash
# Makes the base image for the Dockerfile from Debian packages alone, for a machine that cannot pull
# one: debootstrap (minbase) → `docker import`. With a registry at hand, skip this: the Dockerfile's
# default BASE is an ordinary Node image. Needs root, debootstrap and a running Docker engine.
#
#   sudo deploy/base-image.sh [TAG]      (default TAG: weijifen-base:bookworm)
#
# Debian's own Node and npm only carry `npm ci`; the services run on the Node that it installs.
set -euo pipefail

tag=${1:-weijifen-base:bookworm}
suite=bookworm
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}

# npm's hundreds of packages need apt: debootstrap cannot order their configuration. libatomic1: Node
# 26's binary links against it. No compiler: no dependency is built from source.
cp /etc/resolv.conf "$root/etc/resolv.conf"
chroot "$root" apt-get update --quiet
DEBIAN_FRONTEND=noninteractive chroot "$root" \
  apt-get install --quiet --yes --no-install-recommends nodejs npm libatomic1

# The certificate authorities that this host was told to trust, so that npm works behind its proxy.
if compgen -G "/usr/local/share/ca-certificates/*.crt" > /dev/null; then
  cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
  chroot "$root" update-ca-certificates
fi

rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* \
  "$root/etc/resolv.conf" "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/*

tar --create --numeric-owner --directory "$root" --exclude ./dev --exclude ./proc --exclude ./sys . |
  docker import --change 'CMD ["bash"]' --change 'ENV LANG=C.UTF-8' - "$tag"
docker image ls "$tag"
