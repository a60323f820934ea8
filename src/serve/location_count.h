/*
 * A set that counts: how many bindings have this source, or this flow. Striped
 * with a lock for each stripe, which are the innermost locks of the location
 * service: nothing else is locked while one of them is held.
 */
#ifndef OH_SERVE_LOCATION_COUNT_H
#define OH_SERVE_LOCATION_COUNT_H

#include "base/hash.h"
#include "serve/location.h"

struct oh__location_count;

/* What is counted: an address without port, or a flow's id. */
struct oh__location_key {
    uint8_t bytes[20];
};

/* The key of a source address; IPv4-mapped IPv6 and IPv4 have the same. */
struct oh__location_key oh__location_key_addr(const struct oh_addr *addr);

/* The key of a flow. */
struct oh__location_key oh__location_key_flow(uint64_t id);

/* Makes an empty set. NULL on failure. */
struct oh__location_count *oh__location_count_new(const struct oh_alloc *alloc,
                                                  const struct oh__hash_key *hash);

/* Ends it. NULL is ignored. */
void oh__location_count_free(struct oh__location_count *set);

/* One more. OH_OK or OH_E_NOMEM. */
int oh__location_count_add(struct oh__location_count *set, const struct oh__location_key *key);

/* `times` less; a key that was not counted so often is forgotten. */
void oh__location_count_sub(struct oh__location_count *set, const struct oh__location_key *key,
                            uint32_t times);

/* How many there are. */
uint32_t oh__location_count_get(struct oh__location_count *set, const struct oh__location_key *key);

/* Bytes of heap. */
size_t oh__location_count_bytes(struct oh__location_count *set);

#endif
