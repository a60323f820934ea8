/*
 * Two tables: transactions in which the server serves, by branch and sent-by
 * of who asked, and those in which it asks, by its own branch. An entry is
 * never removed, so a branch that comes again is noticed; a served one begins
 * anew when its sender may use its identity for something else.
 *
 * Where a rule has an exception, the exception is what the RFC says or what
 * cannot be seen from outside, and stands beside the rule.
 */
#include "model.h"

#include "parts.h"

#define BUCKETS 4096
#define LONG    64 /* of T1: Timers B, F, H, J, L and M */

/* A transaction that the server serves. */
struct served {
    struct served *next;
    struct oh_flow flow;
    uint64_t key;
    bool excused; /* the path to its sender is gone, or a 408 came: see final_in */
    bool invite, reliable, cancelled, acked, final;
    bool said; /* any response */
    uint16_t code;
    struct asked *branches;
    uint64_t first, final_at, acked_at; /* ns */
    uint64_t final_bytes;               /* hash */
};

/* A transaction in which the server asks. */
struct asked {
    struct asked *next, *sibling; /* in the table; of the same request */
    struct served *of;            /* NULL: the server's own, or its request is not known */
    struct oh_flow flow;
    uint64_t key, bytes, uri, target, sent_by;
    unsigned life;
    bool invite, cancel, reliable;
    bool provisional, final, success, cancelled;
    bool lost; /* its first response came when nobody waited any more, or the path there is gone */
    uint64_t first, earliest, interval; /* ns; earliest: of the next copy */
    uint64_t final_at, cancelled_at;
    unsigned acks; /* that a final response has called for and that were not sent */
};

struct model {
    struct world *world;
    const struct oh_msg *msg; /* being looked at */
    struct served *served[BUCKETS];
    struct asked *asked[BUCKETS];
    struct asked *owes_ack; /* demanded of the visit that goes on */
    struct served *owes_up; /* likewise: this status must go up */
    unsigned owes_status;
    struct served *owes_again; /* likewise: its last response */
    uint64_t transactions;
    unsigned running, peak; /* branches without a final response */
};

#define RULE(m, truth, what)                                    \
    CHECK_SAY((m)->world, truth, "rule broken: %s: %.*s", what, \
              OH_PRI(oh_span_head((m)->msg->raw, 600)))

struct model *model_new(struct world *w)
{
    struct model *m = world_keep(w, sizeof *m);

    m->world = w;
    return m;
}

uint64_t model_transactions(const struct model *m)
{
    return m->transactions;
}

unsigned model_peak(const struct model *m)
{
    return m->peak;
}

/* ---- times and names ---- */

static uint64_t t1(const struct model *m)
{
    uint64_t t = server_settings(m->world)->t1;

    return t ? t : WORLD_SECOND / 2;
}

static uint64_t t2(const struct model *m)
{
    uint64_t t = server_settings(m->world)->t2;

    return t ? t : 4 * WORLD_SECOND;
}

static uint64_t t4(const struct model *m)
{
    uint64_t t = server_settings(m->world)->t4;

    return t ? t : 5 * WORLD_SECOND;
}

/* Nobody outside can know what became of a transaction when it was pushed out of a full table. */
static bool forgets(const struct model *m)
{
    struct oh__serve_stats stats;

    server_stats(m->world, &stats);
    return stats.endpoint.completed_evicted || stats.endpoint.refused_full || stats.contexts_full ||
           stats.refused_share;
}

static bool strict(const struct model *m)
{
    return !m->world->hostile && !m->world->lenient;
}

static uint64_t hash(uint64_t kind, struct oh_span s)
{
    struct oh__hash_key key = {kind, 17};

    return oh__hash(&key, s);
}

/* RFC 3261 17.2.3: branch, sent-by, method; an ACK is its INVITE's. */
static uint64_t key_above(const struct oh_via *via, struct oh_span method)
{
    static const struct oh__hash_key key = {21, 17};
    uint64_t port = via->port ? via->port : 5060;

    if (oh_span_eq(method, OH_LIT("ACK")))
        method = OH_LIT("INVITE");
    return oh__hash_fold(&key, via->branch) ^ 3 * oh__hash_fold(&key, via->host) ^ 5 * port ^
           7 * hash(22, method);
}

static uint64_t sent_by(const struct oh_via *via)
{
    static const struct oh__hash_key key = {29, 17};

    return oh__hash_fold(&key, via->host) ^ 3 * (via->port ? via->port : 5060u);
}

static struct served *find_served(const struct model *m, uint64_t key)
{
    for (struct served *s = m->served[key % BUCKETS]; s; s = s->next)
        if (s->key == key)
            return s;
    return NULL;
}

static struct asked *find_asked(const struct model *m, struct oh_span branch, bool cancel)
{
    uint64_t key = hash(23, branch);

    for (struct asked *a = m->asked[key % BUCKETS]; a; a = a->next)
        if (a->key == key && a->cancel == cancel)
            return a;
    return NULL;
}

/* ---- in ---- */

/*
 * When a transaction is over, the same identity may begin another one: a copy that comes so late is
 * a new request (Timers H, I, J, and L of RFC 6026). What was answered without state, or by a
 * client that has given up, is over then, too.
 */
static uint64_t over_at(const struct model *m, const struct served *s)
{
    uint64_t all = LONG * t1(m);

    if (!s->final)
        return s->invite && s->branches ? OH_NEVER : s->first + all;
    if (s->invite && s->code >= 300 && s->acked)
        return s->acked_at + (s->reliable ? 0 : t4(m));
    return s->final_at + (s->reliable && !s->invite ? 0 : all);
}

/* A copy shows that its sender has not heard the last response. A 2xx to an INVITE is repeated by
 * the phone that gave it; an ACK is enough for a refusal (RFC 3261 17.2.1, RFC 6026 7.1). */
static void copy_in(struct model *m, struct served *s)
{
    bool silent = s->invite && s->final && (s->code < 300 || s->acked);

    if (s->branches && s->said && !silent && strict(m) && !s->excused &&
        m->world->now + WORLD_SECOND < over_at(m, s))
        m->owes_again = s;
}

static void request_in(struct model *m, const struct oh_flow *flow, const struct oh_msg *msg)
{
    uint64_t key = key_above(&msg->via, msg->method_text);
    struct served *s = find_served(m, key);

    /* RFC 2543 has other rules, by which nothing is checked here. */
    if (!msg->via.cookie) {
        m->transactions += msg->method != OH_METHOD_ACK;
        return;
    }
    if (msg->method == OH_METHOD_ACK) {
        if (s && s->final && s->code >= 300 && !s->acked && m->world->now <= over_at(m, s)) {
            s->acked = true;
            s->acked_at = m->world->now;
        }
        return;
    }
    if (msg->method == OH_METHOD_CANCEL) {
        struct served *invite = find_served(m, key_above(&msg->via, OH_LIT("INVITE")));

        if (invite)
            invite->cancelled = true;
    }
    if (s && m->world->now <= over_at(m, s)) {
        copy_in(m, s);
        return;
    }
    if (!s) {
        s = world_keep(m->world, sizeof *s);
        s->next = m->served[key % BUCKETS];
        m->served[key % BUCKETS] = s;
    }
    *s = (struct served){.next = s->next,
                         .key = key,
                         .excused = s->excused,
                         .flow = *flow,
                         .invite = msg->method == OH_METHOD_INVITE,
                         .reliable = oh_transport_reliable(flow->transport),
                         .first = m->world->now};
    m->transactions++;
}

/*
 * Does the server still wait for this one's final response? Timer B ends a branch that nobody
 * answered, the guard behind a CANCEL one that was cancelled, Timer L the time for more 2xx; what
 * comes then is nobody's (RFC 6026 8.9). A little room is left for what happens at that moment.
 * What nobody above could take, for want of his Via, goes nowhere.
 */
static bool is_awaited(const struct model *m, const struct asked *a)
{
    uint64_t until = a->first + LONG * t1(m);

    if (message_values(m->msg, OH_HEADER_VIA) <= (a->of != NULL) || (a->of && a->of->excused))
        return false;
    if (a->final)
        until = a->final_at + LONG * t1(m);
    else if (a->cancelled)
        until = a->cancelled_at + LONG * t1(m);
    else if (a->provisional)
        return true;
    return m->world->now + WORLD_SECOND < until;
}

static void final_in(struct model *m, struct asked *a, const struct oh_msg *msg)
{
    bool first = !a->final, certain = strict(m) && !a->lost && is_awaited(m, a);

    if (first) {
        a->final_at = m->world->now;
        m->running -= !a->cancel;
    }
    a->final = true;
    if (!a->invite) {
        /* Nobody is told, so nobody outside knows when it was over (RFC 4320 4.2). */
        if (a->of && msg->status == 408)
            a->of->excused = true;
        return;
    }
    if (msg->status >= 300) {
        /* Behind a 2xx they are absorbed (RFC 6026 7.2). */
        a->acks += !a->success;
        if (first && certain)
            m->owes_ack = a;
        return;
    }
    if ((first || a->success) && certain && a->of) {
        m->owes_up = a->of;
        m->owes_status = msg->status;
    }
    a->success |= first;
}

static void response_in(struct model *m, const struct oh_msg *msg)
{
    struct asked *a = find_asked(m, msg->via.branch, msg->cseq_method == OH_METHOD_CANCEL);

    /* One that was meant for somebody else is dropped. */
    if (!a || a->life != m->world->server.life || a->sent_by != sent_by(&msg->via))
        return;
    a->lost |= !a->final && !is_awaited(m, a);
    if (msg->status >= 200) {
        final_in(m, a, msg);
        return;
    }
    if (a->invite && msg->status > 100 && !a->final && a->of && !a->of->final && strict(m) &&
        !a->lost) {
        m->owes_up = a->of;
        m->owes_status = msg->status;
    }
    a->provisional = true;
}

void model_in(struct model *m, const struct oh_flow *flow, const struct oh_msg *msg)
{
    m->msg = msg;
    m->owes_ack = NULL;
    m->owes_up = m->owes_again = NULL;
    if (msg->request)
        request_in(m, flow, msg);
    else if (oh_branch_shard(m->world->server.shared.secret, msg->via.branch) >= 0)
        response_in(m, msg);
}

void model_settled(struct model *m)
{
    CHECK_SAY(m->world, !m->owes_ack || forgets(m),
              "rule broken: a final response is acknowledged at once");
    CHECK_SAY(m->world, !m->owes_up || forgets(m), "rule broken: a %u goes up at once",
              m->owes_status);
    CHECK_SAY(m->world, !m->owes_again || forgets(m),
              "rule broken: a copy of a request is answered again");
}

/* ---- out: requests ---- */

/* Where and what for: no two branches of a request have the same. */
static uint64_t target_of(const struct oh_flow *flow, const struct oh_msg *msg)
{
    char text[OH_ADDR_TEXT_MAX];

    oh_addr_text(&flow->peer, text);
    return hash(24, msg->uri) ^ 3 * hash(25, oh_span_str(text)) ^ 5 * flow->transport ^
           7 * flow->id;
}

static void check_new_branch(struct model *m, const struct asked *a)
{
    if (!a->of || !strict(m) || a->of->excused)
        return;
    RULE(m, !a->of->final, "nothing new is tried behind a final response");
    RULE(m, !a->of->cancelled, "nothing new is tried behind a CANCEL");
    for (const struct asked *b = a->of->branches; b; b = b->sibling)
        RULE(m, b->target != a->target, "a target is tried once");
}

static void begin(struct model *m, const struct oh_flow *flow, const struct oh_msg *msg,
                  bool cancel)
{
    struct asked *a = world_keep(m->world, sizeof *a);
    struct oh_span below = message_value(msg, OH_HEADER_VIA, 1);
    struct oh_via via;

    *a = (struct asked){.key = hash(23, msg->via.branch),
                        .bytes = hash(26, msg->raw),
                        .uri = hash(27, msg->uri),
                        .flow = *flow,
                        .target = target_of(flow, msg),
                        .sent_by = sent_by(&msg->via),
                        .life = m->world->server.life,
                        .invite = msg->method == OH_METHOD_INVITE,
                        .cancel = cancel,
                        .reliable = oh_transport_reliable(flow->transport),
                        .first = m->world->now,
                        .interval = t1(m),
                        .earliest = m->world->now + t1(m)};
    if (below.n && oh_via_decode(below, &via, NULL) == OH_OK && via.cookie)
        a->of = find_served(m, key_above(&via, msg->method_text));
    check_new_branch(m, a);
    if (a->of) {
        a->sibling = a->of->branches;
        a->of->branches = a;
    }
    a->next = m->asked[a->key % BUCKETS];
    m->asked[a->key % BUCKETS] = a;
    m->transactions++;
    m->running += !cancel;
    m->peak = m->running > m->peak ? m->running : m->peak;
}

static void check_copy(struct model *m, struct asked *a, const struct oh_msg *msg)
{
    uint64_t now = m->world->now;

    RULE(m, a->life == m->world->server.life, "a branch is never used again");
    RULE(m, a->bytes == hash(26, msg->raw), "a branch has one request, and copies are equal");
    RULE(m, !a->reliable, "nothing is repeated on a stream");
    /* What we took for its answer may have been damaged in a way that only the server notices. */
    RULE(m, (!a->final && !(a->invite && a->provisional)) || m->world->hostile,
         "no copy behind what stops it");
    RULE(m, now >= a->earliest, "no copy before its time");
    RULE(m, now < a->first + LONG * t1(m), "no copy behind 64*T1");
    a->interval *= 2;
    if (!a->invite && a->interval > t2(m))
        a->interval = t2(m);
    a->earliest += a->interval;
}

/* Our own ACK has the INVITE's branch and one Via (RFC 3261 17.1.1.3). */
static void ack_out(struct model *m, const struct oh_msg *msg)
{
    struct asked *a = find_asked(m, msg->via.branch, false);

    if (!a || message_values(msg, OH_HEADER_VIA) != 1)
        return;
    RULE(m, a->invite && a->uri == hash(27, msg->uri), "an ACK goes where its INVITE went");
    /* A damaged final may be one to the server and none to us. */
    RULE(m, a->acks > 0 || m->world->hostile, "one ACK for each final response");
    a->acks -= a->acks > 0;
    if (m->owes_ack == a)
        m->owes_ack = NULL;
}

static void cancel_out(struct model *m, const struct oh_flow *flow, const struct oh_msg *msg)
{
    struct asked *invite = find_asked(m, msg->via.branch, false);

    RULE(m, invite && invite->invite && invite->uri == hash(27, msg->uri),
         "a CANCEL is that of an INVITE of ours");
    RULE(m, invite->provisional || m->world->hostile, "a CANCEL waits for a 1xx");
    RULE(m, !invite->final || m->world->hostile, "no CANCEL behind the final response");
    invite->cancelled = true;
    invite->cancelled_at = m->world->now;
    begin(m, flow, msg, true);
}

static void request_out(struct model *m, const struct oh_flow *flow, const struct oh_msg *msg)
{
    bool cancel = msg->method == OH_METHOD_CANCEL;
    struct asked *a = find_asked(m, msg->via.branch, cancel);

    if (msg->method == OH_METHOD_ACK)
        ack_out(m, msg);
    else if (a)
        check_copy(m, a, msg);
    else if (cancel)
        cancel_out(m, flow, msg);
    else
        begin(m, flow, msg, false);
}

/* ---- out: responses ---- */

static void check_final_again(struct model *m, const struct served *s, const struct oh_msg *msg)
{
    /* A 2xx of another phone, or again: they pass all (RFC 3261 16.7 step 5, RFC 6026 8.4). */
    if (s->invite && msg->status < 300)
        return;
    if (forgets(m))
        return;
    RULE(m, s->code == msg->status && s->final_bytes == hash(28, msg->raw),
         "there is one final response, and copies are equal");
    RULE(m, !s->acked, "no final response again behind its ACK");
    RULE(m, m->world->now <= s->final_at + LONG * t1(m), "no final response behind 64*T1");
}

static void response_out(struct model *m, const struct oh_msg *msg)
{
    struct served *s = find_served(m, key_above(&msg->via, msg->cseq_method_text));

    if (m->owes_up && s == m->owes_up && msg->status == m->owes_status)
        m->owes_up = NULL;
    if (s && s == m->owes_again)
        m->owes_again = NULL;
    /* Stateless answers are free to differ. */
    if (!s || !s->branches || !strict(m) || s->excused)
        return;
    s->said = true;
    if (msg->status < 200) {
        RULE(m, !s->final || forgets(m), "nothing provisional behind the final response");
        return;
    }
    if (s->final) {
        check_final_again(m, s, msg);
        return;
    }
    RULE(m, s->invite || m->world->now <= s->first + LONG * t1(m),
         "no final response that nobody waits for");
    s->final = true;
    s->code = msg->status;
    s->final_at = m->world->now;
    s->final_bytes = hash(28, msg->raw);
}

void model_out(struct model *m, const struct oh_flow *flow, const struct oh_msg *msg)
{
    m->msg = msg;
    if (msg->request)
        request_out(m, flow, msg);
    else
        response_out(m, msg);
}

/* ---- what ends things ---- */

void model_restarted(struct model *m)
{
    memset(m->served, 0, sizeof m->served);
    m->owes_ack = NULL;
    m->owes_up = m->owes_again = NULL;
}

/* A stream is its number; to where no datagram can be sent, no stream can be opened, either. */
static bool is_gone(const struct oh_flow *flow, const struct oh_flow *gone)
{
    return gone->id ? flow->id == gone->id : oh_addr_same_host(&flow->peer, &gone->peer);
}

void model_excuse(struct model *m, const struct oh_flow *flow)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct served *s = m->served[i]; s; s = s->next)
            s->excused |= is_gone(&s->flow, flow);
        for (struct asked *a = m->asked[i]; a; a = a->next)
            a->lost |= is_gone(&a->flow, flow);
    }
}

void model_end(struct model *m)
{
    if (!strict(m) || forgets(m))
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (const struct asked *a = m->asked[i]; a; a = a->next)
            CHECK_SAY(m->world,
                      !a->invite || !a->provisional || a->final || a->cancelled || a->lost ||
                          (a->of && a->of->excused) || a->life != m->world->server.life,
                      "rule broken: a phone that rang has got an end");
}
