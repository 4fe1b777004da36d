// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_faults.c - a relay that loses, doubles, reorders, corrupts and misdelivers known numbers of
 * datagrams: the harness must report exactly these. The real program runs on both sides of it.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"
#include "wire.h"

#define FLOWS        20
#define TARGET_LO    20000
#define TARGET_PORTS "20000-20019"
#define RELAY_LO     30000
#define RELAY_PORTS  "30000-30019"
#define EVERY        50 /* of so many datagrams one has each fault */
#define KIND_AT      offsetof(struct mr_wire, kind)
#define CORRUPT_AT   offsetof(struct mr_wire, flow)

enum fault { LOSE = 7, DOUBLE = 13, REORDER = 19, CORRUPT = 29, MISDELIVER = 37 };

struct planted {
	unsigned lost, doubled, reordered, corrupted, misdelivered;
};

/** One direction of one flow. */
struct way {
	int fd; /* to send with */
	union mr_sockaddr to;
	unsigned char held[MR_WIRE_MAX]; /* waits until a newer one has gone */
	ssize_t held_size;
};

struct relay {
	bool faulty;
	int client_fd[FLOWS], target_fd[FLOWS];
	struct way up[FLOWS], down[FLOWS];
	unsigned n_up, n_down;
	struct planted planted_up, planted_down;
	atomic_bool stop;
};

static void send_way(const struct way *way, const void *buf, ssize_t size)
{
	sendto(way->fd, buf, (size_t)size, 0, &way->to.sa, mr_sockaddr_len(&way->to));
}

/** Passes one datagram on, with the fault whose turn it is. Queries and counts have none. */
static void pass(struct relay *relay, struct way *ways, unsigned flow, unsigned *n,
	struct planted *planted, unsigned char *buf, ssize_t size)
{
	struct way *way = &ways[flow];
	bool counted = size > (ssize_t)KIND_AT &&
		(buf[KIND_AT] == MR_WIRE_DATA || buf[KIND_AT] == MR_WIRE_ANSWER);
	unsigned fault = relay->faulty && counted ? (*n)++ % EVERY : 0;

	/* nothing follows that it could be late behind: a query takes stock */
	if (!counted && way->held_size > 0) {
		planted->reordered--;
		send_way(way, way->held, way->held_size);
		way->held_size = 0;
	}
	switch (fault) {
	case LOSE:
		planted->lost++;
		return;
	case DOUBLE:
		planted->doubled++;
		send_way(way, buf, size);
		break;
	case REORDER:
		if (way->held_size > 0)
			break;
		planted->reordered++;
		memcpy(way->held, buf, (size_t)size);
		way->held_size = size;
		return;
	case CORRUPT:
		planted->corrupted++;
		buf[CORRUPT_AT] ^= 0x10;
		break;
	case MISDELIVER:
		planted->misdelivered++;
		send_way(&ways[(flow + 1) % FLOWS], buf, size);
		return;
	}
	send_way(way, buf, size);
	/* only behind one that arrives is it late: a fault must not hide another */
	if (way->held_size > 0 && fault != CORRUPT) {
		send_way(way, way->held, way->held_size);
		way->held_size = 0;
	}
}

static void *run_relay(void *context)
{
	struct relay *relay = context;
	struct pollfd fds[2 * FLOWS];
	unsigned char buf[MR_WIRE_MAX];

	for (unsigned i = 0; i < FLOWS; i++) {
		fds[i] = (struct pollfd){.fd = relay->client_fd[i], .events = POLLIN};
		fds[FLOWS + i] = (struct pollfd){.fd = relay->target_fd[i], .events = POLLIN};
	}
	while (!atomic_load(&relay->stop)) {
		poll(fds, 2 * FLOWS, 50);
		for (unsigned i = 0; i < 2 * FLOWS; i++) {
			unsigned flow = i % FLOWS;
			union mr_sockaddr from;
			socklen_t length = sizeof(from);
			ssize_t size = recvfrom(
				fds[i].fd, buf, sizeof(buf), MSG_DONTWAIT, &from.sa, &length);

			if (size <= 0)
				continue;
			if (i < FLOWS) {
				relay->down[flow].to = from;
				pass(relay, relay->up, flow, &relay->n_up, &relay->planted_up, buf,
					size);
			} else {
				pass(relay, relay->down, flow, &relay->n_down, &relay->planted_down,
					buf, size);
			}
		}
	}
	return NULL;
}

/** An address of the loopback that no other test uses at the same time. */
static union mr_sockaddr own_address(uint16_t port)
{
	uint32_t pid = (uint32_t)getpid();

	return (union mr_sockaddr){
		.in = {.sin_family = AF_INET,
			.sin_port = htons(port),
			.sin_addr.s_addr = htonl(0x7f000000 | (pid + 256) % (1 << 24))}};
}

static void relay_init(struct relay *relay)
{
	for (unsigned i = 0; i < FLOWS; i++) {
		union mr_sockaddr any = own_address(0);
		union mr_sockaddr public = own_address((uint16_t)(RELAY_LO + i));

		cr_assert(eq(int, mr_udp_bind(&any, &relay->target_fd[i]), 0));
		cr_assert(eq(int, mr_udp_bind(&public, &relay->client_fd[i]), 0));
		relay->up[i].fd = relay->target_fd[i];
		relay->up[i].to = own_address((uint16_t)(TARGET_LO + i));
		relay->down[i].fd = relay->client_fd[i];
	}
}

/** Starts the program; `*ret_out` reads what it prints. */
static pid_t start(char *const argv[], int *ret_out)
{
	int ends[2];
	pid_t pid;

	cr_assert(eq(int, pipe(ends), 0));
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(ends[1]);
	*ret_out = ends[0];
	return pid;
}

static int wait_status(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/** Runs the harness through the relay; its exit status, and what it reports. */
static int measure(struct relay *relay, json_t **ret_report)
{
	union mr_sockaddr address = own_address(0);
	char *program = getenv("MOSHRELAY_LOAD");
	char host[INET6_ADDRSTRLEN], line[64];
	int out, status;
	json_t *report;
	pthread_t thread;
	pid_t serve, run;
	FILE *stream;

	cr_assert(program != NULL, "MOSHRELAY_LOAD must name the program");
	mr_sockaddr_format(host, sizeof(host), &address);
	relay_init(relay);
	serve = start(
		(char *[]){program, "serve", "--address", host, "--ports", TARGET_PORTS, NULL},
		&out);
	stream = fdopen(out, "r");
	cr_assert(fgets(line, sizeof(line), stream) != NULL, "the targets did not start");
	fclose(stream);
	pthread_create(&thread, NULL, run_relay, relay);
	run = start((char *[]){program, "run", "--relay", host, "--relay-ports", RELAY_PORTS,
			    "--target", host, "--target-ports", TARGET_PORTS, "--sessions", "20",
			    "--profile", "typing", "--seconds", "4", "--json", NULL},
		&out);
	stream = fdopen(out, "r");
	*ret_report = json_loadf(stream, 0, NULL);
	fclose(stream);
	status = wait_status(run);
	atomic_store(&relay->stop, true);
	pthread_join(thread, NULL);
	kill(serve, SIGTERM);
	cr_assert(eq(int, wait_status(serve), 0));
	report = *ret_report;
	cr_assert(report != NULL, "run reported nothing");
	return status;
}

static json_int_t field(json_t *report, const char *name)
{
	json_t *value = json_object_get(report, name);

	cr_assert(eq(int, json_is_integer(value), 1), "%s is missing", name);
	return json_integer_value(value);
}

Test(faults, a_faultless_relay_has_none, .timeout = 240)
{
	static struct relay relay;
	json_t *report;

	cr_assert(eq(int, measure(&relay, &report), 0));
	cr_assert(gt(i64, field(report, "sent"), 200));
	cr_assert(eq(i64, field(report, "answered"), field(report, "sent")));
	cr_assert(eq(i64, field(report, "lost"), 0));
	cr_assert(eq(i64, field(report, "duplicated"), 0));
	cr_assert(eq(i64, field(report, "reordered"), 0));
	cr_assert(eq(i64, field(report, "misdelivered"), 0));
	cr_assert(eq(i64, field(report, "corrupted"), 0));
	json_decref(report);
}

Test(faults, every_planted_fault_is_found_and_none_else, .timeout = 240)
{
	static struct relay relay = {.faulty = true};
	const struct planted *up = &relay.planted_up, *down = &relay.planted_down;
	json_t *report;

	cr_assert(eq(int, measure(&relay, &report), 1));
	cr_assert(gt(uint, up->lost, 2), "too little went through for a test");
	cr_assert(gt(uint, down->misdelivered, 2), "too little went through for a test");
	cr_assert(eq(i64, field(report, "lost_to_target"), up->lost));
	cr_assert(eq(i64, field(report, "lost_to_client"), down->lost));
	cr_assert(eq(i64, field(report, "duplicated"), up->doubled + down->doubled));
	cr_assert(eq(i64, field(report, "reordered"), up->reordered + down->reordered));
	cr_assert(eq(i64, field(report, "corrupted"), up->corrupted + down->corrupted));
	cr_assert(eq(i64, field(report, "misdelivered"), up->misdelivered + down->misdelivered));
	json_decref(report);
}
