/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drive.c - loads the module as the daemon does and serves sessions from its command line, so that
 * tests can look at the dataplane alone.
 *
 *     drive MODULE [interface=NAME]... [link=IFACE,CARRIER,VLAN]... [address=A]...
 *           [session=SLOT,PORT,TARGET,PORT,UPSTREAM,BLOCK]... [NAME=VALUE of dpdk { }]...
 *
 * Prints "ready", one line an event, and "trouble" with its text ("-": none) when that changes.
 * Lines on standard input: an empty one prints the counts, and the sessions' legs; "close N" and
 * "open N" take the session of that number out and put it in; "churn N" does both N times with the
 * last session; "set NAME" says that this interface has become another one, or none. At its end it
 * closes the backend. The kernel is made to resolve what the dataplane asks for. Errors of open()
 * go to standard error, with status 1.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addr.h"
#include "backend.h"

#define MAX 64

struct setup {
	const char *interfaces[MAX], *options[MAX];
	char *links[MAX], *addresses[MAX], *sessions[MAX];
	size_t n_interfaces, n_options, n_links, n_addresses, n_sessions;
	struct driven {
		struct mr_session record; /* as it begins */
		int slot;                 /* of the public address, -1: all */
	} driven[MAX];
	uint64_t last_id;
};

static const struct mr_backend_ops *ops;
static struct mr_backend *backend;

static void die(const char *what)
{
	fprintf(stderr, "drive: %s\n", what);
	exit(1);
}

static struct mr_addr parse_addr(const char *text)
{
	struct mr_addr addr;

	if (mr_addr_parse(text, &addr))
		die(text);
	return addr;
}

static const char *format_addr(const struct mr_addr *addr)
{
	static char text[INET6_ADDRSTRLEN];

	return mr_addr_format(addr, text, sizeof(text));
}

static void take_argument(struct setup *s, char *argument)
{
	static const char *const names[] = {"interface=", "link=", "address=", "session="};
	size_t *counts[] = {&s->n_interfaces, &s->n_links, &s->n_addresses, &s->n_sessions};
	void *arrays[] = {s->interfaces, s->links, s->addresses, s->sessions};

	for (size_t i = 0; i < 4; i++) {
		size_t length = strlen(names[i]);

		if (strncmp(argument, names[i], length))
			continue;
		if (*counts[i] == MAX)
			die("too many arguments");
		((char **)arrays[i])[(*counts[i])++] = argument + length;
		return;
	}
	if (s->n_options == MAX)
		die("too many arguments");
	s->options[s->n_options++] = argument;
}

static void put_link(char *text)
{
	char *name = strsep(&text, ","), *carrier = strsep(&text, ","), *vlan = strsep(&text, ",");
	struct mr_link link = {
		.ifindex = if_nametoindex(carrier ? carrier : name),
		.vlan = (__u16)(vlan ? atoi(vlan) : 0),
		.flags = MR_LINK_USED,
	};

	if (ops->link_put(backend, if_nametoindex(name), &link))
		die("link_put");
}

/* The kernel answers nothing at the public port while somebody has it. */
static void hold_port(uint16_t port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("public port");
}

/* The words of session=..., read once. */
static void parse_session(struct driven *d, char *text)
{
	struct mr_session *s = &d->record;
	char *f[6];

	for (size_t i = 0; i < 6; i++) {
		f[i] = strsep(&text, ",");
		if (!f[i])
			die("session=SLOT,PORT,TARGET,PORT,UPSTREAM,BLOCK");
	}
	d->slot = atoi(f[0]);
	*s = (struct mr_session){.flags = MR_SESSION_OPEN, .current = MR_NO_SLOT};
	s->public_port = htons((uint16_t)atoi(f[1]));
	s->target = parse_addr(f[2]);
	s->target_port = htons((uint16_t)atoi(f[3]));
	s->upstream = parse_addr(f[4]);
	s->upstream_base = (__u16)(atoi(f[5]) * MR_LEGS);
	hold_port((uint16_t)atoi(f[1]));
}

/* Puts or deletes the public keys; slot -1: one at every address. */
static void public_keys(const struct setup *setup, const struct driven *d, uint32_t index, bool put)
{
	struct mr_ref ref = {.index = index};

	for (size_t i = 0; i < setup->n_addresses; i++) {
		struct mr_addr addr = parse_addr(setup->addresses[i]);
		struct mr_key key = mr_key_public(&addr, d->record.public_port);

		if (d->slot >= 0 && (size_t)d->slot != i)
			continue;
		ref.public_slot = (__u32)i;
		if (put ? ops->public_put(backend, &key, ref) : ops->public_del(backend, &key))
			die(put ? "public_put" : "public_del");
	}
}

static void open_session(struct setup *setup, uint32_t index)
{
	struct driven *d = &setup->driven[index];
	struct mr_ref ref = {.index = index, .public_slot = d->slot < 0 ? 0 : (__u32)d->slot};
	struct mr_key key =
		mr_key_target(&d->record.target, d->record.target_port, d->record.upstream_base);

	d->record.id = ++setup->last_id;
	if (ops->session_put(backend, index, &d->record))
		die("session_put");
	if (ops->target_put(backend, &key, ref))
		die("target_put");
	public_keys(setup, d, index, true);
}

/* As the daemon does: no new datagrams, then the record, then the answers. */
static void close_session(struct setup *setup, uint32_t index)
{
	const struct driven *d = &setup->driven[index];
	struct mr_key key =
		mr_key_target(&d->record.target, d->record.target_port, d->record.upstream_base);

	public_keys(setup, d, index, false);
	if (ops->session_close(backend, index))
		die("session_close");
	if (ops->target_del(backend, &key))
		die("target_del");
}

/* A datagram to the discard port makes the kernel look for the neighbour. */
static void resolve(const struct mr_event *event)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&to.sin6_addr, &event->addr, sizeof(to.sin6_addr));
	if (fd < 0 || sendto(fd, "", 1, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		fprintf(stderr, "drive: resolve: %s\n", strerror(errno));
	close(fd);
}

static void on_event(const struct mr_event *event, void *context)
{
	static const char *const kinds[MR_EVENT_KINDS] = {
		"leg", "proven", "roamed", "no-neighbour", "no-route", "too-big", "icmp"};

	(void)context;
	printf("event %s session=%llu slot=%u addr=%s port=%u detail=%u\n", kinds[event->kind],
		(unsigned long long)event->session_id, event->slot, format_addr(&event->addr),
		ntohs(event->port), event->detail);
	if (event->kind == MR_EVENT_NO_NEIGHBOUR)
		resolve(event);
}

static void print_state(size_t n_sessions)
{
	static const char *const names[] = {
#define MR_X(name, verdict, text) #name,
		MR_REASONS(MR_X)
#undef MR_X
	};
	struct mr_reason_count counts[MR_REASON_CAPACITY];
	struct mr_session s;

	if (ops->stats(backend, counts))
		die("stats");
	for (unsigned i = 0; i < MR_REASON_COUNT; i++) {
		if (counts[i].packets)
			printf("count %s %llu\n", names[i], (unsigned long long)counts[i].packets);
	}
	for (uint32_t i = 0; i < n_sessions; i++) {
		if (ops->session_get(backend, i, 1, &s))
			die("session_get");
		printf("session %u current=%u client=%s port=%u to_target=%llu to_client=%llu\n", i,
			s.current, format_addr(&s.client), ntohs(s.client_port),
			(unsigned long long)s.from_client.datagrams,
			(unsigned long long)s.from_target.datagrams);
	}
	printf("end\n");
}

static void open_backend(const char *module, const struct setup *setup)
{
	struct mr_backend_config config = {
		.dataplane = MR_DATAPLANE_DPDK,
		.interfaces = setup->interfaces,
		.n_interfaces = setup->n_interfaces,
		.max_sessions = 1024,
		.upstream_lo = 61008,
		.options = setup->options,
		.n_options = setup->n_options,
	};
	const struct mr_backend_module *m;
	void *handle = dlopen(module, RTLD_NOW | RTLD_LOCAL);
	struct mr_why why = {""};
	bool adopted;

	if (!handle)
		die(dlerror());
	m = dlsym(handle, MR_BACKEND_MODULE_SYMBOL);
	if (!m || m->layout != MR_LAYOUT_VERSION)
		die("not a module of this build");
	ops = m->ops;
	if (ops->open(&config, &backend, &adopted, &why))
		die(why.text);
}

/* As the daemon does when links change. */
static void set_interface(const struct setup *setup, const char *name)
{
	uint32_t ifindex = if_nametoindex(name);
	struct mr_why why = {"-"};
	int rc = ops->interface_set(backend, name, ifindex, &why);

	for (size_t i = 0; i < setup->n_links && !rc && ifindex; i++) {
		if (!strcmp(setup->links[i], name))
			put_link(setup->links[i]);
	}
	ops->routes_changed(backend);
	printf("set %s %u %d %s\n", name, ifindex, rc, why.text);
}

static void obey(struct setup *setup, const char *line)
{
	char name[IF_NAMESIZE];
	unsigned number;

	if (sscanf(line, "close %u", &number) == 1 && number < setup->n_sessions) {
		close_session(setup, number);
	} else if (sscanf(line, "open %u", &number) == 1 && number < setup->n_sessions) {
		open_session(setup, number);
	} else if (sscanf(line, "set %15s", name) == 1) {
		set_interface(setup, name);
	} else if (sscanf(line, "churn %u", &number) == 1 && setup->n_sessions) {
		uint32_t last = (uint32_t)setup->n_sessions - 1;

		for (unsigned i = 0; i < number; i++) {
			close_session(setup, last);
			open_session(setup, last);
		}
		printf("churned %u\n", number);
	} else if (*line == '\n') {
		print_state(setup->n_sessions);
	} else {
		die(line);
	}
}

static void hear(void)
{
	static struct mr_why told = {"-"};
	struct mr_why why = {"-"};

	if (ops->events(backend, 64, on_event, NULL) < 0)
		die("events");
	ops->trouble(backend, &why);
	if (strcmp(told.text, why.text))
		printf("trouble %s\n", why.text);
	told = why;
}

static void serve(struct setup *setup)
{
	struct pollfd fds[] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = ops->event_fd(backend), .events = POLLIN},
	};
	char line[64];

	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[1].revents)
			hear();
		if (!fds[0].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return;
		obey(setup, line);
	}
}

int main(int argc, char **argv)
{
	static struct setup setup;
	char text[512];

	if (argc < 2)
		die("which module?");
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	for (int i = 2; i < argc; i++)
		take_argument(&setup, argv[i]);
	open_backend(argv[1], &setup);
	for (size_t i = 0; i < setup.n_links; i++)
		put_link(setup.links[i]);
	for (size_t i = 0; i < setup.n_addresses; i++) {
		struct mr_addr addr = parse_addr(setup.addresses[i]);

		if (ops->address_put(backend, (uint32_t)i, &addr))
			die("address_put");
	}
	for (uint32_t i = 0; i < setup.n_sessions; i++) {
		parse_session(&setup.driven[i], setup.sessions[i]);
		open_session(&setup, i);
	}
	ops->describe(backend, text, sizeof(text));
	printf("ready %s\n", text);
	serve(&setup);
	ops->close(backend);
	printf("closed\n");
	return 0;
}
