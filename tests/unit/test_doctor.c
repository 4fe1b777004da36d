// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_doctor.c - what the doctor finds in a network that is well, and that it names each thing
 * that is then broken.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"
#include "netbed.h"

TestSuite(doctor, .timeout = 600);

static const char *const attached[] = {"v0"};
static struct mr_addr publics[1], targets[1];

static int allow_port_60001(
	const struct mr_addr *target, uint16_t port, char *ret_text, size_t size, void *context)
{
	(void)target, (void)context;
	snprintf(ret_text, size, "by rule \"test\"");
	return port == 60001;
}

static struct mr_doctor healthy(const struct netbed *bed)
{
	publics[0] = netbed_addr("10.1.0.1");
	return (struct mr_doctor){
		.netlink = bed->netlink,
		.dataplane = MR_DATAPLANE_DPDK, /* no XDP program is attached in this bed */
		.dataplane_text = "test",
		.interfaces = attached,
		.n_interfaces = 1,
		.publics = publics,
		.n_publics = 1,
		.port_lo = 60000,
		.port_hi = 61000,
		.upstream_lo = 61008,
		.upstream_hi = 65535,
		.policy = allow_port_60001,
	};
}

/* Runs it and looks for a check of this name, status, and word in its detail or advice. */
static bool finds(const struct mr_doctor *doctor, const char *target, const char *name,
	const char *status, const char *word)
{
	json_t *result = NULL, *check;
	size_t i;
	bool found = false;

	cr_assert_eq(mr_doctor_run(doctor, target, &result), 0);
	json_array_foreach (json_object_get(result, "checks"), i, check) {
		const char *detail = json_string_value(json_object_get(check, "detail"));
		const char *advice = json_string_value(json_object_get(check, "advice"));
		cr_assert_not_null(detail);
		if (!strcmp(json_string_value(json_object_get(check, "name")), name) &&
			!strcmp(json_string_value(json_object_get(check, "status")), status) &&
			(strstr(detail, word) || (advice && strstr(advice, word))))
			found = true;
	}
	if (!found) {
		char *text = json_dumps(result, JSON_INDENT(1));
		fprintf(stderr, "no %s %s with \"%s\" in %s\n", name, status, word, text);
		free(text);
	}
	json_decref(result);
	return found;
}

static void settle(struct netbed *bed)
{
	netbed_run(bed, 100);
}

Test(doctor, well_host_has_no_failure)
{
	struct netbed bed;
	json_t *result;
	netbed_open(&bed);
	struct mr_doctor doctor = healthy(&bed);
	netbed_here("ping -c1 -w60 10.1.0.2 >/dev/null");
	settle(&bed);
	cr_assert_eq(mr_doctor_run(&doctor, "10.1.0.2:60001", &result), 0);
	char *text = json_dumps(result, JSON_INDENT(1));
	cr_assert(json_is_true(json_object_get(result, "ok")), "%s", text);
	free(text);
	json_decref(result);
	cr_assert(
		finds(&doctor, "10.1.0.2:60001", "target neighbour", "ok", "the target 10.1.0.2"));
	cr_assert(finds(&doctor, "10.1.0.2:60001", "target route", "ok", "from 10.1.0.1"));
	cr_assert(finds(&doctor, "10.1.0.2:60001", "target policy", "ok", "rule"));
	cr_assert(finds(&doctor, NULL, "public address 10.1.0.1", "ok", "v0"));
	cr_assert(finds(&doctor, NULL, "targets", "ok", "no session"));
	cr_assert(finds(&doctor, NULL, "kernel", "ok", "."));
	netbed_close(&bed);
}

Test(doctor, unreadable_targets_are_refused)
{
	static const char *const rows[] = {"", "web1", "10.1.0.2:", "10.1.0.2:0", "10.1.0.2:65536",
		"fd01::2:60001:x", "[fd01::2", "10.1.0.256"};
	struct netbed bed;
	netbed_open(&bed);
	struct mr_doctor doctor = healthy(&bed);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *result = NULL;
		cr_expect_eq(mr_doctor_run(&doctor, rows[i], &result), -EINVAL, "%s", rows[i]);
		cr_expect_null(result);
	}
	netbed_close(&bed);
}

Test(doctor, names_what_is_wrong_with_a_target)
{
	static const struct {
		const char *target, *name, *status, *word;
	} rows[] = {
		{"10.1.0.1:60001", "target address", "fail", "this host"},
		{"127.0.0.1:60001", "target address", "fail", "this host"},
		{"10.1.0.255:60001", "target address", "fail", "broadcast"},
		{"224.0.0.5:60001", "target address", "fail", "multicast"},
		{"[ff02::1]:60001", "target address", "fail", "multicast"},
		{"169.254.1.1:60001", "target address", "fail", "link-local"},
		{"[fe80::7]:60001", "target address", "fail", "link-local"},
		{"10.1.0.2:22", "target policy", "fail", "allow"},
		{"192.0.2.1:60001", "target route", "fail", "route"},
		{"10.8.0.1:60001", "target route", "fail", "refused"},
		{"10.2.0.2:60001", "target interface", "fail", "w0"},
		{"10.5.0.1:60001", "target MTU", "warn", "1200"},
		{"10.1.0.9:60001", "target neighbour", "fail", "ARP"},
		{"[fd01::9]:60001", "target neighbour", "ok", "not resolved yet"},
	};
	struct netbed bed;
	netbed_open(&bed);
	struct mr_doctor doctor = healthy(&bed);
	netbed_here("ip link add w0 type veth peer name w1; ip addr add 10.2.0.1/24 dev w0;"
		    "ip link set w0 up; ip link set w1 up");
	netbed_here("ip route add blackhole 10.8.0.0/16");
	netbed_here("ip route add 10.5.0.0/16 via 10.1.0.2 mtu 1200");
	netbed_here("ping -c1 -W1 10.1.0.9 >/dev/null || true");
	settle(&bed);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect(
			finds(&doctor, rows[i].target, rows[i].name, rows[i].status, rows[i].word),
			"%s", rows[i].target);
	netbed_close(&bed);
}

Test(doctor, names_what_is_wrong_with_the_host)
{
	struct netbed bed;
	netbed_open(&bed);
	struct mr_doctor doctor = healthy(&bed);

	doctor.dataplane = MR_DATAPLANE_XDP_NATIVE;
	cr_expect(finds(&doctor, NULL, "interface v0", "fail", "no XDP program"));
	netbed_here("sysctl -qw net.ipv4.conf.lo.forwarding=0");
	cr_expect(finds(&doctor, NULL, "route look-ups", "fail", "net.ipv4.conf.lo.forwarding=1"));
	doctor.dataplane = MR_DATAPLANE_XDP_GENERIC;
	cr_expect(finds(&doctor, NULL, "dataplane", "warn", "native"));
	doctor.dataplane = MR_DATAPLANE_DPDK;

	netbed_here("ip link set v0 mtu 1290");
	settle(&bed);
	cr_expect(finds(&doctor, NULL, "interface v0", "warn", "MTU 1290"));
	netbed_here("ip link set v0 mtu 1500 down");
	settle(&bed);
	cr_expect(finds(&doctor, NULL, "interface v0", "fail", "ip link set v0 up"));
	netbed_here("ip link set v0 up");

	publics[0] = netbed_addr("203.0.113.7");
	cr_expect(finds(&doctor, NULL, "public address 203.0.113.7", "warn", "no interface"));
	netbed_here("ip addr add 203.0.113.7/32 dev lo");
	settle(&bed);
	cr_expect(finds(&doctor, NULL, "public address 203.0.113.7", "warn", "not attached"));

	doctor.targets = targets;
	doctor.n_targets = 1;
	targets[0] = netbed_addr("192.0.2.1");
	cr_expect(finds(&doctor, NULL, "targets", "warn", "192.0.2.1: no route"));

	netbed_here("sysctl -qw net.ipv4.ip_local_port_range='32768 62000'");
	cr_expect(finds(&doctor, NULL, "local port range", "warn", "61008-65535"));
	netbed_here("sysctl -qw net.ipv4.ip_local_reserved_ports=61008-61500,61501-62000");
	cr_expect(finds(&doctor, NULL, "local port range", "ok", "62000"));

	const char *none[] = {"nosuch"};
	doctor.interfaces = none;
	cr_expect(finds(&doctor, NULL, "interface nosuch", "fail", "no such"));
	netbed_close(&bed);
}

Test(doctor, ports_of_others_are_told_from_the_daemons_own)
{
	struct netbed bed;
	netbed_open(&bed);
	struct mr_doctor doctor = healthy(&bed);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(60007)};
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	cr_expect(finds(&doctor, NULL, "public ports", "ok", "none"));

	pid_t other = fork();
	cr_assert_geq(other, 0);
	if (!other) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fd);
		addr.sin_port = htons(60009);
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		struct sockaddr_in6 addr6 = {.sin6_family = AF_INET6, .sin6_port = htons(61010)};
		int fd6 = socket(AF_INET6, SOCK_DGRAM, 0);
		if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
			bind(fd6, (struct sockaddr *)&addr6, sizeof(addr6)) || raise(SIGSTOP))
			_exit(1);
		_exit(0);
	}
	int status;
	cr_assert_eq(waitpid(other, &status, WUNTRACED), other);
	cr_assert(WIFSTOPPED(status), "the other program could not bind");
	cr_expect(finds(&doctor, NULL, "public ports", "warn", "1 of 1001"));
	cr_expect(finds(&doctor, NULL, "public ports", "warn", "60009"));
	cr_expect(finds(&doctor, NULL, "upstream ports", "warn", "61010"));
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	close(fd);
	netbed_close(&bed);
}
