/*
 * The registrar: RFC 3261 10.3, step by step in its order. Steps 1 to 3
 * (domain, Require, authentication) are done when a request arrives here.
 *
 * A REGISTER is answered without a transaction: it is idempotent, and so is
 * its repetition, because the location service recognises the same Call-ID,
 * CSeq and content (OH__REG_REPEATED). Everything is read and checked before
 * anything is changed, and the location service changes all or nothing, so a
 * refused REGISTER leaves no trace (UAS-014). The reply waits for the
 * journal's commit, so what a phone was told survives kill -9.
 */
#include <offhook/date.h>

#include "serve/auth.h"
#include "serve/own.h"
#include "sip/value.h"
#include "store/store.h"

#define EXPIRES_MALFORMED   3600 /* RFC 3261 10.2.1.1 */
#define EXPIRES_NEVER_BRIEF 3600 /* RFC 3261 10.3 step 7: from here on 423 is not allowed */
#define AGENT_MAX           128
#define SIP_PORT            5060

/* A REGISTER being worked on. Large; only what is used is written. */
struct work {
    struct oh__named to;
    struct oh__registration reg;
    uint32_t expires;  /* what a Contact without `expires` asks for */
    bool expires_zero; /* the header Expires is there and 0 */
    struct oh_span path;
    struct oh__binding contacts[OH__BINDINGS_PER_AOR];
    struct oh__binding_list now;
};

/* Step 5 comes before step 4 here, because what is authorised is the AOR that To names. */
static bool find_aor(struct oh__serve *s, struct oh__request *rq, struct work *w)
{
    const struct oh_uri *to = &rq->msg->to_uri;

    if (to->scheme != OH_SCHEME_SIP && to->scheme != OH_SCHEME_SIPS) {
        oh__refuse_simply(s, rq, 400, "To is not a sip: address, so nobody can be registered",
                          "set the phone's user name and domain");
        return false;
    }
    oh__name_of(s, &rq->flow, to, &w->to);
    if (w->to.domain == rq->domain && w->to.user.n)
        return true;
    oh__refuse_simply(s, rq, 404,
                      oh__say(s, "To is '%.*s', which is no user of the domain that was asked",
                              OH_PRI(rq->msg->to.uri)),
                      "set the phone's domain to one of this server's");
    return false;
}

static bool own_aor(const struct oh__request *rq, const struct work *w)
{
    return rq->authenticated && oh_span_eq(rq->account, w->to.aor);
}

/* Step 4: everybody for himself; an administrator, and a network that is trusted, for all. */
static bool authorised(struct oh__serve *s, struct oh__request *rq, const struct work *w)
{
    if (rq->trusted || own_aor(rq, w) || (rq->account_flags & OH__ACCOUNT_ADMIN))
        return true;
    oh__refuse_simply(
        s, rq, 403,
        oh__say(s, "%.*s may not register for %.*s", OH_PRI(rq->account), OH_PRI(w->to.aor)),
        "use the credentials of that account, or make this one an administrator");
    return false;
}

/* Step 5. Where nobody has to prove anything, names need no accounts either. */
static bool aor_exists(struct oh__serve *s, struct oh__request *rq, const struct work *w)
{
    const struct oh__settings *settings = s->env->settings;
    struct oh__account account;
    struct oh_span domain = oh_span_str(w->to.domain->name);

    if (own_aor(rq, w) || settings->no_auth)
        return true;
    if (domain.n == 0)
        domain = oh_span_str(settings->default_domain);
    if (oh__accounts_find(s->shared->accounts, w->to.user, domain, &account) == OH_OK &&
        account.gone_at == 0)
        return true;
    oh__refuse_simply(s, rq, 404, oh__say(s, "nobody is called '%.*s' here", OH_PRI(w->to.user)),
                      oh__say(s, "make the account with `offhook user add %.*s`",
                              OH_PRI(oh__pasteable(w->to.user))));
    return false;
}

/* Step 6: what the header Expires asks for. Malformed counts as an hour. */
static void read_expires(struct oh__serve *s, struct oh__request *rq, struct work *w)
{
    uint32_t value;
    int r = oh_msg_number(rq->msg, OH_HEADER_EXPIRES, &value);

    w->expires_zero = r == OH_OK && value == 0;
    if (r == OH_OK)
        w->expires = value;
    else
        w->expires = r == OH_E_ABSENT ? s->env->settings->expires_default : EXPIRES_MALFORMED;
}

static bool bad_contact(struct oh__serve *s, struct oh__request *rq, struct oh_span value,
                        const char *what)
{
    oh__refuse_simply(s, rq, 400, oh__say(s, "Contact '%.*s': %s", OH_PRI(value), what),
                      "the phone's software is at fault: update it");
    return false;
}

static bool is_rule_param(struct oh_span name)
{
    return oh_span_ieq(name, OH_LIT("q")) || oh_span_ieq(name, OH_LIT("expires"));
}

/* Folds inside a quoted value become blanks: the text will stand in rows of ours. */
static void put_unfolded(struct oh_buf *b, struct oh_span text)
{
    for (size_t i = 0; i < text.n; i++)
        oh_buf_char(b, text.p[i] == '\r' || text.p[i] == '\n' ? ' ' : text.p[i]);
}

/* The Contact's parameters that are stored: all but q and expires, each with its ";" and no blanks.
 */
static struct oh_span stored_params(struct oh__serve *s, struct oh_span params)
{
    struct oh_buf b;
    struct oh_param p;

    if (params.n == 0)
        return params;
    b = oh__arena_buf(s, params.n);
    while (oh_param_next(&params, &p) == OH_OK) {
        if (is_rule_param(p.name))
            continue;
        oh_buf_char(&b, ';');
        oh_buf_span(&b, p.name);
        if (!p.value.p)
            continue;
        oh_buf_char(&b, '=');
        if (p.quoted)
            oh_buf_char(&b, '"');
        put_unfolded(&b, p.value);
        if (p.quoted)
            oh_buf_char(&b, '"');
    }
    return oh_buf_view(&b);
}

/*
 * True when requests for this contact would come straight back: it names us,
 * or the very address that is being registered (REG-024).
 */
static bool points_home(struct oh__serve *s, const struct oh__request *rq, const struct oh_uri *uri)
{
    const struct oh__settings *settings = s->env->settings;
    const struct oh_uri *to = &rq->msg->to_uri;
    bool name = uri->addr.family == OH_FAMILY_NONE;
    uint16_t port = uri->port || name ? uri->port : SIP_PORT;

    if (uri->scheme != OH_SCHEME_SIP && uri->scheme != OH_SCHEME_SIPS)
        return false;
    if (oh_span_ieq(uri->host, to->host) && uri->port == to->port &&
        oh_span_eq(uri->user, to->user))
        return true;
    /* Without listed domains every name counts as ours, the phone's own included. */
    if (name && oh__settings_domain(settings, uri->host) == &settings->fallback)
        return oh_span_ieq(uri->host, to->host) &&
               oh__settings_is_us(settings, uri->host, port, &rq->flow.local);
    return oh__settings_is_us(settings, uri->host, port, &rq->flow.local);
}

/*
 * Somebody between the phone and us writes other addresses than the phone does: the host of its
 * Contact or Via is not the source's, or its Contact names the port that the Via names and the
 * packet came from another. A phone that receives on another port than it sends from, and whose
 * Via is true, is not behind NAT. Names prove nothing, and a stream's port means nothing.
 */
static bool behind_nat(const struct oh__request *rq, const struct oh_uri *uri)
{
    const struct oh_via *via = &rq->msg->via;
    const struct oh_addr *peer = &rq->flow.peer;
    bool true_via = via->addr.family == OH_FAMILY_NONE || oh_addr_same_host(&via->addr, peer);

    if (!true_via || (uri->addr.family != OH_FAMILY_NONE && !oh_addr_same_host(&uri->addr, peer)))
        return true;
    return !oh_transport_reliable(rq->flow.transport) && via->addr.family != OH_FAMILY_NONE &&
           (via->port ? via->port : SIP_PORT) != peer->port;
}

/* Where the binding is reached: behind NAT and over streams where the REGISTER came from, else the
 * address that the Contact names. */
static struct oh_flow flow_to(const struct oh__request *rq, const struct oh_uri *uri, bool nat)
{
    struct oh_flow flow = rq->flow;

    if (!nat && flow.transport == OH_TRANSPORT_UDP && uri->addr.family != OH_FAMILY_NONE)
        flow.peer.port = uri->port ? uri->port : SIP_PORT;
    return flow;
}

/* Step 7: how long a contact will be held. False after 423; 0 asks for removal and is always
 * allowed. */
static bool grant(struct oh__serve *s, struct oh__request *rq, uint32_t asked, uint32_t *granted)
{
    const struct oh__settings *settings = s->env->settings;
    struct oh_buf b;

    if (asked == 0 || asked >= settings->expires_min || asked >= EXPIRES_NEVER_BRIEF) {
        *granted = asked < settings->expires_max ? asked : settings->expires_max;
        return true;
    }
    b = oh__arena_buf(s, 64);
    oh_buf_lit(&b, "Min-Expires: ");
    oh_buf_u64(&b, settings->expires_min);
    oh_buf_lit(&b, "\r\n");
    oh__refuse(s, rq,
               &(struct oh__refusal){
                   .code = 423,
                   .headers = oh_buf_view(&b),
                   .why = oh__say(s, "the phone wants to register for %u s, the least is %u s",
                                  (unsigned)asked, (unsigned)settings->expires_min),
                   .fix = "raise the interval in the phone; most do so by themselves",
                   .kind = OH__DECISION_REGISTER_REFUSED});
    return false;
}

static bool too_much(struct oh__serve *s, struct oh__request *rq, unsigned code, const char *reason,
                     const char *why)
{
    s->stats.refused_limits++;
    oh__refuse(s, rq,
               &(struct oh__refusal){.code = code,
                                     .reason = reason,
                                     .why = why,
                                     .fix = "remove phones of this user, or raise the limit",
                                     .kind = OH__DECISION_REGISTER_REFUSED});
    return false;
}

/* One Contact value: checked, and noted as a binding to be. */
static bool read_contact(struct oh__serve *s, struct oh__request *rq, struct work *w,
                         struct oh_span value, const struct oh_address *address)
{
    const struct oh_msg *m = rq->msg;
    struct oh__binding *b = &w->contacts[w->reg.contacts_n];
    struct oh_contact_params rules;
    struct oh_uri uri;
    bool nat;
    uint32_t expires;

    if (value.n > s->env->settings->contact_len_max)
        return too_much(s, rq, 413, NULL, "a Contact is longer than `contact_len_max` allows");
    if (oh_uri_parse(address->uri, &uri, NULL) != OH_OK)
        return bad_contact(s, rq, value, "the URI is malformed");
    if (oh_params_check(address->params) != OH_OK)
        return bad_contact(s, rq, value, "the parameters are malformed");
    if (oh_contact_params(address, &rules) != OH_OK)
        return bad_contact(s, rq, value, "q is not a number from 0 to 1");
    if (!grant(s, rq, rules.has_expires ? rules.expires : w->expires, &expires))
        return false;
    if (expires && points_home(s, rq, &uri)) {
        oh__refuse_simply(s, rq, 403,
                          oh__say(s, "Contact '%.*s' is this server itself: calls would loop",
                                  OH_PRI(address->uri)),
                          "the phone must register the address where it can be reached");
        return false;
    }
    nat = behind_nat(rq, &uri);
    *b = (struct oh__binding){
        .contact = address->uri,
        .params = stored_params(s, address->params),
        .call_id = m->call_id,
        .user_agent = oh_span_head(oh_msg_value(m, OH_HEADER_USER_AGENT), AGENT_MAX),
        .path = w->path,
        .cseq = m->cseq,
        .q = rules.q,
        .has_q = rules.has_q,
        .nat = nat,
        .reachable = true,
        .expires_at = expires ? s->env->wall + expires * UINT64_C(1000) : 0,
        .updated_at = s->env->wall,
        .flow = flow_to(rq, &uri, nat)};
    w->reg.contacts_n++;
    return true;
}

/* RFC 3261 10.3 step 6: "*" stands alone, and only with Expires: 0. */
static bool star_ok(struct oh__serve *s, struct oh__request *rq, const struct work *w)
{
    if (!w->reg.star || (w->reg.contacts_n == 0 && w->expires_zero))
        return true;
    oh__refuse_simply(s, rq, 400, "Contact: * stands with other contacts, or without Expires: 0",
                      "the phone's software is at fault: update it");
    return false;
}

/* RFC 3327 5.3: the proxies in between, first one first, kept as one list. */
static bool read_path(struct oh__serve *s, struct oh__request *rq, struct work *w)
{
    const struct oh_msg *m = rq->msg;
    struct oh_list it = {0};
    struct oh_address address;
    struct oh_span value;
    struct oh_buf b;
    int r;

    w->path = oh_span("", 0);
    if (!oh_msg_row(m, OH_HEADER_PATH))
        return true;
    b = oh__arena_buf(s, m->body_at);
    while ((r = oh_list_next(m, OH_HEADER_PATH, &it, &value)) == OH_OK) {
        r = oh_address_decode(value, &address, NULL);
        if (r != OH_OK)
            break;
        if (b.n)
            oh_buf_char(&b, ',');
        put_unfolded(&b, value);
    }
    if (r == OH_E_ABSENT && b.n > s->env->settings->contact_len_max)
        return too_much(s, rq, 413, NULL, "the Path is longer than `contact_len_max` allows");
    if (r == OH_E_ABSENT && !b.full) {
        w->path = oh_buf_view(&b);
        return true;
    }
    oh__refuse_simply(s, rq, 400, "a Path value of the request is malformed",
                      "look at the proxy between the phone and this server");
    return false;
}

static bool read_contacts(struct oh__serve *s, struct oh__request *rq, struct work *w)
{
    struct oh_list it = {0};
    struct oh_address address;
    struct oh_span value;
    int r;

    while ((r = oh_list_next(rq->msg, OH_HEADER_CONTACT, &it, &value)) == OH_OK) {
        if (oh_address_decode(value, &address, NULL) != OH_OK)
            return bad_contact(s, rq, value, "it is no address");
        if (address.star && w->reg.star)
            return bad_contact(s, rq, value, "it is there twice");
        if (address.star) {
            w->reg.star = true;
            continue;
        }
        if (w->reg.contacts_n == OH__BINDINGS_PER_AOR)
            return too_much(s, rq, 403, "Too many contacts", "more contacts than can be kept");
        if (!read_contact(s, rq, w, value, &address))
            return false;
    }
    /* No value was given then: the row tells what is meant. */
    if (r != OH_E_ABSENT)
        return bad_contact(s, rq, oh_msg_value(rq->msg, OH_HEADER_CONTACT),
                           "quotes or brackets do not match");
    return star_ok(s, rq, w);
}

/* What the policy answers instead of us. A registrar never says 6xx (REG-016): that is for calls.
 */
static void policy_reply(struct oh__serve *s, struct oh__request *rq,
                         const struct oh__policy_result *result)
{
    struct oh_span why = result->why.n ? result->why : OH_LIT("on_register refused it");
    unsigned code = result->code >= 600 ? 403 : result->code;

    s->stats.refused_policy += code >= 300;
    oh__refuse(s, rq,
               &(struct oh__refusal){.code = code,
                                     .reason = oh__say(s, "%.*s", OH_PRI(result->reason)),
                                     .headers = result->headers,
                                     .body = result->body,
                                     .why = oh__say(s, "%.*s", OH_PRI(why)),
                                     .fix = "it is the policy of this server",
                                     .kind = code < 300 ? OH__DECISION_REGISTERED
                                                        : OH__DECISION_REGISTER_REFUSED});
}

/* Asks on_register. False when it answered, or failed. */
static bool policy_passes(struct oh__serve *s, struct oh__request *rq, const struct work *w)
{
    const struct oh__policy *policy = s->env->policy;
    struct oh__policy_result result;
    struct oh__policy_request ask = {.msg = rq->msg,
                                     .flow = &rq->flow,
                                     .account = rq->account,
                                     .user = w->to.user,
                                     .domain = oh_span_str(w->to.domain->name),
                                     .trusted = rq->trusted,
                                     .local = true,
                                     .wall = oh__date(s->env)};

    if (!policy || !s->env->settings->has_on_register)
        return true;
    memset(&result, 0, sizeof(result));
    int r = policy->run(policy->ctx, OH__POLICY_ON_REGISTER, &ask, &s->arena, &result);

    if (r == OH_OK && result.verdict == OH__POLICY_PASS)
        return true;
    if (r == OH_OK && result.verdict == OH__POLICY_REPLY && result.code >= 200) {
        policy_reply(s, rq, &result);
        return false;
    }
    s->stats.policy_failures++;
    oh__refuse_simply(s, rq, 500,
                      r == OH_OK ? "on_register may only answer with reply{} or nothing"
                                 : oh__say(s, "on_register failed: %.*s", OH_PRI(result.why)),
                      "correct the configuration file");
    return false;
}

/* Why the location service refused, in the words of the RFC. */
static void refuse_commit(struct oh__serve *s, struct oh__request *rq, const struct work *w, int r)
{
    struct oh__location_stats stats;

    if (r == OH_E_STATE && rq->replayed) {
        oh__auth_challenge(s, rq, true, NULL, NULL);
        return;
    }
    if (r == OH_E_STATE) {
        oh__refuse_simply(s, rq, 500, "the REGISTER is older than one that was served (CSeq)",
                          "two phones share one Call-ID, or the network reorders packets");
        return;
    }
    if (r == OH_E_LIMIT) {
        too_much(s, rq, 403, "Too many contacts",
                 oh__say(s, "%.*s would have more than %u contacts", OH_PRI(w->to.aor),
                         (unsigned)w->reg.contacts_max));
        return;
    }
    oh__location_stats(s->shared->location, &stats);
    if (r == OH_E_FULL && stats.bindings >= s->env->settings->bindings_max) {
        too_much(s, rq, 503, NULL, "the location table is full (`bindings_max`)");
        return;
    }
    s->stats.store_failures++;
    oh__refuse_simply(s, rq, 500,
                      oh__say(s, "the registration could not be stored: %s", oh_error_text(r)),
                      "look at the disk of the state directory");
}

static bool commit(struct oh__serve *s, struct oh__request *rq, struct work *w,
                   enum oh__registered *done)
{
    const struct oh__settings *settings = s->env->settings;
    int r;

    w->reg.aor = w->to.aor;
    w->reg.call_id = rq->msg->call_id;
    w->reg.cseq = rq->msg->cseq;
    w->reg.contacts = w->contacts;
    w->reg.wall = s->env->wall;
    w->reg.repeat_only = rq->replayed;
    w->reg.contacts_max = settings->contacts_max < OH__BINDINGS_PER_AOR ? settings->contacts_max
                                                                        : OH__BINDINGS_PER_AOR;
    r = oh__location_register(s->shared->location, &w->reg, s->env->journal, &s->arena, &w->now,
                              done);
    if (r != OH_OK) {
        refuse_commit(s, rq, w, r);
        return false;
    }
    /* A repetition may overtake the commit of what it repeats, when both came in one batch. */
    if (s->env->journal && *done != OH__REG_FETCHED)
        s->durable = true;
    return true;
}

static void put_contact(struct oh_buf *b, const struct oh__binding *binding, uint64_t wall)
{
    uint64_t left = binding->expires_at > wall ? binding->expires_at - wall : 0;

    oh_buf_lit(b, "Contact: <");
    oh_buf_span(b, binding->contact);
    oh_buf_char(b, '>');
    oh_buf_span(b, binding->params);
    if (binding->has_q) {
        oh_buf_lit(b, ";q=");
        oh__put_qvalue(b, binding->q);
    }
    oh_buf_lit(b, ";expires=");
    oh_buf_u64(b, (left + 999) / 1000);
    oh_buf_lit(b, "\r\n");
}

/* Step 8: all that is current, whoever registered it. */
static void answer(struct oh__serve *s, struct oh__request *rq, const struct work *w)
{
    const struct oh__binding_list *now = &w->now;
    size_t room = 128 + w->path.n;
    struct oh_buf b;

    for (unsigned i = 0; i < now->n; i++)
        room += now->v[i].contact.n + now->v[i].params.n + 64;
    b = oh__arena_buf(s, room);
    for (unsigned i = 0; i < now->n; i++)
        put_contact(&b, &now->v[i], s->env->wall);
    if (w->path.n && oh_msg_has_token(rq->msg, OH_HEADER_SUPPORTED, OH_LIT("path"))) {
        oh_buf_lit(&b, "Path: ");
        oh_buf_span(&b, w->path);
        oh_buf_lit(&b, "\r\n");
    }
    oh_buf_lit(&b, "Date: ");
    oh_date_put(&b, (int64_t)(oh__date(s->env) / 1000));
    oh_buf_lit(&b, "\r\n");
    if (b.full)
        oh__refuse_simply(s, rq, 500, "out of memory for the answer", "give the server more");
    else
        oh__refuse(s, rq, &(struct oh__refusal){.code = 200, .headers = oh_buf_view(&b)});
}

/* Only what changed is worth a word: a phone refreshes a hundred times a day. */
static void note(struct oh__serve *s, struct oh__request *rq, const struct work *w)
{
    char peer[OH_ADDR_TEXT_MAX];

    if (w->now.added) {
        const struct oh__binding *b = &w->contacts[w->reg.contacts_n - 1];

        oh_addr_text(&rq->flow.peer, peer);
        oh__decide(s, rq, OH__DECISION_REGISTERED, 200,
                   oh__say(s, "%.*s is reachable at %.*s, from %s%s", OH_PRI(w->to.aor),
                           OH_PRI(b->contact), peer, b->nat ? " (behind NAT)" : ""),
                   NULL);
    } else if (w->now.removed) {
        oh__decide(s, rq, OH__DECISION_UNREGISTERED, 200,
                   oh__say(s, "%.*s took %u contact%s back, %u left", OH_PRI(w->to.aor),
                           w->now.removed, w->now.removed == 1 ? "" : "s", w->now.n),
                   NULL);
    }
}

/* A stream that bindings use stays open although nothing is said on it; one on which a phone has
 * only taken its contacts back does not. */
static void keep_flow(struct oh__serve *s, const struct oh__request *rq, const struct work *w)
{
    for (unsigned i = 0; rq->flow.id && i < w->now.n; i++) {
        if (w->now.v[i].flow.id != rq->flow.id)
            continue;
        oh__serve_push(s, &(struct oh__serve_output){.kind = OH__SERVE_KEEP, .flow = rq->flow});
        return;
    }
}

void oh__registrar_run(struct oh__serve *s, struct oh__request *rq)
{
    enum oh__registered done;
    struct work w;

    memset(&w.reg, 0, sizeof(w.reg));
    if (!find_aor(s, rq, &w) || !authorised(s, rq, &w) || !aor_exists(s, rq, &w))
        return;
    read_expires(s, rq, &w);
    if (!read_path(s, rq, &w) || !read_contacts(s, rq, &w) || !policy_passes(s, rq, &w))
        return;
    if (!commit(s, rq, &w, &done))
        return;
    keep_flow(s, rq, &w);
    answer(s, rq, &w);
    if (done == OH__REG_DONE)
        note(s, rq, &w);
}
