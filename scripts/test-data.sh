#!/bin/sh
# Installs what some tests need beyond a Rust toolchain, where that is possible: as root, on Debian
# or one of its kin, with a network. Where it is not, those tests say that they were skipped and why.
# MAMONT_TEST_INSTALL=0 installs nothing.
set -eu

# Real data, and tools that look at a server from outside.
wanted="unicode-data wamerican wbritish netcat-openbsd strace"

if [ "${MAMONT_TEST_INSTALL:-1}" = 0 ]; then
    echo "test-data: installs nothing, as told"
    exit 0
fi
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "test-data: no apt-get here; install by hand: $wanted"
    exit 0
fi
missing=""
for package in $wanted; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "test-data: only root can install$missing; some tests will be skipped"
    exit 0
fi

install() {
    # shellcheck disable=SC2086 # the packages are words of their own
    DEBIAN_FRONTEND=noninteractive timeout 180 apt-get -q -y \
        -o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o DPkg::Lock::Timeout=30 \
        install --no-install-recommends $missing >/dev/null 2>&1
}

echo "test-data: installing$missing"
install || {
    # The lists of packages may be old, or absent as in a fresh container.
    timeout 120 apt-get -q -o Acquire::Retries=1 -o Acquire::http::Timeout=15 update \
        >/dev/null 2>&1 || true
    install || echo "test-data: could not install$missing; some tests will be skipped"
}
