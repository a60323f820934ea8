/*
 * Where a request comes from, as far as that says who sends it. A port is
 * nothing: any process of a machine gets one, and NAT gives new ones all day.
 * An IPv6 customer is given a /64 and can fill it with addresses at will.
 */
#ifndef OH_SERVE_SOURCE_H
#define OH_SERVE_SOURCE_H

#include <offhook/addr.h>

#define OH__SOURCE_KEY 16

/* The address that stands for a source: without port, IPv6 cut to its /64, a mapped address as the
 * IPv4 one. */
struct oh_addr oh__source_of(const struct oh_addr *peer);

/* The same as bytes that are equal exactly when the sources are (zones tell link-local ones apart).
 * peer may be any address of the source. */
void oh__source_key(const struct oh_addr *peer, uint8_t key[OH__SOURCE_KEY]);

#endif
