/*
 * What all shards of a process have in common. Everything in it is either
 * immutable or locked inside its own module; pointers are set once, before
 * the first worker starts, and stay.
 */
#ifndef OH_SERVE_SHARED_H
#define OH_SERVE_SHARED_H

#include "base/hash.h"
#include "base/trace.h"
#include "serve/accounts.h"
#include "serve/decisions.h"
#include "serve/guard.h"
#include "serve/location.h"
#include "serve/nonce.h"
#include "serve/settings.h"

struct oh__shared {
    struct oh__accounts *accounts;
    struct oh__location *location;
    struct oh__nonces *nonces;
    struct oh__guard *guard;         /* failures and bans per source */
    struct oh__decisions *decisions; /* bounded ring for `why`, `phones` */
    uint8_t secret[16];            /* branches, tags; persisted, so that calls survive a restart */
    struct oh__hash_key token_key; /* Record-Route tokens; persisted */
    const struct oh__trace *trace; /* may be NULL */
    _Atomic bool draining; /* shutting down: new requests outside dialogs get 503 (OVL-001) */
};

#endif
