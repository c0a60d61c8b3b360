# What scripts/run, scripts/check and interop/run share: packages, and builds out of tree. Sourced, not run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export build_packages=(gcc make libc6-dev autoconf automake pkg-config python3 libev-dev uthash-dev libzstd-dev liblz4-dev
	libsnappy-dev zlib1g-dev libxxhash-dev libpcre2-dev libisal-dev)

say() {
	printf '%s\n' "$*" >&2
}

# retry COMMAND...: again after 5 and after 30 seconds, for what asks the network. One that is not there is not tried
# again.
retry() {
	local pause status
	for pause in 5 30 0; do
		status=0
		"$@" || status=$?
		if [ "$status" -eq 0 ] || [ "$status" -eq 127 ] || [ "$pause" -eq 0 ]; then
			return "$status"
		fi
		sleep "$pause"
	done
}

# apt COMMAND...: waits for another apt's lock, too.
apt() {
	local sudo=()
	[ "$(id -u)" = 0 ] || sudo=(sudo)
	retry "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
		"$@" >&2
}

is_installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need_packages NAME...: installs those that are missing. Without apt it trusts that what is needed is there: configure
# tells what is not.
need_packages() {
	local missing=() name
	if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
		return 0
	fi
	for name in "$@"; do
		is_installed "$name" || missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		say "These packages are needed, and neither root nor sudo is at hand to install them: ${missing[*]}"
		return 1
	fi
	say "== installing ${missing[*]}"
	apt update || say "apt-get update failed; trying with the lists that are there"
	apt install -y --no-install-recommends "${missing[@]}"
}

# make_configure: autoreconf, when configure is not there or older than what it is made of.
make_configure() {
	if [ ! -x "$root/configure" ] || [ "$root/configure.ac" -nt "$root/configure" ] || [ ! -e "$root/Makefile.in" ]; then
		(cd "$root" && autoreconf -i)
	fi
	if [ -e "$root/config.status" ]; then
		say "This tree has been configured in place, which keeps it from being built elsewhere: run 'make distclean'."
		return 1
	fi
}

# configure_in DIR ARGUMENT...: configures there, unless it was with the same arguments, configure and packages.
configure_in() {
	local dir=$1
	shift
	mkdir -p "$dir"
	if [ -e "$dir/config.status" ] && [ "$(cat "$dir/.arguments" 2>/dev/null)" = "$*" ] &&
		[ "$dir/config.status" -nt "$root/configure" ] && [ ! /var/lib/dpkg/status -nt "$dir/config.status" ]; then
		return 0
	fi
	rm -f "$dir/.arguments"
	(cd "$dir" && "$root/configure" -q "$@")
	printf '%s\n' "$*" >"$dir/.arguments"
}
