/*
 * How a request ended, in one sentence that leads to the fix. Only the end is
 * recorded: what happened on the way is in the trace.
 */
#include <offhook/status.h>

#include "serve/context.h"

static unsigned seconds_since(const struct oh__serve *s, const struct oh__context *c)
{
    return (unsigned)((s->env->now - c->started_at) / OH__SEC);
}

/* Where it was sent last, for sentences. */
static const char *where(struct oh__serve *s, const struct oh__context *c)
{
    char text[OH_ADDR_TEXT_MAX];

    for (unsigned i = c->n; i-- > 0;) {
        if (c->branches[i].flow.peer.family == OH_FAMILY_NONE)
            continue;
        oh_addr_text(&c->branches[i].flow.peer, text);
        return oh__say(s, "%s", text);
    }
    return "nowhere";
}

static bool any_heard(const struct oh__context *c)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->branches[i].heard)
            return true;
    return false;
}

static const char *no_answer(struct oh__serve *s, const struct oh__context *c, struct oh_span who,
                             const char **fix)
{
    if (c->rang || any_heard(c)) {
        *fix = "nobody picked up; a higher ring_time or a lower q for a second phone may help";
        return oh__say(s, "%.*s did not answer in %u s", OH_PRI(who), seconds_since(s, c));
    }
    *fix = "check that the phone is on and that the address it registered is reachable from here";
    return oh__say(s, "nothing came back from %s for %.*s in %u s", where(s, c), OH_PRI(who),
                   seconds_since(s, c));
}

/* The sentence for a final response that is no success. */
static const char *why_failed(struct oh__serve *s, const struct oh__context *c, unsigned code,
                              struct oh_span who, const char **fix)
{
    const struct oh_status *status = oh_status_find(code);

    *fix = status ? status->remedy : NULL;
    switch (code) {
    case 408: return no_answer(s, c, who, fix);
    case 486:
    case 600: return oh__say(s, "%.*s is busy (%u)", OH_PRI(who), code);
    case 603: return oh__say(s, "%.*s declined (603)", OH_PRI(who));
    case 482:
        *fix = "add that name to domains, or correct the address that leads back here";
        return oh__say(s, "the address of %.*s leads back to this server", OH_PRI(who));
    case 504:
        *fix = "check the name servers of this machine";
        return oh__say(s, "the name of the next hop for %.*s could not be looked up in time",
                       OH_PRI(who));
    case 480:
        if (c->best_bytes || !c->in_dialog)
            break;
        *fix = "the phone must register again; calls over a lost connection cannot be continued";
        return oh__say(s, "the connection to %s is gone", where(s, c));
    case 503:
        *fix = c->greedy ? OH__SHARE_FIX : OH__FULL_FIX;
        return c->greedy ? OH__SHARE_WHY : OH__FULL_WHY;
    case 500:
        if (c->best != 503 || c->best_bytes)
            break;
        *fix = "check that the phone or server is up and that no firewall refuses the connection";
        return oh__say(s, "%s could not be reached for %.*s", where(s, c), OH_PRI(who));
    default: break;
    }
    return oh__say(s, "%s answered %u %s", where(s, c), code, oh_status_phrase(code));
}

static void record_success(struct oh__serve *s, const struct oh__context *c,
                           const struct oh__subject *on, unsigned code)
{
    if (c->method == OH_METHOD_BYE)
        oh__decide_on(s, on, OH__DECISION_CALL_ENDED, code, "a side has hung up", NULL);
    else
        oh__decide_on(s, on, OH__DECISION_CALL_ANSWERED, code,
                      oh__say(s, "%.*s answered after %u s", OH_PRI(oh__context_part(c, c->callee)),
                              seconds_since(s, c)),
                      NULL);
}

static void record_failure(struct oh__serve *s, const struct oh__context *c,
                           const struct oh__subject *on, unsigned code)
{
    const char *fix = NULL;
    bool call = c->method == OH_METHOD_INVITE && !c->in_dialog;

    if (call && c->cancelled) {
        oh__decide_on(
            s, on, OH__DECISION_CALL_CANCELLED, code,
            oh__say(s, "the caller hung up before the answer, after %u s", seconds_since(s, c)),
            NULL);
        return;
    }
    const char *why = why_failed(s, c, code, oh__context_part(c, c->callee), &fix);
    enum oh__decision_kind kind = c->method == OH_METHOD_BYE ? OH__DECISION_CALL_ENDED
                                  : call                     ? OH__DECISION_CALL_FAILED
                                                             : OH__DECISION_REQUEST_FAILED;

    oh__decide_on(s, on, kind, code, why, fix);
}

void oh__outcome_record(struct oh__serve *s, const struct oh__context *c, unsigned code)
{
    bool success = code < 300;
    bool worth = c->method == OH_METHOD_BYE || (c->method == OH_METHOD_INVITE && !c->in_dialog);

    /* A challenge is half of a dialogue, not an end; success of small things is not news. */
    if (code == 401 || code == 407 || (success && !worth))
        return;
    struct oh__subject on = oh__context_subject(c);

    if (success)
        record_success(s, c, &on, code);
    else
        record_failure(s, c, &on, code);
}
