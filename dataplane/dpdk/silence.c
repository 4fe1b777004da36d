/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * silence.c - the table, written in nft's language, and its elements.
 */
#include "silence.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"

#define TABLE_SIZE   32
#define ELEMENT_SIZE 80 /* "[IPv6] . port, " and the command around it */

struct mr_silence {
	struct nft_ctx *nft;
	char table[TABLE_SIZE];
};

/* -350: after defragmentation, before connection tracking (-200) and raw (-300). */
static const char rules[] = "table inet %s {\n"
			    "  flags owner\n"
			    "  set public4 { type ipv4_addr . inet_service; }\n"
			    "  set public6 { type ipv6_addr . inet_service; }\n"
			    "  set upstream { type inet_service; }\n"
			    "  chain prerouting {\n"
			    "    type filter hook prerouting priority -350; policy accept;\n"
			    "    iif lo accept\n"
			    "    meta l4proto != udp accept\n"
			    "    ip daddr . udp dport @public4 drop\n"
			    "    ip6 daddr . udp dport @public6 drop\n"
			    "    udp dport != @upstream accept\n"
			    "    fib daddr type != local accept\n"
			    "    socket wildcard 0 accept\n"
			    "    socket wildcard 1 accept\n"
			    "    drop\n"
			    "  }\n"
			    "}\n";

static int explain(struct nft_ctx *nft, struct mr_why *ret_why)
{
	const char *error = nft_ctx_get_error_buffer(nft);

	error = error && *error ? error : "no answer";
	return mr_why_set(ret_why, -EIO,
		"nftables, which keeps the kernel from answering the relay's datagrams on these "
		"interfaces (Linux 5.12 or later): %.*s",
		(int)mr_min(strcspn(error, "\n"), 100UL), error);
}

int mr_silence_open(struct mr_silence **ret_silence, struct mr_why *ret_why)
{
	struct mr_silence *s = calloc(1, sizeof(*s));
	char text[sizeof(rules) + TABLE_SIZE];

	if (!s)
		return mr_why_set(ret_why, -ENOMEM, "nftables: out of memory");
	s->nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!s->nft) {
		free(s);
		return mr_why_set(ret_why, -EIO, "nftables: not available");
	}
	nft_ctx_buffer_error(s->nft);
	nft_ctx_buffer_output(s->nft);
	snprintf(s->table, sizeof(s->table), "moshrelay-%d", (int)getpid());
	snprintf(text, sizeof(text), rules, s->table);
	if (nft_run_cmd_from_buffer(s->nft, text)) {
		int rc = explain(s->nft, ret_why);

		mr_silence_close(s);
		return rc;
	}
	*ret_silence = s;
	return 0;
}

void mr_silence_close(struct mr_silence *silence)
{
	if (!silence)
		return;
	nft_ctx_free(silence->nft); /* the kernel takes the table away */
	free(silence);
}

static const char *set_of(const struct mr_silence_change *change)
{
	if (change->upstream)
		return "upstream";
	return mr_addr_is_v4(&change->addr) ? "public4" : "public6";
}

static int print_element(char *buf, size_t size, const struct mr_silence_change *change)
{
	char addr[INET6_ADDRSTRLEN];

	if (change->upstream) {
		int used = 0;

		for (unsigned i = 0; i < MR_LEGS; i++)
			used += snprintf(buf + used, size - (size_t)used, "%s%u", i ? ", " : "",
				change->port + i);
		return used;
	}
	return snprintf(buf, size, "%s . %u", mr_addr_format(&change->addr, addr, sizeof(addr)),
		change->port);
}

int mr_silence_apply(struct mr_silence *silence, const struct mr_silence_change *changes,
	size_t count, struct mr_why *ret_why)
{
	size_t size = (count + 1) * (ELEMENT_SIZE + MR_LEGS * sizeof("65535, ")), used = 0;
	const char *open_set = NULL;
	bool open_add = false;
	char *text;
	int rc;

	if (!count)
		return 0;
	text = malloc(size);
	if (!text)
		return mr_why_set(ret_why, -ENOMEM, "nftables: out of memory");
	for (size_t i = 0; i < count; i++) {
		const char *set = set_of(&changes[i]);
		bool same = open_set == set && open_add == changes[i].add;

		if (same)
			used += (size_t)snprintf(text + used, size - used, ", ");
		else
			used += (size_t)snprintf(text + used, size - used,
				"%s%s element inet %s %s { ", open_set ? " }\n" : "",
				changes[i].add ? "add" : "delete", silence->table, set);
		used += (size_t)print_element(text + used, size - used, &changes[i]);
		open_set = set;
		open_add = changes[i].add;
	}
	snprintf(text + used, size - used, " }\n");
	rc = nft_run_cmd_from_buffer(silence->nft, text) ? explain(silence->nft, ret_why) : 0;
	free(text);
	return rc;
}
