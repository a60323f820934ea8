/*
 * The highest version seen of each AOR, needed only while journals are
 * replayed. An AOR is named by a 128-bit MAC of its text under a random key:
 * names are not kept, and two that collide would take 2^64 attempts by
 * somebody who knew the key.
 */
#ifndef OH_STORE_VERSIONS_H
#define OH_STORE_VERSIONS_H

#include "base/hash.h"
#include "store/store.h"

struct oh__version_slot {
    uint64_t mac[2]; /* both 0: free */
    uint64_t version;
};

struct oh__versions {
    struct oh__hash_key key;
    struct oh__version_slot *slots;
    size_t cap, used; /* cap is 0 or a power of two */
};

/* Notes a version. OH_OK when it is higher than what was seen of the AOR, OH_E_STALE, OH_E_NOMEM.
 */
int oh__versions_note(struct oh__versions *v, struct oh_span aor, uint64_t version);

/* As oh__versions_note, without remembering: for a source that has each AOR once. OH_OK or
 * OH_E_STALE. */
int oh__versions_check(const struct oh__versions *v, struct oh_span aor, uint64_t version);

/* Frees the table. */
void oh__versions_done(struct oh__versions *v);

#endif
