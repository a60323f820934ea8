/*
 * Responses on their way up (RFC 3261 16.7), and what stands for them when
 * there are none: time-outs and failures of branches.
 *
 * 101-199 and every 2xx go up at once. Everything else waits until all
 * branches have ended, then the best one goes: any 6xx; else of the lowest
 * class; within a class what the caller can act upon.
 */
#include "serve/context.h"
#include "serve/forward.h"

#define ELSEWHERE "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"
#define DECLINED  "Reason: SIP;cause=603;text=\"Declined\"\r\n"
#define POLL      (1 * OH__SEC)

/* Bytes of challenges that one response gathers from all branches. */
#define CHALLENGES_MAX 8192

/* Without memory a final response is tried again after this; of a 2xx, when its sender does not
 * repeat it any more (RFC 3261 13.3.1.4). */
#define RETRY     (1 * OH__SEC)
#define RETRY_2XX (33 * OH__SEC)

/* Lower is better. Within 4xx: what the caller can correct and try again; then what a person has
 * done; then what time has done. */
static unsigned rank_4xx(unsigned code)
{
    switch (code) {
    case 401:
    case 407: return 0;
    case 415:
    case 420:
    case 484: return 1;
    case 486: return 2;
    case 408:
    case 480: return 4;
    case 487: return 5;
    default: return 3;
    }
}

static unsigned rank_of(unsigned code)
{
    if (code >= 600)
        return 0;
    if (code < 400)
        return 100 + code / 100;
    if (code < 500)
        return 200 + rank_4xx(code);
    return 300 + (code == 503 ? 9 : 0);
}

static bool better(const struct oh__context *c, unsigned code)
{
    return c->best == 0 || rank_of(code) < rank_of(c->best);
}

/* The branch that a client transaction belongs to; NULL for one of an earlier attempt. */
static struct oh__proxy_branch *branch_of(const struct oh__context *c, uint64_t client)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->branches[i].client == client && oh__branch_runs(&c->branches[i]))
            return &c->branches[i];
    return NULL;
}

/* ---- going up ---- */

/*
 * A server transaction that has sent another final takes no 2xx any more, but the caller must hear
 * of it, or he would never end that call (RFC 3261 16.7 step 5): it goes up by its Via alone. The
 * phone that answers can have written anything into that, so it leads to no network, not back to
 * ourselves (a hundred Via values would be a hundred messages) and not to what trusts loopback.
 */
static void send_by_via(struct oh__serve *s, const struct oh_msg *msg, struct oh_span bytes,
                        const struct oh_flow *in)
{
    struct oh_list it = {0};
    struct oh_span value;
    struct oh_via via;
    struct oh_flow flow = *in, judged;

    if (oh_list_next(msg, OH_HEADER_VIA, &it, &value) != OH_OK ||
        oh_list_next(msg, OH_HEADER_VIA, &it, &value) != OH_OK ||
        oh_via_decode(value, &via, NULL) != OH_OK)
        return;
    flow.id = 0;
    if (via.transport != flow.transport)
        return;
    if (oh_addr_parse(via.received.n ? via.received : via.host, &flow.peer) != OH_OK)
        return;
    flow.peer.port = via.rport ? via.rport : via.port ? via.port : 5060;
    if (oh__target_flow(s->env->settings, in, flow.transport, &flow.peer, &judged) != OH_OK ||
        (oh_addr_is_loopback(&flow.peer) && !oh_addr_is_loopback(&in->local))) {
        s->stats.responses_dropped++;
        return;
    }
    oh_endpoint_send(s->ep, &flow, bytes);
}

/* Takes our Via off and sends it up. OH_OK, also when nobody wants it any more, or OH_E_NOMEM. */
static int send_up(struct oh__serve *s, uint64_t server, const struct oh_output *o,
                   const struct oh_msg *msg, struct oh_span rows)
{
    struct oh_span bytes;

    int err = oh__forward_response(s, msg, rows, &bytes);

    if (err) {
        s->stats.responses_dropped++;
        return err == OH_E_ABSENT ? OH_OK : OH_E_NOMEM;
    }
    err = oh_server_reply(s->ep, s->env->now, server, msg->status, bytes);

    if (err == OH_OK)
        s->stats.forwarded_responses++;
    else if (err != OH_E_NOMEM && o && msg->cseq_method == OH_METHOD_INVITE && msg->status >= 200 &&
             msg->status < 300)
        send_by_via(s, msg, bytes, &o->flow);
    else
        s->stats.responses_dropped++;
    return err == OH_E_NOMEM ? err : OH_OK;
}

/* A response whose context has ended: only a 2xx to an INVITE still matters. */
static void late(struct oh__serve *s, const struct oh_output *o)
{
    if (o->msg->cseq_method == OH_METHOD_INVITE && o->code >= 200 && o->code < 300)
        send_up(s, o->link, o, o->msg, oh_span(NULL, 0));
    else
        s->stats.responses_dropped++;
}

/* ---- the best response ---- */

/* Appends all challenges of a response to the rows that the chosen one will carry (RFC 3261 16.7
 * step 7). */
static void keep_challenges(struct oh__serve *s, struct oh__context *c, const struct oh_msg *m)
{
    static const enum oh_header_id ids[] = {OH_HEADER_WWW_AUTHENTICATE,
                                            OH_HEADER_PROXY_AUTHENTICATE};
    struct oh_buf b = oh__arena_buf(s, m->raw.n + (c->challenges ? c->challenges->n : 0));

    oh_buf_span(&b, oh__cbuf_view(c->challenges));
    for (unsigned i = 0; i < 2; i++)
        for (const struct oh_row *r = oh_msg_row(m, ids[i]); r; r = oh_msg_row_next(m, r))
            oh_buf_put(&b, m->raw.p + r->name, r->end - r->name);
    /* A caller can answer a few. What has been kept so far stays. */
    if (b.full || b.n == 0 || b.n > CHALLENGES_MAX)
        return;
    oh__cbuf_unref(s->blocks, c->challenges);
    c->challenges = oh__cbuf_new(s->blocks, oh_buf_view(&b));
}

static bool challenges(unsigned code)
{
    return code == 401 || code == 407;
}

/* Takes a result into account; msg NULL: it is our own. */
static void consider(struct oh__serve *s, struct oh__context *c, unsigned code,
                     const struct oh_msg *msg)
{
    if (!better(c, code)) {
        if (msg && challenges(code))
            keep_challenges(s, c, msg);
        return;
    }
    /* Nothing that is better than a challenge is one, so those of the old best are not needed. */
    oh__cbuf_unref(s->blocks, c->best_bytes);
    c->best_bytes = msg ? oh__cbuf_new(s->blocks, msg->raw) : NULL;
    c->best = (uint16_t)code;
    if (msg)
        oh_payer_weigh(s->ep, c->server, c->msg_n + msg->raw.n);
}

void oh__context_result(struct oh__serve *s, struct oh__context *c, unsigned code)
{
    consider(s, c, code, NULL);
}

static void forget_best(struct oh__serve *s, struct oh__context *c)
{
    oh__cbuf_unref(s->blocks, c->best_bytes);
    c->best_bytes = NULL;
}

/* What our own results mean to the caller. */
static unsigned own_code(const struct oh__context *c, unsigned code)
{
    if (c->cancelled && (code == 408 || code == 0))
        return 487;
    if (code == 0)
        return 408;
    /* 503 would take this whole server out of service for the caller (RFC 3261 16.7 step 6): only
     * when it is full. */
    return code == 503 && !c->full ? 500 : code;
}

/* Sends the final response: msg, or one of our own. OH_OK, also when nobody waits for it any more,
 * or OH_E_NOMEM. */
static int send_final(struct oh__serve *s, struct oh__context *c, unsigned code,
                      const struct oh_msg *msg)
{
    struct oh_reply reply = {.code = code, .server = oh_span_str(s->env->settings->server_name)};
    struct oh_span rows = challenges(code) ? oh__cbuf_view(c->challenges) : oh_span(NULL, 0);
    struct oh__request rq;

    if (msg)
        return send_up(s, c->server, NULL, msg, rows);
    if (!oh__context_request(s, c, &rq))
        return OH_E_NOMEM;
    int err = oh_server_respond(s->ep, s->env->now, c->server, rq.msg, &c->flow, &reply);

    return err == OH_E_STALE || err == OH_E_STATE ? OH_OK : err;
}

/* Sends the final response and ends the context. msg NULL: one of our own. */
static void finish(struct oh__serve *s, struct oh__context *c, unsigned code,
                   const struct oh_msg *msg)
{
    if (c->method == OH_METHOD_ACK) { /* gets no answer, whatever became of it */
        s->stats.acks_dropped += c->best != 0;
        oh__context_end(s, c);
        return;
    }
    /* The 2xx that did not fit into memory was repeated, and has gone up meanwhile. */
    if (c->retry_at != OH__NEVER && !oh_server_pending(s->ep, c->server)) {
        oh__context_end(s, c);
        return;
    }
    if (code == 503)
        msg = NULL;
    if (!msg)
        code = own_code(c, code);
    /* The server transaction of an INVITE waits for ever: it must not be left without a final. */
    if (send_final(s, c, code, msg) == OH_E_NOMEM) {
        if (c->best != code)
            forget_best(s, c);
        c->best = (uint16_t)code;
        c->retry_at = s->env->now + RETRY;
        oh__context_arm(s, c);
        return;
    }
    oh__outcome_record(s, c, code);
    oh__context_end(s, c);
}

void oh__context_advance(struct oh__serve *s, struct oh__context *c)
{
    const struct oh_msg *msg = NULL;

    oh__branches_run(s, c, NULL);
    if (oh__branches_open(c) || (c->retry_at != OH__NEVER && c->retry_at > s->env->now)) {
        oh__context_arm(s, c);
        return;
    }
    if (c->best_bytes)
        msg = oh__held_msg(s, oh__cbuf_view(c->best_bytes));
    finish(s, c, msg || !c->best_bytes ? c->best : 500, msg);
}

/* ---- one response ---- */

static void provisional(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                        const struct oh_output *o)
{
    b->state = OH__BRANCH_PROCEEDING;
    if (o->code == 100)
        return;
    if (b->c_at != OH__NEVER && !b->stopped)
        b->c_at = s->env->now + c->timer_c;
    /* A 1xx to anything but an INVITE would be noise (RFC 4320 4.1). */
    if (c->method != OH_METHOD_INVITE)
        return;
    send_up(s, c->server, o, o->msg, oh_span(NULL, 0));
    /* From the first ring on it may take long, and then a phone may come late. */
    if (!c->rang && c->aor_n && !c->cancelled) {
        c->rang = true;
        c->poll_at = s->env->now + POLL;
    }
    oh__context_arm(s, c);
}

static void success(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                    const struct oh_output *o)
{
    b->state = OH__BRANCH_DONE;
    b->c_at = OH__NEVER;
    int err = send_up(s, c->server, o, o->msg, oh_span(NULL, 0));

    oh__branches_stop(s, c, OH_LIT(ELSEWHERE));
    if (err && c->method == OH_METHOD_INVITE) {
        /* The phone will repeat it; only if it does not, the caller hears of a failure. */
        forget_best(s, c);
        c->best = 500;
        c->stopped = true;
        c->retry_at = s->env->now + RETRY_2XX;
        oh__context_arm(s, c);
        return;
    }
    oh__outcome_record(s, c, (unsigned)o->code);
    oh__context_end(s, c);
}

/*
 * Where a policy decides, a phone's word alone sends nobody abroad: what it names goes back to the
 * caller, and when he calls there the policy is asked.
 */
static bool is_ruled(const struct oh__serve *s, const struct oh__context *c)
{
    const struct oh__settings *settings = s->env->settings;

    return s->env->policy &&
           (c->method == OH_METHOD_INVITE ? settings->has_on_call : settings->has_on_request);
}

/* A Contact of a 3xx becomes a target, unless it was tried already. */
static bool follow_one(struct oh__serve *s, struct oh__context *c, struct oh_span value)
{
    struct oh__targets set;
    struct oh_address address;
    struct oh_contact_params params = {.q = 1000};
    unsigned added = 0;

    /* A phone may name a thousand; each would cost a look-up and memory to be refused here. */
    if (c->n >= c->most || oh_address_decode(value, &address, NULL) != OH_OK || address.star ||
        !oh__targets_init(s, &set, c->most))
        return false;
    oh_contact_params(&address, &params);
    oh__targets_add_uri(s, &set, &c->flow, address.uri, params.q);
    for (unsigned i = 0; i < set.n; i++) {
        bool skip = !set.v[i].bound && is_ruled(s, c);

        for (unsigned j = 0; j < c->n && !skip; j++) {
            const struct oh__proxy_branch *b = &c->branches[j];
            struct oh__candidate old = {
                .uri = oh__branch_uri(b), .bound = b->bound, .flow = b->flow};

            skip = oh__candidate_same(&old, &set.v[i]);
        }
        added += !skip && oh__context_add(s, c, &set.v[i]) == OH_OK;
    }
    return added > 0;
}

/*
 * Follows a 3xx of a phone of ours (RFC 3261 16.5, 16.7 step 4). Contacts that were taken as
 * targets are no longer in the response that may go up; *left is what remains, NULL when nothing
 * does.
 */
static bool follow(struct oh__serve *s, struct oh__context *c, const struct oh_msg *m,
                   const struct oh_msg **left)
{
    const struct oh_row *row = oh_msg_row(m, OH_HEADER_CONTACT);
    struct oh_buf rest, out;
    size_t room = 16;
    struct oh_list it = {0};
    struct oh_span value;
    struct oh_edits e;
    unsigned followed = 0;

    /* Each value that is left gets a row of its own: 11 bytes more, and the shortest value has 5.
     */
    for (const struct oh_row *r = row; r; r = oh_msg_row_next(m, r))
        room += 3 * (size_t)(r->end - r->name);
    rest = oh__arena_buf(s, room);
    while (oh_list_next(m, OH_HEADER_CONTACT, &it, &value) == OH_OK) {
        if (follow_one(s, c, value)) {
            followed++;
            continue;
        }
        oh_buf_lit(&rest, "Contact: ");
        oh_buf_span(&rest, value);
        oh_buf_lit(&rest, "\r\n");
    }
    if (!followed)
        return false;
    *left = NULL;
    if (rest.n == 0 || rest.full)
        return true;
    oh_edits_init(&e);
    for (const struct oh_row *r = row; r; r = oh_msg_row_next(m, r))
        oh_edits_drop_row(&e, m, r);
    oh_edits_insert_rows(&e, m, row, oh_buf_view(&rest));
    out = oh__arena_buf(s, m->raw.n + rest.n);
    if (oh_edits_apply(m->raw, &e, NULL, &out) == OH_OK)
        *left = oh__held_msg(s, oh_buf_view(&out));
    return true;
}

/* A 300-699 of a branch. */
static void refusal(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                    const struct oh_output *o)
{
    const struct oh_msg *msg = o->msg;
    unsigned code = (unsigned)o->code;
    bool own = b->own, may_follow = c->follows && !c->cancelled && !c->stopped;

    if (code == 503 && oh__branch_retry(s, c, b)) {
        oh__context_arm(s, c);
        return;
    }
    b->state = OH__BRANCH_DONE;
    b->c_at = OH__NEVER;
    /* It was we who stopped it: for the caller it did not answer in time (PRX-030). */
    if (b->expired && code == 487) {
        code = 408;
        msg = NULL;
    }
    b->code = (uint16_t)code;
    /* From here on b may have moved: the array grows with what is followed. */
    if (code < 400 && may_follow && own && follow(s, c, msg, &msg) && !msg) {
        oh__context_advance(s, c);
        return;
    }
    /* Nobody else will do (RFC 3261 16.7 step 5); but a 2xx that is under way already still wins,
     * so the 6xx waits until all the others have ended. */
    if (code >= 600 && !c->stopped) {
        c->stopped = true;
        oh__branches_stop(s, c, OH_LIT(DECLINED));
    }
    /* The usual case needs no copy: nothing else is open, nothing that is held is better, and no
     * 2xx is about to be repeated because there was no memory for it. */
    if (msg && c->retry_at == OH__NEVER && !oh__branches_open(c) && better(c, code)) {
        finish(s, c, code, msg);
        return;
    }
    consider(s, c, code, msg);
    oh__context_advance(s, c);
}

/*
 * A final response that has lost the Via values behind ours is meant for nobody (RFC 3261 16.7
 * step 3), but the caller must not wait for ever because a phone has damaged it: we answer.
 */
static void unforwardable(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                          unsigned code)
{
    s->stats.responses_dropped++;
    oh__branch_fail(s, c, b, code < 400 || challenges(code) ? 502 : code);
    oh__context_advance(s, c);
}

void oh__proxy_response(struct oh__serve *s, const struct oh_output *o)
{
    struct oh__context *c = oh__context_get(s, o->user);
    struct oh__proxy_branch *b = c ? branch_of(c, o->client) : NULL;

    if (!b) {
        late(s, o);
        return;
    }
    b->heard = true;
    if (o->code < 200)
        provisional(s, c, b, o);
    else if (oh__forward_ends_here(o->msg))
        unforwardable(s, c, b, (unsigned)o->code);
    else if (o->code < 300)
        success(s, c, b, o);
    else
        refusal(s, c, b, o);
}

/* ---- no response ---- */

void oh__proxy_failed(struct oh__serve *s, const struct oh_output *o)
{
    struct oh__context *c = oh__context_get(s, o->user);
    struct oh__proxy_branch *b = c ? branch_of(c, o->client) : NULL;

    if (!b)
        return;
    if (!b->heard && oh__branch_retry(s, c, b)) {
        oh__context_arm(s, c);
        return;
    }
    if (o->code == OH_E_IO && !b->heard && oh__branch_rebind(s, c, b)) {
        oh__context_arm(s, c);
        return;
    }
    /* RFC 3261 16.8, 16.9: silence counts as 408, an error of the transport as 503. */
    unsigned code = o->code == OH_E_TIMEOUT ? 408 : 503;

    /* The phone at the other end of a call has lost its connection: nothing else is known of it. */
    if (code == 503 && c->in_dialog && b->bound)
        code = 480;
    oh__branch_fail(s, c, b, code);
    oh__context_advance(s, c);
}

void oh__proxy_flow_closed(struct oh__serve *s, const struct oh_flow *flow)
{
    uint32_t cursor = 0;
    uint64_t handle;
    struct oh__context *c;

    while (flow->id && (c = oh__pool_next(s->contexts, &cursor, &handle)) != NULL) {
        bool any = false;

        for (unsigned i = 0; i < c->n; i++) {
            struct oh__proxy_branch *b = &c->branches[i];

            if (!b->client || !oh__branch_runs(b) || b->flow.id != flow->id)
                continue;
            /* Its answer cannot come any more, and the transaction would wait for it. */
            oh_client_drop(s->ep, b->client);
            if (!oh__branch_rebind(s, c, b))
                oh__branch_fail(s, c, b, c->in_dialog ? 480 : 503);
            any = true;
        }
        if (any)
            oh__context_advance(s, c);
    }
}

void oh__proxy_trying(struct oh__serve *s, const struct oh_output *o)
{
    struct oh__context *c = oh__context_get(s, o->user);
    const struct oh_msg *m = c ? oh__context_msg(s, c) : NULL;

    if (m)
        oh_server_respond(s->ep, s->env->now, o->server, m, &c->flow,
                          &(struct oh_reply){.code = 100});
}

void oh__proxy_answer(struct oh__serve *s, const struct oh__serve_answer *answer)
{
    uint64_t handle = (answer->ticket & UINT64_C(0x00ffffffffffffff)) | (uint64_t)OH__TAG_LOOKUP
                                                                            << 56;
    const uint64_t *waiting = oh__pool_get(s->lookups, handle);
    struct oh__context *c = waiting ? oh__context_get(s, *waiting) : NULL;

    if (!c)
        return;
    oh__branch_resolved(s, c, answer);
    oh__context_advance(s, c);
}
