/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.c - the control thread and its queue.
 */
#include "control.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <rte_ethdev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "events.h"
#include "mirror.h"
#include "silence.h"
#include "tables.h"
#include "tap.h"
#include "thread.h"

#define GATHER_MS  2 /* changes seldom come alone */
#define RETRY_MS   100
#define CABLES_MS  1000 /* between looks at the ports' links: not all drivers tell of changes */
#define READ_TRIES 5
#define BLOCKS     (65536 / MR_LEGS)

/* That may wait while nftables fails; then sessions can only be closed. */
#define CHANGES_MAX (1U << 19)

struct mr_control {
	pthread_t thread;
	bool running;
	int wake_fd; /* eventfd: `changes` or `stop` */
	struct mr_mirror *mirror;
	struct mr_silence *silence;   /* NULL: the kernel sees nothing it isn't given */
	uint32_t block_users[BLOCKS]; /* daemon's thread alone */

	pthread_mutex_t mutex; /* what is below, and the TAPs of ports */
	struct mr_silence_change *changes;
	size_t n_changes, room;
	struct mr_why silence_why, mirror_why; /* "": goes well */
	bool stop;
};

/* Reads routes until they hold still; true if there is something new to publish. */
static int refresh_routes(struct mr_backend *b, bool *ret_changed)
{
	struct mr_kernel_tables k = {0};
	struct mr_routes *new, *old = b->routes;
	int rc = -EINTR;

	for (int i = 0; i < READ_TRIES && rc == -EINTR; i++) {
		mr_kernel_tables_clear(&k);
		rc = mr_mirror_read_routes(b->control->mirror, &k);
	}
	if (!rc)
		rc = mr_routes_build(&k, &new);
	mr_kernel_tables_clear(&k);
	if (rc)
		return rc;
	if (mr_routes_equal(old, new)) {
		mr_routes_free(new);
		return 0;
	}
	__atomic_store_n(&b->routes, new, __ATOMIC_RELEASE);
	mr_tables_wait(&b->tables);
	mr_routes_free(old);
	*ret_changed = true;
	return 0;
}

static int refresh_neighbours(struct mr_backend *b, bool *ret_changed)
{
	struct mr_kernel_tables k = {0};
	struct mr_neighbours *new, *old = b->neighbours;
	int rc = -EINTR;

	for (int i = 0; i < READ_TRIES && rc == -EINTR; i++) {
		mr_kernel_tables_clear(&k);
		rc = mr_mirror_read_neighbours(b->control->mirror, &k);
	}
	if (!rc)
		rc = mr_neighbours_build(&k, &new);
	mr_kernel_tables_clear(&k);
	if (rc)
		return rc;
	if (mr_neighbours_equal(old, new)) {
		mr_neighbours_free(new);
		return 0;
	}
	__atomic_store_n(&b->neighbours, new, __ATOMIC_RELEASE);
	mr_tables_wait(&b->tables);
	mr_neighbours_free(old);
	*ret_changed = true;
	return 0;
}

/* Next hops that are cached become stale only after the new tables are there to be asked. */
static int refresh(struct mr_backend *b, unsigned changes)
{
	bool changed = false;
	int rc = 0;

	if (changes & MR_MIRROR_ROUTES)
		rc = refresh_routes(b, &changed);
	if (!rc && changes & MR_MIRROR_NEIGHBOURS)
		rc = refresh_neighbours(b, &changed);
	if (changed)
		mr_tables_bump_generation(&b->tables);
	return rc;
}

static int queue(struct mr_backend *b, const struct mr_silence_change *change)
{
	struct mr_control *c = b->control;
	uint64_t one = 1;
	int rc = 0;

	pthread_mutex_lock(&c->mutex);
	if (change->add && c->n_changes >= CHANGES_MAX) {
		rc = -ENOMEM;
	} else if (c->n_changes == c->room) {
		size_t room = c->room ? c->room * 2 : 256;
		void *grown = reallocarray(c->changes, room, sizeof(*change));

		if (grown) {
			c->changes = grown;
			c->room = room;
		} else {
			rc = -ENOMEM;
		}
	}
	if (!rc)
		c->changes[c->n_changes++] = *change;
	pthread_mutex_unlock(&c->mutex);
	if (!rc && write(c->wake_fd, &one, sizeof(one)) < 0)
		rc = errno == EAGAIN ? 0 : -errno;
	return rc;
}

int mr_control_public_port(struct mr_backend *b, const struct mr_key *key, bool add)
{
	struct mr_silence_change change = {
		.addr = key->addr,
		.port = mr_be16_to_cpu(key->port),
		.add = add,
	};

	return b->control->silence ? queue(b, &change) : 0;
}

int mr_control_upstream_block(struct mr_backend *b, uint16_t block, bool add)
{
	struct mr_silence_change change = {
		.port = (uint16_t)(block << MR_LEG_SHIFT),
		.upstream = true,
		.add = add,
	};
	uint32_t *users = &b->control->block_users[block % BLOCKS];

	if (!b->control->silence)
		return 0;
	*users = add ? *users + 1 : *users - 1;
	return *users == (add ? 1 : 0) ? queue(b, &change) : 0;
}

/* Keeps what goes wrong now ("": nothing), and wakes the daemon to look when that is news. */
static void tell(struct mr_backend *b, struct mr_why *kept, const struct mr_why *why)
{
	struct mr_control *c = b->control;
	bool news;

	pthread_mutex_lock(&c->mutex);
	news = strcmp(kept->text, why->text) != 0;
	*kept = *why;
	pthread_mutex_unlock(&c->mutex);
	if (news)
		mr_events_wake(&b->events);
}

int mr_control_trouble(struct mr_backend *b, struct mr_why *ret_why)
{
	struct mr_control *c = b->control;
	int rc = 0;

	pthread_mutex_lock(&c->mutex);
	if (c->silence_why.text[0] || c->mirror_why.text[0]) {
		*ret_why = c->silence_why.text[0] ? c->silence_why : c->mirror_why;
		rc = -EIO;
	}
	pthread_mutex_unlock(&c->mutex);
	return rc;
}

/* What could not be done goes before what came meanwhile: order matters. If there is no memory, it
 * is lost; the text of that stays until the next change that goes well. */
static void put_back(struct mr_control *c, struct mr_silence_change *changes, size_t count)
{
	struct mr_silence_change *all;

	pthread_mutex_lock(&c->mutex);
	all = reallocarray(changes, count + c->n_changes, sizeof(*all));
	if (all) {
		if (c->n_changes)
			memcpy(all + count, c->changes, c->n_changes * sizeof(*all));
		free(c->changes);
		c->changes = all;
		c->n_changes = c->room = count + c->n_changes;
	} else {
		free(changes);
	}
	pthread_mutex_unlock(&c->mutex);
}

/* Takes what is queued; false: the thread is to end. `*retry`: it has to be tried again. */
static bool apply_changes(struct mr_backend *b, bool *retry)
{
	struct mr_control *c = b->control;
	struct mr_silence_change *changes;
	struct mr_why why = {""};
	uint64_t value;
	size_t count;
	bool stop;

	/* first, so that what is queued from now on makes it readable again */
	if (read(c->wake_fd, &value, sizeof(value)) < 0 && !*retry)
		return true;
	pthread_mutex_lock(&c->mutex);
	changes = c->changes;
	count = c->n_changes;
	stop = c->stop;
	c->changes = NULL;
	c->n_changes = c->room = 0;
	pthread_mutex_unlock(&c->mutex);
	*retry = !stop && count && mr_silence_apply(c->silence, changes, count, &why);
	if (*retry)
		put_back(c, changes, count);
	else
		free(changes);
	if (count && !stop)
		tell(b, &c->silence_why, &why);
	return !stop;
}

/* Reads what changed; returns what could not be read. */
static unsigned follow_kernel(struct mr_backend *b, unsigned changes)
{
	struct mr_why why = {""};
	int rc = refresh(b, changes);

	/* -EINTR: it does not hold still, which is no trouble yet */
	if (rc && rc != -EINTR)
		mr_why_set(&why, rc, "reading the kernel's routes: %s%s", strerror(-rc),
			rc == -ENOMEM ? ": raise memory in dpdk { }" : "");
	if (rc != -EINTR)
		tell(b, &b->control->mirror_why, &why);
	return rc ? changes : 0;
}

void mr_control_lock(struct mr_backend *b)
{
	pthread_mutex_lock(&b->control->mutex);
}

void mr_control_unlock(struct mr_backend *b)
{
	pthread_mutex_unlock(&b->control->mutex);
}

/* A TAP has a carrier while its port has one. Drivers that know of none never had it. */
static void follow_cables(struct mr_backend *b)
{
	for (unsigned i = 0; i < b->n_ports; i++) {
		struct mr_port *port = &b->ports[i];
		struct rte_eth_link link;

		if (!port->has_tap || rte_eth_link_get_nowait(port->id, &link))
			continue;
		mr_control_lock(b);
		if (!port->gone && link.link_status != port->link_up) {
			port->link_up = link.link_status;
			port->link_seen |= port->link_up;
			mr_tap_set_carrier(port, port->link_up);
		}
		mr_control_unlock(b);
	}
}

/* How long the thread may sleep, -1: until it is woken. */
static int patience_ms(const struct mr_backend *b, bool retry)
{
	if (retry)
		return RETRY_MS;
	for (unsigned i = 0; i < b->n_ports; i++) {
		if (b->ports[i].has_tap)
			return CABLES_MS;
	}
	return -1;
}

static void *run(void *context)
{
	struct mr_backend *b = context;
	struct mr_control *c = b->control;
	struct pollfd fds[] = {
		{.fd = c->wake_fd, .events = POLLIN},
		{.fd = mr_mirror_fd(c->mirror), .events = POLLIN},
	};
	unsigned missing = 0; /* what could not be read, and is to be tried again */
	bool retry = false;   /* so is what the kernel was to keep silent about */

	mr_thread_keep_capabilities(1ULL << CAP_NET_ADMIN); /* for nftables */
	for (;;) {
		int rc = poll(fds, 2, patience_ms(b, missing || retry));

		if (rc < 0 && errno != EINTR)
			return NULL;
		follow_cables(b);
		if ((fds[0].revents || retry) && !apply_changes(b, &retry))
			return NULL;
		if (!fds[1].revents && !missing)
			continue;
		/* what follows at once is read together, unless it is time to end */
		poll(fds, 1, GATHER_MS);
		missing |= mr_mirror_drain(c->mirror);
		missing = follow_kernel(b, missing);
	}
}

static int start_thread(struct mr_backend *b)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&b->control->thread, NULL, run, b);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	b->control->running = !rc;
	return rc;
}

int mr_control_start(struct mr_backend *b, struct mr_why *ret_why)
{
	struct mr_control *c = calloc(1, sizeof(*c));
	bool silence = false;
	int rc;

	if (!c)
		return mr_why_set(ret_why, -ENOMEM, "out of memory");
	b->control = c;
	pthread_mutex_init(&c->mutex, NULL);
	for (unsigned i = 0; i < b->n_ports; i++)
		silence |= b->ports[i].kernel_sees;
	c->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rc = c->wake_fd < 0 ? mr_why_set(ret_why, -errno, "eventfd: %m") : 0;
	if (!rc)
		rc = mr_mirror_open(&c->mirror, ret_why);
	if (!rc && silence)
		rc = mr_silence_open(&c->silence, ret_why);
	if (rc) {
		mr_control_stop(b);
		return rc;
	}
	rc = refresh(b, MR_MIRROR_ROUTES | MR_MIRROR_NEIGHBOURS);
	if (!rc)
		rc = start_thread(b);
	if (rc) {
		mr_control_stop(b);
		return mr_why_set(ret_why, rc, "reading the kernel's routes: %s%s", strerror(-rc),
			rc == -ENOMEM ? ": raise memory in dpdk { }" : "");
	}
	return 0;
}

void mr_control_stop(struct mr_backend *b)
{
	struct mr_control *c = b->control;
	uint64_t one = 1;

	if (!c)
		return;
	if (c->running) {
		pthread_mutex_lock(&c->mutex);
		c->stop = true;
		pthread_mutex_unlock(&c->mutex);
		while (write(c->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		pthread_join(c->thread, NULL);
	}
	mr_silence_close(c->silence);
	mr_mirror_close(c->mirror);
	if (c->wake_fd >= 0)
		close(c->wake_fd);
	free(c->changes);
	pthread_mutex_destroy(&c->mutex);
	free(c);
	b->control = NULL;
	mr_routes_free(b->routes);
	mr_neighbours_free(b->neighbours);
	b->routes = NULL;
	b->neighbours = NULL;
}
