/*
 * Deciding where a request goes: policy, permission to relay, targets; then
 * the loop check, and a context takes it from there (RFC 3261 16.2 to 16.6).
 */
#include "serve/context.h"
#include "serve/forward.h"
#include "serve/loop.h"
#include "serve/redirect.h"

/* Whom the sentences are about. */
static struct oh_span wanted(const struct oh__request *rq)
{
    return rq->user.n ? rq->user : rq->uri_text;
}

/* ---- policy ---- */

static void refuse_by_policy(struct oh__serve *s, const struct oh__request *rq,
                             const struct oh__policy_result *r)
{
    bool call = rq->msg->method == OH_METHOD_INVITE;
    const char *reason = r->reason.n ? oh__say(s, "%.*s", OH_PRI(r->reason)) : NULL;
    const char *why = r->why.n ? oh__say(s, "%.*s", OH_PRI(r->why)) : "the policy has answered";

    s->stats.refused_policy += r->code >= 300;
    oh__redirect_reply(s, rq,
                       &(struct oh__refusal){.code = r->code,
                                             .reason = reason,
                                             .headers = r->headers,
                                             .body = r->body,
                                             .why = r->code >= 300 ? why : NULL,
                                             .fix = "the rule named here decides",
                                             .kind = call ? OH__DECISION_CALL_FAILED
                                                          : OH__DECISION_REQUEST_REFUSED});
}

static struct oh_span domain_text(struct oh__serve *s, const struct oh__request *rq)
{
    struct oh_buf b = oh__arena_buf(s, rq->uri.host.n);

    if (rq->domain && rq->domain->name[0])
        return oh_span_str(rq->domain->name);
    for (size_t i = 0; i < rq->uri.host.n; i++) {
        char ch = rq->uri.host.p[i];

        oh_buf_char(&b, ch >= 'A' && ch <= 'Z' ? (char)(ch + 32) : ch);
    }
    return oh_buf_view(&b);
}

/*
 * What is inside a dialog has a token of ours and does not come here; a tag in To alone may be made
 * up, to get past the policy. Without a token goes what begins nothing outside of a dialog.
 */
static bool policy_applies(const struct oh_msg *m)
{
    if (!m->to_tag.n)
        return true;
    switch (m->method) {
    case OH_METHOD_BYE:
    case OH_METHOD_PRACK:
    case OH_METHOD_UPDATE:
    case OH_METHOD_INFO: return false;
    default: return true;
    }
}

/* Runs the policy function for this request. False: it has answered, or failed. */
static bool ask_policy(struct oh__serve *s, const struct oh__request *rq,
                       struct oh__policy_result *result)
{
    const struct oh__settings *settings = s->env->settings;
    bool call = rq->msg->method == OH_METHOD_INVITE;

    result->verdict = OH__POLICY_PASS;
    if (!s->env->policy || !policy_applies(rq->msg) ||
        !(call ? settings->has_on_call : settings->has_on_request))
        return true;
    struct oh__policy_request request = {.msg = rq->msg,
                                         .flow = &rq->flow,
                                         .account = rq->account,
                                         .user = rq->user,
                                         .domain = domain_text(s, rq),
                                         .trusted = rq->trusted,
                                         .local = rq->role == OH__ROLE_LOCAL,
                                         .wall = oh__date(s->env)};
    enum oh__policy_point point = call ? OH__POLICY_ON_CALL : OH__POLICY_ON_REQUEST;

    memset(result, 0, sizeof *result);
    if (s->env->policy->run(s->env->policy->ctx, point, &request, &s->arena, result) != OH_OK) {
        s->stats.policy_failures++;
        oh__refuse_simply(s, rq, 500,
                          result->why.n ? oh__say(s, "%.*s", OH_PRI(result->why))
                                        : "the policy has failed",
                          "correct the policy; `offhook check` shows where");
        return false;
    }
    if (result->verdict == OH__POLICY_REPLY)
        refuse_by_policy(s, rq, result);
    return result->verdict != OH__POLICY_REPLY;
}

/* ---- targets ---- */

/* Nobody can be called: says which of the reasons it is (PRX-011). */
static void refuse_unreachable(struct oh__serve *s, const struct oh__request *rq,
                               unsigned unreachable, bool known)
{
    struct oh_span who = wanted(rq);

    if (!known) {
        s->stats.not_found++;
        oh__refuse_simply(
            s, rq, 404, oh__say(s, "there is no user %.*s here", OH_PRI(who)),
            oh__say(
                s,
                "check the number that was dialled, or create the account: offhook user add %.*s",
                OH_PRI(oh__pasteable(who))));
    } else if (unreachable) {
        oh__refuse_simply(
            s, rq, 480, oh__say(s, "%.*s is registered, but its connection has ended", OH_PRI(who)),
            "the phone will register again by itself; check its network if it does not");
    } else {
        oh__refuse_simply(s, rq, 480,
                          oh__say(s, "%.*s is not registered: no phone has registered as %.*s",
                                  OH_PRI(who), OH_PRI(who)),
                          "start the phone, or check its account and password");
    }
}

/* What the accounts say of a user: 1 known, 0 unknown, -1 gone for good. Without authentication
 * anybody may be a user. */
static int account_state(struct oh__serve *s, const struct oh__request *rq)
{
    struct oh__account account;

    if (!rq->domain || oh__accounts_find(s->shared->accounts, rq->user,
                                         oh_span_str(rq->domain->name), &account) != OH_OK)
        return 0;
    return account.gone_at ? -1 : 1;
}

/* The bindings of a user of ours. False: refused already. */
static bool local_targets(struct oh__serve *s, const struct oh__request *rq,
                          struct oh__targets *set)
{
    int state = account_state(s, rq);

    if (state < 0) {
        oh__refuse_simply(s, rq, 410,
                          oh__say(s, "the account %.*s was removed", OH_PRI(wanted(rq))),
                          "tell the caller the new number");
        return false;
    }
    if (oh__targets_add_user(s, set, rq->aor, OH__Q_OWN) != OH_OK) {
        oh__refuse_simply(s, rq, 500, "memory was short when the phones of the user were looked up",
                          NULL);
        return false;
    }
    if (set->n == 0) {
        refuse_unreachable(s, rq, set->unreachable, state > 0 || set->unreachable);
        return false;
    }
    return true;
}

/* Targets that the policy named. */
static bool policy_targets(struct oh__serve *s, const struct oh__request *rq,
                           const struct oh__policy_result *r, struct oh__targets *set)
{
    for (unsigned i = 0; i < r->targets_n && i < OH__POLICY_TARGETS_MAX; i++)
        oh__targets_add_uri(s, set, &rq->flow, r->targets[i].uri, r->targets[i].q);
    for (unsigned i = 0; i < set->n; i++)
        set->v[i].chosen = true;
    if (set->n == 0) {
        oh__refuse_simply(s, rq, 480,
                          oh__say(s, "no phone is registered for any target of the policy (%.*s)",
                                  OH_PRI(r->why)),
                          "register one of them, or change the rule");
        return false;
    }
    return true;
}

/* Only those who are known may use this server to reach others (decision 13). */
static bool may_relay(struct oh__serve *s, const struct oh__request *rq)
{
    if (rq->authenticated || rq->trusted)
        return true;
    s->stats.refused_relay++;
    oh__refuse_simply(
        s, rq, 403,
        oh__say(s, "a stranger asked to reach %.*s through this server", OH_PRI(rq->uri_text)),
        "add the domain to domains if it is yours, or the sender to trusted");
    return false;
}

/* Finds the target set. False: refused already. */
static bool find_targets(struct oh__serve *s, const struct oh__request *rq,
                         const struct oh__policy_result *policy, struct oh__targets *set)
{
    unsigned most = s->env->settings->branches_max;

    if (!oh__targets_init(s, set, most ? most : 1)) {
        oh__refuse_simply(s, rq, 500, "memory was short", NULL);
        return false;
    }
    if (policy->verdict == OH__POLICY_ROUTE)
        return policy_targets(s, rq, policy, set);
    if (rq->role == OH__ROLE_LOCAL)
        return local_targets(s, rq, set);
    oh__targets_add(set, &(struct oh__candidate){.uri = rq->uri_text, .q = 1000});
    return true;
}

/* ---- loops and breadth ---- */

/* RFC 5393 4.2.2 and 5.3.3; gives the hash for our own branches. False: refused. */
static bool check_loop(struct oh__serve *s, const struct oh__request *rq, unsigned targets,
                       uint64_t *hash)
{
    const struct oh_msg *m = rq->msg;
    uint32_t breadth = 1;
    int has = oh_msg_number(m, OH_HEADER_MAX_BREADTH, &breadth);

    *hash = oh__loop_hash(s, rq);
    if (oh__loop_found(s, m, *hash)) {
        s->stats.loops++;
        oh__refuse_simply(s, rq, 482, "the request came back unchanged: it runs in a circle",
                          "look for a forwarding or a Contact that leads back to the same user");
        return false;
    }
    bool parallel = oh_msg_has_token(m, OH_HEADER_REQUEST_DISPOSITION, OH_LIT("parallel"));

    if (has == OH_OK && (breadth == 0 || (parallel && breadth < targets))) {
        oh__refuse_simply(s, rq, 440,
                          "the request may not be forked as widely as it asks for (Max-Breadth)",
                          "raise Max-Breadth, or register fewer phones for one user");
        return false;
    }
    return true;
}

/* ---- the doors ---- */

/* Makes the context and starts its branches. */
static void start(struct oh__serve *s, struct oh__request *rq, struct oh_span rows,
                  const struct oh__targets *set, uint64_t loop)
{
    struct oh__context *c = oh__context_new(s, rq, rows, loop);

    if (!c)
        return;
    if (c->aor_n && c->method == OH_METHOD_INVITE)
        c->version = oh__location_version(s->shared->location, rq->aor);
    for (unsigned i = 0; i < set->n; i++)
        if (oh__context_add(s, c, &set->v[i]) != OH_OK && c->n == 0)
            c->best = 500;
    oh__branches_run(s, c, rq->msg);
    oh__context_advance(s, c);
}

void oh__proxy_run(struct oh__serve *s, struct oh__request *rq)
{
    struct oh__policy_result policy;
    struct oh__targets set;
    uint64_t loop;

    if (!ask_policy(s, rq, &policy))
        return;
    if (rq->role == OH__ROLE_FOREIGN && !may_relay(s, rq))
        return;
    if (!find_targets(s, rq, &policy, &set) || !check_loop(s, rq, set.n, &loop))
        return;
    if (rq->role == OH__ROLE_LOCAL && rq->domain->mode == OH__DOMAIN_REDIRECT && !rq->msg->to_tag.n)
        oh__redirect_run(s, rq, &set);
    else
        start(s, rq, policy.verdict == OH__POLICY_ROUTE ? policy.headers : oh_span(NULL, 0), &set,
              loop);
}

/* The target inside a dialog: the token's flow, or the next Route or Request-URI. */
static struct oh__candidate dialog_target(const struct oh__request *rq)
{
    return (struct oh__candidate){.uri = rq->uri_text,
                                  .flow = rq->token.flow,
                                  .bound = rq->token.kind == OH__TOKEN_FLOW,
                                  .q = 1000};
}

/* An ACK over a flow needs nothing that is kept; a name of the next hop has to be looked up first.
 */
static void forward_ack(struct oh__serve *s, struct oh__request *rq, const struct oh__targets *set)
{
    struct oh__forward f = {.msg = rq->msg,
                            .in = rq->flow,
                            .out = rq->token.flow,
                            .uri = rq->uri_text,
                            .credentials = rq->credentials,
                            .routes_popped = rq->routes_popped,
                            .strict_upstream = rq->strict_upstream};

    if (rq->token.kind == OH__TOKEN_FLOW)
        s->stats.acks_dropped += !oh__forward_ack(s, &f);
    else
        start(s, rq, oh_span(NULL, 0), set, 0);
}

void oh__proxy_dialog(struct oh__serve *s, struct oh__request *rq)
{
    struct oh__candidate target = dialog_target(rq);
    struct oh__targets set = {.n = 1, .max = 1, .v = &target};
    uint64_t loop;

    if (rq->msg->method == OH_METHOD_ACK)
        forward_ack(s, rq, &set);
    else if (check_loop(s, rq, 1, &loop))
        start(s, rq, oh_span(NULL, 0), &set, loop);
}
