/* Hosts and ports, as URIs and Via have them (RFC 3261 25.1, RFC 5954 4.1). */
#ifndef OH_SIP_HOST_H
#define OH_SIP_HOST_H

#include <offhook/addr.h>

#include "sip/wide.h"

#ifdef OH__WIDE
/* The next 32 bytes: one bit for each that is plain (see wide.h), a dot, a dash. */
struct oh__host_bits {
    uint32_t plain, dots, dashes;
};

/* The bits of the 32 bytes at p. */
static inline struct oh__host_bits oh__host_bits(const char *p)
{
    __m128i a = oh__load16(p), b = oh__load16(p + OH__WIDE);

    return (struct oh__host_bits){oh__plain16(a) | oh__plain16(b) << OH__WIDE,
                                  oh__equal16(a, '.') | oh__equal16(b, '.') << OH__WIDE,
                                  oh__equal16(a, '-') | oh__equal16(b, '-') << OH__WIDE};
}

/*
 * True when n plain bytes (1 to 31) at p, with the bits of b from the lowest on, are a host name.
 * No dot or dash stands where a label starts, and no dash where one ends; the last label begins
 * with no digit; one dot at the end makes a name absolute.
 */
static inline bool oh__is_name_of_bits(const char *p, unsigned n, struct oh__host_bits b)
{
    uint32_t bits = (UINT32_C(1) << n) - 1, dots = b.dots & bits, dashes = b.dashes & bits;
    uint32_t starts = (dots << 1 | 1) & bits, ends = dots >> 1 | UINT32_C(1) << (n - 1);

    return !(((dots | dashes) & starts) | (dashes & ends)) &&
           !oh__is(p[31 - (unsigned)__builtin_clz(starts)], OH__C_DIGIT);
}
#endif

/* Moves over an IPv4 address that no name goes on with; NULL when there is none. */
const char *oh__ipv4_skip(const char *p, const char *end, struct oh_addr *addr);

/*
 * Moves over the host at p: a name, an IPv4 address or an IPv6 address in brackets. *addr, which is
 * empty before, gets an address and stays empty for a name. NULL, with a reason, when a name has an
 * empty label, or its last label begins with a digit and is no IPv4 address. Bytes up to limit may
 * be read, see wide.h.
 */
const char *oh__host_skip(const char *p, const char *end, const char *limit, struct oh_addr *addr,
                          const char **why);

/*
 * Moves over 1*DIGIT, a port from 1 to 65535. Otherwise *why is set, and what is returned is behind
 * the digits that there were.
 */
const char *oh__port_skip(const char *p, const char *end, uint16_t *port, const char **why);

#endif
