/*
 * One stripe of the location table: the AORs whose hash falls into it, under
 * one mutex, which the caller of these functions holds.
 */
#ifndef OH_SERVE_LOCATION_STRIPE_H
#define OH_SERVE_LOCATION_STRIPE_H

#include "base/cbuf.h"
#include "serve/location.h"

#include <pthread.h>
#include <stddef.h>

/* An AOR: one block of its exact size with the AOR's text and the record of its bindings. */
struct oh__location_entry {
    struct oh__location_entry *next; /* in its bucket, by ascending order */
    uint64_t order;                  /* 32 bits of hash, and 32 that tell equal hashes apart */
    uint64_t version;
    uint32_t record_n;
    uint16_t aor_n;
    uint8_t bindings;
    char text[]; /* AOR, record */
};

/* An AOR that has bindings on a stream; sorted by flow, then hash. */
struct oh__location_on_flow {
    uint64_t flow_id;
    uint32_t hash;
    uint32_t count; /* bindings */
};

struct oh__location_stripe {
    pthread_mutex_t lock;
    const struct oh_alloc *alloc;
    struct oh__blocks *blocks;
    struct oh__location_entry **buckets; /* 1 << bits of them; NULL before the first entry */
    unsigned bits;
    uint32_t entries, bindings;
    uint64_t version;     /* the last one given to a change in this stripe */
    uint64_t next_expiry; /* nothing expires before; wall ms */
    struct oh__location_on_flow *flows;
    uint32_t flows_n, flows_cap;
};

/* Makes a stripe. OH_OK or OH_E_NOMEM, and then nothing is left to be done away with. */
int oh__location_stripe_init(struct oh__location_stripe *s, const struct oh_alloc *alloc);

/* Frees all its entries. */
void oh__location_stripe_done(struct oh__location_stripe *s);

/* The entry of an AOR, or NULL. */
struct oh__location_entry *oh__location_stripe_find(const struct oh__location_stripe *s,
                                                    uint32_t hash, struct oh_span aor);

/* The first entry whose order is not below this, or NULL. */
struct oh__location_entry *oh__location_stripe_from(const struct oh__location_stripe *s,
                                                    uint64_t order);

/*
 * Makes an entry that is not in the table yet. OH_OK; OH_E_LIMIT when a text or the AOR is too
 * long; OH_E_NOMEM.
 */
int oh__location_entry_new(struct oh__location_stripe *s, struct oh_span aor,
                           const struct oh__binding_list *list, struct oh__location_entry **out);

/* Gives an entry back that is not, or no longer, in the table. NULL is ignored. */
void oh__location_entry_free(struct oh__location_stripe *s, struct oh__location_entry *e);

/* Puts an entry in, in the place of an old one of the same AOR (which may be NULL). Cannot fail. */
int oh__location_stripe_put(struct oh__location_stripe *s, uint32_t hash,
                            struct oh__location_entry *old, struct oh__location_entry *e);

/* Takes an entry out. */
void oh__location_stripe_remove(struct oh__location_stripe *s, struct oh__location_entry *e);

/* Notes one binding on a stream. OH_OK or OH_E_NOMEM. */
int oh__location_flow_add(struct oh__location_stripe *s, uint64_t flow_id, uint32_t hash);

/* Forgets one binding on a stream; one that was not noted is ignored. */
void oh__location_flow_sub(struct oh__location_stripe *s, uint64_t flow_id, uint32_t hash);

/*
 * Takes the first AOR of a flow out of the list; its hash and how many bindings it had there. False
 * when there is none.
 */
bool oh__location_flow_take(struct oh__location_stripe *s, uint64_t flow_id, uint32_t *hash,
                            uint32_t *count);

/* Bytes of heap. */
size_t oh__location_stripe_bytes(const struct oh__location_stripe *s);

static inline struct oh_span oh__location_entry_aor(const struct oh__location_entry *e)
{
    return oh_span(e->text, e->aor_n);
}

static inline struct oh_span oh__location_entry_record(const struct oh__location_entry *e)
{
    return oh_span(e->text + e->aor_n, e->record_n);
}

#endif
