/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * output.h - what comes back from the target while mosh-server is started there.
 *
 * Finds the address on which the target was reached, the UDP port and the key. Trusts nothing: the
 * text is whatever the target, its start-up files and its pseudo terminal make it. Pure: the bytes
 * are handed in, lines for the user are handed out.
 *
 * The command that is run there (see mr_output_script()) prints a line of ours just before it
 * starts mosh-server, so a MOSH CONNECT before that line is somebody else's and is passed over.
 */
#ifndef MR_VIA_OUTPUT_H
#define MR_VIA_OUTPUT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What is kept of one line; mosh's longest of interest has 42 octets. */
#define MR_OUTPUT_LINE_SIZE 1024

/** A key is 128 bits in base64 without its padding. */
#define MR_KEY_LENGTH 22

enum mr_output_state {
	MR_OUTPUT_WAITING,   /* neither address nor port */
	MR_OUTPUT_ADDRESSED, /* the address is known, mosh-server about to start */
	MR_OUTPUT_CONNECT,   /* everything is known; what follows is ignored */
	MR_OUTPUT_BAD,       /* see `why`; what follows is ignored */
};

struct mr_output {
	enum mr_output_state state;
	const char *why;                /* for people, static; if bad */
	char address[INET6_ADDRSTRLEN]; /* the target's own, numeric, from ADDRESSED on */
	uint16_t port;                  /* host byte order, from CONNECT on */
	char key[MR_KEY_LENGTH + 1];    /* from CONNECT on: never print it, wipe it */

	/* gets each line that isn't part of the protocol, printable, without its end; may be NULL
	 */
	void (*show)(void *context, const char *line);
	void *context;

	char line[MR_OUTPUT_LINE_SIZE];
	size_t used;
	bool cut; /* the line was longer than that */
};

/** Takes in what was read. */
void mr_output_feed(struct mr_output *output, const char *data, size_t size);

/** The end of the output: a last line without an end counts, as it does for mosh. */
void mr_output_finish(struct mr_output *output);

/** Forgets the key and what may hold it. Cleanup for a `struct mr_output`. */
void mr_output_wipe(struct mr_output *output);

/**
 * The command for the target's login shell, whichever that is: prints our line, then runs `server`,
 * a command for sh, with MOSH_SERVER_NETWORK_TMOUT at `idle_s` seconds. The caller's to free.
 */
char *mr_output_script(const char *server, unsigned idle_s);

/**
 * Reads the third field of SSH_CONNECTION ("client port server port"): the server's address.
 * An IPv4 address mapped into IPv6 becomes the IPv4 address that mosh-server binds.
 * -EINVAL, and nothing is written, if that is no address.
 */
int mr_output_server_address(const char *ssh_connection, char ret_address[INET6_ADDRSTRLEN]);

#endif
