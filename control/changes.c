/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * changes.c - the list in memory and its file, which is written anew with each change of it.
 */
#include "changes.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_SIZE 256

struct mr_changes {
	struct mr_strv items;
	char here[LINE_SIZE]; /* the file's first line: boot and network namespace */
	char path[PATH_MAX], path_new[PATH_MAX];
};

/* Names this boot and network namespace. */
static void name_here(char *buf, size_t size)
{
	char boot[64] = "unknown";
	struct stat st = {0};
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (file) {
		if (!fgets(boot, sizeof(boot), file))
			boot[0] = '\0';
		boot[strcspn(boot, "\n")] = '\0';
		fclose(file);
	}
	(void)stat("/proc/self/ns/net", &st);
	snprintf(buf, size, "boot %s, network namespace %llu", boot, (unsigned long long)st.st_ino);
}

static int read_list(struct mr_changes *changes)
{
	FILE *file = fopen(changes->path, "re");
	char line[LINE_SIZE];
	bool first = true;
	int r = 0;

	if (!file)
		return 0;
	while (!r && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (first && strcmp(line, changes->here))
			break;
		if (!first && line[0])
			r = mr_strv_add(&changes->items, line);
		first = false;
	}
	fclose(file);
	return r;
}

/* Only a running system needs it, so it is not synced; but it is never half there. */
static int write_list(const struct mr_changes *changes)
{
	FILE *file;
	int error = 0;

	if (!changes->items.n)
		return unlink(changes->path) && errno != ENOENT ? -errno : 0;
	/* Never through a link: the directory is the daemon's user's, this process may be root's.
	 */
	unlink(changes->path_new);
	file = fopen(changes->path_new, "wxe");
	if (!file)
		return -errno;
	fprintf(file, "%s\n", changes->here);
	for (size_t i = 0; i < changes->items.n; i++)
		fprintf(file, "%s\n", changes->items.items[i]);
	if (ferror(file))
		error = -EIO;
	if (fclose(file) && !error)
		error = -errno;
	if (!error && rename(changes->path_new, changes->path))
		error = -errno;
	if (error)
		unlink(changes->path_new);
	return error;
}

int mr_changes_open(const char *state_dir, struct mr_changes **ret_changes)
{
	struct mr_changes *changes = calloc(1, sizeof(*changes));
	int r;

	if (!changes)
		return -ENOMEM;
	name_here(changes->here, sizeof(changes->here));
	snprintf(changes->path, sizeof(changes->path), "%s/" MR_CHANGES_FILE, state_dir);
	snprintf(changes->path_new, sizeof(changes->path_new), "%s/" MR_CHANGES_FILE ".new",
		state_dir);
	r = read_list(changes);
	if (r) {
		mr_changes_close(changes);
		return r;
	}
	*ret_changes = changes;
	return 0;
}

void mr_changes_close(struct mr_changes *changes)
{
	if (!changes)
		return;
	mr_strv_clear(&changes->items);
	free(changes);
}

bool mr_changes_has(const struct mr_changes *changes, const char *what)
{
	return mr_strv_contains(&changes->items, what);
}

const struct mr_strv *mr_changes_list(const struct mr_changes *changes)
{
	return &changes->items;
}

int mr_changes_add(struct mr_changes *changes, const char *what)
{
	int r;

	if (mr_changes_has(changes, what))
		return 0;
	r = mr_strv_add(&changes->items, what);
	if (r)
		return r;
	return write_list(changes);
}

int mr_changes_remove(struct mr_changes *changes, const char *what)
{
	struct mr_strv *items = &changes->items;

	for (size_t i = 0; i < items->n; i++) {
		if (strcmp(items->items[i], what))
			continue;
		free(items->items[i]);
		memmove(&items->items[i], &items->items[i + 1],
			(items->n - i - 1) * sizeof(items->items[0]));
		items->n--;
		return write_list(changes);
	}
	return 0;
}
