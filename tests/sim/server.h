/*
 * The server of a world: the shards, what they share, and the little that a
 * host does round them (finding the shard, frames of streams, one journal
 * commit per step with the durable replies held back until then).
 */
#ifndef OH_TESTS_SIM_SERVER_H
#define OH_TESTS_SIM_SERVER_H

#include "serve/serve.h"
#include "store/store.h"

struct world;

/* The settings that new requests see. */
const struct oh__settings *server_settings(const struct world *w);

/* Swaps the settings as a reload does; contexts keep theirs. Both must live until world_free. */
void server_reload(struct world *w, const struct oh__settings *settings);

/* Swaps the policy; NULL: none. */
void server_policy(struct world *w, const struct oh__policy *policy);

/* An account with all three hashes in WORLD_DOMAIN; flags of enum oh__account_flag. */
void server_account(struct world *w, const char *user, const char *password, uint32_t flags);

/* As server_account with every field said; hashes of a row that the caller filled in. */
void server_account_row(struct world *w, const struct oh__account_row *row);

/*
 * kill -9 and start: transactions, contexts, streams, nonce windows and what was journalled but
 * not committed are gone; secrets, accounts and committed bindings are back (bindings only with
 * options.journal or options.disk). Stream peers learn that their connection ended.
 */
void server_restart(struct world *w);

/* The server is drained: new requests outside dialogs get 503. */
void server_drain(struct world *w, bool draining);

/* In percent: how often appending to the journal, and committing it, fails from now on. */
void server_journal_faults(struct world *w, unsigned append, unsigned commit);

/* In percent: how often a commit takes its time, up to so many ms, in which its worker does nothing
 * else. */
void server_slow_commits(struct world *w, unsigned percent, unsigned ms);

/* With options.disk: in percent, how often a write, rename or sync fails; and whether no more can
 * be allocated. */
void server_disk_faults(struct world *w, unsigned writes, bool full);

/* With options.disk: with this call of the system from now on the process might as well be dead,
 * for nothing reaches the disk any more; until server_restart, which is what should follow. */
void server_disk_dies(struct world *w, unsigned calls);

/* Somebody sets the system's clock: what it says is off by so many ms from now on. */
void server_clock_jumps(struct world *w, int64_t ms);

/* How many records are committed so far, and how many commits there were. */
unsigned server_journal_records(const struct world *w);
unsigned server_journal_commits(const struct world *w);

/* Lets the server ping all bindings once, as the host's keep-alive does. */
void server_ping_all(struct world *w);

/* Drops expired bindings, as the host's maintenance does. Returns how many went. */
unsigned server_sweep(struct world *w);

/* The bindings of "user@domain" that a caller would reach now. */
unsigned server_bindings(struct world *w, const char *aor);

/* True when that AOR has a binding with this Contact URI. */
bool server_has_binding(struct world *w, const char *aor, struct oh_span contact);

/* When that binding expires, wall ms; 0: there is none. */
uint64_t server_binding_expires(struct world *w, const char *aor, struct oh_span contact);

/* Counters of all shards added up. */
void server_stats(const struct world *w, struct oh__serve_stats *out);

/* The newest decision; false when there is none. */
bool server_decision(struct world *w, struct oh__decision *out);

/* True when nothing is in flight in any shard. */
bool server_idle(const struct world *w);

/* Bytes and blocks of the server's heap that are out now. */
size_t server_bytes(const struct world *w);

/* The n-th allocation of the server from now on fails (1 = the next); 0: none does. */
void server_fail_allocation(struct world *w, size_t n);

/* What all shards share; for questions that have no function here. */
struct oh__shared *server_shared(struct world *w);

#endif
