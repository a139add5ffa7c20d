#!/bin/sh
# check-kernels.sh: runs the tests on other kernels than this machine's, each in an emulated one.
#     tests/check-kernels.sh [KERNEL...]
# A KERNEL is a Debian package (linux-image-arm64, linux-image-amd64/bookworm-backports: what
# follows the slash is its release, bookworm where nothing does), a .deb, or a kernel's image, for
# arm64 or amd64. The default is linux-image-arm64, which is Linux 6.1.
# TAP on stdout, a line for each test program; what it skips is said in comments.
#
#   T=chan                those programs alone whose name holds "chan"
#   REEVE_BACKEND=uring   the backend; not "auto", so that nothing falls back silently
#   TEST_SECONDS=180      for one test; an emulated machine is 10 to 50 times slower
#   KERNEL_SECONDS=3000   for one kernel, from its start to its last word; then it is killed
#
# tests/kernels/init.c runs the tests from a file system in memory: no disk, no modules, nothing of
# a distribution but its kernel, and the compiler's libc. Test scripts need a compiler, and are not
# there. What comes from Debian is unpacked below build/kernels, with package lists of its own:
# nothing is installed, and this machine gets no second architecture. What has once been unpacked
# is used again, without a network. tools/deps kernels brings the programs that this needs.
cd "$(dirname "$0")/.." || exit 2
unset MAKEFLAGS MFLAGS
HERE=$PWD/build/kernels
RELEASE=bookworm
KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

die() {
    echo "Bail out! $*"
    exit 2
}

# Runs a command whose words matter only if it fails.
quietly() { # what-if-not command...
    failure=$1
    shift
    "$@" >"$HERE/log" 2>&1 || {
        tail -n 30 "$HERE/log" | sed 's/^/# /'
        die "$failure"
    }
}

configure_apt() { # arch release
    apt=$HERE/apt-$1
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" || return
    mirror=$(apt-get indextargets --format '$(LABEL) $(COMPONENT) $(REPO_URI)' |
        awk '$1 == "Debian" && $2 == "main" { print $3; exit }')
    [ -n "$mirror" ] || { echo "apt has no Debian mirror"; return 1; }
    : >"$apt/status"
    echo "deb [signed-by=$KEYS] $mirror $2 main" >"$apt/sources.list"
    printf '%s;\n' "Dir::State \"$apt\"" "Dir::State::lists \"$apt/lists\"" \
        "Dir::State::status \"$apt/status\"" "Dir::Cache \"$apt\"" \
        "Dir::Cache::archives \"$apt/archives\"" "Dir::Etc::sourcelist \"$apt/sources.list\"" \
        'Dir::Etc::sourceparts "-"' "APT::Architecture \"$1\"" "APT::Architectures { \"$1\"; }" \
        'APT::Get::List-Cleanup "false"' 'APT::Sandbox::User "root"' >"$apt/apt.conf"
}

# The package as the only .deb of a folder.
download() { # package arch release folder
    configure_apt "$2" "$3" || return
    rm -rf "$4" && mkdir -p "$4" || return
    (
        export APT_CONFIG="$HERE/apt-$2/apt.conf"
        cd "$4" && apt-get -q update && apt-get -q download "$1"
    )
}

unpack_image() { # .deb image
    mkdir -p "${2%/*}" || return
    dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards './boot/vmlinuz-*' >"$2.part" 2>/dev/null
    [ -s "$2.part" ] && mv "$2.part" "$2"
}

# Sets image, from a package that holds one or hangs on the one that does.
image_of_package() { # package release
    image=$HERE/images/$1-$2
    [ ! -s "$image" ] || return 0
    package=$1
    for _ in meta-package package; do
        quietly "$package of $2 cannot be had" \
            download "$package" "${1##*-}" "$2" "$HERE/downloads"
        deb=$(echo "$HERE/downloads"/*.deb)
        package=$(dpkg-deb -f "$deb" Depends | sed 's/[ ,|].*//')
        unpack_image "$deb" "$image"
        rm -r "$HERE/downloads"
        [ ! -s "$image" ] || return 0
        [ -n "$package" ] || break
    done
    die "$1 of $2 brings no kernel"
}

# Sets image.
find_image() { # KERNEL
    case $1 in
    *.deb)
        image=$HERE/images/$(basename "$1" .deb)
        unpack_image "$1" "$image" || die "$1 holds no kernel"
        ;;
    /* | ./* | ../*) image=$1 ;;
    *-arm64/* | *-amd64/*) image_of_package "${1%%/*}" "${1#*/}" ;;
    *-arm64 | *-amd64) image_of_package "$1" "$RELEASE" ;;
    *) image=$1 ;;
    esac
    [ -r "$image" ] || die "no kernel $1"
}

bytes_at() { # file offset count
    dd if="$1" bs=1 skip="$2" count="$3" 2>/dev/null | tr -d '\000'
}

# Sets arch, and what goes with it.
find_arch() { # image
    if [ "$(bytes_at "$1" 56 4)" = ARMd ]; then
        arch=arm64 cpu=aarch64 compiler=aarch64-linux-gnu-gcc loader=ld-linux-aarch64.so.1
    elif [ "$(bytes_at "$1" 514 4)" = HdrS ]; then
        arch=amd64 cpu=x86_64 compiler=x86_64-linux-gnu-gcc loader=ld-linux-x86-64.so.2
    else
        die "$1 is no kernel for arm64 or amd64 that this emulator can start"
    fi
    for program in $compiler "${compiler%gcc}g++" qemu-system-$cpu cpio; do
        command -v "$program" >/dev/null || die "no $program: tools/deps kernels"
    done
}

build_tests() { # into build/kernels/<arch>
    libraries=$HERE/$arch/root
    if [ ! -d "$libraries/usr" ]; then
        download liburing-dev "$arch" "$RELEASE" "$HERE/downloads" || return
        mkdir -p "$libraries" && dpkg-deb -x "$HERE/downloads"/*.deb "$libraries" || return
        rm -r "$HERE/downloads"
    fi
    export PKG_CONFIG_SYSROOT_DIR="$libraries"
    export PKG_CONFIG_LIBDIR="$libraries/usr/lib/$cpu-linux-gnu/pkgconfig"
    built=build/kernels/$arch/build
    make -j2 CC="$compiler" CXX="${compiler%gcc}g++" B="$built" URING=yes tests || return
    $compiler -std=gnu11 -O2 -Wall -Wextra tests/kernels/init.c -o "$built/init"
}

# What the kernel unpacks into memory. Some tests read the tree: they find it.
pack() {
    files=$HERE/$arch/files
    rm -rf "$files"
    mkdir -p "$files/tests" "$files/lib" "$files/include" && ln -s lib "$files/lib64" || return
    cp "$built/init" "$files/init" && cp include/reeve.h "$files/include" || return
    for library in $loader libc.so.6 libm.so.6 libgcc_s.so.1 libstdc++.so.6; do
        cp "$($compiler -print-file-name=$library)" "$files/lib" || return
    done
    for program in $(find "$built/tests" -name 't_*' ! -name '*.*'); do
        "${compiler%gcc}strip" --strip-debug "$program" -o "$files/tests/${program##*/}" || return
    done
    (cd "$files" && find . | cpio --quiet -o -H newc) >"$HERE/$arch/files.cpio"
}

prepare() {
    build_tests && pack
}

start() {
    set -- -m 2048 -smp 2 -nodefaults -no-user-config -display none -no-reboot -serial stdio \
        -kernel "$image" -initrd "$HERE/$arch/files.cpio" -append "$line" "$@"
    case $arch in
    arm64) set -- -M virt -cpu max,pauth-impdef=on "$@" ;;
    amd64) set -- -M q35 -cpu max "$@" ;;
    esac
    timeout --foreground -k 10 "$KERNEL_SECONDS" "qemu-system-$cpu" "$@" </dev/null 2>&1
}

test_kernel() { # KERNEL
    find_image "$1"
    find_arch "$image"
    case $prepared in
    *" $arch "*) ;;
    *) quietly "the tests cannot be built for $arch" prepare ;;
    esac
    prepared="$prepared $arch "
    case $arch in
    arm64) line=console=ttyAMA0 ;;
    amd64) line=console=ttyS0 ;;
    esac
    line="$line quiet loglevel=1 panic=-1 REEVE_BACKEND=${REEVE_BACKEND:-uring}"
    line="$line TEST_SECONDS=${TEST_SECONDS:-180}${T:+ -- $T}"
    echo "host: begins $1"
    start
    echo "host: ended $?"
}

KERNEL_SECONDS=${KERNEL_SECONDS:-3000}
prepared=
mkdir -p "$HERE" || exit 2
[ $# -gt 0 ] || set -- linux-image-arm64
for kernel in "$@"; do
    test_kernel "$kernel"
done | tests/kernels/read-console
