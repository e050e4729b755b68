/* Numbers in a frame, big-endian, wherever they stand. Also for the kernel's program. */
#ifndef RAWECHO_OCTETS_H
#define RAWECHO_OCTETS_H

#include <linux/types.h>

#define RE_INLINE static inline __attribute__((always_inline))

RE_INLINE __u16 re_u16(const __u8 *p) { return (__u16)(p[0] << 8 | p[1]); }

RE_INLINE __u32 re_u32(const __u8 *p) { return (__u32)re_u16(p) << 16 | re_u16(p + 2); }

RE_INLINE __u64 re_u64(const __u8 *p) { return (__u64)re_u32(p) << 32 | re_u32(p + 4); }

RE_INLINE __u64 re_mac(const __u8 *p) { return (__u64)re_u16(p) << 32 | re_u32(p + 2); }

RE_INLINE void re_put_u16(__u8 *p, __u16 v)
{
	__u16 octets = __builtin_bswap16(v);
	__builtin_memcpy(p, &octets, sizeof octets);
}

RE_INLINE void re_put_u32(__u8 *p, __u32 v)
{
	__u32 octets = __builtin_bswap32(v);
	__builtin_memcpy(p, &octets, sizeof octets);
}

RE_INLINE void re_put_u64(__u8 *p, __u64 v)
{
	__u64 octets = __builtin_bswap64(v);
	__builtin_memcpy(p, &octets, sizeof octets);
}

#endif
