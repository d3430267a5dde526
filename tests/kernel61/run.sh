#!/bin/sh
# Runs static programs on Debian's own 6.1 kernel, under emulation.
#
#   run.sh CACHE_DIR INIT PROGRAM...
#
# Prints how each program ended. Exit status 0 when all ran and all ended with 0; 1 when one did not,
# or the guest did not come to its end; 2 when it could not be tried.
#
# Environment: GUEST_CPUS (1), GUEST_LIMIT seconds for each program (120), GUEST_TOTAL seconds for
# everything (600), GUEST_SKIP: cases that are left out, apart by commas, GUEST_SKIP_SHORT: more of them,
# unless WEFT_LONG is set.
#
# The kernel is downloaded once, by apt-get, into CACHE_DIR; nothing is installed. Emulated without
# kvm: where the host is itself a virtual machine, nested kvm may hang instead of failing.
set -eu

cache=$1
init=$2
shift 2
cpus=${GUEST_CPUS:-1}
limit=${GUEST_LIMIT:-120}
total=${GUEST_TOTAL:-600}
skip=${GUEST_SKIP:-}
[ "${WEFT_LONG:-0}" != 0 ] || skip=$skip,${GUEST_SKIP_SHORT:-}
release=6.1

cannot() {
    echo "kernel61: $*" >&2
    exit 2
}

need() {
    command -v "$1" >/dev/null || cannot "$1 is missing: apt-get install $2"
}

# Leaves the kernel image in $cache/vmlinuz-6.1.*. Two runs at once do no harm: the image appears whole,
# by a rename.
fetch_kernel() {
    need apt-get apt
    need dpkg-deb dpkg
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
        sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
    case $package in
    "linux-image-$release."*) ;;
    '') cannot "apt knows no linux-image-cloud-amd64: apt-get update" ;;
    *) cannot "this is not Debian 12: its cloud kernel is $package, not $release" ;;
    esac
    (cd "$work" && apt-get download "$package" >download.log 2>&1) ||
        cannot "cannot download $package: $(tail -n 1 "$work/download.log")"
    dpkg-deb --fsys-tarfile "$work"/linux-image-*.deb | tar -x -C "$work" --wildcards './boot/vmlinuz-*'
    mv "$work"/boot/vmlinuz-* "$cache/"
}

# Programs run in the order given: the archive gives each a number.
pack() {
    mkdir -p "$work/root/tests"
    cp "$init" "$work/root/init"
    number=100
    for program; do
        readelf -lW "$program" | grep -q INTERP && cannot "$program is not static"
        cp "$program" "$work/root/tests/$number-$(basename "$program")"
        number=$((number + 1))
    done
    chmod 755 "$work/root/init" "$work/root/tests"/*
    (cd "$work/root" && find . | cpio --quiet -o -H newc) >"$work/initramfs"
}

boot() {
    timeout --kill-after=5 "$total" qemu-system-x86_64 \
        -accel tcg -cpu max -smp "$cpus" -m 1536 \
        -kernel "$kernel" -initrd "$work/initramfs" \
        -append "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off guest_limit=$limit guest_skip=$skip" \
        -display none -monitor none -serial stdio -net none -no-reboot </dev/null |
        tr -d '\r' | tee "$work/console"
}

# The last word of the guest on one program: HOW STATUS MILLISECONDS, or nothing.
ending() {
    sed -n "s/^guest: \([a-z]*\) $1 \([0-9]* [0-9]*\)$/\1 \2/p" "$work/console" | tail -n 1
}

# Everything must have been said: a guest that died half-way has not passed.
judge() {
    bad=0
    echo
    grep '^guest: uname' "$work/console" || bad=1
    for path in "$work/root/tests"/*; do
        name=$(basename "$path")
        how='' status='' ms=''
        read -r how status ms <<END || :
$(ending "$name")
END
        case "$how $status" in
        'exit 0') echo "passed  $name ($ms ms)" && continue ;;
        'exit '*) echo "FAILED  $name: exit status $status" ;;
        'signal '*) echo "FAILED  $name: signal $status" ;;
        'timeout '*) echo "FAILED  $name: not done in $limit s" ;;
        *) echo "FAILED  $name: the guest did not say how it ended" ;;
        esac
        bad=1
    done
    if ! grep -q '^guest: done' "$work/console"; then
        echo "FAILED  the guest was not done after $seconds s of at most $total s"
        bad=1
    fi
    echo "the guest took $seconds s"
    return $bad
}

[ $# -gt 0 ] || cannot "no programs given"
need qemu-system-x86_64 qemu-system-x86
need cpio cpio
need readelf binutils
mkdir -p "$cache"
work=$(mktemp -d "$cache/run.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM

ls "$cache"/vmlinuz-"$release".* >/dev/null 2>&1 || fetch_kernel
# shellcheck disable=SC2012 # names of kernels hold nothing odd
kernel=$(ls "$cache"/vmlinuz-"$release".* | sort -V | tail -n 1)
pack "$@"
started=$(date +%s)
boot || :
seconds=$(($(date +%s) - started))
judge
