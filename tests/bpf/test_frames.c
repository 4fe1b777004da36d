// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_frames.c - frames larger than a page: the program sees the first part and relays the whole.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>

#include "bed.h"
#include "parse.h"

TestSuite(frames, .init = bed_set_up, .fini = bed_tear_down, .timeout = 600);

#define PLAIN44 "4 to 4: plain"
#define PLAIN46 "4 to 6: plain"
#define PLAIN64 "6 to 4: plain"
#define PLAIN66 "6 to 6: plain"

static uint8_t frame[FRAME_SIZE];

/** What the UDP checksum covers, itself included: folds to ffff if that is right. */
static uint16_t udp_sum(const uint8_t *ip, size_t payload_len)
{
	bool v4 = ip[0] >> 4 == 4;
	const uint8_t *udp = ip + (v4 ? MR_IPV4_LEN : MR_IPV6_LEN);
	size_t len = MR_UDP_LEN + payload_len;

	return mr_csum_fold(mr_vec_sum(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32) + mr_vec_sum(udp, len) +
		mr_cpu_to_be16((uint16_t)len) + mr_cpu_to_be16(MR_PROTO_UDP));
}

/** The row's datagram with another payload: mosh's nonce, then noise. Returns the frame's length.
 */
static size_t make_frame(const struct mr_vec *row, size_t payload_len, bool checksum)
{
	bool v4 = row->in[12] == 0x08;
	size_t header = MR_ETH_LEN + (v4 ? MR_IPV4_LEN : MR_IPV6_LEN) + MR_UDP_LEN;
	struct mr_udp *udp = (void *)(frame + header - MR_UDP_LEN);
	struct mr_ipv4 *ip = (void *)(frame + MR_ETH_LEN);
	uint16_t udp_len = (uint16_t)(MR_UDP_LEN + payload_len);

	memcpy(frame, row->in, header + 8);
	srand(1);
	for (size_t i = 8; i < payload_len; i++)
		frame[header + i] = (uint8_t)rand();
	udp->len = mr_cpu_to_be16(udp_len);
	udp->csum = 0;
	if (v4) {
		ip->len = mr_cpu_to_be16((uint16_t)(MR_IPV4_LEN + udp_len));
		ip->csum = 0;
		ip->csum = (uint16_t)~mr_csum_fold(mr_vec_sum(frame + MR_ETH_LEN, MR_IPV4_LEN));
	} else {
		((struct mr_ipv6 *)(void *)ip)->payload_len = mr_cpu_to_be16(udp_len);
	}
	if (checksum)
		udp->csum = mr_csum_udp_wire((uint16_t)~udp_sum(frame + MR_ETH_LEN, payload_len));
	return header + payload_len;
}

/** Sends the datagram, with octets of padding, over next hops of this MTU. */
static void send_large(
	const char *what, size_t payload_len, uint16_t mtu, size_t padding, bool checksum)
{
	const struct mr_vec *row = find_row(what);
	struct mr_session session = row->before;
	size_t len = make_frame(row, payload_len, checksum);

	/* the vectors' generation is not the program's: say that these next hops are the newest */
	session.to_target.generation = backend->state->generation;
	session.to_target.mtu = mtu;
	put_session(row, &session);
	memset(frame + len, 0xee, padding);
	send_frame(frame, len + padding, row->ingress);
}

/** The whole payload came out, under headers that are right. */
static void expect_relayed(size_t payload_len)
{
	struct mr_packet in = {0}, out = {0};

	cr_assert_eq(got.reason, MR_REASON_to_target, "%s", mr_vec_reason_name(got.reason));
	cr_expect_eq(got.action, XDP_REDIRECT);
	cr_assert_eq(mr_parse(frame, frame + sizeof(frame), sizeof(frame), &in), MR_PARSED);
	cr_assert_eq(mr_parse(got.frame, got.frame + got.len, (uint32_t)got.len, &out), MR_PARSED);
	cr_expect_eq(out.payload_len, payload_len);
	cr_expect_eq(out.frame_len, got.len, "nothing behind the packet");
	cr_expect_eq(memcmp(frame + in.header_len, got.frame + out.header_len, payload_len), 0);
	if (out.udp_csum)
		cr_expect_eq(udp_sum(got.frame + MR_ETH_LEN, payload_len), 0xffff);
	else
		cr_expect(!out.is_v6 && !in.udp_csum);
}

Test(frames, larger_than_a_page_in_every_pair_of_families)
{
	static const char *const rows[] = {PLAIN44, PLAIN46, PLAIN64, PLAIN66};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t payload_len = 3000; payload_len < 5000; payload_len += 97) {
			send_large(rows[i], payload_len, 9000, 0, true);
			expect_relayed(payload_len);
		}
}

Test(frames, jumbo)
{
	send_large(PLAIN44, 8972, 9000, 0, true);
	expect_relayed(8972);
	send_large(PLAIN46, 8952, 9000, 0, true);
	expect_relayed(8952);
	send_large(PLAIN46, 8953, 9000, 0, true);
	cr_expect_eq(got.reason, MR_REASON_too_big, "%s", mr_vec_reason_name(got.reason));
	cr_expect_eq(got.event.kind, MR_EVENT_TOO_BIG);
	cr_expect_eq(got.event.detail, 9001);
}

Test(frames, as_large_as_they_get)
{
	send_large(PLAIN44, 60000, 65535, 0, true);
	expect_relayed(60000);
	send_large(PLAIN46, 60001, 65535, 0, true);
	expect_relayed(60001);
}

Test(frames, large_with_padding)
{
	for (size_t padding = 1; padding < 300; padding += 37) {
		send_large(PLAIN44, 8000, 9000, padding, true);
		expect_relayed(8000);
		send_large(PLAIN46, 8000, 9000, padding, true);
		expect_relayed(8000);
	}
}

Test(frames, without_checksum_to_ipv4_stay_without)
{
	send_large(PLAIN44, 8000, 9000, 0, false);
	expect_relayed(8000);
}

Test(frames, without_checksum_to_ipv6_get_one_while_that_is_possible)
{
	static const size_t lengths[] = {24, 25, 1232, 1452, 2047, 2048};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		send_large(PLAIN46, lengths[i], 9000, 0, false);
		expect_relayed(lengths[i]);
	}
	for (size_t payload_len = 2049; payload_len < 9000; payload_len += 1500) {
		send_large(PLAIN46, payload_len, 9000, 0, false);
		cr_expect_eq(got.reason, MR_REASON_no_checksum, "%zu: %s", payload_len,
			mr_vec_reason_name(got.reason));
		cr_expect_eq(got.action, XDP_DROP);
	}
}

Test(frames, cut_short_behind_the_first_page)
{
	const struct mr_vec *row = find_row(PLAIN44);
	size_t len = make_frame(row, 8000, true);

	put_session(row, &row->before);
	for (size_t cut = 1; cut < 4500; cut += 501) {
		send_frame(frame, len - cut, row->ingress);
		cr_expect_eq(got.reason, MR_REASON_truncated, "%zu: %s", cut,
			mr_vec_reason_name(got.reason));
		cr_expect_eq(got.action, XDP_PASS);
		cr_expect_eq(memcmp(got.frame, frame, len - cut), 0);
	}
}
