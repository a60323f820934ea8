/*
 * Open addressing in one array: a million AORs are 2^21 slots of 24 bytes, 50
 * MB for the second that a start takes, and one miss of the cache for each
 * record. The MAC needs no further hashing to choose a slot.
 */
#include "store/versions.h"

/* Three quarters full is as far as linear probing stays short. */
static bool crowded(const struct oh__versions *v)
{
    return v->used >= v->cap / 4 * 3;
}

/* The AOR's slot, or the free one where it belongs. */
static struct oh__version_slot *find(const struct oh__versions *v, const uint64_t mac[2])
{
    size_t i = (size_t)mac[0] & (v->cap - 1);

    while ((v->slots[i].mac[0] || v->slots[i].mac[1]) &&
           (v->slots[i].mac[0] != mac[0] || v->slots[i].mac[1] != mac[1]))
        i = (i + 1) & (v->cap - 1);
    return &v->slots[i];
}

/* Twice as many slots, or the first ones. */
static int grow(struct oh__versions *v)
{
    struct oh__versions wide = {.key = v->key, .cap = v->cap ? v->cap * 2 : 1024, .used = v->used};

    wide.slots = oh_alloc_zero(oh_alloc_default(), wide.cap, sizeof(wide.slots[0]));
    if (!wide.slots)
        return OH_E_NOMEM;
    for (size_t i = 0; i < v->cap; i++) {
        if (v->slots[i].mac[0] || v->slots[i].mac[1])
            *find(&wide, v->slots[i].mac) = v->slots[i];
    }
    oh__versions_done(v);
    *v = wide;
    return OH_OK;
}

/* The AOR's name in the table. */
static void mac_of(const struct oh__versions *v, struct oh_span aor, uint64_t mac[2])
{
    uint8_t bytes[16];

    oh__mac128(&v->key, aor, bytes);
    memcpy(mac, bytes, sizeof(bytes));
    mac[1] |= 1; /* never the mark of a free slot */
}

int oh__versions_note(struct oh__versions *v, struct oh_span aor, uint64_t version)
{
    struct oh__version_slot *slot;
    uint64_t mac[2];

    if (crowded(v) && grow(v) != OH_OK)
        return OH_E_NOMEM;
    mac_of(v, aor, mac);
    slot = find(v, mac);
    if (slot->mac[1] && slot->version >= version)
        return OH_E_STALE;
    if (!slot->mac[1])
        v->used++;
    *slot = (struct oh__version_slot){{mac[0], mac[1]}, version};
    return OH_OK;
}

int oh__versions_check(const struct oh__versions *v, struct oh_span aor, uint64_t version)
{
    const struct oh__version_slot *slot;
    uint64_t mac[2];

    if (v->used == 0)
        return OH_OK;
    mac_of(v, aor, mac);
    slot = find(v, mac);
    return slot->mac[1] && slot->version >= version ? OH_E_STALE : OH_OK;
}

void oh__versions_done(struct oh__versions *v)
{
    oh_free(oh_alloc_default(), v->slots, v->cap * sizeof(v->slots[0]));
    v->slots = NULL;
    v->cap = v->used = 0;
}
