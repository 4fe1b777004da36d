/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * csum.h - the Internet checksum (RFC 1071) and its incremental update (RFC 1624).
 *
 * Sums are over 16-bit words as they lie in memory and accumulate in 64 bits unfolded; a 32-bit
 * word may be added whole. Nothing here depends on the byte order of the host.
 */
#ifndef MR_CORE_CSUM_H
#define MR_CORE_CSUM_H

#include "session.h"
#include "wire.h"

/**
 * Folds a sum of up to 2^32 words to 16 bits. Added to itself with its halves exchanged, a number
 * has the sum of the halves in its upper one, and the carry that goes round with it.
 */
mr_inline __u16 mr_csum_fold(__u64 sum)
{
	__u32 half;

	sum += sum << 32 | sum >> 32;
	half = (__u32)(sum >> 32);
	half += half << 16 | half >> 16;
	return (__u16)(half >> 16);
}

/** Sum of an address. The ffff of a mapped IPv4 address is one's complement zero: it adds nothing.
 */
mr_inline __u64 mr_csum_addr(const struct mr_addr *a)
{
	return (__u64)a->w[0] + a->w[1] + a->w[2] + a->w[3];
}

/**
 * Checksum after what summed to `old_sum` has become what sums to `new_sum`: RFC 1624, equation 3,
 * with all changed words at once. Corruption that the checksum showed before it still shows. The
 * sums are over less than 2^15 words of 32 bits, and `new_sum` isn't 0.
 */
mr_inline __u16 mr_csum_update(__u16 csum, __u64 old_sum, __u64 new_sum)
{
	/* a multiple of 0xffff adds nothing, and keeps the difference above 0 */
	return (__u16)~mr_csum_fold((__u64)(__u16)~csum + new_sum + (0xffffULL << 32) - old_sum);
}

/** RFC 768: a computed zero is sent as ones, because zero says "no checksum". */
mr_inline __u16 mr_csum_udp_wire(__u16 csum)
{
	return csum ? csum : 0xffff;
}

/** True if the checksum of a header without options, which is not all zeros, is right. */
mr_inline bool mr_csum_ipv4_ok(const struct mr_ipv4 *ip)
{
	const struct mr_wide_word *word = (const void *)ip;

	/* folded, that would be 0xffff; and compilers know how to divide by a constant */
	return ((__u64)word[0].w + word[1].w + word[2].w + word[3].w + word[4].w) % 0xffff == 0;
}

#endif
