/* What is read from raw DNS answers: addresses with their time to live. */
#ifndef OH_NET_DNS_WIRE_H
#define OH_NET_DNS_WIRE_H

#include <offhook/addr.h>

/* How long "no such name" holds, in seconds, when the answer does not say. */
#define OH__DNS_NEGATIVE_DEFAULT 30

/*
 * How long a negative answer may be kept, in seconds: the lesser of the SOA record's own time to
 * live and its MINIMUM field (RFC 2308 5), OH__DNS_NEGATIVE_DEFAULT without a SOA record.
 */
uint32_t oh__dns_negative_ttl(const uint8_t *p, size_t n);

/*
 * The addresses in an answer to an A or AAAA query and the least time to live on the way to them,
 * aliases included. Returns how many there are (at most max); 0 when the answer has none or is
 * broken.
 */
unsigned oh__dns_addrs(const uint8_t *p, size_t n, uint8_t family, struct oh_addr *out,
                       unsigned max, uint32_t *ttl);

#endif
