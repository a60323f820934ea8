/*
 * OPTIONS of our own to a binding (OPT-005): keeps the hole in a NAT open and
 * measures the round trip. A proxy originates nothing, so this is a user agent
 * client of its own, with its own Call-ID and From.
 */
#ifndef OH_SERVE_PING_H
#define OH_SERVE_PING_H

#include <stdint.h>

#define OH__PING_AOR_MAX 512 /* bytes; a longer AOR is not pinged */

/* A ping that waits for its response. The client transaction's timer F ends it. */
struct oh__ping {
    uint64_t client;  /* transaction */
    uint64_t sent_at; /* ns */
    uint64_t binding; /* id in the location table */
    uint16_t aor_len;
    char aor[OH__PING_AOR_MAX];
};

#endif
