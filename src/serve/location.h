/*
 * The location service: one process-wide table of bindings in 256 keyed
 * stripes, each with a mutex that is never held across a system call. Readers
 * copy a bounded snapshot. An update follows RFC 3261 10.3 steps 6 and 7 as a
 * whole or not at all, and its record is in the caller's journal before the
 * mutex is released.
 */
#ifndef OH_SERVE_LOCATION_H
#define OH_SERVE_LOCATION_H

#include <offhook/alloc.h>
#include <offhook/arena.h>
#include <offhook/error.h>
#include <offhook/flow.h>

struct oh__location;
struct oh__journal;

#define OH__BINDINGS_PER_AOR 32 /* hard bound; settings.contacts_max is at most this */

struct oh__binding {
    struct oh_span contact; /* URI text as registered */
    struct oh_span params;  /* Contact header parameters but q and expires, each with its ";" */
    struct oh_span call_id;
    struct oh_span user_agent;
    struct oh_span path; /* Path values as one comma list; empty when none */
    uint32_t cseq;
    uint16_t q; /* 0 .. 1000 */
    bool has_q;
    bool nat;            /* the Contact's address is not where the request came from */
    bool reachable;      /* false: a stream that has ended; listed, not targeted, may give way */
    uint64_t expires_at; /* wall ms */
    uint64_t updated_at; /* wall ms */
    uint32_t rtt_us;     /* last measured round trip; 0 = unknown */
    struct oh_flow flow; /* where the REGISTER came from and its requests go */
    uint64_t id;         /* unique for the life of the process */
};

/* Makes a table for at most bindings_max bindings; key seeds its hashes. NULL on failure. Any
 * thread may use it. */
struct oh__location *oh__location_new(const struct oh_alloc *alloc, const uint8_t key[16],
                                      uint32_t bindings_max);

/* Ends the table. NULL is ignored. */
void oh__location_free(struct oh__location *loc);

struct oh__registration {
    struct oh_span aor; /* oh_uri_aor form */
    struct oh_span call_id;
    uint32_t cseq;
    bool star;           /* Contact: * with Expires: 0 */
    unsigned contacts_n; /* 0 and !star: a fetch */
    /* expires_at == 0: remove. flow and user_agent as the request's. */
    const struct oh__binding *contacts;
    uint64_t wall;         /* ms, now */
    uint32_t contacts_max; /* more than OH__BINDINGS_PER_AOR counts as that */
    /* Change nothing: OH_OK only for an exact repetition (OH__REG_REPEATED), else OH_E_STATE. */
    bool repeat_only;
};

struct oh__binding_list {
    unsigned n;
    /* By this oh__location_register: bindings that are new, and that are gone; else 0. */
    unsigned added, removed;
    struct oh__binding v[OH__BINDINGS_PER_AOR]; /* texts live in the arena given */
};

enum oh__registered {
    OH__REG_DONE,
    OH__REG_REPEATED, /* the same REGISTER again */
    OH__REG_FETCHED
};

/*
 * Applies a REGISTER. OH_OK with the bindings that are now current and what was done; OH_E_STATE
 * when Call-ID and CSeq are out of order (500); OH_E_LIMIT for too many contacts (403) or table
 * full (503: OH_E_FULL); OH_E_FULL or OH_E_IO when the journal refuses (500); OH_E_NOMEM; nothing
 * is changed on failure. An unreachable binding goes when a new one has the same +sip.instance
 * (RFC 5626 4.1); others go, the one that was updated first at first, as far as there would be more
 * than contacts_max. journal NULL: memory only. Texts are at most 65,535 bytes each and a
 * record 256 KiB, or it is OH_E_LIMIT. What the contacts say about reachable, updated_at, call_id
 * and cseq does not count: the request's own do. An id and a round trip survive a refresh. A repeat
 * is journaled again, for the commit after the first time may have failed.
 */
int oh__location_register(struct oh__location *loc, const struct oh__registration *reg,
                          struct oh__journal *journal, struct oh_arena *arena,
                          struct oh__binding_list *out, enum oh__registered *done);

/* Copies the bindings that are current at wall (expired ones are invisible). OH_OK (n may be 0) or
 * OH_E_NOMEM. */
int oh__location_get(struct oh__location *loc, struct oh_span aor, uint64_t wall,
                     struct oh_arena *arena, struct oh__binding_list *out);

/*
 * True when some AOR has a binding whose peer has this address, whatever its port (such a source is
 * never banned). Costs one look-up in an index by source. Expired bindings count until they are
 * swept.
 */
bool oh__location_has_source(struct oh__location *loc, const struct oh_addr *peer);

/*
 * Marks bindings of an ended stream unreachable; returns how many. To be called after the last
 * request that came on the stream was given to oh__location_register.
 */
unsigned oh__location_flow_closed(struct oh__location *loc, uint64_t flow_id);

/* Stores a measured round trip for the binding with this id. */
void oh__location_rtt(struct oh__location *loc, struct oh_span aor, uint64_t id, uint32_t rtt_us);

/* Drops what has expired at wall, a few stripes a call; returns how many bindings went. */
unsigned oh__location_sweep(struct oh__location *loc, uint64_t wall);

/* Watching for late forks: calls back nothing; changes made since version *seen of the AOR are
 * visible as a higher number. 0 = no entry. */
uint64_t oh__location_version(struct oh__location *loc, struct oh_span aor);

/* Where a walk over the whole table is: starts at {0}, holds no lock and needs no end. */
struct oh__location_cursor {
    uint32_t stripe, slot, tie;
};

/*
 * The next AOR of a walk, copied: for `phones`, snapshots and keep-alives. OH_OK or OH_E_ABSENT at
 * the end. AORs added meanwhile may be missed or seen; none is seen twice, and none that is there
 * all the time is missed. Expired bindings that were not swept yet are listed. OH_E_NOMEM: the
 * cursor has not moved.
 */
int oh__location_next(struct oh__location *loc, struct oh__location_cursor *cursor,
                      struct oh_arena *arena, struct oh_span *aor, uint64_t *version,
                      struct oh__binding_list *out);

/* The journal record of an AOR's bindings (for snapshots); written into the arena. OH_OK or
 * OH_E_NOMEM. */
int oh__location_encode(const struct oh__binding_list *list, struct oh_arena *arena,
                        struct oh_span *record);

/* Puts a replayed record into the table (higher version wins). Stream bindings come back
 * unreachable. OH_OK, OH_E_CORRUPT, OH_E_NOMEM, OH_E_FULL. */
int oh__location_restore(struct oh__location *loc, struct oh_span aor, uint64_t version,
                         struct oh_span record, uint64_t wall);

/*
 * Gives an AOR without current bindings those of a list that was copied out of another table, as if
 * they had been there before a restart: stream bindings are unreachable, expired ones are left out.
 * It is a new change of the AOR, journaled unless journal is NULL. OH_OK; OH_E_DUPLICATE when it
 * has bindings, OH_E_ABSENT when none of the list is current; OH_E_SYNTAX for an empty AOR;
 * OH_E_FULL, OH_E_IO, OH_E_LIMIT, OH_E_NOMEM. Nothing is changed on failure.
 */
int oh__location_adopt(struct oh__location *loc, struct oh_span aor,
                       const struct oh__binding_list *list, uint64_t wall,
                       struct oh__journal *journal, struct oh_arena *arena);

struct oh__location_stats {
    uint32_t aors, bindings;
    uint64_t bytes;
};

/* How much is in there. */
void oh__location_stats(struct oh__location *loc, struct oh__location_stats *out);

#endif
