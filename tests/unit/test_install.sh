#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test_install.sh MESON BUILD SOURCE - what `meson install` puts where, and that it runs from there.
#
# Installs into a DESTDIR of its own and runs everything in network and mount namespaces of its own,
# with that DESTDIR as the only place where the programs are. Needs root. Prints TAP.
set -uo pipefail

if [[ -z ${MR_INSTALL_INSIDE:-} ]]; then
	MR_INSTALL_INSIDE=1 exec unshare --mount --propagation private --net --pid --mount-proc --fork \
		--kill-child -- "$BASH" "$0" "$@"
fi

meson=$1
build=$2
source=$3
dir=$(mktemp -d)
trap 'umount "$dir/bpf" 2>/dev/null; rm -rf "$dir"' EXIT
destdir=$dir/root
number=0
failed=0

result() {
	number=$((number + 1))
	if [[ $1 = 0 ]]; then
		echo "ok $number - $2"
	else
		failed=$((failed + 1))
		echo "not ok $number - $2"
		[[ ! -s $dir/out ]] || sed 's/^/# /' "$dir/out"
	fi
}

# verify WHAT COMMAND...
verify() {
	local what=$1
	shift
	"$@" >"$dir/out" 2>&1
	result $? "$what"
}

# installed FILE MODE: below the prefix.
installed() {
	[[ -s $prefix/$1 ]] || { echo "$1 is missing"; return 1; }
	[[ $(stat -c %a "$prefix/$1") = "$2" ]] || { echo "$1: $(stat -c %a "$prefix/$1")"; return 1; }
}

no_path() {
	! grep -rlF -e "$1" "$destdir"
}

# Each command that --help lists.
completes() {
	local word
	for word in $("$prefix/bin/moshrelay" --help | sed -n 's/^  \([a-z]\+\)\( .*\|$\)/\1/p'); do
		grep -qw -- "$word" "$completion" || { echo "no $word"; return 1; }
	done
}

# daemon DATAPLANE: from the DESTDIR, until it answers.
daemon() {
	"$prefix/sbin/moshrelayd" -c "$dir/moshrelay.conf" --dataplane "$1" >"$dir/daemon.log" 2>&1 &
	daemon=$!
	"$prefix/bin/moshrelay" -s "$dir/run/setup.sock" status --wait 60 || {
		cat "$dir/daemon.log"
		return 1
	}
}

# One line that names the module, and exit status 1.
refuses_dpdk() {
	local status=0
	"$prefix/sbin/moshrelayd" -c "$dir/moshrelay.conf" --dataplane dpdk >"$dir/refusal" 2>&1 || status=$?
	cat "$dir/refusal"
	[ $status = 1 ] && [ "$(wc -l <"$dir/refusal")" = 1 ] && grep -q moshrelay-dpdk.so "$dir/refusal"
}

ends() {
	if ! { kill "$daemon" && wait "$daemon"; }; then
		cat "$dir/daemon.log"
		return 1
	fi
}

loaded() {
	grep -F "$destdir" "/proc/$daemon/maps" | grep -F moshrelay-dpdk.so
}

if ! DESTDIR=$destdir "$meson" install --strip --no-rebuild -C "$build" >"$dir/out" 2>&1; then
	cat "$dir/out"
	echo 'Bail out! meson install fails'
	exit 1
fi
unit=$(cd "$destdir" && find . -name moshrelayd.service)
prefix=$destdir/${unit%/lib/systemd/system/moshrelayd.service}
completion=$prefix/share/bash-completion/completions/moshrelay

for file in sbin/moshrelayd bin/moshrelay bin/mosh-via bin/moshrelay-load; do
	verify "$file is installed" installed "$file" 755
	verify "$file says its version" "$prefix/$file" --version
	verify "$file explains itself" "$prefix/$file" --help
done
for page in man1/moshrelay.1 man1/mosh-via.1 man1/moshrelay-load.1 man5/moshrelay.conf.5 \
	man8/moshrelayd.8; do
	verify "$page is installed" installed "share/man/$page" 644
done
verify 'the manual has the list of reasons' grep -q 'no_slot' "$prefix/share/man/man1/moshrelay.1"
for file in lib/systemd/system/moshrelayd.service lib/sysusers.d/moshrelay.conf \
	share/doc/moshrelay/examples/moshrelay.conf.example share/doc/moshrelay/operations.md \
	share/bash-completion/completions/moshrelay; do
	verify "$file is installed" installed "$file" 644
done
exec_start=$(sed -n 's/^ExecStart=//p' "$prefix/lib/systemd/system/moshrelayd.service")
verify 'the unit starts what is installed' test -x "$destdir$exec_start"
verify 'the completion is bash' bash -n "$completion"
verify 'the completion knows each command' completes
verify 'nothing names the build tree' no_path "$build"
verify 'nothing names the source tree' no_path "$source"

# --- it runs ---------------------------------------------------------------------------------------
mkdir "$dir/bpf" "$dir/state"
mount -t bpf bpf "$dir/bpf"
cat >"$dir/moshrelay.conf" <<-END
	interfaces = {"out"}
	public = {"203.0.113.7"}
	run-dir = "$dir/run"
	state-dir = "$dir/state"
	pin-dir = "$dir/bpf/moshrelay"
END
# At its end the leak sanitizer stops all threads by a process of its own, which no filter lets it make.
if [[ $(ldd "$prefix/sbin/moshrelayd") = *libasan* ]]; then
	echo 'seccomp = off' >>"$dir/moshrelay.conf"
fi
ip link set lo up
ip link add out type veth peer name far
ip link set far up
ip link set out up
ip address add 203.0.113.7/24 dev out

verify 'the daemon runs from there' daemon auto
verify 'with XDP' grep 'dataplane xdp-' "$dir/daemon.log"
verify 'and ends' ends
module=$(find "$destdir" -name moshrelay-dpdk.so)
if [[ $module ]]; then
	verify 'the daemon runs from there with DPDK' daemon dpdk
	verify 'whose module is the one beside it' loaded
	verify 'and ends, too' ends
else
	verify 'built without DPDK, it says so' refuses_dpdk
fi

echo "1..$number"
((failed == 0))
