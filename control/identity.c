/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * identity.c - asks the user database for names and groups, off the loop's thread.
 */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox.h"

/* Groups of one user that are looked at. */
#define GROUPS_MAX 1024
#define TEXT_MAX   65536

struct entry {
	struct mr_identity who;
	uint64_t until_ns;
};

struct mr_identities {
	uv_loop_t *loop;
	struct entry entries[MR_IDENTITY_MAX];
	size_t n_entries;
	size_t next_victim;
	struct lookup *lookups; /* under way */
	bool freed;
};

/* Somebody who wants to know. */
struct waiter {
	struct waiter *next;
	mr_identity_fn *fn;
	void *context;
};

/* One question to the user database. The worker touches nothing but name, uid and the answer. */
struct lookup {
	uv_work_t work;
	struct lookup *next;
	struct mr_identities *identities;
	struct waiter *waiters;
	char *name; /* NULL: by uid */
	uid_t uid;
	struct mr_identity who;
	int error;
};

static void free_text(char **text)
{
	free(*text);
}

static struct entry *find_cached(struct mr_identities *identities, uid_t uid)
{
	uint64_t now_ns = uv_hrtime();

	for (size_t i = 0; i < identities->n_entries; i++) {
		struct entry *entry = &identities->entries[i];

		if (entry->who.uid == uid && entry->until_ns > now_ns)
			return entry;
	}
	return NULL;
}

int mr_identity_copy(const struct mr_identity *who, struct mr_identity *ret_copy)
{
	struct mr_identity copy = {.uid = who->uid, .name = strdup(who->name)};
	int r = copy.name ? 0 : -ENOMEM;

	for (size_t i = 0; !r && i < who->groups.n; i++)
		r = mr_strv_add(&copy.groups, who->groups.items[i]);
	if (r) {
		mr_identity_clear(&copy);
		return r;
	}
	*ret_copy = copy;
	return 0;
}

/* Keeps an answer in the place of the uid's older one, of none, or of whose turn it is. */
static void keep(struct mr_identities *identities, const struct mr_identity *who)
{
	struct entry *entry = NULL;
	struct mr_identity copy;

	if (mr_identity_copy(who, &copy))
		return;
	for (size_t i = 0; !entry && i < identities->n_entries; i++) {
		if (identities->entries[i].who.uid == who->uid)
			entry = &identities->entries[i];
	}
	if (!entry && identities->n_entries < MR_IDENTITY_MAX)
		entry = &identities->entries[identities->n_entries++];
	if (!entry)
		entry = &identities->entries[identities->next_victim++ % MR_IDENTITY_MAX];
	mr_identity_clear(&entry->who);
	*entry = (struct entry){copy, uv_hrtime() + MR_IDENTITY_TTL_NS};
}

/* Adds the names of the user's groups; a group without a name can't be in a rule. */
static int add_groups(struct mr_identity *who, gid_t primary, char *text)
{
	gid_t gids[GROUPS_MAX];
	int n = GROUPS_MAX;

	if (getgrouplist(who->name, primary, gids, &n) < 0)
		n = GROUPS_MAX; /* the first ones are there */
	for (int i = 0; i < n; i++) {
		struct group group, *found;
		int r;

		if (getgrgid_r(gids[i], &group, text, TEXT_MAX, &found) || !found)
			continue;
		r = mr_strv_add(&who->groups, group.gr_name);
		if (r)
			return r;
	}
	return 0;
}

static int ask_database(const struct lookup *lookup, struct mr_identity *ret_who)
{
	__attribute__((cleanup(free_text))) char *text = malloc(TEXT_MAX);
	struct mr_identity who = {.uid = lookup->uid};
	struct passwd entry, *found;
	int r;

	if (!text)
		return -ENOMEM;
	r = lookup->name ? getpwnam_r(lookup->name, &entry, text, TEXT_MAX, &found)
			 : getpwuid_r(lookup->uid, &entry, text, TEXT_MAX, &found);
	/* Some databases report "not found" as one of these; see getpwnam_r(3). */
	if (r && r != ENOENT && r != ESRCH && r != EBADF && r != EPERM)
		return -r;
	if (r || !found) {
		if (lookup->name)
			return -ENOENT;
		if (asprintf(&who.name, "%u", (unsigned)who.uid) < 0)
			return -ENOMEM;
		*ret_who = who;
		return 0;
	}
	who.uid = found->pw_uid;
	who.name = strdup(found->pw_name);
	r = who.name ? add_groups(&who, found->pw_gid, text) : -ENOMEM;
	if (r) {
		mr_identity_clear(&who);
		return r;
	}
	*ret_who = who;
	return 0;
}

static void on_worker(uv_work_t *work)
{
	struct lookup *lookup = work->data;

	mr_sandbox_thread();
	lookup->error = ask_database(lookup, &lookup->who);
}

static void free_when_done(struct mr_identities *identities)
{
	if (!identities->freed || identities->lookups)
		return;
	for (size_t i = 0; i < identities->n_entries; i++)
		mr_identity_clear(&identities->entries[i].who);
	free(identities);
}

static void lookup_free(struct lookup *lookup)
{
	mr_identity_clear(&lookup->who);
	free(lookup->name);
	free(lookup);
}

static void on_answer(uv_work_t *work, int status)
{
	struct lookup *lookup = work->data, **where;
	struct mr_identities *identities = lookup->identities;

	for (where = &identities->lookups; *where != lookup; where = &(*where)->next)
		;
	*where = lookup->next;
	if (status || identities->freed)
		lookup->error = status ? status : -ECANCELED;
	if (!lookup->error)
		keep(identities, &lookup->who);
	while (lookup->waiters) {
		struct waiter *waiter = lookup->waiters;

		lookup->waiters = waiter->next;
		waiter->fn(waiter->context, lookup->error, &lookup->who);
		free(waiter);
	}
	lookup_free(lookup);
	free_when_done(identities);
}

static int begin_lookup(
	struct mr_identities *identities, const char *name, uid_t uid, struct lookup **ret_lookup)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	int r = lookup ? 0 : -ENOMEM;

	if (r)
		return r;
	lookup->work.data = lookup;
	lookup->identities = identities;
	lookup->uid = uid;
	if (name && !(lookup->name = strdup(name)))
		r = -ENOMEM;
	if (!r)
		r = uv_queue_work(identities->loop, &lookup->work, on_worker, on_answer);
	if (r) {
		lookup_free(lookup);
		return r;
	}
	lookup->next = identities->lookups;
	identities->lookups = lookup;
	*ret_lookup = lookup;
	return 0;
}

/* Joins a lookup of the same user, or begins one. */
static int ask(struct mr_identities *identities, const char *name, uid_t uid, mr_identity_fn *fn,
	void *context)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	struct lookup *lookup;
	int r = waiter ? 0 : -ENOMEM;

	if (r)
		return r;
	*waiter = (struct waiter){.fn = fn, .context = context};
	for (lookup = identities->lookups; lookup; lookup = lookup->next) {
		if (name ? lookup->name && !strcmp(lookup->name, name)
			 : !lookup->name && lookup->uid == uid)
			break;
	}
	if (!lookup)
		r = begin_lookup(identities, name, uid, &lookup);
	if (r) {
		free(waiter);
		return r;
	}
	waiter->next = lookup->waiters;
	lookup->waiters = waiter;
	return 0;
}

int mr_identity_by_uid(
	struct mr_identities *identities, uid_t uid, mr_identity_fn *fn, void *context)
{
	struct entry *entry = find_cached(identities, uid);

	if (entry) {
		fn(context, 0, &entry->who);
		return 0;
	}
	return ask(identities, NULL, uid, fn, context);
}

int mr_identity_by_name(
	struct mr_identities *identities, const char *name, mr_identity_fn *fn, void *context)
{
	size_t digits = strspn(name, "0123456789");

	if (digits && digits < 10 && !name[digits])
		return mr_identity_by_uid(identities, (uid_t)strtoul(name, NULL, 10), fn, context);
	return ask(identities, name, 0, fn, context);
}

struct mr_identities *mr_identities_new(uv_loop_t *loop)
{
	struct mr_identities *identities = calloc(1, sizeof(*identities));

	if (identities)
		identities->loop = loop;
	return identities;
}

static void on_prepared(void *context, int error, const struct mr_identity *who)
{
	(void)context;
	(void)error;
	(void)who;
}

int mr_identities_prepare(struct mr_identities *identities)
{
	return mr_identity_by_uid(identities, 0, on_prepared, NULL);
}

void mr_identities_free(struct mr_identities *identities)
{
	if (!identities)
		return;
	identities->freed = true;
	free_when_done(identities);
}
