// SPDX-License-Identifier: BSD-2-Clause
/*
 * mutate.c - see mutate.h.
 */
#include "mutate.h"

#include <string.h>

#include "csum.h"

#define CHANGES_MAX  4
#define GROWTH_MAX   32
#define HEADERS_SIZE 110 /* where most changes go: Ethernet to a quoted datagram's UDP header */

uint64_t mr_random_next(struct mr_random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t mr_random_below(struct mr_random *random, uint32_t n)
{
	return (uint32_t)(mr_random_next(random) % n);
}

/** A place to change; mostly in the headers. */
static size_t place(struct mr_random *random, size_t len)
{
	if (len > HEADERS_SIZE && mr_random_below(random, 8))
		len = HEADERS_SIZE;
	return mr_random_below(random, (uint32_t)len);
}

/** Sixteen bits at once: lengths, ports, types, near what they were or at an extreme. */
static void change_number(struct mr_random *random, uint8_t *at)
{
	static const uint16_t numbers[] = {0, 1, 7, 8, 19, 20, 23, 24, 27, 28, 39, 40, 47, 48,
		0x0800, 0x8100, 0x86dd, 0x88a8, 0x4500, 0x4600, 0x2000, 0x4000, 0x8000, 0x7fff,
		0xfffe, 0xffff};
	uint16_t value = (uint16_t)(at[0] << 8 | at[1]);

	if (mr_random_below(random, 2))
		value = numbers[mr_random_below(random, sizeof(numbers) / sizeof(numbers[0]))];
	else
		value = (uint16_t)(value + mr_random_below(random, 17) - 8);
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void change_octet(struct mr_random *random, uint8_t *at)
{
	static const uint8_t octets[] = {0, 1, 2, 4, 6, 17, 43, 44, 58, 60, 0x40, 0x44, 0x45, 0x46,
		0x60, 0x7f, 0x80, 0xe0, 0xfe, 0xff};

	switch (mr_random_below(random, 3)) {
	case 0:
		*at ^= (uint8_t)(1 << mr_random_below(random, 8));
		break;
	case 1:
		*at = octets[mr_random_below(random, sizeof(octets))];
		break;
	default:
		*at = (uint8_t)mr_random_next(random);
	}
}

static size_t change_length(struct mr_random *random, uint8_t *frame, size_t len, size_t size)
{
	size_t more = 1 + mr_random_below(random, GROWTH_MAX);

	if (mr_random_below(random, 2))
		return mr_random_below(random, (uint32_t)len + 1);
	more = more < size - len ? more : size - len;
	for (size_t i = 0; i < more; i++)
		frame[len + i] = (uint8_t)mr_random_next(random);
	return len + more;
}

/** Takes octets out or puts some in, so that what follows is found where something else should be.
 */
static size_t shift(struct mr_random *random, uint8_t *frame, size_t len, size_t size)
{
	size_t at = place(random, len), by = 2 + 2 * mr_random_below(random, 10);

	if (mr_random_below(random, 2)) {
		by = by < len - at ? by : len - at;
		memmove(frame + at, frame + at + by, len - at - by);
		return len - by;
	}
	by = by < size - len ? by : size - len;
	memmove(frame + at + by, frame + at, len - at);
	return len + by;
}

static size_t change(struct mr_random *random, uint8_t *frame, size_t len, size_t size,
	const uint8_t *other, size_t other_len)
{
	size_t at;

	if (len < 2)
		return change_length(random, frame, len, size);
	switch (mr_random_below(random, 8)) {
	case 0:
		return change_length(random, frame, len, size);
	case 1:
		return shift(random, frame, len, size);
	case 2:
		at = place(random, len < other_len ? len : other_len ? other_len : 1);
		if (at < other_len)
			memcpy(frame + at, other + at, (len < other_len ? len : other_len) - at);
		return len;
	case 3:
	case 4:
		change_number(random, frame + (place(random, len - 1) & ~(size_t)1));
		return len;
	default:
		change_octet(random, frame + place(random, len));
		return len;
	}
}

static void fix_header_checksum(uint8_t *frame, size_t len)
{
	struct mr_ipv4 *ip;
	size_t at = MR_ETH_LEN;
	uint64_t sum = 0;
	uint16_t word;

	if (len >= 18 && frame[12] == 0x81 && frame[13] == 0)
		at += MR_VLAN_LEN;
	if (len < at + MR_IPV4_LEN || frame[at] >> 4 != 4)
		return;
	ip = (struct mr_ipv4 *)(frame + at);
	ip->csum = 0;
	for (size_t i = 0; i < MR_IPV4_LEN; i += 2) {
		memcpy(&word, frame + at + i, sizeof(word));
		sum += word;
	}
	ip->csum = (uint16_t)~mr_csum_fold(sum);
}

size_t mr_mutate(struct mr_random *random, uint8_t *frame, size_t len, size_t size,
	const uint8_t *other, size_t other_len)
{
	uint32_t changes = 1 + mr_random_below(random, CHANGES_MAX);

	while (changes--)
		len = change(random, frame, len, size, other, other_len);
	if (mr_random_below(random, 2))
		fix_header_checksum(frame, len);
	return len;
}
