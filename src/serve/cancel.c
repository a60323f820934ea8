/*
 * Stopping what runs: because the caller hangs up, because somebody else has
 * answered, or because time has passed.
 */
#include "serve/context.h"

void oh__branch_stop(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b,
                     struct oh_span rows)
{
    switch ((enum oh__branch_state)b->state) {
    case OH__BRANCH_WAITING: b->state = OH__BRANCH_DONE; break;
    case OH__BRANCH_RESOLVING: oh__branch_fail(s, c, b, b->expired ? 408 : 487); break;
    case OH__BRANCH_TRYING:
    case OH__BRANCH_PROCEEDING:
        if (b->stopped)
            break;
        /* Nothing but an INVITE can be cancelled; nobody waits for the rest. */
        if (c->method != OH_METHOD_INVITE) {
            oh_client_drop(s->ep, b->client);
            oh__branch_fail(s, c, b, 408);
            break;
        }
        b->stopped = true;
        b->c_at = OH__NEVER;
        if (oh_client_cancel(s->ep, s->env->now, b->client, rows) == OH_OK)
            break;
        /* Without memory for a CANCEL the phone rings on until its own time is over. */
        oh_client_drop(s->ep, b->client);
        oh__branch_fail(s, c, b, b->expired ? 408 : 487);
        break;
    case OH__BRANCH_DONE: break;
    }
}

void oh__branches_stop(struct oh__serve *s, struct oh__context *c, struct oh_span rows)
{
    for (unsigned i = 0; i < c->n; i++)
        oh__branch_stop(s, c, &c->branches[i], rows);
}

/* The Reason rows of the caller's CANCEL go along (RFC 3326 2). */
static struct oh_span reasons(struct oh__serve *s, const struct oh_msg *m)
{
    struct oh_buf b = oh__arena_buf(s, m->raw.n);

    for (const struct oh_row *r = oh_msg_row(m, OH_HEADER_REASON); r; r = oh_msg_row_next(m, r))
        oh_buf_put(&b, m->raw.p + r->name, r->end - r->name);
    return oh_buf_view(&b);
}

void oh__proxy_cancel(struct oh__serve *s, const struct oh_output *o)
{
    struct oh__context *c = oh__context_get(s, o->user);

    if (!c || c->cancelled || c->method != OH_METHOD_INVITE)
        return;
    c->cancelled = true;
    c->ring_at = c->poll_at = c->expires_at = OH__NEVER;
    oh__branches_stop(s, c, reasons(s, o->msg));
    oh__context_advance(s, c);
}

void oh__proxy_ended(struct oh__serve *s, const struct oh_output *o)
{
    struct oh__context *c = oh__context_get(s, o->user);

    if (!c)
        return;
    oh__branches_stop(s, c, oh_span(NULL, 0));
    oh__context_end(s, c);
}

/* ---- time ---- */

/* The time of a group is over: its members stop, and the next one may begin. */
static void ring_over(struct oh__serve *s, struct oh__context *c)
{
    c->ring_at = OH__NEVER;
    for (unsigned i = 0; i < c->n; i++) {
        struct oh__proxy_branch *b = &c->branches[i];

        if (!oh__branch_runs(b))
            continue;
        b->expired = true;
        oh__branch_stop(s, c, b, oh_span(NULL, 0));
    }
}

/* Timer C (RFC 3261 16.8): a branch that rang is cancelled, one that never said anything has
 * failed. */
static void timer_c(struct oh__serve *s, struct oh__context *c, struct oh__proxy_branch *b)
{
    b->c_at = OH__NEVER;
    if (b->state == OH__BRANCH_PROCEEDING) {
        b->expired = true;
        oh__branch_stop(s, c, b, oh_span(NULL, 0));
        return;
    }
    oh_client_drop(s->ep, b->client);
    oh__branch_fail(s, c, b, 408);
}

/* The INVITE's own time is over (RFC 3261 16.10, 20.19; PRX-033). */
static void expires_over(struct oh__serve *s, struct oh__context *c)
{
    c->expires_at = OH__NEVER;
    c->stopped = true;
    for (unsigned i = 0; i < c->n; i++)
        c->branches[i].expired = true;
    oh__branches_stop(s, c, oh_span(NULL, 0));
}

/* A phone that registers while others ring joins them (PRX-013, race 10). */
static void poll_bindings(struct oh__serve *s, struct oh__context *c)
{
    struct oh_span aor = oh__context_aor(c);
    uint64_t version = oh__location_version(s->shared->location, aor);
    struct oh__targets set;

    c->poll_at = c->cancelled || c->stopped ? OH__NEVER : s->env->now + OH__SEC;
    if (version == c->version || c->poll_at == OH__NEVER || !oh__targets_init(s, &set, c->most))
        return;
    c->version = version;
    if (oh__targets_add_user(s, &set, aor, OH__Q_OWN) != OH_OK)
        return;
    for (unsigned i = 0; i < set.n; i++) {
        bool known = false;

        for (unsigned j = 0; j < c->n && !known; j++) {
            const struct oh__proxy_branch *b = &c->branches[j];
            struct oh__candidate old = {
                .uri = oh__branch_uri(b), .bound = b->bound, .flow = b->flow};

            known = oh__candidate_same(&old, &set.v[i]);
        }
        if (!known)
            oh__context_add(s, c, &set.v[i]);
    }
}

void oh__proxy_expire(struct oh__serve *s, struct oh__timer *timer)
{
    struct oh__context *c = OH__CONTAINER(timer, struct oh__context, timer);
    uint64_t now = s->env->now;

    if (c->expires_at <= now)
        expires_over(s, c);
    if (c->ring_at <= now)
        ring_over(s, c);
    if (c->lookup_at <= now)
        oh__branch_resolved(s, c, &(struct oh__serve_answer){.result = OH_E_TIMEOUT});
    for (unsigned i = 0; i < c->n; i++)
        if (c->branches[i].c_at <= now)
            timer_c(s, c, &c->branches[i]);
    if (c->poll_at <= now)
        poll_bindings(s, c);
    oh__context_advance(s, c);
}
