/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * compat.h - what differs between BPF and the host: the one place with an #ifdef for it.
 *
 * Owns byte order, inlining and single-copy loads and stores. Everything else in the core is plain
 * C over the fixed-width types of the Linux UAPI and needs no other header.
 */
#ifndef MR_CORE_COMPAT_H
#define MR_CORE_COMPAT_H

#include <linux/bpf.h>
#include <linux/types.h>

#ifdef __bpf__
typedef _Bool bool;
#define true 1
#define false 0
#ifndef NULL
#define NULL ((void *)0)
#endif
/*
 * Headers start at any even address. The JITs for x86-64 and arm64 load and store whole words
 * there, so BPF code says nothing of it; "packed" would turn each access into single bytes.
 */
#define mr_wire
#else
#include <stdbool.h>
#include <stddef.h>
#define mr_wire __attribute__((packed, may_alias))
#endif

/*
 * BPF: no function may be called while a bpf_spin_lock is held (before kernel 6.14). Elsewhere:
 * what one part hands to the next then stays in registers.
 */
#define mr_inline static inline __attribute__((always_inline, unused))

#define mr_likely(x)   __builtin_expect(!!(x), 1)
#define mr_unlikely(x) __builtin_expect(!!(x), 0)
#define mr_min(a, b)   ((a) < (b) ? (a) : (b))
#define mr_max(a, b)   ((a) > (b) ? (a) : (b))

/*
 * Keeps the compiler from turning arithmetic on `x` into branches. Sixteen slots with a few
 * branches each are more paths than the kernel's verifier will follow; sums and masks are one path.
 */
#define mr_opaque(x) __asm__ volatile("" : "+r"(x))

/* One load or store, here and not elsewhere, of what another CPU may read or write meanwhile. */
#define mr_read_once(x)       (*(const volatile __typeof__(x) *)&(x))
#define mr_write_once(x, val) (*(volatile __typeof__(x) *)&(x) = (val))
/* Keeps the compiler from moving loads and stores across it. The CPU is not asked. */
#define mr_compiler_barrier() __asm__ volatile("" ::: "memory")

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define mr_be16_to_cpu(x) __builtin_bswap16((__u16)(x))
#define mr_be32_to_cpu(x) __builtin_bswap32((__u32)(x))
#define mr_be64_to_cpu(x) __builtin_bswap64((__u64)(x))
#else
#define mr_be16_to_cpu(x) ((__u16)(x))
#define mr_be32_to_cpu(x) ((__u32)(x))
#define mr_be64_to_cpu(x) ((__u64)(x))
#endif
#define mr_cpu_to_be16(x) ((__be16)mr_be16_to_cpu(x))
#define mr_cpu_to_be32(x) ((__be32)mr_be32_to_cpu(x))
#define mr_cpu_to_be64(x) ((__be64)mr_be64_to_cpu(x))

/** All ones if a < b, else 0, without a branch. Both must be below 2^63. */
mr_inline __u64 mr_mask_less(__u64 a, __u64 b)
{
	__u64 mask = (__u64)((__s64)(a - b) >> 63);

	mr_opaque(mask);
	return mask;
}

/** `a` where the mask is ones, else `b`. */
mr_inline __u64 mr_select(__u64 mask, __u64 a, __u64 b)
{
	return b ^ ((a ^ b) & mask);
}

#endif
