/*
 * What the ring of decisions answers: everything about somebody or some call,
 * and who tried to register in vain. The ring is read newest first, an entry
 * at a time; workers may add meanwhile.
 */
#include <stdio.h>

#include "host/control_topics.h"

#define WHY_MOST   1000
#define TRIED_MOST 100
#define SEEN_MOST  256

static json_t *json_of(const struct oh__decision *d)
{
    json_t *o = json_object();

    json_object_set_new(o, "seq", json_integer((json_int_t)d->seq));
    json_object_set_new(o, "time_ms", json_integer((json_int_t)d->wall));
    json_object_set_new(o, "event",
                        json_string(oh__decision_name((enum oh__decision_kind)d->kind)));
    json_object_set_new(o, "code", d->code ? json_integer(d->code) : json_null());
    json_object_set_new(o, "method", oh__json_text(oh_span_str(d->method)));
    json_object_set_new(o, "call_id", oh__json_text(oh_span_str(d->call_id)));
    json_object_set_new(o, "account", oh__json_text(oh_span_str(d->account)));
    json_object_set_new(o, "target", oh__json_text(oh_span_str(d->target)));
    json_object_set_new(o, "device", oh__json_text(oh_span_str(d->agent)));
    json_object_set_new(o, "why", oh__json_text(oh_span_str(d->why)));
    json_object_set_new(o, "fix", oh__json_text(oh_span_str(d->fix)));
    if (d->flow.peer.family) {
        json_object_set_new(o, "from", oh__json_addr(&d->flow.peer));
        json_object_set_new(o, "transport", oh__json_text(oh_transport_param(d->flow.transport)));
    }
    return o;
}

/* "101" means 101 of any domain; with a domain it must be that one. */
static bool is_party(const char *name, struct oh_span who)
{
    struct oh_span s = oh_span_str(name);

    if (s.n > 4 && oh_span_ieq(oh_span_head(s, 4), OH_LIT("sip:")))
        s = oh_span_from(s, 4);
    if (oh_span_ieq(s, who))
        return true;
    ptrdiff_t at = oh_span_find(s, '@');

    return at >= 0 && oh_span_find(who, '@') < 0 && oh_span_ieq(oh_span_head(s, (size_t)at), who);
}

static bool concerns(const struct oh__decision *d, struct oh_span who)
{
    return who.n == 0 || oh_span_eq(oh_span_str(d->call_id), who) || is_party(d->account, who) ||
           is_party(d->target, who);
}

static bool went_wrong(const struct oh__decision *d)
{
    switch ((enum oh__decision_kind)d->kind) {
    case OH__DECISION_REGISTERED:
    case OH__DECISION_UNREGISTERED:
    case OH__DECISION_CALL_STARTED:
    case OH__DECISION_CALL_ANSWERED:
    case OH__DECISION_CALL_CANCELLED:
    case OH__DECISION_CALL_ENDED: return false;
    default: return true;
    }
}

json_t *oh__control_why(struct oh__host *host, const json_t *request)
{
    struct oh_span who = oh__json_member(request, "who");
    bool failed = json_is_true(json_object_get(request, "failed"));
    uint64_t most = oh__json_u64(request, "limit", 20);
    json_t *reply = oh__control_ok(), *list = json_array();
    struct oh__decision d = {.seq = 0};

    if (most > WHY_MOST)
        most = WHY_MOST;
    while (json_array_size(list) < most &&
           oh__decisions_before(host->shared.decisions, d.seq, &d) == OH_OK) {
        if (concerns(&d, who) && (!failed || went_wrong(&d)))
            json_array_append_new(list, json_of(&d));
        if (d.seq == 1)
            break; /* before 0 would mean the newest again */
    }
    json_object_set_new(reply, "decisions", list);
    return reply;
}

/* ---- who tried to register in vain ---- */

/* Who has been seen already, newest first: only the newest word about somebody counts. */
struct seen {
    unsigned n;
    struct {
        char account[128];
        struct oh_addr peer;
    } v[SEEN_MOST];
};

static bool see(struct seen *seen, const struct oh__decision *d)
{
    for (unsigned i = 0; i < seen->n; i++)
        if (strcmp(seen->v[i].account, d->account) == 0 &&
            oh_addr_same_host(&seen->v[i].peer, &d->flow.peer))
            return false;
    if (seen->n == SEEN_MOST)
        return false;
    memcpy(seen->v[seen->n].account, d->account, sizeof d->account);
    seen->v[seen->n++].peer = d->flow.peer;
    return true;
}

static bool about_registering(const struct oh__decision *d)
{
    switch ((enum oh__decision_kind)d->kind) {
    case OH__DECISION_REGISTERED:
    case OH__DECISION_UNREGISTERED:
    case OH__DECISION_REGISTER_REFUSED:
    case OH__DECISION_BANNED: return true;
    case OH__DECISION_AUTH_FAILED: return strcmp(d->method, "REGISTER") == 0;
    default: return false;
    }
}

json_t *oh__control_tried(struct oh__host *host, const json_t *request)
{
    uint64_t most = oh__json_u64(request, "limit", 20);
    struct seen *seen = oh_alloc_zero(oh_alloc_default(), 1, sizeof *seen);
    json_t *reply, *list = json_array();
    struct oh__decision d = {.seq = 0};

    if (!seen) {
        json_decref(list);
        return oh__control_error(9, "memory is short");
    }
    if (most > TRIED_MOST)
        most = TRIED_MOST;
    while (json_array_size(list) < most &&
           oh__decisions_before(host->shared.decisions, d.seq, &d) == OH_OK) {
        if (about_registering(&d) && see(seen, &d) && went_wrong(&d))
            json_array_append_new(list, json_of(&d));
        if (d.seq == 1)
            break;
    }
    oh_free(oh_alloc_default(), seen, sizeof *seen);
    reply = oh__control_ok();
    json_object_set_new(reply, "tried", list);
    return reply;
}
