/*
 * A worker: one thread, one net, and whichever shard the next message belongs
 * to. The worker that received a datagram locks its shard, runs it and sends
 * by itself; there is no ring and no wake between workers (decision 1).
 *
 * Timers: whoever has touched a shard promises to look at it again at the
 * shard's deadline as it was then. So every deadline is watched by the worker
 * that made it, and nobody has to wake anybody. A promise that another worker
 * has overtaken costs one needless look.
 *
 * Order within a batch: take what arrived, run it, run what is due, commit
 * the journal once, and only then let the replies go that depend on it.
 */
#include <signal.h>
#include <unistd.h>

#include "host/hold.h"
#include "host/pinger.h"
#include "host/process.h"

/* Timers that one visit to a shard runs. More of them wait for the next round, so that datagrams
 * are read in between; the shard's deadline is in the past then, and no time is lost. */
#define EXPIRE_AT_ONCE 512

#define SHED_SILENCE (10 * OH__SEC) /* between two words about overload */

/* Moves on to the newest configuration. Between two batches only: what a batch has begun with stays
 * the same until its end. */
static void adopt(struct oh__worker *w)
{
    struct oh__host *host = w->host;
    uint32_t version = atomic_load_explicit(&host->config_version, memory_order_acquire);
    struct oh__policy *policy = NULL;

    if (version == w->config_version)
        return;
    const struct oh__config *config = oh__host_config(host);

    /* The number is noted all the same: trying again with each batch would eat what memory there
     * is, and the next reload tries anyway. */
    if (oh__policy_lua_new(config, host->policy_shared, &policy) != OH_OK) {
        oh__log_say(host->log, OH__LOG_ERROR, "policy-failed",
                    "worker %u keeps the old policy: memory is short", w->index);
        oh__config_unref(config);
        w->config_version = version;
        return;
    }
    oh__policy_lua_free(w->policy);
    oh__config_unref(w->config);
    w->policy = policy;
    w->config = config;
    w->config_version = version;
    w->env.settings = oh__config_settings(config);
    w->env.policy = policy;
}

void oh__worker_take(struct oh__worker *w, unsigned shard)
{
    struct oh__serve *serve = w->host->shards[shard].serve;
    struct oh__serve_output o;

    while (oh__serve_take(serve, &o)) {
        switch (o.kind) {
        case OH__SERVE_SEND:
            /* No memory to hold it is as if the datagram had been lost. */
            if (o.durable && oh__journal_pending(w->journal))
                (void)oh__held_add(w->held, shard, &o.flow, o.bytes, o.ticket);
            else
                /* What belongs together is in one shard, and keeps its order. */
                oh__net_send_in(w->net, shard, &o.flow, o.bytes, o.ticket);
            break;
        case OH__SERVE_RESOLVE: oh__net_resolve(w->net, o.host, o.ticket); break;
        case OH__SERVE_KEEP: oh__net_keep(w->net, &o.flow, true); break;
        }
    }
}

/* One thread writes, others only read: no locked instruction is needed. */
static void count(_Atomic uint64_t *n)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* Ends a visit to a shard: what it wants to send, when to look again. Releases the lock. */
static void leave(struct oh__worker *w, unsigned shard)
{
    struct oh__shard *s = &w->host->shards[shard];

    oh__worker_take(w, shard);
    w->wake[shard] = oh__serve_deadline(s->serve);
    pthread_mutex_unlock(&s->lock);
}

static struct oh__serve *visit(struct oh__worker *w, unsigned shard)
{
    pthread_mutex_lock(&w->host->shards[shard].lock);
    return w->host->shards[shard].serve;
}

/* A message goes to the shard of its transaction or call. One that names neither (a response with a
 * branch that we did not write) ends here, before anybody's lock is taken. */
static void on_message(struct oh__worker *w, const struct oh_flow *flow, struct oh_msg *msg,
                       int parsed, struct oh_fault *fault)
{
    count(&w->rx_messages);
    int shard = oh__serve_shard_of(&w->host->shared, msg, OH__SHARDS, &parsed, fault);

    if (shard < 0) {
        count(&w->rx_stray);
        return;
    }
    struct oh__serve *serve = visit(w, (unsigned)shard);

    if (oh__serve_input(serve, &w->env, flow, msg, parsed, fault) != OH_OK)
        count(&w->rx_bad);
    leave(w, (unsigned)shard);
}

/* With more to do than time, some datagrams go unread. Who is known is asked only then. */
static bool is_shed(struct oh__worker *w, const struct oh_addr *peer)
{
    if (!oh__shed_count(&w->shed) || w->env.settings->no_auth ||
        oh__settings_trusted(w->env.settings, peer) ||
        !oh__shed_drop(&w->shed, peer, oh__location_has_source(w->host->shared.location, peer)))
        return false;
    count(&w->rx_shed);
    return true;
}

static void on_datagram(struct oh__worker *w, const struct oh__net_input *in)
{
    struct oh_fault fault = {0};
    size_t used;

    if (is_shed(w, &in->flow.peer))
        return;
    int parsed = oh_msg_parse(in->bytes, OH_MSG_DATAGRAM, &w->env.settings->limits, &w->msg, &used,
                              &fault);

    if (parsed == OH_E_ABSENT) /* a keep-alive */
        return;
    on_message(w, &in->flow, &w->msg, parsed, &fault);
}

/* The ticket has the shard in its upper bits, so the answer to a look-up needs no table to get
 * home. */
static void on_answer(struct oh__worker *w, const struct oh__net_input *in)
{
    unsigned shard = oh__serve_ticket_shard(in->ticket);
    struct oh__serve_answer answer = {in->ticket, in->result, in->addrs_n, in->addrs};

    oh__serve_answer(visit(w, shard), &w->env, &answer);
    leave(w, shard);
}

/* A connection may carry calls of any shard, and nobody keeps a list of whose: all of them are
 * asked, one lock at a time. The location table first, so that no shard targets it once more. */
static void on_closed(struct oh__worker *w, const struct oh_flow *flow)
{
    oh__location_flow_closed(w->host->shared.location, flow->id);
    for (unsigned i = 0; i < OH__SHARDS; i++) {
        oh__serve_flow_closed(visit(w, i), &w->env, flow);
        leave(w, i);
    }
}

static void on_input(struct oh__worker *w, struct oh__net_input *in)
{
    switch (in->kind) {
    case OH__NET_DATAGRAM: on_datagram(w, in); break;
    case OH__NET_MESSAGE: on_message(w, &in->flow, in->msg, in->parsed, &in->fault); break;
    case OH__NET_RESOLVED:
    case OH__NET_FAILED: on_answer(w, in); break;
    case OH__NET_CLOSED: on_closed(w, &in->flow); break;
    case OH__NET_WOKEN: break;
    }
}

/* Keeps the promises that this worker has made, see above. */
static void run_due(struct oh__worker *w)
{
    for (unsigned i = 0; i < OH__SHARDS; i++) {
        if (w->wake[i] > w->env.now)
            continue;
        oh__serve_expire(visit(w, i), &w->env, EXPIRE_AT_ONCE);
        leave(w, i);
    }
}

/* Sixty-four comparisons: less than keeping an order that every message would change. */
static uint64_t earliest(const struct oh__worker *w)
{
    uint64_t at = w->pinger ? oh__pinger_deadline(w->pinger) : OH_NEVER;

    for (unsigned i = 0; i < OH__SHARDS; i++)
        at = w->wake[i] < at ? w->wake[i] : at;
    return at;
}

/* One write for the whole batch; without it the replies stay here. */
static void commit(struct oh__worker *w)
{
    if (oh__journal_pending(w->journal) && oh__journal_commit(w->journal) != OH_OK) {
        count(&w->commit_failures);
        (void)oh__held_drop(w->held); /* maintain.c tells why, once and not with every batch */
    }
    oh__held_send(w->held, w->net);
}

/* Pings what the pinger names. They are spread over all shards, because each is a transaction that
 * lives for seconds, and one shard would run out of them. */
static void ping(struct oh__worker *w)
{
    struct oh__ping_target target;

    while (w->pinger && oh__pinger_next(w->pinger, &w->env, &target)) {
        oh__serve_ping(visit(w, target.shard), &w->env, target.aor, target.binding);
        leave(w, target.shard);
    }
}

/*
 * The loop has broken, which the kernel has no reason to let happen. A server that goes on with a
 * worker less would lose its share of the datagrams for ever, and look healthy: it ends instead,
 * and whoever watches over it starts it again.
 */
static void fail(struct oh__worker *w)
{
    oh__log_say(w->host->log, OH__LOG_ERROR, "worker-failed",
                "worker %u cannot wait for messages any more: the server stops", w->index);
    kill(getpid(), SIGTERM);
}

/* What expires goes by a clock that nobody sets; people are told the time that the system has. */
static void read_wall(struct oh__worker *w)
{
    w->env.wall = oh__host_wall(w->host, w->env.now);
    w->env.jumped = (int64_t)(oh__clock_wall() - w->env.wall);
}

/* Once in a while: shedding may begin anew many times in a second. */
static void tell_shedding(struct oh__worker *w)
{
    if (w->shed_told && w->env.now - w->shed_told < SHED_SILENCE)
        return;
    w->shed_told = w->env.now;
    oh__log_say(w->host->log, OH__LOG_WARN, "overload",
                "worker %u gets more datagrams than it can serve: those of strangers go unread, "
                "registered phones are served",
                w->index);
}

static void *run(void *arg)
{
    struct oh__worker *w = arg;
    struct oh__net_input in;
    int phase;

    while ((phase = atomic_load_explicit(&w->host->phase, memory_order_acquire)) !=
           OH__PHASE_STOPPING) {
        adopt(w);
        if (phase == OH__PHASE_DRAINING)
            oh__net_stop_accepting(w->net); /* again and again, which costs a look */
        if (oh__net_wait(w->net, earliest(w)) != OH_OK) {
            fail(w);
            break;
        }
        w->env.now = oh__clock_now();
        read_wall(w);
        if (oh__shed_round(&w->shed, w->env.now))
            tell_shedding(w);
        while (oh__net_take(w->net, &in))
            on_input(w, &in);
        run_due(w);
        ping(w);
        commit(w);
        oh__net_flush(w->net);
    }
    return NULL;
}

int oh__worker_start(struct oh__host *host, unsigned index)
{
    struct oh__worker *w = &host->workers[index];

    w->host = host;
    w->index = index;
    w->journal = oh__store_journal(host->store, index);
    w->hasher = oh__hasher_new();
    w->held = oh__held_new();
    w->pinger = index == 0 ? oh__pinger_new(host->shared.location, OH__SHARDS) : NULL;
    w->env = (struct oh__serve_env){
        .now = oh__clock_now(), .journal = w->journal, .hasher = w->hasher};
    read_wall(w);
    uint8_t key[16];

    if (oh__entropy(key, sizeof key) != OH_OK)
        return OH_E_IO;
    oh__shed_init(&w->shed, key);
    /* No shard has anything due yet; whoever brings the first message makes the first promise. */
    for (unsigned i = 0; i < OH__SHARDS; i++)
        w->wake[i] = OH_NEVER;
    if (!w->hasher || !w->held || (index == 0 && !w->pinger))
        return OH_E_NOMEM;
    int r = oh__net_new(host->net, index, &w->net);

    if (r != OH_OK)
        return r;
    adopt(w);
    if (!w->config)
        return OH_E_NOMEM;
    if (pthread_create(&w->thread, NULL, run, w) != 0)
        return OH_E_NOMEM;
    w->started = true;
    return OH_OK;
}

void oh__worker_join(struct oh__worker *w)
{
    if (w->started)
        pthread_join(w->thread, NULL);
    oh__net_free(w->net);
    oh__pinger_free(w->pinger);
    oh__held_free(w->held);
    oh__hasher_free(w->hasher);
    oh__policy_lua_free(w->policy);
    oh__config_unref(w->config);
}
