/*
 * The worker. A round of its loop begins what is due, runs timers, sends the
 * batch, waits, and takes what arrived. Operations live in an array; the slot
 * that became free last is used first, so that a run with few operations under
 * way stays within the processor's cache however many it may have.
 */
#include "cmd/load.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "net/system.h"

#define BURST           64 /* operations begun per round, so that answers are not left waiting */
#define REGISTER_WINDOW 64 /* users of one worker that register at a time */
#define LEAVE_TIME      (10 * OH__SEC)
#define TIMER_SLACK     1000 /* ns; the kernel's default of 50 us would show in latencies */

#define LOOK_CLOSER 64 /* one message of so many is also checked in full */
#define CLOCK_EVERY 8  /* messages of a batch; it takes 3 us to go through as many */

#define PORT_RUN \
    16 /* users in turn behind one port, so that what is sent together leaves together */

#define RUN_DIGITS  8
#define SLOT_DIGITS 6
#define GEN_DIGITS  8

#define IN_FLIGHT_MIN 1024
#define IN_FLIGHT_MAX (1u << 18)
#define STALL         4 /* seconds of a stalled server that an open loop goes on through */

/* ---- making and ending ---- */

/* How many operations this worker may have under way. */
static uint32_t slots_for(const struct oh__load_run *run, unsigned index)
{
    const struct oh__load_config *c = run->config;
    double rate = c->ramp_to > c->rate ? c->ramp_to : c->rate, wanted;
    uint32_t slots;

    if (c->slots || c->window)
        return (uint32_t)oh__load_share(c->slots ? c->slots : c->window, index, run->workers_n);
    wanted = rate * ((double)c->hold / OH__SEC + STALL) / run->workers_n;
    slots = wanted > IN_FLIGHT_MAX ? IN_FLIGHT_MAX : (uint32_t)wanted;
    return slots > IN_FLIGHT_MIN ? slots : IN_FLIGHT_MIN;
}

/*
 * Each worker has sockets that nobody else reads: with shared ones the kernel would hand a response
 * to any worker, and operations would need locks.
 */
static int open_sockets(struct oh__load_worker *w, char *why, size_t cap)
{
    struct oh__net_options o = {.workers = 1, .exact_wait = true, .bulk = true};
    int rc;

    for (; o.listeners_n < w->run->config->ports; o.listeners_n++)
        o.listeners[o.listeners_n] = (struct oh__listener){w->run->config->transport,
                                                           w->run->local};
    rc = oh__net_open(&o, &w->shared, why, cap);
    if (rc == OH_OK)
        rc = oh__net_new(w->shared, 0, &w->net);
    for (unsigned i = 0; rc == OH_OK && i < o.listeners_n; i++) {
        struct oh_addr bound = oh__net_listener(w->shared, i);

        oh_addr_text(&bound, w->ports[i].self);
        w->ports[i].self_text = oh_span_str(w->ports[i].self);
    }
    return rc;
}

/* Everything that a worker will need, so that nothing is taken from the heap while it runs. */
static int make_tables(struct oh__load_worker *w)
{
    bool calls = w->run->config->kind == OH__LOAD_CALL;
    const struct oh_alloc *a = oh_alloc_default();

    w->slots = slots_for(w->run, w->index);
    /* Not cleared: a slot is made when it is used first, and most never are. */
    w->ops = oh_alloc(a, w->slots * sizeof *w->ops);
    w->idle = oh_alloc(a, w->slots * sizeof *w->idle);
    w->stats = oh_alloc_zero(a, w->run->stats_n + 2, sizeof *w->stats);
    if (calls)
        w->answers = oh_alloc(a, w->slots * sizeof *w->answers);
    w->wheel = oh__wheel_new(a, oh__clock_now());
    w->hasher = oh__hasher_new();
    return w->ops && w->idle && w->stats && (w->answers || !calls) && w->wheel && w->hasher
               ? OH_OK
               : OH_E_NOMEM;
}

/* What is random in this run. */
static int draw(struct oh__load_worker *w)
{
    int rc = oh__entropy(&w->key, sizeof w->key);

    if (rc == OH_OK)
        rc = oh__entropy(&w->run_id, sizeof w->run_id);
    oh__load_hex_put(w->run_text, w->run_id, RUN_DIGITS);
    oh__load_hex_put(w->cnonce, w->key.k1, sizeof w->cnonce - 1);
    return rc;
}

/* The contiguous part of the users that is this worker's. */
static void share_users(struct oh__load_worker *w)
{
    uint64_t n = w->run->users->n;

    uint32_t each;

    w->user_n = (uint32_t)oh__load_share(n, w->index, w->run->workers_n);
    each = w->user_n / w->run->config->ports;
    w->port_run = each < 1 ? 1 : each > PORT_RUN ? PORT_RUN : each;
    for (unsigned i = 0; i < w->index; i++)
        w->user_from += (uint32_t)oh__load_share(n, i, w->run->workers_n);
}

int oh__load_worker_new(struct oh__load_run *run, unsigned index, struct oh__load_worker **out,
                        char *why, size_t cap)
{
    struct oh__load_worker *w = oh_alloc_zero(oh_alloc_default(), 1, sizeof *w);
    struct oh_buf ip;
    int rc;

    snprintf(why, cap, "%s", oh_error_text(OH_E_NOMEM));
    if (!w)
        return OH_E_NOMEM;
    w->run = run;
    w->index = index;
    oh_buf_init(&ip, w->ip, sizeof w->ip - 1);
    oh_buf_host(&ip, &run->local);
    share_users(w);
    rc = make_tables(w);
    if (rc == OH_OK)
        rc = draw(w);
    if (rc == OH_OK)
        rc = open_sockets(w, why, cap);
    if (rc == OH_OK)
        rc = oh__load_ops_init(w);
    if (rc != OH_OK) {
        oh__load_worker_free(w);
        return rc;
    }
    *out = w;
    return OH_OK;
}

void oh__load_worker_free(struct oh__load_worker *w)
{
    const struct oh_alloc *a = oh_alloc_default();

    if (!w)
        return;
    oh__net_free(w->net);
    oh__net_close(w->shared);
    oh__hasher_free(w->hasher);
    oh__wheel_free(w->wheel);
    oh_free(a, w->stats, (w->run->stats_n + 2) * sizeof *w->stats);
    oh_free(a, w->answers, w->slots * sizeof *w->answers);
    oh_free(a, w->idle, w->slots * sizeof *w->idle);
    oh_free(a, w->ops, w->slots * sizeof *w->ops);
    oh_free(a, w, sizeof *w);
}

/* ---- operations ---- */

struct oh__load_op *oh__load_op_find(struct oh__load_worker *w, struct oh_span text)
{
    struct oh_span rest = oh_span_from(text, RUN_DIGITS);
    struct oh__load_op *op;
    uint64_t slot;

    if (text.n < OH__LOAD_ID || memcmp(text.p, w->run_text, RUN_DIGITS) != 0 ||
        !oh__load_hex_get(&rest, SLOT_DIGITS, &slot) || slot >= w->slots_used)
        return NULL;
    op = &w->ops[slot];
    return op->state != OH__OP_FREE && memcmp(text.p, op->id, OH__LOAD_ID) == 0 ? op : NULL;
}

/* Writes what an operation is known by in messages. */
static void name_op(const struct oh__load_worker *w, struct oh__load_op *op)
{
    memcpy(op->id, w->run_text, RUN_DIGITS);
    oh__load_hex_put(op->id + RUN_DIGITS, oh__load_slot(w, op), SLOT_DIGITS);
    oh__load_hex_put(op->id + RUN_DIGITS + SLOT_DIGITS, op->gen, GEN_DIGITS);
}

/* A slot that is all zeros but for its generation, or NULL when all are taken. */
static struct oh__load_op *take_slot(struct oh__load_worker *w)
{
    struct oh__load_op *op;
    uint32_t gen = 0;

    if (w->idle_n) {
        op = &w->ops[w->idle[--w->idle_n]];
        gen = op->gen;
    } else if (w->slots_used < w->slots) {
        op = &w->ops[w->slots_used++];
    } else {
        return NULL;
    }
    memset(op, 0, offsetof(struct oh__load_op, room));
    op->gen = gen + 1;
    name_op(w, op);
    op->alarm.kind = OH__ALARM_OP;
    w->in_flight++;
    oh__load_live_add(&w->live.in_flight, 1);
    return op;
}

/* Ends an operation; what still arrives for it finds another generation or a free slot. */
static void give_slot(struct oh__load_worker *w, struct oh__load_op *op)
{
    oh__load_answer_drop(w, op);
    oh__wheel_clear(w->wheel, &op->alarm.timer);
    op->state = OH__OP_FREE;
    w->idle[w->idle_n++] = oh__load_slot(w, op);
    w->in_flight--;
    oh__load_live_add(&w->live.in_flight, (uint64_t)-1);
}

/* Starts nothing more; the watch gives up what is not over soon. */
static void stop_soon(struct oh__load_run *run)
{
    int go = OH__LOAD_GO;

    atomic_compare_exchange_strong(&run->stop, &go, OH__LOAD_STOP_SOON);
}

/* One more operation of a step has gone wrong; a rate that cannot be held any more ends the lap. */
static void spoil(struct oh__load_worker *w, unsigned step, atomic_uint_fast64_t counts[],
                  unsigned one_of)
{
    struct oh__load_run *run = w->run;
    const struct oh__load_step *s = &run->plan->steps[step];
    double planned;

    if (w->phase != OH__LOAD_RUNNING || run->config->ramp_to <= 0)
        return;
    planned = s->rate * (double)(s->until - s->from) / OH__SEC;
    if ((double)(atomic_fetch_add(&counts[step], 1) + 1) * one_of > planned && s->counted)
        stop_soon(run);
}

/* How long an operation has taken so far, without the time that a call was held. */
static uint64_t taken(const struct oh__load_op *op, uint64_t now)
{
    return op->in_dialog ? op->setup + (now - op->hung_up) : now - op->due;
}

void oh__load_op_waits(struct oh__load_worker *w, struct oh__load_op *op, uint64_t now)
{
    if (op->late || taken(op, now) <= w->run->config->p99_max)
        return;
    op->late = true;
    oh__load_stats_of(w, op)->late++;
    spoil(w, op->step, w->run->late, OH__LOAD_LATE_OF);
}

/* Counts a completed operation for the step in which it was completed, as if it had not been held.
 */
static void count_in_time(struct oh__load_worker *w, const struct oh__load_op *op, uint64_t took)
{
    const struct oh__load_plan *plan = w->run->plan;
    uint64_t at = op->due + took - w->run->start;
    unsigned step = oh__load_plan_at(plan, at);

    /* Of a step that is cut short, what comes behind its end does not count. */
    if (at < plan->steps[step].until &&
        (w->window || atomic_load_explicit(&w->run->stop, memory_order_relaxed) == OH__LOAD_GO))
        w->stats[step].in_time++;
}

void oh__load_op_done(struct oh__load_worker *w, struct oh__load_op *op, uint64_t now)
{
    struct oh__load_stats *s = oh__load_stats_of(w, op);
    uint64_t took = taken(op, now);

    oh__load_op_waits(w, op, now);
    if (op->in_dialog) {
        oh__hist_add(&s->setup, op->setup);
        oh__hist_add(&s->teardown, now - op->hung_up);
    }
    oh__hist_add(&s->total, took);
    s->completed++;
    if (w->phase == OH__LOAD_RUNNING) {
        count_in_time(w, op, took);
        w->last_done = now;
        oh__load_live_add(&w->live.completed, 1);
        oh__load_live_add(&w->live.latency, took);
    }
    give_slot(w, op);
}

/* Counts a failure, and ends the run when there are more than it may have. */
static void count_failure(struct oh__load_worker *w, unsigned step)
{
    struct oh__load_run *run = w->run;

    w->stats[step].failed++;
    if (w->phase == OH__LOAD_REGISTERING) {
        atomic_store(&run->unregistered, 1);
        w->fed = true;
    }
    if (w->phase != OH__LOAD_RUNNING)
        return;
    oh__load_live_add(&w->live.failed, 1);
    w->last_done = oh__clock_now();
    spoil(w, step, run->lost, OH__LOAD_LOST_OF);
    if (atomic_fetch_add(&run->failures, 1) + 1 > run->config->max_failures) {
        atomic_store(&run->quit, 1);
        stop_soon(run);
    }
}

void oh__load_op_refused(struct oh__load_worker *w, struct oh__load_op *op, unsigned code)
{
    struct oh__load_stats *s = oh__load_stats_of(w, op);

    s->codes[code < OH__LOAD_CODES ? code : 0]++;
    count_failure(w, op->step);
    give_slot(w, op);
}

void oh__load_op_failed(struct oh__load_worker *w, struct oh__load_op *op,
                        enum oh__load_failure why)
{
    struct oh__load_stats *s = oh__load_stats_of(w, op);

    s->reasons[why]++;
    count_failure(w, op->step);
    give_slot(w, op);
}

/* ---- beginning what is due ---- */

/* The users take turns; each calls the next one. */
static void choose_users(struct oh__load_worker *w, struct oh__load_op *op)
{
    uint32_t turn = w->user_next++;

    op->user = w->user_from + turn % w->user_n;
    op->peer = w->user_from + (turn + 1) % w->user_n;
    op->port = (uint8_t)(turn / w->port_run % w->run->config->ports);
}

/* Begins an operation that was due at a time; when there is no slot, that is a failure, too. */
static void begin(struct oh__load_worker *w, uint64_t due, uint64_t now, unsigned step)
{
    struct oh__load_stats *s = &w->stats[step];
    struct oh__load_op *op = take_slot(w);

    s->attempted++;
    if (w->phase == OH__LOAD_RUNNING)
        oh__load_live_add(&w->live.started, 1);
    if (!op) {
        s->reasons[OH__LOAD_FAIL_SLOTS]++;
        count_failure(w, step);
        return;
    }
    oh__hist_add(&s->lag, now - due);
    op->due = due;
    op->step = (uint16_t)step;
    op->leaving = w->phase == OH__LOAD_LEAVING;
    choose_users(w, op);
    oh__load_op_begin(w, op, now);
}

/* Every user of this worker once. Returns when there is more to do. */
static uint64_t feed_users(struct oh__load_worker *w, uint64_t now)
{
    unsigned step = w->run->stats_n + (w->phase == OH__LOAD_LEAVING);
    uint32_t window = w->slots < REGISTER_WINDOW ? w->slots : REGISTER_WINDOW;

    while (!w->fed && w->user_next < w->user_n && w->in_flight < window)
        begin(w, now, now, step);
    if (w->user_next == w->user_n)
        w->fed = true;
    return OH__NEVER;
}

/* What the schedule says, whatever has become of the operations before. */
static uint64_t feed_open(struct oh__load_worker *w, uint64_t now)
{
    uint64_t at;
    unsigned step;

    for (unsigned i = 0; i < BURST && !w->fed; i++) {
        if (!oh__load_schedule_peek(&w->schedule, &at, &step)) {
            w->fed = true;
            break;
        }
        at += w->run->start;
        if (at > now)
            return at;
        begin(w, at, now, step);
        oh__load_schedule_take(&w->schedule);
    }
    return w->fed ? OH__NEVER : now;
}

/* Keeps the window full until time or count are over. */
static uint64_t feed_closed(struct oh__load_worker *w, uint64_t now)
{
    const struct oh__load_plan *plan = w->run->plan;
    uint64_t until = plan->steps[plan->n - 1].until, since;
    unsigned step;

    if (now < w->run->start)
        return w->run->start;
    since = now - w->run->start;
    step = oh__load_plan_at(plan, since);
    if (since >= until || w->left == 0) {
        w->fed = true;
        return OH__NEVER;
    }
    for (unsigned i = 0; w->in_flight < w->window && w->left > 0; i++) {
        if (i == BURST)
            return now;
        begin(w, now, now, step);
        w->left -= plan->steps[step].counted;
    }
    return until == OH__NEVER ? OH__NEVER : w->run->start + until;
}

/* Begins what is due; when to come back for more, or OH__NEVER. */
static uint64_t feed(struct oh__load_worker *w, uint64_t now)
{
    uint64_t next;

    if (w->fed)
        return OH__NEVER;
    if (w->phase != OH__LOAD_RUNNING)
        return feed_users(w, now);
    next = w->window ? feed_closed(w, now) : feed_open(w, now);
    if (w->fed)
        w->fed_at = now;
    return next;
}

/* ---- ending early ---- */

/* Hangs up what is up, or gives up everything. */
static void sweep(struct oh__load_worker *w, uint64_t now, bool give_up)
{
    for (uint32_t i = 0; i < w->slots_used; i++) {
        struct oh__load_op *op = &w->ops[i];

        if (op->state == OH__OP_FREE)
            continue;
        if (give_up) {
            oh__load_stats_of(w, op)->abandoned++;
            give_slot(w, op);
        } else if (op->state == OH__OP_HOLDING) {
            oh__load_hang_up(w, op, now);
        }
    }
}

/* Does what the run's stop asks for; signing off goes on for a while even then. */
static void heed_stop(struct oh__load_worker *w, uint64_t now, uint64_t phase_end)
{
    int stop = atomic_load_explicit(&w->run->stop, memory_order_relaxed);

    if (w->phase == OH__LOAD_LEAVING) {
        if (now < phase_end)
            return;
        stop = OH__LOAD_STOP_NOW;
    }
    if (stop == OH__LOAD_GO)
        return;
    if (!w->fed)
        w->fed_at = now;
    w->fed = true;
    if (stop == OH__LOAD_STOP_NOW || !w->stopping)
        sweep(w, now, stop == OH__LOAD_STOP_NOW);
    w->stopping = true;
}

/* ---- the loop ---- */

const struct oh_msg *oh__load_whole(struct oh__load_worker *w, const struct oh__load_view *v)
{
    struct oh_fault fault;
    size_t used;

    if (oh_msg_parse(v->raw, OH_MSG_DATAGRAM, NULL, &w->msg, &used, &fault) == OH_OK &&
        oh_msg_check(&w->msg, &fault) == OH_OK)
        return &w->msg;
    w->bad++;
    return NULL;
}

/*
 * Strangers may send as well: whatever is no SIP is counted, and nothing else is done about it.
 * A server that answers thousands of times the same way is looked at closely now and then.
 */
static void on_message(struct oh__load_worker *w, const struct oh__net_input *in, uint64_t now)
{
    struct oh__load_view *v = &w->view;
    int rc = oh__load_view_read(in->bytes, v);

    if (rc != OH_OK || w->received++ % LOOK_CLOSER == 0) {
        const struct oh_msg *m;

        /* A keep-alive is no message, and nothing bad. */
        if (in->bytes.n <= 4 && oh_span_trim(in->bytes).n == 0)
            return;
        m = oh__load_whole(w, &(struct oh__load_view){.raw = in->bytes});
        if (!m || oh__load_view_of(m, v) != OH_OK)
            return;
    }
    if (v->status)
        oh__load_on_response(w, v, &in->flow, now);
    else
        oh__load_on_request(w, v, &in->flow, now);
}

/* A request could not be delivered: RFC 3261 18.4, without waiting for Timers B and F. */
static void on_undelivered(struct oh__load_worker *w, uint64_t ticket)
{
    uint64_t slot = (ticket & UINT32_MAX) - 1;
    struct oh__load_op *op = slot < w->slots_used ? &w->ops[slot] : NULL;

    if (op && op->state == OH__OP_WAITING && op->gen == ticket >> 32)
        oh__load_op_failed(w, op, OH__LOAD_FAIL_CONNECTION);
}

/* Operations and the 2xx of callees share one wheel; the kind tells which it is. */
static void run_timers(struct oh__load_worker *w, uint64_t now)
{
    struct oh__timer *t;

    while ((t = oh__wheel_take(w->wheel, now)) != NULL) {
        struct oh__load_alarm *alarm = OH__CONTAINER(t, struct oh__load_alarm, timer);

        if (alarm->kind == OH__ALARM_OP)
            oh__load_on_timer(w, OH__CONTAINER(alarm, struct oh__load_op, alarm), now);
        else
            oh__load_on_answer_timer(w, OH__CONTAINER(alarm, struct oh__load_answer, alarm), now);
    }
}

/* The clock is read again and again: a batch may take longer than what is measured. */
static void take_inputs(struct oh__load_worker *w)
{
    struct oh__net_input in;
    uint64_t now = 0;

    for (unsigned i = 0; oh__net_take(w->net, &in); i++) {
        if (i % CLOCK_EVERY == 0)
            now = oh__clock_now();
        switch (in.kind) {
        case OH__NET_DATAGRAM:
        case OH__NET_MESSAGE: on_message(w, &in, now); break;
        case OH__NET_FAILED: on_undelivered(w, in.ticket); break;
        case OH__NET_CLOSED: break;
        default: continue;
        }
        if (in.kind == OH__NET_FAILED || in.kind == OH__NET_CLOSED)
            oh__load_way_lost(w, &in.flow);
    }
}

/* Runs one phase until everything is begun and nothing is under way. */
static void run_phase(struct oh__load_worker *w, enum oh__load_phase phase)
{
    uint64_t end = oh__clock_now() + LEAVE_TIME, next, timer;

    w->phase = phase;
    w->fed = w->stopping = false;
    w->user_next = 0;
    for (;;) {
        uint64_t now = oh__clock_now();

        heed_stop(w, now, end);
        next = feed(w, now);
        run_timers(w, now);
        if (w->fed && w->in_flight == 0)
            break;
        timer = oh__wheel_next(w->wheel);
        next = timer < next ? timer : next;
        if (phase == OH__LOAD_LEAVING && next > end)
            next = end;
        if (oh__net_wait(w->net, next) != OH_OK) {
            atomic_store(&w->run->error, OH_E_IO);
            sweep(w, now, true);
            break;
        }
        take_inputs(w);
    }
    /* What was queued last is still in the arena: an ACK, say. */
    oh__net_flush(w->net);
}

/* All workers begin together, at a time that one of them sets. False when the run is over. */
static bool meet(struct oh__load_worker *w)
{
    pthread_barrier_t *gate = w->run->gate;

    if (pthread_barrier_wait(gate) == PTHREAD_BARRIER_SERIAL_THREAD)
        oh__load_next_lap(w->run);
    pthread_barrier_wait(gate);
    return !w->run->over;
}

/* One lap of the plan. */
static void run_lap(struct oh__load_worker *w)
{
    struct oh__load_run *run = w->run;
    uint64_t cpu = oh__clock_thread(), begun = oh__clock_now();

    w->fed_at = w->last_done = run->start + run->plan->steps[run->first_step].from;
    oh__load_schedule_init(&w->schedule, run->plan, w->index, run->workers_n);
    w->schedule.step = run->first_step;
    w->window = (uint32_t)oh__load_share(run->config->window, w->index, run->workers_n);
    w->left = run->plan->count == OH__NEVER
                  ? OH__NEVER
                  : oh__load_share(run->plan->count, w->index, run->workers_n);
    run_phase(w, OH__LOAD_RUNNING);
    w->cpu += oh__clock_thread() - cpu;
    w->lasted += oh__clock_now() - begun;
}

void *oh__load_worker_main(void *worker)
{
    struct oh__load_worker *w = worker;
    struct oh__load_run *run = w->run;
    struct oh__net_stats stats;

    prctl(PR_SET_TIMERSLACK, TIMER_SLACK, 0, 0, 0);
    if (run->config->register_first)
        run_phase(w, OH__LOAD_REGISTERING);
    while (meet(w))
        run_lap(w);
    if (run->config->register_first && !atomic_load(&run->error))
        run_phase(w, OH__LOAD_LEAVING);
    oh__net_stats(w->net, &stats);
    w->kernel_drops = stats.kernel_drops;
    w->phase = OH__LOAD_ENDED;
    atomic_fetch_add(&run->ended, 1);
    oh__net_wake(run->desk);
    return NULL;
}
