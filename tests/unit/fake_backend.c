/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_backend.c - the tables of a dataplane in shared memory: an array of records, two hash tables
 * with linear probing, a short queue of events.
 */
#include "fake_backend.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define EVENTS_MAX 64

struct entry {
	bool used;
	struct mr_key key;
	struct mr_ref ref;
};

struct table {
	uint32_t capacity; /* power of two, twice `max` at least */
	uint32_t max, n;
	struct entry *entries;
};

struct mr_backend {
	size_t size;
	uint32_t max_sessions;
	struct mr_session *records;
	struct table public, target;
	struct mr_addr addresses[MR_PUBLIC_MAX];
	unsigned calls[FAKE_OPS + 1];
	enum fake_op fail_op;
	unsigned fail_in; /* calls until then, 0: never */
	int fail_error;
	unsigned kill_in;
	bool kill_after;
	int event_fd;
	struct mr_event events[EVENTS_MAX];
	unsigned n_events;
	unsigned route_changes;
};

static uint32_t hash(const struct table *table, const struct mr_key *key)
{
	const unsigned char *octets = (const unsigned char *)key;
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < sizeof(*key); i++)
		h = (h ^ octets[i]) * 16777619U;
	return h & (table->capacity - 1);
}

static struct entry *find(const struct table *table, const struct mr_key *key)
{
	uint32_t i = hash(table, key);

	while (table->entries[i].used && memcmp(&table->entries[i].key, key, sizeof(*key)))
		i = (i + 1) & (table->capacity - 1);
	return &table->entries[i];
}

static int table_put(struct table *table, const struct mr_key *key, struct mr_ref ref)
{
	struct entry *entry = find(table, key);

	if (entry->used)
		return -EEXIST;
	if (table->n >= table->max)
		return -ENOSPC;
	*entry = (struct entry){.used = true, .key = *key, .ref = ref};
	table->n++;
	return 0;
}

static int table_del(struct table *table, const struct mr_key *key)
{
	struct entry *entry = find(table, key), moved;
	uint32_t i;

	if (!entry->used)
		return -ENOENT;
	entry->used = false;
	table->n--;
	/* What follows may have been pushed along by it: put it in anew. */
	i = (uint32_t)(entry - table->entries);
	while (table->entries[i = (i + 1) & (table->capacity - 1)].used) {
		moved = table->entries[i];
		table->entries[i].used = false;
		*find(table, &moved.key) = moved;
	}
	return 0;
}

/* What has to happen to this call: 0, or the error to return. */
static int before(struct mr_backend *backend, enum fake_op op)
{
	backend->calls[op]++;
	backend->calls[FAKE_OPS]++;
	if (backend->kill_in && !backend->kill_after && --backend->kill_in == 0)
		kill(getpid(), SIGKILL);
	if (backend->fail_in && (backend->fail_op == op || backend->fail_op == FAKE_OPS) &&
		--backend->fail_in == 0)
		return backend->fail_error;
	return 0;
}

static int after(struct mr_backend *backend, int r)
{
	if (backend->kill_in && backend->kill_after && --backend->kill_in == 0)
		kill(getpid(), SIGKILL);
	return r;
}

static int session_put(struct mr_backend *backend, uint32_t index, const struct mr_session *session)
{
	int r = before(backend, FAKE_SESSION_PUT);

	assert(index < backend->max_sessions);
	if (r == 0)
		backend->records[index] = *session;
	return after(backend, r);
}

static int session_get(
	struct mr_backend *backend, uint32_t first, uint32_t count, struct mr_session *ret_sessions)
{
	assert(count <= backend->max_sessions && first <= backend->max_sessions - count);
	memcpy(ret_sessions, &backend->records[first], count * sizeof(*ret_sessions));
	return 0;
}

static int session_close(struct mr_backend *backend, uint32_t index)
{
	int r = before(backend, FAKE_SESSION_CLOSE);

	if (r == 0)
		backend->records[index].flags &= (uint8_t)~MR_SESSION_OPEN;
	return after(backend, r);
}

static int public_put(struct mr_backend *backend, const struct mr_key *key, struct mr_ref ref)
{
	int r = before(backend, FAKE_PUBLIC_PUT);

	return after(backend, r ? r : table_put(&backend->public, key, ref));
}

static int public_del(struct mr_backend *backend, const struct mr_key *key)
{
	int r = before(backend, FAKE_PUBLIC_DEL);

	return after(backend, r ? r : table_del(&backend->public, key));
}

static int target_put(struct mr_backend *backend, const struct mr_key *key, struct mr_ref ref)
{
	int r = before(backend, FAKE_TARGET_PUT);

	return after(backend, r ? r : table_put(&backend->target, key, ref));
}

static int target_del(struct mr_backend *backend, const struct mr_key *key)
{
	int r = before(backend, FAKE_TARGET_DEL);

	return after(backend, r ? r : table_del(&backend->target, key));
}

static int address_put(struct mr_backend *backend, uint32_t slot, const struct mr_addr *addr)
{
	int r = before(backend, FAKE_ADDRESS_PUT);

	if (r == 0)
		backend->addresses[slot] = *addr;
	return after(backend, r);
}

static int address_get(struct mr_backend *backend, uint32_t slot, struct mr_addr *ret_addr)
{
	*ret_addr = backend->addresses[slot];
	return 0;
}

static int link_put(struct mr_backend *backend, uint32_t ifindex, const struct mr_link *link)
{
	(void)backend;
	(void)ifindex;
	(void)link;
	return 0;
}

static int link_del(struct mr_backend *backend, uint32_t ifindex)
{
	(void)backend;
	(void)ifindex;
	return 0;
}

static void routes_changed(struct mr_backend *backend)
{
	backend->route_changes++;
}

static int stats(struct mr_backend *backend, struct mr_reason_count ret_counts[MR_REASON_CAPACITY])
{
	(void)backend;
	memset(ret_counts, 0, MR_REASON_CAPACITY * sizeof(ret_counts[0]));
	return 0;
}

static uint64_t events_suppressed(struct mr_backend *backend)
{
	(void)backend;
	return 0;
}

static int event_fd(struct mr_backend *backend)
{
	return backend->event_fd;
}

static int events(struct mr_backend *backend, unsigned max, mr_event_fn *fn, void *context)
{
	unsigned n = backend->n_events < max ? backend->n_events : max;
	uint64_t count;

	for (unsigned i = 0; i < n; i++)
		fn(&backend->events[i], context);
	backend->n_events -= n;
	memmove(backend->events, backend->events + n,
		backend->n_events * sizeof(backend->events[0]));
	if (backend->n_events == 0 && read(backend->event_fd, &count, sizeof(count)) < 0 &&
		errno != EAGAIN)
		return -errno;
	return (int)n;
}

static void describe(struct mr_backend *backend, char *buf, size_t size)
{
	snprintf(buf, size, "in memory, %u sessions", backend->max_sessions);
}

static void close_handle(struct mr_backend *backend)
{
	(void)backend; /* the tables stay, as pinned maps do */
}

static int open_handle(const struct mr_backend_config *config, struct mr_backend **ret_backend,
	bool *ret_adopted, struct mr_why *ret_why)
{
	(void)ret_why;
	*ret_backend = fake_backend_new(config->max_sessions, 3 * config->max_sessions);
	*ret_adopted = false;
	return 0;
}

const struct mr_backend_ops fake_backend_ops = {
	.open = open_handle,
	.close = close_handle,
	.detach = fake_backend_free,
	.describe = describe,
	.session_put = session_put,
	.session_get = session_get,
	.session_close = session_close,
	.public_put = public_put,
	.public_del = public_del,
	.target_put = target_put,
	.target_del = target_del,
	.address_put = address_put,
	.address_get = address_get,
	.link_put = link_put,
	.link_del = link_del,
	.routes_changed = routes_changed,
	.stats = stats,
	.events_suppressed = events_suppressed,
	.event_fd = event_fd,
	.events = events,
};

static void *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static void table_init(struct table *table, uint32_t max)
{
	table->max = max;
	table->capacity = 2;
	while (table->capacity < 2 * max)
		table->capacity *= 2;
	table->entries = shared(table->capacity * sizeof(table->entries[0]));
}

struct mr_backend *fake_backend_new(uint32_t max_sessions, uint32_t max_keys)
{
	struct mr_backend *backend = shared(sizeof(*backend));

	backend->max_sessions = max_sessions;
	backend->records = shared(max_sessions * sizeof(backend->records[0]));
	table_init(&backend->public, max_keys);
	table_init(&backend->target, max_sessions);
	backend->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (backend->event_fd < 0)
		abort();
	return backend;
}

void fake_backend_free(struct mr_backend *backend)
{
	close(backend->event_fd);
	munmap(backend->public.entries, backend->public.capacity * sizeof(struct entry));
	munmap(backend->target.entries, backend->target.capacity * sizeof(struct entry));
	munmap(backend->records, backend->max_sessions * sizeof(backend->records[0]));
	munmap(backend, sizeof(*backend));
}

void fake_backend_fail(struct mr_backend *backend, enum fake_op op, unsigned nth, int error)
{
	backend->fail_op = op;
	backend->fail_in = nth;
	backend->fail_error = error;
}

void fake_backend_kill(struct mr_backend *backend, unsigned nth, bool at_end)
{
	backend->kill_in = nth;
	backend->kill_after = at_end;
}

unsigned fake_backend_calls(const struct mr_backend *backend, enum fake_op op)
{
	return backend->calls[op];
}

struct mr_session *fake_backend_record(struct mr_backend *backend, uint32_t index)
{
	return &backend->records[index];
}

bool fake_backend_lookup(const struct mr_backend *backend, bool public_side,
	const struct mr_key *key, struct mr_ref *ret_ref)
{
	const struct entry *entry = find(public_side ? &backend->public : &backend->target, key);

	if (entry->used)
		*ret_ref = entry->ref;
	return entry->used;
}

uint32_t fake_backend_keys(const struct mr_backend *backend, bool public_side)
{
	return public_side ? backend->public.n : backend->target.n;
}

uint32_t fake_backend_open_records(const struct mr_backend *backend)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < backend->max_sessions; i++)
		n += backend->records[i].id != 0 && backend->records[i].flags & MR_SESSION_OPEN;
	return n;
}

void fake_backend_event(struct mr_backend *backend, const struct mr_event *event)
{
	const uint64_t one = 1;

	if (backend->n_events == EVENTS_MAX)
		abort();
	backend->events[backend->n_events++] = *event;
	if (write(backend->event_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}
