/*
 * The workers: what host/worker.c does with one thread per core, done here
 * without threads. A message is found its shard, streams are framed, a shard's
 * outputs are taken at once, what is due runs on the worker that has promised
 * it, and durable replies wait for the commit that ends the step.
 *
 * Several workers share the shards as threads share them under their locks:
 * one call into a shard is never interrupted, everything between two calls is.
 * Which worker a datagram comes to is decided by the peer's address, as the
 * kernel does it. A worker whose commit takes its time does nothing meanwhile;
 * what comes for it waits, and the others go on.
 */
#include "parts.h"

#include "invariants.h"

/* ---- which worker ---- */

static struct worker *worker_of_flow(struct world *w, const struct oh_flow *flow)
{
    static const struct oh__hash_key key = {31, 17};
    struct server *s = &w->server;
    char text[OH_ADDR_TEXT_MAX];
    size_t n;

    if (s->workers_n == 1)
        return &s->workers[0];
    if (flow->id)
        return &s->workers[flow->id % s->workers_n];
    n = oh_addr_text(&flow->peer, text);
    return &s->workers[oh__hash(&key, oh_span(text, n)) % s->workers_n];
}

static struct worker *worker_of(struct world *w, const struct event *e)
{
    if (e->kind == EVENT_ANSWER)
        return &w->server.workers[e->worker];
    return worker_of_flow(w, &e->flow);
}

bool server_waits(struct world *w, struct event *e)
{
    struct worker *k;

    if (e->kind == EVENT_BREAK || (e->kind != EVENT_ANSWER && !e->to_server))
        return false;
    k = worker_of(w, e);
    if (k->busy_until <= w->now)
        return false;
    e->at = k->busy_until;
    return true;
}

/* ---- one visit to a shard ---- */

static void hold(struct worker *k, const struct oh__serve_output *out)
{
    struct held_send *h;

    if (k->held_n == k->held_cap) {
        k->held_cap = k->held_cap * 2 + 16;
        k->held = world_grow(k->held, k->held_cap * sizeof *k->held);
    }
    h = &k->held[k->held_n++];
    *h = (struct held_send){out->flow, out->ticket, world_grow(NULL, out->bytes.n), out->bytes.n};
    memcpy(h->bytes, out->bytes.p, out->bytes.n);
}

void server_drop_held(struct worker *k)
{
    for (unsigned i = 0; i < k->held_n; i++)
        free(k->held[i].bytes);
    k->held_n = 0;
}

static void send_now(struct world *w, struct worker *k, const struct oh_flow *flow,
                     struct oh_span bytes, uint64_t ticket)
{
    invariants_sent(w->invariants, flow, bytes);
    w->server.at_work = k->index;
    network_from_server(w, flow, bytes, ticket);
}

/* Takes all that a shard has to say, and looks whether it is well. */
static void leave(struct world *w, struct worker *k, unsigned shard)
{
    struct oh__serve *serve = w->server.shards[shard];
    struct oh__serve_output out;

    while (oh__serve_take(serve, &out)) {
        switch (out.kind) {
        case OH__SERVE_SEND:
            if (w->lie && w->lie(w, &out))
                break;
            invariants_taken(w->invariants, &out.flow, out.bytes);
            if (out.durable && k->env.journal && oh__journal_pending(k->env.journal))
                hold(k, &out);
            else
                send_now(w, k, &out.flow, out.bytes, out.ticket);
            break;
        case OH__SERVE_RESOLVE:
            w->server.at_work = k->index;
            network_resolve(w, out.host, out.ticket);
            break;
        case OH__SERVE_KEEP: break;
        }
    }
    k->wake[shard] = oh__serve_deadline(serve);
    if (w->check_every == 0 || ++w->checks % w->check_every == 0)
        oh__serve_check(serve);
}

/* A worker takes new settings between two batches, each when it comes to it. */
static void adopt(struct world *w, struct worker *k)
{
    const struct server *s = &w->server;

    if (k->adopt_at > w->now)
        return;
    k->env.settings = s->env.settings;
    k->env.policy = s->env.policy;
}

static struct oh__serve *enter(struct world *w, struct worker *k, unsigned shard)
{
    adopt(w, k);
    k->env.hasher = w->server.env.hasher;
    k->env.now = w->now;
    k->env.wall = world_wall(w);
    k->env.jumped = w->server.jumped;
    return w->server.shards[shard];
}

/* ---- what arrives ---- */

static void run_message(struct world *w, struct worker *k, const struct oh_flow *flow, int parsed,
                        struct oh_fault *fault)
{
    struct server *s = &w->server;
    int result = parsed;
    int shard = oh__serve_shard_of(&s->shared, &s->msg, s->shards_n, &result, fault);

    invariants_received(w->invariants, flow, &s->msg, parsed);
    if (shard < 0)
        return;
    oh__serve_input(enter(w, k, (unsigned)shard), &k->env, flow, &s->msg, result, fault);
    leave(w, k, (unsigned)shard);
    invariants_settled(w->invariants);
}

void server_datagram(struct world *w, const struct oh_flow *flow, struct oh_span bytes)
{
    struct server *s = &w->server;
    struct oh_fault fault = {0};
    size_t used;
    int parsed = oh_msg_parse(bytes, OH_MSG_DATAGRAM, &s->env.settings->limits, &s->msg, &used,
                              &fault);

    if (parsed != OH_E_ABSENT)
        run_message(w, worker_of_flow(w, flow), flow, parsed, &fault);
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
    run_message(w, worker_of_flow(w, &c->flow), &c->flow, parsed, &fault);
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
    struct worker *k = worker_of_flow(w, flow);

    invariants_excuse(w->invariants, flow);
    oh__location_flow_closed(s->shared.location, flow->id);
    for (unsigned i = 0; i < s->shards_n; i++) {
        oh__serve_flow_closed(enter(w, k, i), &k->env, flow);
        leave(w, k, i);
    }
}

void server_answer(struct world *w, const struct event *e)
{
    struct oh__serve_answer answer = {e->ticket, e->result, e->addrs_n, e->addrs};
    unsigned shard = oh__serve_ticket_shard(e->ticket);
    struct worker *k = worker_of(w, e);

    CHECK(w, shard < w->server.shards_n);
    if (e->result == OH_E_IO)
        invariants_excuse(w->invariants, &e->flow);
    oh__serve_answer(enter(w, k, shard), &k->env, &answer);
    leave(w, k, shard);
}

void server_ping_all(struct world *w)
{
    struct server *s = &w->server;
    struct worker *k = &s->workers[0];
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
            oh__serve_ping(enter(w, k, shard), &k->env, aor, &list.v[i]);
            leave(w, k, shard);
        }
        oh_arena_reset(&arena);
    }
    oh_arena_done(&arena);
}

/* ---- time ---- */

static uint64_t deadline_of(const struct world *w, const struct worker *k)
{
    uint64_t at = OH_NEVER;

    if (k->busy_until)
        return k->busy_until;
    for (unsigned i = 0; i < w->server.shards_n; i++)
        at = k->wake[i] < at ? k->wake[i] : at;
    return at;
}

uint64_t server_deadline(const struct world *w)
{
    uint64_t at = OH_NEVER;

    for (unsigned i = 0; i < w->server.workers_n; i++) {
        uint64_t own = deadline_of(w, &w->server.workers[i]);

        at = own < at ? own : at;
    }
    return at;
}

void server_expire(struct world *w)
{
    for (unsigned n = 0; n < w->server.workers_n; n++) {
        struct worker *k = &w->server.workers[n];

        for (unsigned i = 0; i < w->server.shards_n && k->busy_until <= w->now; i++) {
            if (k->wake[i] > w->now)
                continue;
            oh__serve_expire(enter(w, k, i), &k->env, w->options.expire_at_once);
            leave(w, k, i);
        }
    }
}

void server_visit_all(struct world *w)
{
    struct worker *k = &w->server.workers[0];

    for (unsigned i = 0; i < w->server.shards_n; i++) {
        oh__serve_expire(enter(w, k, i), &k->env, 1);
        leave(w, k, i);
    }
}

/* ---- commit ---- */

static void send_held(struct world *w, struct worker *k)
{
    for (unsigned i = 0; i < k->held_n; i++) {
        struct held_send *h = &k->held[i];

        send_now(w, k, &h->flow, oh_span(h->bytes, h->n), h->ticket);
    }
    server_drop_held(k);
}

static void commit(struct world *w, struct worker *k)
{
    struct oh__journal *j = k->env.journal;

    if (j && oh__journal_pending(j) && oh__journal_commit(j) != OH_OK)
        server_drop_held(k);
    else
        send_held(w, k);
}

void server_commits_due(struct world *w)
{
    for (unsigned i = 0; i < w->server.workers_n; i++) {
        struct worker *k = &w->server.workers[i];

        if (k->busy_until == 0 || k->busy_until > w->now)
            continue;
        k->busy_until = 0;
        commit(w, k);
    }
}

void server_commit(struct world *w)
{
    struct server *s = &w->server;

    for (unsigned i = 0; i < s->workers_n; i++) {
        struct worker *k = &s->workers[i];

        if (k->busy_until)
            continue;
        if (k->env.journal && oh__journal_pending(k->env.journal) &&
            world_chance(w, s->slow_percent)) {
            k->busy_until = w->now + (1 + world_random(w, s->slow_ms)) * WORLD_MS;
            world_note(w, "worker %u waits for its disk for %u ms", i,
                       (unsigned)((k->busy_until - w->now) / WORLD_MS));
            continue;
        }
        commit(w, k);
    }
}
