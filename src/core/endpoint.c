/*
 * The door. Whatever comes in is one of three things: a message, the passing
 * of time, the end of something asked for. Each is brought to the transaction
 * that it belongs to; the machine there does the rest and queues outputs.
 *
 * A step never calls the user, so nothing can end while it is on the stack
 * but what the step itself ends, and it does that last.
 */
#include "core/internal.h"

/* What the block cache keeps idle, and what one step may build, in bytes. */
#define IDLE_BLOCKS (512u << 10)
#define ARENA_MAX   (16u << 20)

/* So that two clients' worth of records and the completed ones fit into a pool of 2^24. */
#define TRANSACTIONS_MOST (1u << 22)
#define COMPLETED_MOST    ((1u << 23) - 1)

/* --- an allocator that counts, so that the statistics tell the truth about memory --- */

/* Sizes come with every call, so counting needs no head before each block. */
static void *counted_alloc(void *ctx, size_t size)
{
    struct oh_endpoint *ep = ctx;
    void *p = oh_alloc(ep->heap, size);

    if (p)
        ep->bytes += size;
    return p;
}

static void *counted_realloc(void *ctx, void *p, size_t old_size, size_t new_size)
{
    struct oh_endpoint *ep = ctx;
    void *q = oh_realloc(ep->heap, p, old_size, new_size);

    if (q)
        ep->bytes += new_size - (p ? old_size : 0);
    return q;
}

static void counted_free(void *ctx, void *p, size_t size)
{
    struct oh_endpoint *ep = ctx;

    if (p)
        ep->bytes -= size;
    oh_free(ep->heap, p, size);
}

/* --- beginning and end --- */

/* A bound of 0 is the default one; none is above what handles can name. */
static uint32_t or_default(uint32_t v, uint32_t otherwise, uint32_t most)
{
    v = v ? v : otherwise;
    return v < most ? v : most;
}

/* Times of RFC 3261 table 4; whoever sets T1 alone keeps all proportions. */
static void set_times(struct oh_endpoint *ep, const struct oh_endpoint_options *o)
{
    uint64_t pause;

    ep->t1 = o->t1 ? o->t1 : 500 * OH__MS;
    ep->t2 = o->t2 ? o->t2 : 8 * ep->t1;
    ep->t4 = o->t4 ? o->t4 : 10 * ep->t1;
    if (ep->t2 < ep->t1)
        ep->t2 = ep->t1;
    ep->t64 = 64 * ep->t1;
    ep->trying_ist = ep->t1 * 2 / 5; /* 200 ms of 500 (RFC 3261 17.2.1) */
    /* The time in which a client's Timer E reaches T2 (RFC 4320 4.1): 3.5 s. */
    for (pause = ep->t1; pause < ep->t2; pause *= 2)
        ep->trying_nist += pause;
    if (ep->trying_nist == 0)
        ep->trying_nist = ep->t1;
    ep->fifo[OH__FIFO_LONG].delay = ep->t64;
    ep->fifo[OH__FIFO_SHORT].delay = ep->t4;
}

/*
 * The options last as long as the endpoint, so their text is copied. Bounds of 0 become the
 * defaults.
 */
static int copy_options(struct oh_endpoint *ep, const struct oh_endpoint_options *o)
{
    char *server;

    ep->options = *o;
    ep->options.server = oh_span(NULL, 0);
    ep->options.transactions_max = or_default(o->transactions_max, 100000, TRANSACTIONS_MOST);
    ep->options.completed_max = or_default(o->completed_max, 400000, COMPLETED_MOST);
    if (!o->server.n)
        return OH_OK;
    server = oh_alloc(&ep->alloc, o->server.n);
    if (!server)
        return OH_E_NOMEM;
    memcpy(server, o->server.p, o->server.n);
    ep->options.server = oh_span(server, o->server.n);
    return OH_OK;
}

static int make_parts(struct oh_endpoint *ep, const struct oh_endpoint_options *o)
{
    uint32_t records;
    int err = copy_options(ep, o);

    if (err)
        return err;
    /* A CANCEL is made beyond the bound, so there may be one for each; one more is
     * completed before the oldest goes. */
    records = 2 * ep->options.transactions_max + ep->options.completed_max + 1;
    ep->pool = oh__pool_new(&ep->alloc, sizeof(struct oh__txn), records, (uint8_t)(o->shard + 1));
    ep->blocks = oh__blocks_new(&ep->alloc, IDLE_BLOCKS);
    ep->wheel = oh__wheel_new(&ep->alloc, ep->now);
    if (!ep->pool || !ep->blocks || !ep->wheel)
        return OH_E_NOMEM;
    return oh__outputs_reserve(ep);
}

int oh_endpoint_new(const struct oh_endpoint_options *options, uint64_t now,
                    struct oh_endpoint **out)
{
    const struct oh_alloc *heap = options->alloc ? options->alloc : oh_alloc_default();
    struct oh_endpoint *ep = oh_alloc_zero(heap, 1, sizeof(*ep));
    uint8_t key[16];

    if (!ep)
        return OH_E_NOMEM;
    ep->heap = heap;
    ep->alloc = (struct oh_alloc){ep, counted_alloc, counted_realloc, counted_free};
    ep->bytes = sizeof(*ep);
    ep->now = now;
    set_times(ep, options);
    oh_arena_init(&ep->arena, &ep->alloc, ARENA_MAX);
    ep->secret = oh__key_of_bytes(options->secret);
    oh__rng_init(&ep->rng, options->seed);
    oh__rng_bytes(&ep->rng, key, sizeof(key));
    ep->table_key = oh__key_of_bytes(key);
    if (make_parts(ep, options) != OH_OK) {
        oh_endpoint_free(ep);
        return OH_E_NOMEM;
    }
    *out = ep;
    return OH_OK;
}

void oh_endpoint_free(struct oh_endpoint *ep)
{
    uint32_t cursor = 0;
    uint64_t handle;
    struct oh__txn *t;

    if (!ep)
        return;
    /* Outputs hold references to buffers, and buffers live in blocks: this order. */
    oh__outputs_done(ep);
    while (ep->pool && (t = oh__pool_next(ep->pool, &cursor, &handle)) != NULL) {
        oh__txn_quiet(ep, t);
        oh__cbuf_unref(ep->blocks, t->kept);
    }
    oh__wheel_free(ep->wheel);
    oh__pool_free(ep->pool);
    if (ep->blocks)
        oh__blocks_free(ep->blocks);
    if (ep->table.buckets)
        oh_free(&ep->alloc, ep->table.buckets,
                ((size_t)ep->table.mask + 1) * sizeof(struct oh__bucket));
    oh_arena_done(&ep->arena);
    oh_free(&ep->alloc, (char *)ep->options.server.p, ep->options.server.n);
    oh_free(ep->heap, ep, sizeof(*ep));
}

void oh__clock(struct oh_endpoint *ep, uint64_t now)
{
    if (now > ep->now)
        ep->now = now;
}

/* --- messages --- */

/* ACK never gets a response, whatever is wrong with it (RFC 3261 17.1.1.3). */
static void input_ack(struct oh_endpoint *ep, struct oh_msg *msg, const struct oh_flow *flow)
{
    struct oh__txn *t = oh__match_request(ep, msg);

    if (!t) {
        oh__put_event(ep, OH_OUT_ACK, NULL, 0, msg, flow);
        return;
    }
    if (oh__ist_ack(ep, t))
        oh__put_event(ep, OH_OUT_ACK, t, 0, msg, flow);
}

/*
 * A request that is known goes to its transaction; a new one to the user, without a transaction
 * yet.
 */
static void input_request(struct oh_endpoint *ep, struct oh_msg *msg, const struct oh_flow *flow)
{
    struct oh__txn *t;

    ep->stats.rx_requests++;
    if (msg->method == OH_METHOD_ACK) {
        input_ack(ep, msg, flow);
        return;
    }
    t = oh__match_request(ep, msg);
    if (t && t->machine == OH__MACHINE_IST)
        oh__ist_retransmitted(ep, t);
    else if (t)
        oh__nist_retransmitted(ep, t);
    else if (msg->method == OH_METHOD_CANCEL)
        oh__cancel_arrived(ep, msg, flow);
    else
        oh__put_event(ep, OH_OUT_REQUEST, NULL, 0, msg, flow);
}

/* A response that is to nothing of ours is dropped, and never forwarded (RFC 6026 8.9). */
static void input_response(struct oh_endpoint *ep, struct oh_msg *msg, const struct oh_flow *flow)
{
    struct oh__txn *t = oh__match_response(ep, msg);

    ep->stats.rx_responses++;
    if (!t)
        ep->stats.rx_stray_responses++;
    else if (t->machine == OH__MACHINE_ICT)
        oh__ict_response(ep, t, msg, flow);
    else
        oh__nict_response(ep, t, msg, flow);
}

int oh_endpoint_input_msg(struct oh_endpoint *ep, uint64_t now, const struct oh_flow *flow,
                          struct oh_msg *msg, int parsed, const struct oh_fault *fault)
{
    struct oh_fault checked = {0};
    int err;

    oh__clock(ep, now);
    oh__outputs_begin(ep);
    /* Keep-alives, and a stream's message that the caller should have waited for. */
    if (parsed == OH_E_ABSENT || parsed == OH_E_INCOMPLETE) {
        ep->stats.rx_ignored++;
        return parsed;
    }
    if (oh__outputs_reserve(ep) != OH_OK)
        return OH_E_NOMEM;
    oh__trace_message(ep, OH__TRACE_RX, msg->raw, flow, parsed);
    /* Also for one that is broken already: what can be decoded is needed to answer it. Who has
     * checked it has a Via. */
    err = msg->via.host.n ? OH_OK : oh_msg_check(msg, &checked);
    if (parsed != OH_OK || err != OH_OK) {
        oh__refuse_bad(ep, msg, flow, parsed != OH_OK && fault ? fault : &checked);
        return parsed != OH_OK ? parsed : err;
    }
    if (msg->request)
        input_request(ep, msg, flow);
    else
        input_response(ep, msg, flow);
    return OH_OK;
}

/* A frame of a WebSocket is a whole message, as a datagram is, and needs no Content-Length (RFC
 * 7118 5). */
static enum oh_msg_mode mode_of(const struct oh_flow *flow)
{
    switch (flow->transport) {
    case OH_TRANSPORT_TCP:
    case OH_TRANSPORT_TLS: return OH_MSG_STREAM;
    default: return OH_MSG_DATAGRAM;
    }
}

int oh_endpoint_input(struct oh_endpoint *ep, uint64_t now, const struct oh_flow *flow,
                      struct oh_span bytes)
{
    struct oh_fault fault = {0};
    size_t used = 0;
    int parsed;

    /* What was taken before may point into the message that is overwritten here. */
    oh__outputs_begin(ep);
    parsed = oh_msg_parse(bytes, mode_of(flow), &ep->options.limits, &ep->msg, &used, &fault);
    return oh_endpoint_input_msg(ep, now, flow, &ep->msg, parsed, &fault);
}

/* --- time and failures --- */

unsigned oh_endpoint_expire(struct oh_endpoint *ep, uint64_t now, unsigned most)
{
    unsigned n = 0;

    oh__clock(ep, now);
    oh__outputs_begin(ep);
    for (; n < most && oh__outputs_reserve(ep) == OH_OK; n++) {
        struct oh__timer *timer;
        struct oh__txn *t;

        /* Those that only have to go first: that makes room. */
        if (oh__completed_expire(ep))
            continue;
        timer = oh__wheel_take(ep->wheel, ep->now);
        if (!timer)
            break;
        t = OH__CONTAINER(timer, struct oh__live, timer)->txn;
        oh__txn_machine(t)->timer(ep, t);
    }
    return n;
}

void oh_endpoint_answer(struct oh_endpoint *ep, uint64_t now, uint64_t ticket, int result)
{
    struct oh__txn *t;

    oh__clock(ep, now);
    oh__outputs_begin(ep);
    /* The pool's tag, the same for all, was left out of the ticket. */
    ticket = (ticket & OH__TICKET_MASK) | (uint64_t)(ep->options.shard + 1) << 56;
    t = oh__pool_get(ep->pool, ticket);
    if (!t || t->machine == OH__MACHINE_NONE || result == OH_OK)
        return;
    ep->stats.transport_errors++;
    /* Without room for the news it stays unsaid; the transaction's own timers will end it. */
    if (oh__outputs_reserve(ep) == OH_OK)
        oh__txn_machine(t)->failed(ep, t, result);
}

uint64_t oh_endpoint_deadline(const struct oh_endpoint *ep)
{
    uint64_t wheel = oh__wheel_next(ep->wheel);
    uint64_t completed = oh__completed_deadline(ep);

    return wheel < completed ? wheel : completed;
}

size_t oh_endpoint_relax(struct oh_endpoint *ep)
{
    return oh__pool_relax(ep->pool) + oh__blocks_relax(ep->blocks);
}

void oh_endpoint_stats(const struct oh_endpoint *ep, struct oh_endpoint_stats *out)
{
    *out = ep->stats;
    out->in_flight = ep->in_flight;
    out->bytes = ep->bytes;
}
