/*
 * Nonces: time, random id, a MAC and the source that it was given to, so that
 * a challenge costs no memory; what has been used is remembered in a bounded
 * striped table of nc windows, so that a recorded request cannot be replayed
 * (RFC 7616 5.4).
 */
#ifndef OH_SERVE_NONCE_H
#define OH_SERVE_NONCE_H

#include <offhook/addr.h>
#include <offhook/alloc.h>
#include <offhook/error.h>
#include <offhook/span.h>

#define OH__NONCE_MAX 64

struct oh__nonces;

/* Makes a table that remembers at most max nonces in use; key is persisted, so that nonces survive
 * a restart. NULL on failure. */
struct oh__nonces *oh__nonces_new(const struct oh_alloc *alloc, const uint8_t key[16],
                                  uint32_t max);

/*
 * Nonces made at or before wall (ms) count as used up from now on: a process that starts has
 * forgotten the windows of the one before it, and what was recorded then could be replayed.
 * Their owners answer one more challenge, without asking anybody for a password.
 */
void oh__nonces_forget(struct oh__nonces *n, uint64_t wall);

/* Ends it. NULL is ignored. */
void oh__nonces_free(struct oh__nonces *n);

/* Writes a fresh nonce for a realm and the source that it is sent to; random is from the caller's
 * generator, wall in ms. Returns its length. */
size_t oh__nonce_make(const struct oh__nonces *n, uint64_t wall, uint64_t random,
                      struct oh_span realm, const struct oh_addr *source, char out[OH__NONCE_MAX]);

enum oh__nonce_state {
    OH__NONCE_GOOD,
    OH__NONCE_STALE,   /* ours, but too old, forgotten, or this nc was used: challenge again with
                          stale=true */
    OH__NONCE_MOVED,   /* ours, but given to another source: challenge again with stale=true, and
                          hold nothing against this one */
    OH__NONCE_FOREIGN, /* not made by us for this realm */
};

/* Checks form, MAC, realm, source and age, in this order, without marking it used. life_ms: how
 * long a nonce is good. */
enum oh__nonce_state oh__nonce_check(const struct oh__nonces *n, uint64_t wall, uint64_t life_ms,
                                     struct oh_span nonce, struct oh_span realm,
                                     const struct oh_addr *source);

/* Marks nc as used after the response was found right; nc 0 = the client sent none (RFC 2069): one
 * use. GOOD or STALE. */
enum oh__nonce_state oh__nonce_use(struct oh__nonces *n, struct oh_span nonce, uint32_t nc);

#endif
