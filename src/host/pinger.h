/*
 * Who must be pinged, and when: UDP phones behind NAT at every keep-alive
 * interval, so that their router keeps the way open, and every phone once
 * after it registered, so that `offhook phones` knows its round trip. Walks
 * the location table a bit at a time.
 */
#ifndef OH_HOST_PINGER_H
#define OH_HOST_PINGER_H

#include "serve/serve.h"

struct oh__pinger;

struct oh__ping_target {
    unsigned shard;
    struct oh_span aor; /* texts are valid until the next call */
    const struct oh__binding *binding;
};

/* Makes a pinger. NULL on failure. */
struct oh__pinger *oh__pinger_new(struct oh__location *location, unsigned shards);

/* Ends it. NULL is ignored. */
void oh__pinger_free(struct oh__pinger *p);

/* When oh__pinger_next has something to do, ns. */
uint64_t oh__pinger_deadline(const struct oh__pinger *p);

/* The next binding to ping; false when enough was done for now. */
bool oh__pinger_next(struct oh__pinger *p, const struct oh__serve_env *env,
                     struct oh__ping_target *out);

#endif
