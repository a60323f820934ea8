/*
 * The door of a shard. Every call has the same shape: note who is calling
 * (the worker's clock, journal, policy), let the endpoint run its machines,
 * then take everything that the endpoint has to say. Its sends go into our own
 * ring for the worker; its events go to the file that owns them. Nothing here
 * waits: what must be waited for (a name, a response, a timer) is a context
 * that is found again by handle when the answer comes.
 */
#include "serve/internal.h"

#include "serve/context.h"
#include "serve/ping.h"

#define ARENA_MAX                (512 * 1024)
#define BLOCKS_KEEP              (1024 * 1024)
#define CONTEXTS_PER_TRANSACTION 1 /* a context has at least one server transaction */
#define PINGS_MAX                4096
#define RING_FIRST               64

static void options_of(const struct oh__serve_options *options, struct oh_endpoint_options *ep)
{
    const struct oh__settings *settings = options->settings;

    memset(ep, 0, sizeof *ep);
    ep->alloc = options->alloc;
    memcpy(ep->seed, options->seed, sizeof ep->seed);
    memcpy(ep->secret, options->shared->secret, sizeof ep->secret);
    ep->shard = options->shard;
    ep->t1 = settings->t1;
    ep->t2 = settings->t2;
    ep->t4 = settings->t4;
    ep->transactions_max = options->transactions_max;
    ep->completed_max = options->completed_max;
    ep->limits = settings->limits;
    ep->server = oh_span_str(settings->server_name);
    ep->trace = options->shared->trace;
}

int oh__serve_new(const struct oh__serve_options *options, uint64_t now, struct oh__serve **out)
{
    const struct oh_alloc *alloc = options->alloc ? options->alloc : oh_alloc_default();
    struct oh__serve *s = oh_alloc_zero(alloc, 1, sizeof *s);
    struct oh_endpoint_options ep;
    uint32_t contexts = options->transactions_max ? options->transactions_max : 100000;

    if (!s)
        return OH_E_NOMEM;
    s->alloc = alloc;
    s->shared = options->shared;
    s->shard = options->shard;
    s->shards = options->shards;
    oh__rng_init(&s->rng, options->seed);
    oh_arena_init(&s->arena, alloc, ARENA_MAX);
    s->out = oh_alloc(alloc, RING_FIRST * sizeof *s->out);
    s->out_cap = RING_FIRST;
    s->blocks = oh__blocks_new(alloc, BLOCKS_KEEP);
    s->contexts = oh__pool_new(alloc, sizeof(struct oh__context),
                               contexts * CONTEXTS_PER_TRANSACTION, OH__TAG_CONTEXT);
    s->lookups = oh__pool_new(alloc, sizeof(uint64_t), contexts, OH__TAG_LOOKUP);
    s->pings = oh__pool_new(alloc, sizeof(struct oh__ping), PINGS_MAX, OH__TAG_PING);
    s->wheel = oh__wheel_new(alloc, now);
    options_of(options, &ep);
    ep.alloc = alloc;
    if (!s->out || !s->blocks || !s->contexts || !s->lookups || !s->pings || !s->wheel ||
        oh_endpoint_new(&ep, now, &s->ep) != OH_OK) {
        oh__serve_free(s);
        return OH_E_NOMEM;
    }
    *out = s;
    return OH_OK;
}

void oh__serve_free(struct oh__serve *s)
{
    if (!s)
        return;
    oh__contexts_done(s);
    oh_endpoint_free(s->ep);
    oh__pool_free(s->contexts);
    oh__pool_free(s->lookups);
    oh__pool_free(s->pings);
    oh__wheel_free(s->wheel);
    if (s->blocks)
        oh__blocks_free(s->blocks);
    oh_arena_done(&s->arena);
    oh_free(s->alloc, s->out, s->out_cap * sizeof *s->out);
    oh_free(s->alloc, s, sizeof *s);
}

/* Doubles the ring; the part that had wrapped round moves behind the rest. */
static bool grow(struct oh__serve *s)
{
    unsigned cap = s->out_cap * 2;
    struct oh__serve_output *ring = oh_alloc(s->alloc, cap * sizeof *ring);

    if (!ring)
        return false;
    for (unsigned i = 0; i < s->out_n; i++)
        ring[i] = s->out[(s->out_head + i) % s->out_cap];
    oh_free(s->alloc, s->out, s->out_cap * sizeof *s->out);
    s->out = ring;
    s->out_cap = cap;
    s->out_head = 0;
    return true;
}

bool oh__serve_push(struct oh__serve *s, const struct oh__serve_output *out)
{
    if (s->out_n == s->out_cap && !grow(s))
        return false;
    s->out[(s->out_head + s->out_n++) % s->out_cap] = *out;
    return true;
}

bool oh__serve_take(struct oh__serve *s, struct oh__serve_output *out)
{
    if (s->out_n == 0)
        return false;
    *out = s->out[s->out_head];
    s->out_head = (s->out_head + 1) % s->out_cap;
    s->out_n--;
    return true;
}

/* A banned source gets silence, unless one of our phones is registered from there (decision 13). */
static bool silenced(struct oh__serve *s, const struct oh_flow *flow)
{
    if (!oh__guard_banned(s->shared->guard, s->env->now, &flow->peer))
        return false;
    if (oh__settings_trusted(s->env->settings, &flow->peer) ||
        oh__location_has_source(s->shared->location, &flow->peer))
        return false;
    s->stats.banned_dropped++;
    return true;
}

/*
 * Asked before the endpoint, which would have a word to say about bad messages. What may belong to
 * a transaction of before the ban goes on: an INVITE that rings can be taken back.
 */
static bool shunned(struct oh__serve *s, const struct oh_flow *flow, const struct oh_msg *m,
                    int parsed)
{
    bool may_belong = parsed == OH_OK &&
                      (m->method == OH_METHOD_CANCEL || m->method == OH_METHOD_ACK);

    return m->request && !may_belong && silenced(s, flow);
}

static void count_request(struct oh__serve *s, uint8_t method)
{
    s->stats.requests++;
    if (method == OH_METHOD_REGISTER)
        s->stats.registers++;
    else if (method == OH_METHOD_INVITE)
        s->stats.calls++;
    else if (method == OH_METHOD_MESSAGE)
        s->stats.messages++;
}

static void run_role(struct oh__serve *s, struct oh__request *rq)
{
    switch (rq->role) {
    case OH__ROLE_OWN: oh__own_run(s, rq); break;
    case OH__ROLE_REGISTRAR: oh__registrar_run(s, rq); break;
    case OH__ROLE_DIALOG: oh__proxy_dialog(s, rq); break;
    case OH__ROLE_LOCAL:
    case OH__ROLE_FOREIGN: oh__proxy_run(s, rq); break;
    }
}

static void on_request(struct oh__serve *s, const struct oh_output *o)
{
    struct oh__request rq = {.msg = o->msg, .flow = o->flow};

    count_request(s, o->msg->method);
    if (!oh__role_find(s, &rq) || !oh__checks_run(s, &rq))
        return;
    if (rq.role != OH__ROLE_DIALOG && !oh__auth_run(s, &rq))
        return;
    run_role(s, &rq);
}

/* An ACK is forwarded along a valid token or dropped: it never gets an answer and is no open relay
 * (decision 8). */
static void on_ack(struct oh__serve *s, const struct oh_output *o)
{
    struct oh__request rq = {.msg = o->msg, .flow = o->flow};

    if (oh__role_find(s, &rq) && rq.role == OH__ROLE_DIALOG && o->msg->max_forwards != 0)
        oh__proxy_dialog(s, &rq);
    else
        s->stats.acks_dropped++;
}

static void on_cancel(struct oh__serve *s, const struct oh_output *o)
{
    struct oh__request rq = {.msg = o->msg, .flow = o->flow};

    /* No credentials are asked for: a CANCEL cannot be sent again with any, and what it can end
     * is the INVITE of whoever knows its branch (RFC 3261 22.1). */
    if (o->server)
        oh__proxy_cancel(s, o);
    else if (!silenced(s, &o->flow))
        oh__refuse(s, &rq, &(struct oh__refusal){.code = 481});
}

static bool is_ping(const struct oh_output *o)
{
    return oh__handle_tag(o->user) == OH__TAG_PING;
}

static void on_event(struct oh__serve *s, const struct oh_output *o)
{
    switch (o->kind) {
    case OH_OUT_SEND: break;
    case OH_OUT_REQUEST: on_request(s, o); break;
    case OH_OUT_ACK: on_ack(s, o); break;
    case OH_OUT_CANCEL: on_cancel(s, o); break;
    case OH_OUT_RESPONSE:
        if (is_ping(o))
            oh__ping_response(s, o);
        else
            oh__proxy_response(s, o);
        break;
    case OH_OUT_FAILED:
        if (is_ping(o))
            oh__ping_response(s, o);
        else
            oh__proxy_failed(s, o);
        break;
    case OH_OUT_TRYING: oh__proxy_trying(s, o); break;
    case OH_OUT_ENDED: oh__proxy_ended(s, o); break;
    }
}

static void push_send(struct oh__serve *s, const struct oh_output *o)
{
    struct oh__serve_output out = {
        .kind = OH__SERVE_SEND, .durable = s->durable, .flow = o->flow, .bytes = o->bytes};

    if (o->ticket)
        out.ticket = o->ticket | (uint64_t)s->shard << 56;
    oh__serve_push(s, &out);
}

/* Takes everything the endpoint has to say. Events make more outputs, which this same loop takes.
 */
void oh__serve_drain(struct oh__serve *s)
{
    struct oh_output o;

    while (oh_endpoint_take(s->ep, &o)) {
        if (o.kind == OH_OUT_SEND)
            push_send(s, &o);
        else
            on_event(s, &o);
    }
}

/* What outputs of the last call pointed to is no longer needed: its texts go. */
void oh__serve_enter(struct oh__serve *s, const struct oh__serve_env *env)
{
    s->env = env;
    s->durable = false;
    if (s->out_n == 0)
        oh_arena_reset(&s->arena);
}

int oh__serve_input(struct oh__serve *s, const struct oh__serve_env *env,
                    const struct oh_flow *flow, struct oh_msg *msg, int parsed,
                    const struct oh_fault *fault)
{
    oh__serve_enter(s, env);
    if (shunned(s, flow, msg, parsed))
        return OH_OK;
    int result = oh_endpoint_input_msg(s->ep, env->now, flow, msg, parsed, fault);

    oh__serve_drain(s);
    return result;
}

unsigned oh__serve_expire(struct oh__serve *s, const struct oh__serve_env *env, unsigned most)
{
    struct oh__timer *t;
    unsigned ran = 0;

    oh__serve_enter(s, env);
    /* Contexts first: what they decide (a CANCEL, the next group) is what the endpoint then sends,
     * and a transaction that ends in the same moment finds its context up to date. */
    while (ran < most && (t = oh__wheel_take(s->wheel, env->now)) != NULL) {
        oh__proxy_expire(s, t);
        ran++;
    }
    ran += oh_endpoint_expire(s->ep, env->now, most - ran);
    oh__serve_drain(s);
    return ran;
}

void oh__serve_answer(struct oh__serve *s, const struct oh__serve_env *env,
                      const struct oh__serve_answer *answer)
{
    oh__serve_enter(s, env);
    if (answer->ticket >> 62 & 1)
        oh__proxy_answer(s, answer);
    else
        oh_endpoint_answer(s->ep, env->now, answer->ticket & UINT64_C(0x00ffffffffffffff),
                           answer->result);
    oh__serve_drain(s);
}

void oh__serve_flow_closed(struct oh__serve *s, const struct oh__serve_env *env,
                           const struct oh_flow *flow)
{
    oh__serve_enter(s, env);
    oh__proxy_flow_closed(s, flow);
    oh__serve_drain(s);
}

uint64_t oh__serve_deadline(const struct oh__serve *s)
{
    uint64_t ep = oh_endpoint_deadline(s->ep);
    uint64_t own = oh__wheel_next(s->wheel);

    return ep < own ? ep : own;
}

int oh__serve_shard_of(const struct oh__shared *shared, struct oh_msg *msg, unsigned shards,
                       int *result, struct oh_fault *fault)
{
    /* What is wrong first is what is told; the check decodes what an answer needs all the same. */
    int checked = oh_msg_check(msg, *result == OH_OK ? fault : NULL);

    /* A header that is absent is a bad message; a parser's OH_E_ABSENT is none at all. */
    if (*result == OH_OK)
        *result = checked == OH_E_ABSENT ? OH_E_SYNTAX : checked;
    if (msg->request)
        return (int)oh_call_shard(shared->secret, oh_msg_value(msg, OH_HEADER_CALL_ID), shards);
    /* The branch is looked at more closely behind the lock. */
    int shard = oh_branch_hint(msg->via.branch);

    return shard < (int)shards ? shard : -1;
}

void oh__serve_stats(const struct oh__serve *s, struct oh__serve_stats *out)
{
    *out = s->stats;
    out->contexts = oh__pool_live(s->contexts);
    oh_endpoint_stats(s->ep, &out->endpoint);
}

size_t oh__serve_relax(struct oh__serve *s)
{
    return oh__pool_relax(s->contexts) + oh__pool_relax(s->lookups) + oh__pool_relax(s->pings) +
           oh__blocks_relax(s->blocks) + oh_endpoint_relax(s->ep);
}

bool oh__serve_idle(const struct oh__serve *s)
{
    struct oh_endpoint_stats ep;

    oh_endpoint_stats(s->ep, &ep);
    return ep.in_flight == 0 && oh__pool_live(s->contexts) == 0;
}

void oh__serve_check(const struct oh__serve *s)
{
    oh_endpoint_check(s->ep);
    oh__contexts_check(s);
}
