// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_core_csum.c - checksums against the definition: a sum from scratch over the same octets.
 */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"

#define ROUNDS 200000

/** RFC 1071, by the book: big-endian words, one carry at a time. Returned as it lies in memory. */
static uint16_t from_scratch(const uint8_t *octets, size_t len)
{
	uint32_t sum = 0;
	uint8_t wire[2];
	uint16_t word;

	for (size_t i = 0; i < len; i += 2) {
		sum += (uint32_t)octets[i] << 8 | (i + 1 < len ? octets[i + 1] : 0);
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	sum = ~sum & 0xffff;
	wire[0] = (uint8_t)(sum >> 8);
	wire[1] = (uint8_t)sum;
	memcpy(&word, wire, sizeof(word));
	return word;
}

static uint64_t sum_words(const uint8_t *octets, size_t len)
{
	uint64_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < len; i += 2) {
		memcpy(&word, octets + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static void fill(uint8_t *octets, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int kind = rand() % 8;

		/* extremes more often than chance would have them */
		octets[i] = kind == 0 ? 0 : kind == 1 ? 0xff : (uint8_t)rand();
	}
}

Test(csum, fold_is_the_sum_modulo_ffff)
{
	static const uint64_t sums[] = {0, 1, 0xfffe, 0xffff, 0x10000, 0x1fffe, 0xffff0000,
		0xffffffff, 0x100000000, 0x1ffffffff, 0xfffffffeffffffff, UINT64_MAX - 1,
		UINT64_MAX};

	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		uint16_t folded = mr_csum_fold(sums[i]);

		cr_expect_eq(
			folded % 0xffff, sums[i] % 0xffff, "%llx", (unsigned long long)sums[i]);
		/* one's complement has two zeros: only a sum of nothing is the first */
		cr_expect_eq(folded == 0, sums[i] == 0, "%llx", (unsigned long long)sums[i]);
	}
}

Test(csum, update_is_what_a_sum_from_scratch_gives)
{
	uint8_t before[32], after[32];

	srand(1);
	for (int round = 0; round < ROUNDS; round++) {
		size_t at = (size_t)(rand() % 8) * 2, len = (size_t)(1 + rand() % 8) * 2;
		uint16_t csum, updated;

		fill(before, sizeof(before));
		before[0] |= 0x45; /* a header is never all zeros */
		memcpy(after, before, sizeof(before));
		fill(after + at, len);
		after[0] |= 0x45;
		csum = from_scratch(before, sizeof(before));
		updated = mr_csum_update(
			csum, sum_words(before, sizeof(before)), sum_words(after, sizeof(after)));
		cr_assert_eq(updated, from_scratch(after, sizeof(after)), "round %d", round);
	}
}

Test(csum, update_keeps_an_error_as_large_as_it_was)
{
	uint8_t before[16], after[16];

	srand(2);
	for (int round = 0; round < ROUNDS; round++) {
		uint16_t error = (uint16_t)(1 + rand() % 0xfffe), wrong, updated, right;

		fill(before, sizeof(before));
		fill(after, sizeof(after));
		before[0] = after[0] = 0x45;
		right = from_scratch(after, sizeof(after));
		wrong = mr_csum_fold((uint64_t)from_scratch(before, sizeof(before)) + error);
		updated = mr_csum_update(
			wrong, sum_words(before, sizeof(before)), sum_words(after, sizeof(after)));
		cr_assert_eq(((uint32_t)updated + 0xffff - right) % 0xffff, error % 0xffff,
			"round %d", round);
	}
}

Test(csum, update_by_nothing_changes_nothing_but_the_second_zero)
{
	for (uint32_t csum = 0; csum < 0xffff; csum++)
		cr_assert_eq(mr_csum_update((uint16_t)csum, 0x12345678, 0x12345678), csum);
	cr_assert_eq(mr_csum_update(0xffff, 0x12345678, 0x12345678), 0);
}

Test(csum, a_mapped_address_adds_up_like_the_address_alone)
{
	struct mr_addr mapped = mr_addr_from_v4(mr_cpu_to_be32(0x0a020002));

	cr_expect_eq(mr_csum_fold(mr_csum_addr(&mapped)) % 0xffff,
		mr_csum_fold(mr_cpu_to_be32(0x0a020002)) % 0xffff);
}

Test(csum, a_computed_zero_goes_out_as_ones)
{
	cr_expect_eq(mr_csum_udp_wire(0), 0xffff);
	cr_expect_eq(mr_csum_udp_wire(1), 1);
	cr_expect_eq(mr_csum_udp_wire(0xffff), 0xffff);
}

Test(csum, header_check_finds_every_flipped_bit)
{
	static const uint8_t header[MR_IPV4_LEN] = {
		0x45, 0, 0, 0x80, 0x12, 0x34, 0x40, 0, 0x40, 0x11, 0, 0, 10, 2, 0, 1, 10, 2, 0, 2};
	uint8_t octets[MR_IPV4_LEN];
	uint16_t csum = from_scratch(header, sizeof(header));

	memcpy(octets, header, sizeof(octets));
	memcpy(octets + 10, &csum, sizeof(csum));
	cr_assert(mr_csum_ipv4_ok((const void *)octets));
	for (size_t bit = 0; bit < 8 * sizeof(octets); bit++) {
		octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_expect(!mr_csum_ipv4_ok((const void *)octets), "bit %zu", bit);
		octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}
