/*
 * The server: what a host makes at its start and loses when it is killed, and
 * what tests ask of it. How messages run through it is in pump.c.
 */
#include "parts.h"

#include "invariants.h"

/* Keys that a real server persists: the same before and after a restart. */
static const uint8_t secret[16] = "a kept secret :)";

struct account_copy {
    struct oh__account_row row; /* texts belong to the world */
    struct account_copy *next;
};

/*
 * A hash for programs that do not link a library of real ones: SipHash keyed
 * by the algorithm. The arithmetic of digest is tested against published
 * vectors elsewhere; here only equality counts.
 */
static int stand_in_hash(void *ctx, enum oh_hash algorithm, const struct oh_span *parts, size_t n,
                         uint8_t out[OH_HASH_BYTES_MAX])
{
    struct oh__hash_key key = {(uint64_t)algorithm, 0};
    size_t all = 0;
    char *text;

    (void)ctx;
    for (size_t i = 0; i < n; i++)
        all += parts[i].n;
    text = world_grow(NULL, all + 1);
    all = 0;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n)
            memcpy(text + all, parts[i].p, parts[i].n);
        all += parts[i].n;
    }
    oh__mac128(&key, oh_span(text, all), out);
    key.k1 = 1;
    if (oh_hash_size(algorithm) > 16)
        oh__mac128(&key, oh_span(text, all), out + 16);
    free(text);
    return OH_OK;
}

static void must(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "sim: %s\n", what);
    abort();
}

/* ---- start and stop ---- */

static void tables_new(struct world *w)
{
    struct server *s = &w->server;
    const struct oh_alloc *alloc = &s->heap.alloc;
    uint32_t nonces = w->options.nonces_max ? w->options.nonces_max : 1024;

    s->shared.accounts = oh__accounts_new(alloc, secret);
    s->shared.location = oh__location_new(alloc, secret, s->env.settings->bindings_max);
    s->shared.nonces = oh__nonces_new(alloc, secret, nonces);
    s->shared.guard = oh__guard_new(alloc, secret, 1024);
    s->shared.decisions = oh__decisions_new(alloc, 256);
    memcpy(s->shared.secret, secret, sizeof s->shared.secret);
    s->shared.token_key = (struct oh__hash_key){11, 13};
    must(s->shared.accounts && s->shared.location && s->shared.nonces && s->shared.guard &&
             s->shared.decisions,
         "the shared tables could not be made");
}

static void shards_new(struct world *w)
{
    struct server *s = &w->server;
    const struct world_options *o = &w->options;
    struct oh__serve_options options = {
        .alloc = &s->heap.alloc,
        .shared = &s->shared,
        .shards = (uint8_t)s->shards_n,
        .transactions_max = o->transactions_max ? o->transactions_max : 4096,
        .completed_max = o->completed_max ? o->completed_max : 16384,
        .settings = s->env.settings};

    for (unsigned i = 0; i < s->shards_n; i++) {
        options.shard = (uint8_t)i;
        oh__rng_bytes(&w->rng, options.seed, sizeof options.seed);
        must(oh__serve_new(&options, w->now, &s->shards[i]) == OH_OK, "a shard could not be made");
        s->workers[0].wake[i] = oh__serve_deadline(s->shards[i]);
    }
}

static void workers_new(struct world *w)
{
    struct server *s = &w->server;

    for (unsigned i = 0; i < s->workers_n; i++) {
        struct worker *k = &s->workers[i];

        k->index = i;
        k->busy_until = k->adopt_at = 0;
        k->env.settings = s->env.settings;
        k->env.policy = s->env.policy;
        for (unsigned j = 0; j < WORLD_SHARDS; j++)
            k->wake[j] = OH_NEVER;
    }
}

void server_start(struct world *w)
{
    struct server *s = &w->server;
    const struct world_options *o = &w->options;

    test_heap_init(&s->heap);
    if (!o->settings) {
        s->own_settings = world_grow(NULL, sizeof *s->own_settings);
        world_settings_default(s->own_settings);
    }
    s->shards_n = o->shards ? o->shards : 4;
    must(s->shards_n <= WORLD_SHARDS, "there are at most 64 shards");
    s->hasher = (struct oh_hasher){NULL, stand_in_hash};
    s->env.settings = o->settings ? o->settings : s->own_settings;
    s->env.policy = o->policy;
    s->env.hasher = o->hasher ? o->hasher : &s->hasher;
    s->workers_n = o->workers ? o->workers : 1;
    must(s->workers_n <= WORLD_WORKERS, "there are too many workers");
    for (unsigned i = 0; i < s->workers_n; i++) {
        journal_init(&s->workers[i].journal, w);
        if (o->journal)
            s->workers[i].env.journal = (struct oh__journal *)(void *)&s->workers[i].journal;
    }
    tables_new(w);
    workers_new(w);
    shards_new(w);
    if (o->disk)
        disk_start(w);
}

/* Ends all that a process has in memory. */
static void end(struct world *w)
{
    struct server *s = &w->server;

    for (unsigned i = 0; i < s->workers_n; i++)
        server_drop_held(&s->workers[i]);
    for (unsigned i = 0; i < s->shards_n; i++) {
        oh__serve_free(s->shards[i]);
        s->shards[i] = NULL;
    }
    oh__decisions_free(s->shared.decisions);
    oh__guard_free(s->shared.guard);
    oh__nonces_free(s->shared.nonces);
    oh__location_free(s->shared.location);
    oh__accounts_free(s->shared.accounts);
    must(s->heap.blocks == 0 && s->heap.bytes == 0, "the server left memory behind when it ended");
}

void server_stop(struct world *w)
{
    struct server *s = &w->server;

    test_heap_fail(&s->heap, 0);
    disk_stop(w);
    end(w);
    for (unsigned i = 0; i < s->workers_n; i++) {
        free(s->workers[i].held);
        journal_done(&s->workers[i].journal);
    }
    free(s->own_settings);
}

static void restore_bindings(struct world *w, const struct journal *journal)
{
    struct server *s = &w->server;

    for (unsigned i = 0; i < journal->committed_n; i++) {
        const struct journal_record *r = &journal->committed[i];
        int err = oh__location_restore(s->shared.location, oh_span(r->aor, r->aor_n), r->version,
                                       oh_span(r->record, r->record_n), world_wall(w));

        CHECK_SAY(w, err == OH_OK, "a committed record could not be restored: %s",
                  oh_error_text(err));
    }
}

void server_restart(struct world *w)
{
    struct server *s = &w->server;

    world_note(w, "the server is killed and starts again");
    /* Whoever cannot start for want of memory is another matter than one who runs. */
    test_heap_fail(&s->heap, 0);
    for (unsigned i = 0; i < s->workers_n; i++) {
        struct worker *k = &s->workers[i];

        /* Killed while it waited for its disk: what it had written may be there or not. */
        if (k->busy_until && world_chance(w, 50))
            (void)oh__journal_commit(k->env.journal);
        journal_forget(&k->journal);
    }
    if (w->options.disk)
        disk_kill(w);
    end(w);
    network_server_died(w);
    s->life++;
    s->env.now = w->now;
    s->env.wall = world_wall(w);
    tables_new(w);
    workers_new(w);
    shards_new(w);
    for (const struct account_copy *a = s->accounts; a; a = a->next)
        CHECK(w, oh__accounts_put(s->shared.accounts, &a->row) == OH_OK);
    if (w->options.disk)
        disk_restart(w);
    for (unsigned i = 0; i < s->workers_n; i++)
        restore_bindings(w, &s->workers[i].journal);
    invariants_restarted(w->invariants);
}

/* ---- what tests ask of it ---- */

const struct oh__settings *server_settings(const struct world *w)
{
    return w->server.env.settings;
}

void server_reload(struct world *w, const struct oh__settings *settings)
{
    world_note(w, "the server has new settings");
    w->server.env.settings = settings;
    /* Of several workers each comes to it when it has finished what it does. */
    for (unsigned i = 1; i < w->server.workers_n; i++)
        w->server.workers[i].adopt_at = w->now + world_random(w, 500) * WORLD_MS;
}

void server_policy(struct world *w, const struct oh__policy *policy)
{
    w->server.env.policy = policy;
}

void server_drain(struct world *w, bool draining)
{
    w->server.shared.draining = draining;
}

static struct oh_span keep(struct world *w, struct oh_span s)
{
    return oh_span(world_keep_text(w, s), s.n);
}

void server_account_row(struct world *w, const struct oh__account_row *row)
{
    struct account_copy *a = world_keep(w, sizeof *a);

    a->row = *row;
    a->row.user = keep(w, row->user);
    a->row.domain = keep(w, row->domain);
    a->row.auth_name = keep(w, row->auth_name);
    a->row.realm = keep(w, row->realm);
    a->row.name = keep(w, row->name);
    for (unsigned i = 0; i < 3; i++) {
        a->row.ha1[i] = keep(w, row->ha1[i]);
        a->row.userhash[i] = keep(w, row->userhash[i]);
    }
    a->next = w->server.accounts;
    w->server.accounts = a;
    CHECK(w, oh__accounts_put(w->server.shared.accounts, &a->row) == OH_OK);
}

void server_account(struct world *w, const char *user, const char *password, uint32_t flags)
{
    struct oh_span name = oh_span_str(user), realm = OH_LIT(WORLD_DOMAIN);
    struct oh__account_row row = {.user = name,
                                  .domain = realm,
                                  .auth_name = name,
                                  .realm = realm,
                                  .name = OH_LIT(""),
                                  .flags = flags};
    char ha1[3][OH_HASH_HEX_MAX], userhash[3][OH_HASH_HEX_MAX];
    const struct oh_hasher *hasher = w->server.env.hasher;

    for (unsigned i = 0; i < 3; i++) {
        enum oh_hash hash = (enum oh_hash)(i + 1);

        row.ha1[i] = oh_span(
            ha1[i], oh_digest_ha1(hasher, hash, name, realm, oh_span_str(password), ha1[i]));
        row.userhash[i] = oh_span(userhash[i],
                                  oh_digest_userhash(hasher, hash, name, realm, userhash[i]));
    }
    server_account_row(w, &row);
}

void server_journal_faults(struct world *w, unsigned append, unsigned commit)
{
    for (unsigned i = 0; i < w->server.workers_n; i++) {
        w->server.workers[i].journal.append_faults = append;
        w->server.workers[i].journal.commit_faults = commit;
    }
}

void server_slow_commits(struct world *w, unsigned percent, unsigned ms)
{
    w->server.slow_percent = ms ? percent : 0;
    w->server.slow_ms = ms;
}

void server_clock_jumps(struct world *w, int64_t ms)
{
    w->server.jumped = ms;
}

unsigned server_journal_records(const struct world *w)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->server.workers_n; i++)
        n += w->server.workers[i].journal.committed_n;
    return n;
}

unsigned server_journal_commits(const struct world *w)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->server.workers_n; i++)
        n += w->server.workers[i].journal.commits;
    return n;
}

unsigned server_sweep(struct world *w)
{
    unsigned n = 0;

    /* A call looks at a few of the 256 stripes. */
    for (unsigned i = 0; i < 256; i++)
        n += oh__location_sweep(w->server.shared.location, world_wall(w));
    return n;
}

/* Looks the bindings of an AOR up; the list's texts live in the arena. */
static void look_up(struct world *w, const char *aor, struct oh_arena *arena,
                    struct oh__binding_list *list)
{
    oh_arena_init(arena, oh_alloc_default(), 1 << 20);
    int err = oh__location_get(w->server.shared.location, oh_span_str(aor), world_wall(w), arena,
                               list);

    if (err != OH_OK)
        oh_arena_done(arena);
    CHECK(w, err == OH_OK);
}

unsigned server_bindings(struct world *w, const char *aor)
{
    struct oh__binding_list list;
    struct oh_arena arena;
    unsigned n = 0;

    look_up(w, aor, &arena, &list);
    for (unsigned i = 0; i < list.n; i++)
        n += list.v[i].reachable;
    oh_arena_done(&arena);
    return n;
}

uint64_t server_binding_expires(struct world *w, const char *aor, struct oh_span contact)
{
    struct oh__binding_list list;
    struct oh_arena arena;
    uint64_t at = 0;

    look_up(w, aor, &arena, &list);
    for (unsigned i = 0; i < list.n; i++)
        if (oh_span_eq(list.v[i].contact, contact))
            at = list.v[i].expires_at;
    oh_arena_done(&arena);
    return at;
}

bool server_has_binding(struct world *w, const char *aor, struct oh_span contact)
{
    return server_binding_expires(w, aor, contact) != 0;
}

void server_stats(const struct world *w, struct oh__serve_stats *out)
{
    struct oh__serve_stats one;

    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < w->server.shards_n; i++) {
        oh__serve_stats(w->server.shards[i], &one);
#define ADD(name) out->name += one.name;
        OH__SERVE_COUNTERS(ADD)
#undef ADD
        out->contexts += one.contexts;
        out->endpoint.rx_requests += one.endpoint.rx_requests;
        out->endpoint.rx_responses += one.endpoint.rx_responses;
        out->endpoint.rx_retransmissions += one.endpoint.rx_retransmissions;
        out->endpoint.rx_bad += one.endpoint.rx_bad;
        out->endpoint.rx_stray_responses += one.endpoint.rx_stray_responses;
        out->endpoint.rx_stray_acks += one.endpoint.rx_stray_acks;
        out->endpoint.rx_ignored += one.endpoint.rx_ignored;
        out->endpoint.tx_messages += one.endpoint.tx_messages;
        out->endpoint.tx_retransmissions += one.endpoint.tx_retransmissions;
        out->endpoint.tx_stateless += one.endpoint.tx_stateless;
        out->endpoint.completed_evicted += one.endpoint.completed_evicted;
        out->endpoint.refused_full += one.endpoint.refused_full;
        out->endpoint.timeouts += one.endpoint.timeouts;
        out->endpoint.transport_errors += one.endpoint.transport_errors;
        out->endpoint.in_flight += one.endpoint.in_flight;
        out->endpoint.completed += one.endpoint.completed;
        out->endpoint.bytes += one.endpoint.bytes;
    }
}

bool server_decision(struct world *w, struct oh__decision *out)
{
    return oh__decisions_before(w->server.shared.decisions, 0, out) == OH_OK;
}

bool server_idle(const struct world *w)
{
    for (unsigned i = 0; i < w->server.shards_n; i++)
        if (!oh__serve_idle(w->server.shards[i]))
            return false;
    return true;
}

size_t server_bytes(const struct world *w)
{
    return w->server.heap.bytes;
}

void server_fail_allocation(struct world *w, size_t n)
{
    test_heap_fail(&w->server.heap, n);
}

struct oh__shared *server_shared(struct world *w)
{
    return &w->server.shared;
}
