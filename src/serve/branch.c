/*
 * Trying targets. Groups of equal q are tried together, the next lower one
 * when the group before has ended or its time is over. Max-Breadth (RFC 5393
 * 5.3.3) is a budget that running branches share: what a branch had is free
 * again when it ends, so a small budget makes the same set of targets serial
 * by itself.
 */
#include "serve/context.h"
#include "serve/forward.h"

/* Above this a request must go over a transport with congestion control (RFC 3261 18.1.1). */
#define UDP_MAX 1300

/* The resolver ends a look-up by a time-out of its own; this one is for an answer that got lost. */
#define LOOKUP_MAX (15 * OH__SEC)

static uint64_t token_expiry(const struct oh__serve *s, const struct oh__context *c)
{
    return s->env->wall + c->call_max / OH__MS;
}

/* What is to be written for a branch whose flow is known. */
static struct oh__forward forward_of(const struct oh__serve *s, const struct oh__context *c,
                                     const struct oh__proxy_branch *b, const struct oh_msg *msg)
{
    return (struct oh__forward){.msg = msg,
                                .in = c->flow,
                                .out = b->flow,
                                .uri = oh__branch_uri(b),
                                .path = oh__branch_path(b),
                                .rows = oh__context_rows(c),
                                .credentials = c->credentials ? &msg->rows[c->credentials - 1]
                                                              : NULL,
                                .breadth = b->share,
                                .routes_popped = c->routes_popped,
                                .strict_upstream = c->strict_upstream,
                                .record_route = c->record_route && oh__forward_forms_dialog(msg),
                                .callee_by_flow = b->bound && b->path_n == 0,
                                .stranger = !c->known,
                                .token_expires = token_expiry(s, c)};
}

/* Writes the request of a branch, with the branch parameter that was reserved. */
static int build(struct oh__serve *s, const struct oh__context *c, const struct oh__proxy_branch *b,
                 const struct oh_msg *msg, struct oh_span branch, struct oh_client_request *out)
{
    struct oh__forward f = forward_of(s, c, b, msg);

    f.branch = branch;
    int err = oh__forward_build(s, &f, &out->bytes);

    out->sent_by_host = f.sent_by.host;
    out->sent_by_port = f.sent_by.port;
    return err;
}

/* An ACK has no transaction: sending it is all that can be done. */
static unsigned launch_ack(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                           const struct oh_msg *msg)
{
    struct oh__forward f = forward_of(s, c, b, msg);

    f.breadth = 0;
    b->state = OH__BRANCH_DONE;
    return oh__forward_ack(s, &f) ? 0 : 503;
}

/* A large request to a target that did not ask for UDP goes over TCP (TRN-002). True: b->flow has
 * changed. */
static bool change_to_tcp(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                          size_t size)
{
    struct oh_flow flow;

    if (size <= UDP_MAX || b->bound || b->hop.explicit_transport || b->tcp_by_size ||
        b->flow.transport != OH_TRANSPORT_UDP ||
        oh__target_flow(s->env->settings, &c->flow, OH_TRANSPORT_TCP, &b->flow.peer, &flow) !=
            OH_OK)
        return false;
    b->flow = flow;
    b->tcp_by_size = true;
    return true;
}

/* Sends the request on the branch's flow in a new client transaction. 0, or the status that is the
 * branch's result. */
static unsigned launch(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                       const struct oh_msg *msg)
{
    char text[OH_BRANCH_MAX];
    struct oh_client_request request = {
        .method = (enum oh_method)c->method, .user = c->handle, .link = c->server};
    size_t n;

    if (c->method == OH_METHOD_ACK)
        return launch_ack(s, c, b, msg);
    /* What was let in may go to one target; forking must not get anybody more than his share. */
    if (b != c->branches && oh_payer_greedy(s->ep, c->payer)) {
        s->stats.refused_share++;
        c->full = c->greedy = true;
        return 503;
    }
    /* The branch parameter is part of what is written, so the transaction has to be there first. */
    int err = oh_client_reserve(s->ep, c->loop, &b->client, text, &n);

    if (err) {
        s->stats.contexts_full++;
        c->full = true;
        b->client = 0;
        return 503;
    }
    err = build(s, c, b, msg, oh_span(text, n), &request);
    if (err == OH_OK && change_to_tcp(s, c, b, request.bytes.n))
        err = build(s, c, b, msg, oh_span(text, n), &request);
    if (err) {
        oh_client_drop(s->ep, b->client);
        b->client = 0;
        return err == OH_E_SYNTAX ? 400 : 500;
    }
    request.flow = b->flow;
    err = oh_client_start(s->ep, s->env->now, b->client, &request);
    if (err) {
        b->client = 0;
        return 503;
    }
    oh_payer_charge(s->ep, b->client, c->payer);
    s->stats.forwarded_requests++;
    b->state = OH__BRANCH_TRYING;
    b->c_at = c->method == OH_METHOD_INVITE ? s->env->now + c->timer_c : OH__NEVER;
    return 0;
}

/* The URI of the next hop: first Route or Path value, else the target itself (RFC 3261 16.6 step 6
 * and 7, DNS-001). */
static bool next_hop(const struct oh__context *c, const struct oh__proxy_branch *b,
                     const struct oh_msg *msg, struct oh_uri *uri)
{
    struct oh_span value, rest = oh__branch_path(b);
    struct oh_address address;
    bool route = oh_comma_next(&rest, &value) == OH_OK ||
                 oh__forward_next_route(msg, c->routes_popped, c->strict_upstream, &value);

    if (!route)
        return oh_uri_parse(oh__branch_uri(b), uri, NULL) == OH_OK;
    return oh_address_decode(value, &address, NULL) == OH_OK &&
           oh_uri_parse(address.uri, uri, NULL) == OH_OK;
}

/* What a flow that cannot be had means for the caller. */
static unsigned status_of(int err)
{
    switch (err) {
    case OH_E_STATE: return 482; /* it would come back to us */
    case OH_E_DENIED: return 403;
    default: return 503;
    }
}

/*
 * What listens on loopback trusts whoever can reach it. From outside only the policy leads there,
 * and a dialog that it has led there; not a URI, name or redirection that somebody thought up.
 */
static bool walled_off(const struct oh__context *c, const struct oh__proxy_branch *b,
                       const struct oh_addr *addr)
{
    return oh_addr_is_loopback(addr) && !b->chosen && !c->in_dialog &&
           !oh_addr_is_loopback(&c->flow.local);
}

/* Takes the flow to an address of the hop. */
static unsigned take_address(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                             struct oh_addr addr)
{
    if (walled_off(c, b, &addr))
        return status_of(OH_E_DENIED);
    addr.port = b->hop.port;
    int err = oh__target_flow(s->env->settings, &c->flow, b->hop.transport, &addr, &b->flow);

    return err ? status_of(err) : 0;
}

/* Asks for the name. The host is copied: the output is taken after this call has ended. */
static unsigned look_up(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b)
{
    struct oh__serve_output out = {.kind = OH__SERVE_RESOLVE,
                                   .host = oh_arena_copy(&s->arena, b->hop.host)};
    uint64_t *waiting = oh__pool_take(s->lookups, &c->lookup);

    if (!waiting)
        return 503;
    *waiting = c->handle;
    c->lookup_at = s->env->now + LOOKUP_MAX;
    out.ticket = oh__lookup_ticket(s, c->lookup);
    if (!out.host.p || !oh__serve_push(s, &out)) {
        oh__lookup_end(s, c);
        return 503;
    }
    b->state = OH__BRANCH_RESOLVING;
    return 0;
}

void oh__lookup_end(struct oh__serve *s, struct oh__context *c)
{
    if (!c->lookup)
        return;
    oh__pool_give(s->lookups, c->lookup);
    c->lookup = 0;
    c->lookup_at = OH__NEVER;
}

/* Begins a waiting branch. 0, or its result. */
static unsigned begin(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                      const struct oh_msg *msg)
{
    struct oh_uri uri;

    if (b->bound)
        return launch(s, c, b, msg);
    if (!next_hop(c, b, msg, &uri))
        return 400;
    int err = oh__target_of(&uri, &b->hop);

    if (err)
        return status_of(err);
    if (b->hop.addr.family == OH_FAMILY_NONE)
        return look_up(s, c, b);
    unsigned code = take_address(s, c, b, b->hop.addr);

    return code ? code : launch(s, c, b, msg);
}

bool oh__branches_open(const struct oh__context *c)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->branches[i].state != OH__BRANCH_DONE)
            return true;
    return false;
}

/* What the waiting branches of the highest q may do now. */
struct group {
    int q;             /* of the group; -1: nobody waits */
    unsigned waiting;  /* in it */
    unsigned lower;    /* waiting with a lower q */
    bool started;      /* a member of it has just begun */
    uint32_t breadth;  /* free */
    bool other_active; /* a branch of another q still has a chance */
};

static struct group look(const struct oh__context *c)
{
    struct group g = {.q = -1, .breadth = c->breadth};

    for (unsigned i = 0; i < c->n; i++)
        if (c->branches[i].state == OH__BRANCH_WAITING && c->branches[i].q > g.q)
            g.q = c->branches[i].q;
    for (unsigned i = 0; i < c->n; i++) {
        const struct oh__proxy_branch *b = &c->branches[i];

        if (b->state == OH__BRANCH_WAITING) {
            if (b->q == g.q)
                g.waiting++;
            else
                g.lower++;
        } else if (oh__branch_runs(b)) {
            g.breadth -= b->share;
            g.other_active |= !b->stopped && b->q != g.q;
        }
    }
    return g;
}

/* The next branch of a group that may begin; one look-up at a time. */
static struct oh__proxy_branch *next_of(struct oh__context *c, int q, unsigned *at)
{
    for (; *at < c->n; (*at)++) {
        struct oh__proxy_branch *b = &c->branches[*at];

        if (b->state == OH__BRANCH_WAITING && b->q == q) {
            (*at)++;
            return b;
        }
    }
    return NULL;
}

/*
 * A branch's part of the budget. Groups of lower q come later and have it again. A call to a user
 * of ours keeps one part back, for a phone that registers while the others ring (RFC 3261 16.5,
 * late fork).
 */
static uint32_t share_of(const struct oh__context *c, const struct group *g)
{
    unsigned parts = g->waiting + (c->aor_n && c->method == OH_METHOD_INVITE ? 1 : 0);
    uint32_t share = g->breadth / parts;

    return share ? share : 1;
}

/* Starts members of the group; true when something of it is under way, or has to wait for breadth
 * or for the look-up of another. */
static bool start_group(struct oh__serve *s, struct oh__context *c, struct group *g,
                        const struct oh_msg *msg)
{
    struct oh__proxy_branch *b;
    unsigned at = 0;

    while (g->breadth > 0 && !c->lookup && (b = next_of(c, g->q, &at)) != NULL) {
        b->share = share_of(c, g);

        unsigned code = begin(s, c, b, msg);

        g->waiting--;
        if (code) {
            oh__branch_fail(s, c, b, code);
            continue;
        }
        g->breadth -= b->share;
        g->started = true;
    }
    return g->started || c->lookup || g->breadth == 0;
}

/* How long a group is tried while another one waits. Of 64*T1 that the client of anything but an
 * INVITE waits, no group may take more than a quarter. */
static uint64_t group_time(const struct oh__context *c)
{
    uint64_t quarter = 8 * OH__SEC;

    return c->method == OH_METHOD_INVITE || c->ring_time < quarter ? c->ring_time : quarter;
}

/*
 * Whoever waits, waits no longer than the ring time: behind the groups before his, or for breadth
 * in his own. The time begins when a member is started, or when the first one has to wait (a phone
 * that came late, a redirection); merely looking again, as a ringing call does every second, must
 * not put it off.
 */
static void limit_waiting(const struct oh__serve *s, struct oh__context *c, const struct group *g)
{
    if (g->lower + g->waiting == 0)
        c->ring_at = OH__NEVER;
    else if (g->started || c->ring_at == OH__NEVER)
        c->ring_at = s->env->now + group_time(c);
}

void oh__branches_run(struct oh__serve *s, struct oh__context *c, const struct oh_msg *msg)
{
    while (!c->cancelled && !c->stopped) {
        struct group g = look(c);

        if (g.q < 0)
            break;
        if (g.other_active) {
            limit_waiting(s, c, &g);
            break;
        }
        if (!msg && !(msg = oh__context_msg(s, c))) {
            /* No memory to build anything: what waits has failed. */
            oh__branches_stop(s, c, oh_span(NULL, 0));
            break;
        }
        if (start_group(s, c, &g, msg)) {
            limit_waiting(s, c, &g);
            break;
        }
    }
}

void oh__branch_fail(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                     unsigned code)
{
    if (b->state == OH__BRANCH_RESOLVING)
        oh__lookup_end(s, c);
    b->state = OH__BRANCH_DONE;
    b->code = (uint16_t)code;
    b->c_at = OH__NEVER;
    b->client = 0;
    oh__context_result(s, c, code);
}

/* Tries the addresses from addr_at on until one can be sent to. 0, or the last one's status. */
static unsigned next_address(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                             const struct oh_msg *msg)
{
    unsigned code = 503;

    while (b->addr_at < b->addrs_n) {
        code = take_address(s, c, b, b->addrs[b->addr_at++]);
        b->tcp_by_size = false;
        if (code == 0)
            code = launch(s, c, b, msg);
        if (code == 0)
            return 0;
    }
    return code;
}

bool oh__branch_retry(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b)
{
    const struct oh_msg *msg;
    bool back_to_udp = b->tcp_by_size && !b->heard;

    if (c->cancelled || c->stopped || b->stopped || (!back_to_udp && b->addr_at >= b->addrs_n))
        return false;
    msg = oh__context_msg(s, c);
    if (!msg)
        return false;
    b->heard = false;
    /* tcp_by_size stays set: it goes as UDP now, whatever its size (TRN-003). */
    if (back_to_udp && b->flow.transport == OH_TRANSPORT_TCP &&
        take_address(s, c, b, b->flow.peer) == 0 && launch(s, c, b, msg) == 0)
        return true;
    return next_address(s, c, b, msg) == 0;
}

/* The peer of a dialog is the user that To names; its token was made when it had another flow. */
bool oh__branch_rebind(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b)
{
    const struct oh_msg *msg;
    struct oh__targets set;
    struct oh__named peer;
    struct oh_uri wanted, uri;

    /* Nobody wants it on another connection who has just taken it back. */
    if (c->cancelled || c->stopped || b->stopped)
        return false;
    if (!c->in_dialog || !b->bound || b->rebound || !oh_transport_reliable(b->flow.transport) ||
        (msg = oh__context_msg(s, c)) == NULL || !oh__targets_init(s, &set, OH__BINDINGS_PER_AOR))
        return false;
    oh__name_of(s, &c->flow, &msg->to_uri, &peer);
    if (!peer.domain || oh_uri_parse(oh__branch_uri(b), &wanted, NULL) != OH_OK ||
        oh__targets_add_user(s, &set, peer.aor, OH__Q_OWN) != OH_OK)
        return false;
    /* Once: two connections that break in turn would keep a request going round for ever. */
    b->rebound = true;
    for (unsigned i = 0; i < set.n; i++) {
        const struct oh__candidate *t = &set.v[i];

        if (oh_flow_same(&t->flow, &b->flow) || oh_uri_parse(t->uri, &uri, NULL) != OH_OK ||
            !oh_uri_equal(&uri, &wanted))
            continue;
        b->flow = t->flow;
        return launch(s, c, b, msg) == 0;
    }
    return false;
}

/* Keeps the addresses for later attempts. */
static bool keep_addresses(struct oh__serve *s, struct oh__proxy_branch *b,
                           const struct oh__serve_answer *answer)
{
    unsigned n = answer->addrs_n < 16 ? answer->addrs_n : 16;

    if (n == 0 || !(b->addrs = oh__blocks_take(s->blocks, n * sizeof *b->addrs)))
        return false;
    memcpy(b->addrs, answer->addrs, n * sizeof *b->addrs);
    b->addrs_n = (uint8_t)n;
    return true;
}

void oh__branch_resolved(struct oh__serve *s, struct oh__context *c,
                         const struct oh__serve_answer *answer)
{
    const struct oh_msg *msg;
    unsigned code = answer->result == OH_E_TIMEOUT ? 504 : 503;

    oh__lookup_end(s, c);
    for (unsigned i = 0; i < c->n; i++) {
        struct oh__proxy_branch *b = &c->branches[i];

        if (b->state != OH__BRANCH_RESOLVING)
            continue;
        b->state = OH__BRANCH_TRYING;
        if (answer->result == OH_OK && keep_addresses(s, b, answer) &&
            (msg = oh__context_msg(s, c)) != NULL)
            code = next_address(s, c, b, msg);
        if (code)
            oh__branch_fail(s, c, b, code);
        return;
    }
}
