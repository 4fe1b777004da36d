/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * changes.h - what the daemon has changed on its host and will put back when the dataplane is taken
 * off: a short list of words in a file of the state directory.
 *
 * The list outlives the daemon, for the XDP program does so too and needs the changes. It is good
 * for the boot and the network namespace that it was written in; after a reboot there is nothing to
 * put back. What each word means is known to those who write it.
 */
#ifndef MR_CONTROL_CHANGES_H
#define MR_CONTROL_CHANGES_H

#include <stdbool.h>

#include "strv.h"

/** Its name in the state directory; a new one is written beside it, with ".new" behind the name. */
#define MR_CHANGES_FILE "changes"

struct mr_changes;

/** Reads the list, if there is one of this boot and network namespace. 0, -ENOMEM. */
int mr_changes_open(const char *state_dir, struct mr_changes **ret_changes);

/** NULL is allowed. The file stays. */
void mr_changes_close(struct mr_changes *changes);

bool mr_changes_has(const struct mr_changes *changes, const char *what);

/** All of them. */
const struct mr_strv *mr_changes_list(const struct mr_changes *changes);

/**
 * Adds a change, before it is made: a daemon that is killed in between puts back what was there
 * still, which does no harm. At most 255 octets of one line; one that is in the list already is not
 * added again. -errno: it is in the list, but could not be written: a next daemon won't know of it.
 */
int mr_changes_add(struct mr_changes *changes, const char *what);

/** Takes a change off the list, after it was put back. One that isn't there is fine. -errno. */
int mr_changes_remove(struct mr_changes *changes, const char *what);

#endif
