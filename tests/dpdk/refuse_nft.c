/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refuse_nft.c - to be preloaded: nftables refuses every change while the file that
 * REFUSE_NFT names is there.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

struct nft_ctx;

int nft_run_cmd_from_buffer(struct nft_ctx *nft, const char *text);
const char *nft_ctx_get_error_buffer(struct nft_ctx *nft);

static int refuses(void)
{
	const char *file = getenv("REFUSE_NFT");

	return file && !access(file, F_OK);
}

/* The module is loaded RTLD_LOCAL, so "next" would not find the library. */
static void *real(const char *name)
{
	return dlsym(dlopen("libnftables.so.1", RTLD_NOW), name);
}

int nft_run_cmd_from_buffer(struct nft_ctx *nft, const char *text)
{
	int (*run)(struct nft_ctx *, const char *) = real("nft_run_cmd_from_buffer");

	return refuses() ? -1 : run(nft, text);
}

const char *nft_ctx_get_error_buffer(struct nft_ctx *nft)
{
	const char *(*get)(struct nft_ctx *) = real("nft_ctx_get_error_buffer");

	return refuses() ? "refused for a test\n" : get(nft);
}
