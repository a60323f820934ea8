/*
 * Making, keeping and ending the context of a proxied request. Everything that
 * a context owns is a block of the shard's cache, so that the steady state of
 * calls costs no heap call; everything that runs for it (transactions, a
 * look-up) knows it by handle, so that it may end at any time.
 */
#include "serve/context.h"
#include "serve/source.h"

#include <assert.h>
#include <stdlib.h>

#define BRANCHES_FIRST 1

/* The first wish of a request for Max-Breadth (RFC 5393 5.3.3): ours when it has none, never more
 * than ours. */
static uint32_t breadth_of(const struct oh__serve *s, const struct oh_msg *m)
{
    uint32_t most = s->env->settings->max_breadth;
    uint32_t wish;

    if (oh_msg_number(m, OH_HEADER_MAX_BREADTH, &wish) != OH_OK)
        return most;
    return wish < most ? wish : most;
}

/* When an INVITE's own time is over (RFC 3261 20.19); a value beyond any call's length says
 * nothing. */
static uint64_t expiry_of(const struct oh__serve *s, const struct oh_msg *m)
{
    uint32_t seconds;

    if (m->method != OH_METHOD_INVITE || oh_msg_number(m, OH_HEADER_EXPIRES, &seconds) != OH_OK)
        return OH__NEVER;
    return seconds && seconds < 86400 ? s->env->now + seconds * OH__SEC : OH__NEVER;
}

/* Copies what is needed later into one block. */
static bool hold(struct oh__serve *s, struct oh__context *c, const struct oh__request *rq,
                 struct oh_span rows)
{
    const struct oh_span parts[] = {rq->msg->raw, rows, rq->account,
                                    rq->role == OH__ROLE_LOCAL ? rq->aor : oh_span("", 0)};
    size_t n = 0;
    char *p;

    for (unsigned i = 0; i < 4; i++)
        n += parts[i].n;
    c->held = p = oh__blocks_take(s->blocks, n);
    if (!p)
        return false;
    for (unsigned i = 0; i < 4; i++) {
        if (parts[i].n)
            memcpy(p, parts[i].p, parts[i].n);
        p += parts[i].n;
    }
    c->msg_n = (uint32_t)parts[0].n;
    c->rows_n = (uint32_t)parts[1].n;
    c->account_n = (uint32_t)parts[2].n;
    c->aor_n = (uint32_t)parts[3].n;
    return true;
}

static size_t held_size(const struct oh__context *c)
{
    return (size_t)c->msg_n + c->rows_n + c->account_n + c->aor_n;
}

/* Where a text of the message is, so that it is found in the held copy. */
static struct oh__part part_of(const struct oh_msg *m, struct oh_span text)
{
    size_t at = text.n ? (size_t)(text.p - m->raw.p) : 0;

    if (at + text.n > UINT16_MAX)
        return (struct oh__part){0, 0};
    return (struct oh__part){(uint16_t)at, (uint16_t)text.n};
}

/* What will be told of it. */
static void note(struct oh__context *c, const struct oh_msg *m)
{
    struct oh__subject on = oh__subject_of(&(struct oh__request){.msg = m});

    c->method_text = part_of(m, on.method);
    c->call_id = part_of(m, on.call_id);
    c->from_uri = part_of(m, on.from_uri);
    c->wanted_uri = part_of(m, on.wanted_uri);
    c->agent = part_of(m, on.agent);
    c->callee = part_of(m, m->request_uri.user.n ? m->request_uri.user : m->uri);
}

static void describe(const struct oh__serve *s, struct oh__context *c, const struct oh__request *rq)
{
    const struct oh__settings *settings = s->env->settings;

    c->flow = rq->flow;
    c->method = rq->msg->method;
    note(c, rq->msg);
    c->in_dialog = rq->role == OH__ROLE_DIALOG;
    c->known = rq->authenticated || rq->trusted || c->in_dialog;
    c->follows = settings->recurse && !c->in_dialog;
    c->record_route = settings->record_route && !c->in_dialog;
    c->credentials = rq->credentials ? (uint16_t)(rq->credentials - rq->msg->rows + 1) : 0;
    c->routes_popped = (uint8_t)rq->routes_popped;
    c->strict_upstream = rq->strict_upstream;
    c->most = (uint16_t)(settings->branches_max ? settings->branches_max : 1);
    c->breadth = breadth_of(s, rq->msg);
    c->timer_c = settings->timer_c;
    c->ring_time = settings->ring_time;
    c->call_max = settings->call_max;
    c->started_at = s->env->now;
    c->ring_at = c->lookup_at = c->poll_at = c->retry_at = OH__NEVER;
    c->expires_at = expiry_of(s, rq->msg);
}

/*
 * No room for another request: says so without state, and counts. Nobody knows for how long, so
 * there is no Retry-After, which would turn callers on and off by the thousand (RFC 7339 5.10.2).
 */
static void refuse_full(struct oh__serve *s, const struct oh__request *rq)
{
    s->stats.contexts_full++;
    oh__refuse_simply(s, rq, 503, OH__FULL_WHY, OH__FULL_FIX);
}

/* There is room, but not for more of this sender's: the others are not to suffer for him. */
static void refuse_greedy(struct oh__serve *s, const struct oh__request *rq)
{
    s->stats.refused_share++;
    oh__refuse_simply(s, rq, 503, OH__SHARE_WHY, OH__SHARE_FIX);
}

/*
 * Who pays for the transactions of a request: the account, wherever it sends from and whoever else
 * sends from there; of whom nothing is known, the source. Peers that the administrator trusts carry
 * the calls of many, and have no share that they could exceed.
 */
static uint32_t payer_of(const struct oh__serve *s, const struct oh__request *rq)
{
    uint8_t source[OH__SOURCE_KEY];

    if (rq->trusted)
        return 0;
    if (rq->account.n)
        return oh_payer_of(s->ep, rq->account);
    oh__source_key(&rq->flow.peer, source);
    return oh_payer_of(s->ep, oh_span((const char *)source, sizeof source));
}

struct oh__context *oh__context_new(struct oh__serve *s, const struct oh__request *rq,
                                    struct oh_span rows, uint64_t loop)
{
    uint32_t payer = payer_of(s, rq);
    uint64_t handle;
    struct oh__context *c;
    int err = OH_E_FULL;

    if (oh_payer_greedy(s->ep, payer)) {
        refuse_greedy(s, rq);
        return NULL;
    }
    c = oh__pool_take(s->contexts, &handle);
    if (!c) {
        refuse_full(s, rq);
        return NULL;
    }
    c->handle = handle;
    c->payer = payer;
    describe(s, c, rq);
    c->loop = loop;
    if (hold(s, c, rq, rows))
        err = rq->msg->method == OH_METHOD_ACK
                  ? OH_OK
                  : oh_server_new(s->ep, s->env->now, rq->msg, &rq->flow, handle, &c->server);
    if (err) {
        oh__context_end(s, c);
        if (err != OH_E_DUPLICATE)
            refuse_full(s, rq);
        return NULL;
    }
    oh_payer_charge(s->ep, c->server, payer);
    /* Who forwards an INVITE says so at once (RFC 3261 16.2), before anything that may take time.
     */
    if (c->method == OH_METHOD_INVITE)
        oh_server_respond(s->ep, s->env->now, c->server, rq->msg, &rq->flow,
                          &(struct oh_reply){.code = 100});
    return c;
}

/* A transaction that nobody listens to any more is dropped; that of an INVITE was let go before. */
static void branch_done(struct oh__serve *s, struct oh__proxy_branch *b)
{
    if (b->client && b->state < OH__BRANCH_DONE)
        oh_client_drop(s->ep, b->client);
    oh__blocks_give(s->blocks, b->text, (size_t)b->uri_n + b->path_n);
    oh__blocks_give(s->blocks, b->addrs, b->addrs_n * sizeof *b->addrs);
}

/* Gives back everything; drop: running transactions, too. */
static void release(struct oh__serve *s, struct oh__context *c)
{
    for (unsigned i = 0; i < c->n; i++)
        branch_done(s, &c->branches[i]);
    oh__blocks_give(s->blocks, c->branches, c->cap * sizeof *c->branches);
    oh__blocks_give(s->blocks, c->held, held_size(c));
    oh__cbuf_unref(s->blocks, c->best_bytes);
    oh__cbuf_unref(s->blocks, c->challenges);
    oh__lookup_end(s, c);
    oh__wheel_clear(s->wheel, &c->timer);
}

void oh__context_end(struct oh__serve *s, struct oh__context *c)
{
    /* An INVITE's branches answer to the link from now on: a late 2xx must still reach the caller.
     */
    for (unsigned i = 0; i < c->n && c->method == OH_METHOD_INVITE; i++)
        c->branches[i].client = 0;
    release(s, c);
    oh__pool_give(s->contexts, c->handle);
}

struct oh__context *oh__context_get(const struct oh__serve *s, uint64_t user)
{
    return oh__handle_tag(user) == OH__TAG_CONTEXT ? oh__pool_get(s->contexts, user) : NULL;
}

/* Makes room for one more branch; the array is as large as it must be. */
static bool grow(struct oh__serve *s, struct oh__context *c)
{
    /* One, because most users have one phone; blocks come in classes, so doubling costs nothing. */
    unsigned cap = c->cap ? c->cap * 2u : BRANCHES_FIRST;
    struct oh__proxy_branch *v;

    if (c->n < c->cap)
        return true;
    v = oh__blocks_take(s->blocks, cap * sizeof *v);
    if (!v)
        return false;
    if (c->n)
        memcpy(v, c->branches, c->n * sizeof *v);
    oh__blocks_give(s->blocks, c->branches, c->cap * sizeof *v);
    c->branches = v;
    c->cap = (uint16_t)cap;
    return true;
}

int oh__context_add(struct oh__serve *s, struct oh__context *c,
                    const struct oh__candidate *candidate)
{
    struct oh__proxy_branch *b;
    char *text;

    if (c->n >= c->most)
        return OH_E_LIMIT;
    text = oh__blocks_take(s->blocks, candidate->uri.n + candidate->path.n);
    if (!text)
        return OH_E_NOMEM;
    if (!grow(s, c)) {
        oh__blocks_give(s->blocks, text, candidate->uri.n + candidate->path.n);
        return OH_E_NOMEM;
    }
    b = &c->branches[c->n++];
    *b = (struct oh__proxy_branch){.state = OH__BRANCH_WAITING,
                                   .bound = candidate->bound,
                                   .own = candidate->own,
                                   .chosen = candidate->chosen,
                                   .q = candidate->q,
                                   .c_at = OH__NEVER,
                                   .flow = candidate->flow,
                                   .text = text,
                                   .uri_n = (uint32_t)candidate->uri.n,
                                   .path_n = (uint32_t)candidate->path.n};
    memcpy(text, candidate->uri.p, candidate->uri.n);
    if (candidate->path.n)
        memcpy(text + candidate->uri.n, candidate->path.p, candidate->path.n);
    return OH_OK;
}

const struct oh_msg *oh__held_msg(struct oh__serve *s, struct oh_span bytes)
{
    /* It came in under the limits of its listener, which the configuration may have raised. */
    static const struct oh_msg_limits none = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    struct oh_msg *m = oh_arena_take(&s->arena, sizeof *m);
    struct oh_fault fault;
    size_t used;

    /* What passed the first check passes the second one; only memory may be short. */
    if (!m || oh_msg_parse(bytes, OH_MSG_DATAGRAM, &none, m, &used, &fault) != OH_OK ||
        oh_msg_check(m, &fault) != OH_OK)
        return NULL;
    return m;
}

const struct oh_msg *oh__context_msg(struct oh__serve *s, const struct oh__context *c)
{
    return oh__held_msg(s, oh_span(c->held, c->msg_n));
}

bool oh__context_request(struct oh__serve *s, const struct oh__context *c, struct oh__request *out)
{
    const struct oh_msg *m = oh__context_msg(s, c);

    if (!m)
        return false;
    *out = (struct oh__request){.msg = m,
                                .flow = c->flow,
                                .uri_text = m->uri,
                                .uri = m->request_uri,
                                .trusted = c->known,
                                .account = oh_span(c->held + c->msg_n + c->rows_n, c->account_n)};
    return true;
}

struct oh__subject oh__context_subject(const struct oh__context *c)
{
    return (struct oh__subject){.flow = &c->flow,
                                .stranger = !c->known,
                                .method = oh__context_part(c, c->method_text),
                                .call_id = oh__context_part(c, c->call_id),
                                .from_uri = oh__context_part(c, c->from_uri),
                                .wanted_uri = oh__context_part(c, c->wanted_uri),
                                .agent = oh__context_part(c, c->agent),
                                .account = oh_span(c->held + c->msg_n + c->rows_n, c->account_n),
                                .target = oh__context_aor(c)};
}

struct oh_span oh__context_rows(const struct oh__context *c)
{
    return oh_span(c->held + c->msg_n, c->rows_n);
}

struct oh_span oh__context_aor(const struct oh__context *c)
{
    return oh_span(c->held + c->msg_n + c->rows_n + c->account_n, c->aor_n);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void oh__context_arm(struct oh__serve *s, struct oh__context *c)
{
    uint64_t at = earlier(earlier(c->ring_at, c->expires_at), earlier(c->poll_at, c->retry_at));

    at = earlier(at, c->lookup_at);
    for (unsigned i = 0; i < c->n; i++)
        at = earlier(at, c->branches[i].c_at);
    if (at == OH__NEVER)
        oh__wheel_clear(s->wheel, &c->timer);
    else if (!oh__timer_armed(&c->timer) || c->timer.at != at)
        oh__wheel_set(s->wheel, &c->timer, at);
}

void oh__contexts_done(struct oh__serve *s)
{
    uint32_t cursor = 0;
    uint64_t handle;
    struct oh__context *c;

    /* Also called for a shard that was never finished; its wheel may be missing. */
    while (s->contexts && s->wheel && (c = oh__pool_next(s->contexts, &cursor, &handle)) != NULL) {
        release(s, c);
        oh__pool_give(s->contexts, handle);
    }
}

/* A debug build names the rule; an optimised one, where assert is nothing, stops too. */
#define RULE(truth)    \
    do {               \
        assert(truth); \
        if (!(truth))  \
            abort();   \
    } while (0)

static void check_branch(const struct oh__context *c, const struct oh__proxy_branch *b)
{
    bool invite = c->method == OH_METHOD_INVITE;

    RULE(b->state != OH__BRANCH_DONE || b->c_at == OH__NEVER);
    RULE(b->addr_at <= b->addrs_n);
    /* A ringing phone is the one thing that no transaction timer ends: Timer C must run. */
    RULE(b->state != OH__BRANCH_PROCEEDING || !invite || b->stopped || b->c_at != OH__NEVER);
}

static void check(const struct oh__context *c, uint64_t handle)
{
    unsigned resolving = 0;
    uint64_t breadth = 0;

    RULE(c->handle == handle && c->held);
    RULE(c->server || c->method == OH_METHOD_ACK);
    RULE(c->n <= c->cap && c->n <= c->most);
    for (unsigned i = 0; i < c->n; i++) {
        check_branch(c, &c->branches[i]);
        resolving += c->branches[i].state == OH__BRANCH_RESOLVING;
        breadth += oh__branch_runs(&c->branches[i]) ? c->branches[i].share : 0;
    }
    RULE(resolving == (c->lookup ? 1u : 0u));
    RULE((c->lookup_at == OH__NEVER) == (c->lookup == 0));
    RULE(breadth <= c->breadth);
    /* Something must be able to end it. */
    RULE(oh__branches_open(c) || c->retry_at != OH__NEVER);
}

void oh__contexts_check(const struct oh__serve *s)
{
    uint32_t cursor = 0;
    uint64_t handle;
    struct oh__context *c;

    while ((c = oh__pool_next(s->contexts, &cursor, &handle)) != NULL)
        check(c, handle);
    RULE(oh__pool_ok(s->contexts) && oh__wheel_ok(s->wheel));
}
