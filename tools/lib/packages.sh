# Debian packages for the commands in tools/: sourced, not run.
#
#   weft_install PACKAGE...     installs what is not there; nothing happens when all of it is
#
# Works as root or with sudo, in a system without package lists as well. Prints what it installs, and
# apt's own words only when something fails.

# What it takes to build the library and run programs on it.
weft_build_packages=(gcc libc6-dev cmake ninja-build pkg-config liburing-dev)

# What the whole suite needs besides: sanitizers, the other processor, the floor's kernel, debuggers,
# the checker of models, what the examples bridge to, and their peers, the manual pages.
weft_check_packages=(
    "${weft_build_packages[@]}"
    g++ check libsubunit-dev libbenchmark-dev
    clang libclang-rt-14-dev llvm clang-format binutils python3 git
    gdb valgrind libc6-dbg spin
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
    qemu-system-x86 cpio
    libcurl4-openssl-dev libssl-dev openssl curl libuv1-dev libglib2.0-dev iperf3 redis-server redis-tools
    libc-ares-dev dnsmasq-base e2fsprogs
    scdoc mandoc
)

# The runtimes that tools/bench-spine --peers measures weft against; nothing else takes them.
weft_peer_packages=(libuv1-dev libasio-dev golang-go cargo rustc librust-tokio-dev)

# What tools/bench-servers measures weft's own programs against; it does without.
weft_servers_packages=(haproxy)

weft_missing() {
    local package
    for package in "$@"; do
        case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) in
            ii*) ;;
            *) echo "$package" ;;
        esac
    done
}

weft_as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "this needs root, or sudo: $*" >&2
        return 1
    fi
}

# apt-get without questions, waiting for another apt to end, silent unless it fails.
weft_apt() {
    local log status=0
    log=$(mktemp)
    weft_as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        apt-get -y -qq -o DPkg::Lock::Timeout=600 "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 20 "$log" >&2
    fi
    rm -f "$log"
    return "$status"
}

weft_install() {
    local missing
    if ! command -v apt-get >/dev/null; then
        echo "no apt-get here: install by hand what corresponds to $*" >&2
        return 0
    fi
    mapfile -t missing < <(weft_missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "installing ${missing[*]}"
    # Lists may be missing or older than the archive: they are fetched when it takes them.
    if ! apt-cache show "${missing[@]}" >/dev/null 2>&1; then
        weft_apt update || return 1
    fi
    weft_apt install --no-install-recommends "${missing[@]}" 2>/dev/null && return 0
    weft_apt update && weft_apt install --no-install-recommends "${missing[@]}"
}
