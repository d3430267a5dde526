#!/usr/bin/env bash
# Builds and runs a consumer project.
#
#   consume.sh install SOURCE BUILD WORK            installs BUILD into WORK/prefix
#   consume.sh find_package|add_subdirectory|pkg_config SOURCE BUILD WORK
#   consume.sh clean SOURCE BUILD WORK
set -euo pipefail
kind=$1 source=$2 build=$3 work=$4
here=$source/tests/package
prefix=$work/prefix
programs=(c_weft c_static cc_weft cc_static)
cc=${CC:-gcc} cxx=${CXX:-g++}
beside=(names) # the libraries beside the core
if [ -f "$build/src/tls/libweft-tls.a" ]; then # where there is OpenSSL
    beside+=(tls)
fi
programs+=("${beside[@]/#/c_}")

expect_output() {
    local said
    said=$("$@") || { echo "$*: exit code $?: $said" >&2; exit 1; }
    [[ $said =~ ^weft\ [0-9]+\.[0-9]+\.[0-9]+:\ 42$ ]] || { echo "$*: said '$said'" >&2; exit 1; }
    echo "${*: -1}: $said"
}

# A frame that is larger than stack and guard meets the guard, where compilers have the flag for it.
expect_overflow() {
    local said
    grep -q fstack-clash-protection "$(find "$prefix" -name weft.pc)" || return 0
    said=$("$@" 2>&1) && { echo "$*: no stack overflow" >&2; exit 1; }
    [[ $said == *'stack overflow in task "large"'* ]] || { echo "$*: said '$said'" >&2; exit 1; }
}

# What must be in the installed tree, and nothing that names the place it was built in.
install_it() {
    local file
    rm -rf "$work"
    mkdir -p "$work"
    # Installed in one place and moved to another: a package that remembers the first does not work.
    cmake --install "$build" --prefix "$work/first" >/dev/null
    mv "$work/first" "$prefix"
    for file in include/weft/weft.h include/weft/version.h; do
        [ -f "$prefix/$file" ] || { echo "not installed: $file" >&2; exit 1; }
    done
    for file in libweft.so libweft.a pkgconfig/weft.pc cmake/weft/weft-config.cmake; do
        [ -n "$(find "$prefix" -path "*/$file")" ] || { echo "not installed: $file" >&2; exit 1; }
    done
    for file in "${beside[@]}"; do
        [ -n "$(find "$prefix" -path "*/pkgconfig/weft-$file.pc")" ] ||
            { echo "not installed: weft-$file.pc" >&2; exit 1; }
    done
    if [ -f "$build/man/made" ]; then # where there is scdoc
        for file in man7/weft.7 man3/weft_spawn.3 man3/weft_spawn_nowait.3; do
            [ -s "$prefix/share/man/$file" ] || { echo "not installed: $file" >&2; exit 1; }
        done
    fi
    readelf -d "$(find "$prefix" -name libweft.so)" | grep -q 'soname: \[libweft\.so\.0\]' ||
        { echo "the shared library's soname is not libweft.so.0" >&2; exit 1; }
    if grep -rlF -e "$source" -e "$work/first" "$prefix" --include='*.cmake' --include='*.pc' \
        --include='*.h'; then
        echo "installed files name the place they were built in" >&2
        exit 1
    fi
}

# with_cmake BUILD_TYPE TARGET...: a consumer's Debug has WEFT_DEBUG defined, the others have not.
with_cmake() {
    local out=$work/$kind$1
    cmake -S "$here/$kind" -B "$out" -G Ninja -DCMAKE_BUILD_TYPE="$1" -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DWEFT_SOURCE="$source" --no-warn-unused-cli >"$out.log" 2>&1 ||
        { cat "$out.log" >&2; exit 1; }
    cmake --build "$out" --target "${@:2}" >>"$out.log" 2>&1 || { cat "$out.log" >&2; exit 1; }
    for program in "${programs[@]}"; do
        expect_output "$out/bin/$program"
    done
    expect_overflow "$out/bin/c_overflow"
    # The static programs are to need no libweft.so, and the others are to need it.
    readelf -d "$out/bin/c_weft" | grep -q libweft.so.0
    ! readelf -d "$out/bin/c_static" | grep -q libweft
    if grep -q -e -DWEFT_DEBUG "$out/build.ninja"; then
        [ "$1" = Debug ] || { echo "WEFT_DEBUG is defined in a build of type '$1'" >&2; exit 1; }
    elif [ "$1" = Debug ]; then
        echo "WEFT_DEBUG is not defined in a Debug build" >&2
        exit 1
    fi
}

# beside_with_pkg_config LIBRARY: with libweft.so, and as a program that is static as a whole where all
# that it is made of is there as archives.
beside_with_pkg_config() {
    local flags needed archive
    flags=$(pkg-config --cflags --libs "weft-$1")
    # shellcheck disable=SC2086  # words of flags
    "$cc" -std=c11 -Wall -Wextra -pedantic -Werror "$here/$1.c" -o "$out/c_$1" $flags
    expect_output env LD_LIBRARY_PATH="$libdir" "$out/c_$1"
    flags=$(pkg-config --static --cflags --libs "weft-$1")
    for needed in $flags; do
        archive=$(LIBRARY_PATH=$libdir "$cc" -print-file-name="lib${needed#-l}.a")
        [[ $needed != -l* || -f $archive ]] || { echo "$1: no static $needed"; return; }
    done
    # shellcheck disable=SC2086
    "$cc" -std=c11 -static "$here/$1.c" -o "$out/c_$1_static" $flags
    expect_output "$out/c_$1_static"
}

with_pkg_config() {
    local out=$work/pkg_config libdir shared fixed
    mkdir -p "$out"
    libdir=$(dirname "$(find "$prefix" -name libweft.so)")
    export PKG_CONFIG_PATH=$libdir/pkgconfig
    shared=$(pkg-config --cflags --libs weft)
    fixed=$(pkg-config --static --cflags --libs weft)
    # shellcheck disable=SC2086  # words of flags
    {
        "$cc" -std=c11 -Wall -Wextra -pedantic -Werror "$here/main.c" -o "$out/c_shared" $shared
        "$cxx" -std=c++17 -Wall -Wextra -pedantic -Werror "$here/main.cc" -o "$out/cc_shared" $shared
        "$cc" -std=c11 -DWEFT_DEBUG -Wall -Wextra -pedantic -Werror "$here/main.c" \
            -o "$out/c_debug" $shared
        "$cxx" -std=c++17 -DWEFT_DEBUG -Wall -Wextra -pedantic -Werror "$here/main.cc" \
            -o "$out/cc_debug" $shared
        "$cc" -std=c11 -static "$here/main.c" -o "$out/c_static" $fixed
        "$cxx" -std=c++17 -static "$here/main.cc" -o "$out/cc_static" $fixed
    }
    # shellcheck disable=SC2086
    "$cc" -std=c11 "$here/overflow.c" -o "$out/c_overflow" $shared
    expect_overflow env LD_LIBRARY_PATH="$libdir" "$out/c_overflow"
    expect_output env LD_LIBRARY_PATH="$libdir" "$out/c_shared"
    expect_output env LD_LIBRARY_PATH="$libdir" "$out/cc_shared"
    expect_output env LD_LIBRARY_PATH="$libdir" "$out/c_debug"
    expect_output env LD_LIBRARY_PATH="$libdir" "$out/cc_debug"
    expect_output "$out/c_static"
    expect_output "$out/cc_static"
    for library in "${beside[@]}"; do
        beside_with_pkg_config "$library"
    done
    [ "$(pkg-config --modversion weft)" = "$(sed -n 's/^#define WEFT_VERSION_STRING "\(.*\)"/\1/p' \
        "$prefix/include/weft/version.h")" ]
}

case $kind in
    install) install_it ;;
    find_package | add_subdirectory) with_cmake "" all && with_cmake Debug "${programs[@]}" c_overflow ;;
    pkg_config) with_pkg_config ;;
    clean) rm -rf "$work" ;;
    *) echo "unknown: $kind" >&2; exit 2 ;;
esac
