/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sshargs.h - ssh's own command line, as far as it has to be understood: where options end, and
 * which of them hold for the bastion as well.
 */
#ifndef MR_VIA_SSHARGS_H
#define MR_VIA_SSHARGS_H

#include "words.h"

/** What mosh's call of ssh says. The lists start with no word. */
struct mr_sshargs {
	struct mr_words options; /* all but what mosh adds for its own proxy */
	const char *host;        /* [USER@]HOST, points into the list */
	struct mr_words command;
	int family;       /* AF_INET or AF_INET6 if mosh was told so, else AF_UNSPEC */
	bool finds_relay; /* mosh waits for MOSH IP, which a wrapper can give */
};

/**
 * Reads `list`, the arguments of ssh as mosh gives them:
 * `-n -tt -S none -o ProxyCommand=… [user@]host -- command`, the user's own options before.
 * -EINVAL: no host, or no command.
 */
int mr_sshargs_parse(char *const *list, struct mr_sshargs *ret_args);

void mr_sshargs_free(struct mr_sshargs *args);

/** Length of the option at `list` in words: 1, or 2 where its argument is the next word; 0: none.
 */
int mr_sshargs_option(char *const *list);

/** Appends those of the options in `list` that hold for every hop: -F and -v, as with `ssh -J`. */
void mr_sshargs_for_every_hop(char *const *list, struct mr_words *words);

#endif
