/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attached.h - the note in the run directory of what stays attached when the daemon ends, and
 * taking it off with no daemon there.
 *
 * The note is a file, MR_ATTACHED_FILE, one JSON object: {"pin_dir": "...", "state_dir": "..."}. It
 * is there from the start of an XDP dataplane until that is detached. "moshrelay detach" reads it.
 */
#ifndef MR_CONTROL_ATTACHED_H
#define MR_CONTROL_ATTACHED_H

#include <stddef.h>

struct mr_config;
struct mr_why;

#define MR_ATTACHED_FILE "attached"

/** Writes the note. 0 or -errno. */
int mr_attached_note(const struct mr_config *config);

/** Removes it. */
void mr_attached_forget(const struct mr_config *config);

/**
 * Takes off what a daemon with this run, state and pin directory has left, and puts back what it
 * changed on this host (in the network namespace that it ran in). Sessions stay in the store. How
 * many interfaces it was on is in `*ret_links`. -EBUSY: a daemon runs there.
 */
int mr_attached_detach(const struct mr_config *config, size_t *ret_links, struct mr_why *ret_why);

#endif
