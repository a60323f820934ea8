/*
 * A redirect server tells the caller where to go and leaves the call (RFC 3261
 * 8.3): one final response in a transaction, no request of its own, whatever
 * the method and whatever extensions the request asks for.
 */
#include "serve/redirect.h"

#include "sip/value.h"

void oh__redirect_reply(struct oh__serve *s, const struct oh__request *rq,
                        const struct oh__refusal *refusal)
{
    struct oh_reply reply = {.code = refusal->code,
                             .reason = oh_span_str(refusal->reason),
                             .headers = refusal->headers,
                             .server = oh_span_str(s->env->settings->server_name),
                             .body = refusal->body};
    uint64_t server;

    if (oh_server_new(s->ep, s->env->now, rq->msg, &rq->flow, 0, &server) != OH_OK) {
        oh__refuse(s, rq, refusal);
        return;
    }
    if (refusal->why)
        oh__decide(s, rq, refusal->kind, refusal->code, refusal->why, refusal->fix);
    if (oh_server_respond(s->ep, s->env->now, server, rq->msg, &rq->flow, &reply) == OH_OK)
        return;
    /* Nothing but its final response ends an INVITE's transaction, and that one cannot be kept. */
    oh_server_drop(s->ep, server);
    oh_reply_stateless(s->ep, rq->msg, &rq->flow, &reply);
}

static void put_contact(struct oh_buf *b, const struct oh__candidate *target, bool with_q)
{
    oh_buf_lit(b, "Contact: <");
    oh_buf_span(b, target->uri);
    oh_buf_char(b, '>');
    if (with_q) {
        oh_buf_lit(b, ";q=");
        oh__put_qvalue(b, target->q);
    }
    oh_buf_lit(b, "\r\n");
}

/* The index of the best target below the ones that were written; n when there is none. */
static unsigned next_best(const struct oh__targets *set, const bool *done)
{
    unsigned best = set->n;

    for (unsigned i = 0; i < set->n; i++)
        if (!done[i] && (best == set->n || set->v[i].q > set->v[best].q))
            best = i;
    return best;
}

/* A caller who is told to go where he just went would come back for ever (RDR-006). */
static bool leads_back(const struct oh__request *rq, const struct oh__candidate *target)
{
    struct oh_uri uri;

    return oh_uri_parse(target->uri, &uri, NULL) == OH_OK && oh_uri_equal(&uri, &rq->uri);
}

void oh__redirect_run(struct oh__serve *s, struct oh__request *rq, const struct oh__targets *set)
{
    size_t room = 0;
    unsigned n = 0, at;
    bool *done = oh_arena_take(&s->arena, set->n + 1);

    for (unsigned i = 0; i < set->n && done; i++) {
        done[i] = leads_back(rq, &set->v[i]);
        n += !done[i];
        room += set->v[i].uri.n + 40;
    }
    if (n == 0) {
        oh__refuse_simply(s, rq, 404,
                          "the only place this user is registered at is the one that was called",
                          "register a phone with its own address");
        return;
    }
    struct oh_buf rows = oh__arena_buf(s, room);

    while ((at = next_best(set, done)) < set->n) {
        put_contact(&rows, &set->v[at], n > 1);
        done[at] = true;
    }
    oh__redirect_reply(
        s, rq, &(struct oh__refusal){.code = n > 1 ? 300 : 302, .headers = oh_buf_view(&rows)});
}
