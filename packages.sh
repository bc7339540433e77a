# Sourced by ./quickstart and ./run-tests: Debian's packages by name, and how
# to get those that are missing.

build_packages="gcc make autoconf automake pkg-config libc6-dev
	libssl-dev libdb5.3-dev libsasl2-dev libc-ares-dev liblmdb-dev
	libpcre2-dev libseccomp-dev libcrypt-dev zlib1g-dev libcdb-dev libicu-dev"
# Clients of databases, for loadable modules.
module_packages="libsqlite3-dev libpq-dev libmariadb-dev libldap2-dev"
demo_packages="curl openssl libsasl2-modules util-linux"
test_packages="$build_packages $module_packages $demo_packages libcmocka-dev clang llvm
	libclang-rt-14-dev python3 mandoc swaks libnet-ssleay-perl mutt isync zsh
	knot knot-dnsutils iproute2 procps valgrind strace e2fsprogs
	libxslt1.1 libicu72 libevent-2.1-7 libnuma1 debhelper dpkg-dev
	xfsprogs btrfs-progs"
# What tests/bench/run --filesystem needs, and, more, tests/torture/run power --real.
bench_packages="xfsprogs btrfs-progs e2fsprogs"
torture_packages="libfuse3-dev fuse3 $bench_packages"

# need PACKAGE...: install what is not there; without root, say what to do.
need()
{
	local missing="" name

	for name in "$@"; do
		dpkg-query -W -f '${Status}\n' "$name" 2>/dev/null |
			grep -q '^install ok installed' ||
			missing="$missing $name"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "These packages are missing; as root: apt-get install$missing" >&2
		return 1
	fi
	echo "installing:$missing"
	export DEBIAN_FRONTEND=noninteractive
	apt-get install -y --no-install-recommends $missing \
		>/dev/null 2>&1 && return 0
	apt-get update >/dev/null
	apt-get install -y --no-install-recommends $missing >/dev/null
}

# compiler WORD: the compiler, behind ccache where there is one.
compiler()
{
	if command -v ccache >/dev/null; then
		echo "ccache $1"
	else
		echo "$1"
	fi
}

# everybody_reaches_this ARGUMENT...: daemons give up root and must still reach
# the files here. Where a folder above is closed (a clone in /root, say), this
# script goes on in a view of the folder at a place in /run, which only it and
# what it starts can see.
everybody_reaches_this()
{
	local view

	[ "$(id -u)" = 0 ] && ! setpriv --reuid=65534 --regid=65534 \
		--clear-groups test -x "$PWD/." || return 0
	view=/run/posthorn-view$(echo "$PWD" | tr / -)
	mkdir -p "$view"
	export POSTHORN_SEEN_AS=$PWD
	exec unshare -m sh -c 'mount --make-rprivate / &&
		mount --bind . "$0" && cd "$0" && exec "$@"' \
		"$view" "./$(basename "$0")" "$@"
}
