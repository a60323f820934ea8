/*
 * The server: what host/worker.c does with one thread per core, done here with
 * one journal and no threads. Messages are found their shard, streams are
 * framed, a shard's outputs are taken at once, and durable replies wait for
 * the commit at the end of the step.
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
        s->wake[i] = oh__serve_deadline(s->shards[i]);
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
    journal_init(&s->journal, w);
    if (o->journal)
        s->env.journal = (struct oh__journal *)(void *)&s->journal;
    tables_new(w);
    shards_new(w);
}

static void drop_held(struct server *s)
{
    for (unsigned i = 0; i < s->held_n; i++)
        free(s->held[i].bytes);
    s->held_n = 0;
}

/* Ends all that a process has in memory. */
static void end(struct world *w)
{
    struct server *s = &w->server;

    drop_held(s);
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
    end(w);
    free(s->held);
    free(s->own_settings);
    journal_done(&s->journal);
}

static void restore_bindings(struct world *w)
{
    struct server *s = &w->server;

    for (unsigned i = 0; i < s->journal.committed_n; i++) {
        const struct journal_record *r = &s->journal.committed[i];
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
    journal_forget(&s->journal);
    end(w);
    network_server_died(w);
    s->life++;
    s->env.now = w->now;
    s->env.wall = world_wall(w);
    tables_new(w);
    shards_new(w);
    for (const struct account_copy *a = s->accounts; a; a = a->next)
        CHECK(w, oh__accounts_put(s->shared.accounts, &a->row) == OH_OK);
    if (s->env.journal)
        restore_bindings(w);
    invariants_restarted(w->invariants);
}

/* ---- pumping ---- */

static void hold(struct server *s, const struct oh__serve_output *out)
{
    struct held_send *h;

    if (s->held_n == s->held_cap) {
        s->held_cap = s->held_cap * 2 + 16;
        s->held = world_grow(s->held, s->held_cap * sizeof *s->held);
    }
    h = &s->held[s->held_n++];
    *h = (struct held_send){out->flow, out->ticket, world_grow(NULL, out->bytes.n), out->bytes.n};
    memcpy(h->bytes, out->bytes.p, out->bytes.n);
}

static void send_now(struct world *w, const struct oh_flow *flow, struct oh_span bytes,
                     uint64_t ticket)
{
    invariants_sent(w->invariants, flow, bytes);
    network_from_server(w, flow, bytes, ticket);
}

/* Takes all that a shard has to say, and looks whether it is well. */
static void leave(struct world *w, unsigned shard)
{
    struct server *s = &w->server;
    struct oh__serve_output out;

    while (oh__serve_take(s->shards[shard], &out)) {
        switch (out.kind) {
        case OH__SERVE_SEND:
            invariants_taken(w->invariants, &out.flow, out.bytes);
            if (out.durable && s->journal.pending_n)
                hold(s, &out);
            else
                send_now(w, &out.flow, out.bytes, out.ticket);
            break;
        case OH__SERVE_RESOLVE: network_resolve(w, out.host, out.ticket); break;
        case OH__SERVE_KEEP: break;
        }
    }
    s->wake[shard] = oh__serve_deadline(s->shards[shard]);
    if (w->check_every == 0 || ++w->checks % w->check_every == 0)
        oh__serve_check(s->shards[shard]);
}

static struct oh__serve *enter(struct world *w, unsigned shard)
{
    w->server.env.now = w->now;
    w->server.env.wall = world_wall(w);
    return w->server.shards[shard];
}

static void run_message(struct world *w, const struct oh_flow *flow, int parsed,
                        const struct oh_fault *fault)
{
    struct server *s = &w->server;
    int shard = oh__serve_shard_of(&s->shared, &s->msg, s->shards_n);

    invariants_received(w->invariants, flow, &s->msg, parsed);
    if (shard < 0)
        return;
    oh__serve_input(enter(w, (unsigned)shard), &s->env, flow, &s->msg, parsed, fault);
    leave(w, (unsigned)shard);
}

void server_datagram(struct world *w, const struct oh_flow *flow, struct oh_span bytes)
{
    struct server *s = &w->server;
    struct oh_fault fault = {0};
    size_t used;
    int parsed = oh_msg_parse(bytes, OH_MSG_DATAGRAM, &s->env.settings->limits, &s->msg, &used,
                              &fault);

    if (parsed != OH_E_ABSENT)
        run_message(w, flow, parsed, &fault);
}

/* Drops CRLFs between messages; two in a row are a ping (RFC 5626 4.4.1). */
static void skip_blanks(struct world *w, struct conn *c, size_t *at)
{
    const struct world_text *t = &c->to_server;

    for (unsigned n = 1; t->n - *at >= 2 && memcmp(t->p + *at, "\r\n", 2) == 0; n++) {
        *at += 2;
        if (n % 2 == 0)
            network_from_server(w, &c->flow, OH_LIT("\r\n"), 0);
    }
}

/* Frames one message at *at and runs it; false when there is none, or the stream is spoilt. */
static bool run_framed(struct world *w, struct conn *c, size_t *at)
{
    struct server *s = &w->server;
    struct oh_msg_limits limits = s->env.settings->limits;
    struct oh_fault fault = {0};
    struct oh_span bytes;
    size_t used = 0;
    int parsed;

    skip_blanks(w, c, at);
    bytes = oh_span(c->to_server.p + *at, c->to_server.n - *at);
    if (bytes.n == 0 || (bytes.n == 1 && bytes.p[0] == '\r'))
        return false;
    limits.message = s->env.settings->stream_message_max;
    parsed = oh_msg_parse(bytes, OH_MSG_STREAM, &limits, &s->msg, &used, &fault);
    if (parsed == OH_E_INCOMPLETE)
        return false;
    *at += used;
    run_message(w, &c->flow, parsed, &fault);
    if (parsed == OH_OK)
        return true;
    /* Nobody knows where the next message begins. */
    network_close(w, c, true);
    server_closed(w, &c->flow);
    return false;
}

void server_stream(struct world *w, struct conn *c)
{
    size_t at = 0;

    while (c->open && run_framed(w, c, &at))
        ;
    if (at) {
        memmove(c->to_server.p, c->to_server.p + at, c->to_server.n - at);
        c->to_server.n -= at;
    }
}

void server_closed(struct world *w, const struct oh_flow *flow)
{
    struct server *s = &w->server;

    oh__location_flow_closed(s->shared.location, flow->id);
    for (unsigned i = 0; i < s->shards_n; i++) {
        oh__serve_flow_closed(enter(w, i), &s->env, flow);
        leave(w, i);
    }
}

void server_answer(struct world *w, const struct event *e)
{
    struct oh__serve_answer answer = {e->ticket, e->result, e->addrs_n, e->addrs};
    unsigned shard = oh__serve_ticket_shard(e->ticket);

    CHECK(w, shard < w->server.shards_n);
    oh__serve_answer(enter(w, shard), &w->server.env, &answer);
    leave(w, shard);
}

uint64_t server_deadline(const struct world *w)
{
    uint64_t at = OH_NEVER;

    for (unsigned i = 0; i < w->server.shards_n; i++)
        at = w->server.wake[i] < at ? w->server.wake[i] : at;
    return at;
}

void server_expire(struct world *w)
{
    for (unsigned i = 0; i < w->server.shards_n; i++) {
        if (w->server.wake[i] > w->now)
            continue;
        oh__serve_expire(enter(w, i), &w->server.env, 512);
        leave(w, i);
    }
}

void server_commit(struct world *w)
{
    struct server *s = &w->server;

    if (s->env.journal && oh__journal_pending(s->env.journal) &&
        oh__journal_commit(s->env.journal) != OH_OK) {
        drop_held(s);
        return;
    }
    for (unsigned i = 0; i < s->held_n; i++) {
        struct held_send *h = &s->held[i];

        send_now(w, &h->flow, oh_span(h->bytes, h->n), h->ticket);
    }
    drop_held(s);
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
    w->server.journal.append_faults = append;
    w->server.journal.commit_faults = commit;
}

unsigned server_journal_records(const struct world *w)
{
    return w->server.journal.committed_n;
}

unsigned server_journal_commits(const struct world *w)
{
    return w->server.journal.commits;
}

void server_ping_all(struct world *w)
{
    struct server *s = &w->server;
    struct oh__location_cursor cursor = {0};
    struct oh__binding_list list;
    struct oh_arena arena;
    struct oh_span aor;
    uint64_t version;
    unsigned shard = 0;

    oh_arena_init(&arena, oh_alloc_default(), 1 << 20);
    while (oh__location_next(s->shared.location, &cursor, &arena, &aor, &version, &list) == OH_OK) {
        for (unsigned i = 0; i < list.n; i++) {
            shard = (shard + 1) % s->shards_n;
            oh__serve_ping(enter(w, shard), &s->env, aor, &list.v[i]);
            leave(w, shard);
        }
        oh_arena_reset(&arena);
    }
    oh_arena_done(&arena);
}

unsigned server_sweep(struct world *w)
{
    unsigned n = 0;

    /* A call looks at a few of the 256 stripes. */
    for (unsigned i = 0; i < 256; i++)
        n += oh__location_sweep(w->server.shared.location, world_wall(w));
    return n;
}

/* Counts bindings of an AOR; contact empty: all that are reachable. */
static unsigned count(struct world *w, const char *aor, struct oh_span contact)
{
    struct oh__binding_list list;
    struct oh_arena arena;
    unsigned n = 0;
    int err;

    oh_arena_init(&arena, oh_alloc_default(), 1 << 20);
    err = oh__location_get(w->server.shared.location, oh_span_str(aor), world_wall(w), &arena,
                           &list);
    for (unsigned i = 0; err == OH_OK && i < list.n; i++)
        n += contact.n ? oh_span_eq(list.v[i].contact, contact) : list.v[i].reachable;
    oh_arena_done(&arena);
    CHECK(w, err == OH_OK);
    return n;
}

unsigned server_bindings(struct world *w, const char *aor)
{
    return count(w, aor, oh_span("", 0));
}

bool server_has_binding(struct world *w, const char *aor, struct oh_span contact)
{
    return count(w, aor, contact) > 0;
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
