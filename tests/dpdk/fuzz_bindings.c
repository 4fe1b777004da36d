// SPDX-License-Identifier: BSD-2-Clause
/*
 * fuzz_bindings.c - mutated packets through the core on the host, the loaded XDP program and the
 * DPDK worker: the three must agree on every octet, reason and field.
 *
 *     fuzz_bindings [-n PACKETS] [-s SEED] [-d] FILE...
 *
 * Each packet starts from a row of the packet vectors, with its session; some octets of the frame
 * change, or its length, or its checksums are made right again after that so that it gets further.
 * -d leaves XDP out, which needs root. Prints TAP; a difference prints the packet.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "csum.h"
#include "host.h"
#include "vec_dpdk.h"
#include "vec_xdp.h"

#define FILES_MAX 16

struct fuzz {
	struct mr_vec_file files[FILES_MAX];
	size_t n_files;
	struct mr_vec_dpdk *dpdk;
	struct mr_vec_xdp *xdp; /* NULL: left out */
	uint64_t random;
	uint64_t reasons[MR_REASON_COUNT + 1];
};

/* xorshift64*: the same packets for the same seed, everywhere. */
static uint64_t next_random(struct fuzz *f)
{
	f->random ^= f->random >> 12;
	f->random ^= f->random << 25;
	f->random ^= f->random >> 27;
	return f->random * 0x2545f4914f6cdd1dULL;
}

static size_t below(struct fuzz *f, size_t limit)
{
	return limit ? (size_t)(next_random(f) % limit) : 0;
}

static void die(const char *what, const char *why)
{
	printf("Bail out! %s: %s\n", what, why);
	exit(1);
}

static void put_word(uint8_t *at, uint16_t word)
{
	memcpy(at, &word, sizeof(word));
}

static size_t ip_offset(const struct mr_vec *row)
{
	return row->in_len > 14 && row->in[12] == 0x81 && row->in[13] == 0x00 ? 18 : 14;
}

/* Makes the lengths and the header's checksum say what the frame is, where it is IP at all. */
static void mend(struct mr_vec *row)
{
	size_t at = ip_offset(row), left = row->in_len > at ? row->in_len - at : 0;
	uint8_t *ip = row->in + at;

	if (left >= 28 && ip[0] == 0x45) {
		ip[2] = (uint8_t)(left >> 8);
		ip[3] = (uint8_t)left;
		put_word(ip + 10, 0);
		put_word(ip + 10, (uint16_t)~mr_csum_fold(mr_vec_sum(ip, 20)));
		ip[24] = (uint8_t)((left - 20) >> 8);
		ip[25] = (uint8_t)(left - 20);
	} else if (left >= 48 && ip[0] >> 4 == 6) {
		ip[4] = (uint8_t)((left - 40) >> 8);
		ip[5] = (uint8_t)(left - 40);
		ip[44] = ip[4];
		ip[45] = ip[5];
	}
}

static void mutate_octets(struct fuzz *f, struct mr_vec *row)
{
	static const uint8_t telling[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x45, 0x60, 0x11, 0x3a};
	/* headers are where the decisions are */
	size_t range = below(f, 8) ? mr_min(row->in_len, (size_t)90) : row->in_len;
	size_t at = below(f, range);

	if (!row->in_len)
		return;
	switch (below(f, 3)) {
	case 0:
		row->in[at] ^= (uint8_t)(1u << below(f, 8));
		break;
	case 1:
		row->in[at] = telling[below(f, sizeof(telling))];
		break;
	case 2:
		row->in[at] = (uint8_t)next_random(f);
		break;
	}
}

static void mutate_length(struct fuzz *f, struct mr_vec *row)
{
	size_t to = below(f, 4) ? below(f, row->in_len + 64) : below(f, 1600);

	to = mr_min(to, sizeof(row->in) - 64);
	for (size_t i = row->in_len; i < to; i++)
		row->in[i] = (uint8_t)next_random(f);
	row->in_len = to;
}

static void mutate(struct fuzz *f, struct mr_vec *row)
{
	size_t octets = below(f, 5);

	for (size_t i = 0; i < octets; i++)
		mutate_octets(f, row);
	if (!below(f, 4))
		mutate_length(f, row);
	if (below(f, 4))
		mend(row);
	if (!below(f, 16))
		row->ingress = 11 + (uint32_t)below(f, 4);
}

static void print_row(const struct mr_vec *row)
{
	printf("# from row: %s\n# in %u:", row->what, row->ingress);
	for (size_t i = 0; i < row->in_len; i++)
		printf("%s%02x", i % 32 ? "" : "\n#  ", row->in[i]);
	printf("\n");
}

/* The host's result becomes what the others are expected to give. */
static void expect(struct fuzz *f, const struct mr_vec_file *file, struct mr_vec *row)
{
	struct mr_vec_result result;

	row->after = row->before;
	mr_host_run(file, row, &row->after, &result);
	row->reason = result.reason;
	row->egress = result.egress;
	row->out_len = 0;
	if (mr_reason_verdict(result.reason) == MR_VERDICT_SEND) {
		row->out_len = result.len;
		memcpy(row->out, result.frame, result.len);
	}
	f->reasons[result.reason]++;
}

static bool run_one(struct fuzz *f, const struct mr_vec_file *file, const struct mr_vec *seed)
{
	static struct mr_vec row;
	struct mr_vec_result result = {0};
	struct mr_session session;
	char why[MR_VEC_WHY] = "";

	row = *seed;
	mutate(f, &row);
	expect(f, file, &row);
	session = row.before;
	if (mr_vec_dpdk_run(f->dpdk, file, &row, &session, &result))
		die("the DPDK worker", "a packet could not be run");
	result.no_events = true; /* the host tells nobody */
	if (!mr_vec_check(&row, &result, &session, 0, why)) {
		printf("# DPDK differs from the core on the host: %s\n", why);
		print_row(&row);
		return false;
	}
	if (!f->xdp || !mr_vec_xdp_can_run(&row))
		return true;
	session = row.before;
	memset(&result, 0, sizeof(result));
	result.no_events = true;
	if (mr_vec_xdp_run(f->xdp, file, &row, &session, &result, why) &&
		mr_vec_check(&row, &result, &session, MR_VEC_XDP_TOLERANCE_NS, why))
		return true;
	printf("# XDP differs from the core on the host: %s\n", why);
	print_row(&row);
	return false;
}

static bool run_file(struct fuzz *f, const struct mr_vec_file *file, uint64_t packets)
{
	if (mr_vec_dpdk_world(f->dpdk, file))
		die("the DPDK worker", "tables");
	if (f->xdp)
		mr_vec_xdp_world(f->xdp, file);
	for (uint64_t i = 0; i < packets; i++) {
		if (!run_one(f, file, &file->rows[below(f, file->n_rows)]))
			return false;
	}
	return true;
}

static void print_reasons(const struct fuzz *f)
{
	for (unsigned i = 0; i < MR_REASON_COUNT; i++)
		printf("# %10" PRIu64 " %s\n", f->reasons[i],
			mr_vec_reason_name((enum mr_reason)i));
}

int main(int argc, char **argv)
{
	static struct fuzz f;
	uint64_t packets = 20000;
	bool with_xdp = true, good = true;
	char why[MR_VEC_WHY];
	int c;

	f.random = (uint64_t)time(NULL);
	while ((c = getopt(argc, argv, "n:s:d")) != -1) {
		if (c == 'n')
			packets = strtoull(optarg, NULL, 10);
		else if (c == 's')
			f.random = strtoull(optarg, NULL, 10);
		else if (c == 'd')
			with_xdp = false;
		else
			return 2;
	}
	f.random += !f.random;
	printf("# -s %" PRIu64 " -n %" PRIu64 "\n", f.random, packets);
	for (; optind < argc && f.n_files < FILES_MAX; optind++) {
		if (mr_vec_load(argv[optind], &f.files[f.n_files], why) < 0)
			die(argv[optind], why);
		f.n_files++;
	}
	if (!f.n_files)
		die("nothing to mutate", "name the vectors");
	if (mr_vec_dpdk_open(&f.dpdk, why))
		die("the DPDK worker", why);
	if (with_xdp)
		f.xdp = mr_vec_xdp_open();
	for (size_t i = 0; i < f.n_files && good; i++)
		good = run_file(&f, &f.files[i], packets / f.n_files);
	print_reasons(&f);
	printf("%s 1 - host, DPDK%s agree on %" PRIu64 " mutated packets\n1..1\n",
		good ? "ok" : "not ok", with_xdp ? " and XDP" : "",
		packets / f.n_files * f.n_files);
	if (f.xdp)
		mr_vec_xdp_close(f.xdp);
	mr_vec_dpdk_close(f.dpdk);
	return !good;
}
