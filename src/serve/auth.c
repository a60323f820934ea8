/*
 * Who sent this request? RFC 3261 22 with RFC 7616 and RFC 8760.
 *
 * Everybody who is neither a configured peer nor proves to be an account is
 * challenged before anything is looked up, so users cannot be enumerated
 * (decision 13). An unknown name costs the same hashing and gets the same
 * answer as a wrong password: the digest of a name that nobody has is computed
 * with a key that nobody knows. What was really wrong is told to the
 * administrator alone, as a decision.
 *
 * Nothing is remembered about a challenge; a failure costs one entry in the
 * guard's bounded table, a success one in the table of nonces.
 */
#include "serve/auth.h"

#include "store/store.h"

#define CHALLENGE_MAX 512
#define USER_MAX      256

/* So many times more failures than one account may have are no mistyped passwords of an office, but
 * somebody who tries one account after another. */
#define SPRAY 16

/* The realm that is asked for, and what is found about who answers. */
struct proof {
    const struct oh__settings_domain *domain;
    struct oh_span realm;
    const struct oh_row *row;
    struct oh_credentials c;
    char name_text[USER_MAX];
    struct oh_span name; /* as sent, decoded */
    struct oh__account account;
    bool known;  /* account is set and live */
    bool hashed; /* and has a hash for the algorithm */
};

static bool as_proxy(const struct oh__request *rq)
{
    return rq->role != OH__ROLE_REGISTRAR && rq->role != OH__ROLE_OWN;
}

/* The text of a domain: realm, and domain of AORs; what has no name of its own has the default one.
 */
static struct oh_span domain_text(const struct oh__settings *settings,
                                  const struct oh__settings_domain *d)
{
    const char *name = d->alias_of[0] ? d->alias_of : d->name;

    return oh_span_str(name[0] ? name : settings->default_domain);
}

/* The algorithms that a domain offers, in order; a domain that names none offers MD5. */
static const uint8_t *algorithms(const struct oh__settings_domain *d)
{
    static const uint8_t usual[] = {OH_HASH_MD5};

    return d->digest[0] == OH_HASH_NONE ? usual : d->digest;
}

/* How many of them there are: the list may fill its array, and then nothing ends it. */
static unsigned algorithms_n(const struct oh__settings_domain *d)
{
    unsigned n = 0;

    while (n < sizeof(d->digest) && d->digest[n] != OH_HASH_NONE)
        n++;
    return n ? n : 1;
}

/* The domain that asks: the target's, else the sender's when it is one of ours, else the server's.
 */
static const struct oh__settings_domain *asking(struct oh__serve *s, const struct oh__request *rq)
{
    struct oh__named from;

    if (rq->role != OH__ROLE_FOREIGN && rq->domain)
        return rq->domain;
    oh__name_of(s, &rq->flow, &rq->msg->from_uri, &from);
    return from.domain ? from.domain : oh__settings_main(s->env->settings);
}

static void put_challenge(struct oh_buf *b, bool proxy, const struct oh_challenge *challenge)
{
    if (proxy)
        oh_buf_lit(b, "Proxy-Authenticate: ");
    else
        oh_buf_lit(b, "WWW-Authenticate: ");
    oh_challenge_put(b, challenge);
    oh_buf_lit(b, "\r\n");
}

void oh__auth_challenge(struct oh__serve *s, const struct oh__request *rq, bool stale,
                        const char *why, const char *fix)
{
    const struct oh__settings_domain *d = asking(s, rq);
    struct oh_challenge c = {
        .realm = domain_text(s->env->settings, d), .qop = OH_QOP_AUTH, .stale = stale};
    struct oh_buf b = oh__arena_buf(s, 3 * CHALLENGE_MAX);
    char nonce[OH__NONCE_MAX];
    size_t n = oh__nonce_make(s->shared->nonces, s->env->wall, oh__rng_u64(&s->rng), c.realm,
                              &rq->flow.peer, nonce);
    bool proxy = as_proxy(rq);

    c.nonce = oh_span(nonce, n);
    for (unsigned i = 0; i < algorithms_n(d); i++) {
        c.algorithm.hash = algorithms(d)[i];
        put_challenge(&b, proxy, &c);
    }
    s->stats.challenges++;
    oh__refuse(s, rq,
               &(struct oh__refusal){.code = proxy ? 407 : 401,
                                     .headers = oh_buf_view(&b),
                                     .why = why,
                                     .fix = fix,
                                     .kind = OH__DECISION_AUTH_FAILED});
}

/*
 * Who needs no proof. OPTIONS to the server itself and what belongs to a
 * dialog that it does not have are answered without looking at the sender;
 * ACK and CANCEL never come here (RFC 3261 22.1).
 */
static bool exempt(const struct oh__request *rq)
{
    if (rq->trusted)
        return true;
    return rq->role == OH__ROLE_OWN &&
           (rq->msg->method == OH_METHOD_OPTIONS || rq->msg->to_tag.n > 0);
}

/*
 * A domain may be open to strangers; whoever claims to be one of ours is no stranger. A port that
 * we do not listen on makes another target of it, but a person reads the same name.
 */
static bool stranger_welcome(struct oh__serve *s, const struct oh__request *rq)
{
    const struct oh__settings *settings = s->env->settings;
    const struct oh_uri *uri = &rq->msg->from_uri;
    struct oh__named from;

    if (rq->role != OH__ROLE_LOCAL || !rq->domain->accept_foreign)
        return false;
    oh__name_of(s, &rq->flow, uri, &from);
    return !from.domain && !oh__settings_domain(settings, uri->host) &&
           !oh__settings_is_us(settings, uri->host, 0, &rq->flow.local);
}

static bool offered(const struct oh__settings_domain *d, uint8_t hash)
{
    for (unsigned i = 0; i < algorithms_n(d); i++) {
        if (algorithms(d)[i] == hash)
            return true;
    }
    return false;
}

/* Escapes in a realm of credentials are rare; without any it is compared as it stands. */
static bool same_realm(struct oh_span sent, struct oh_span ours)
{
    char text[OH__NAME_MAX];
    struct oh_buf b;

    if (oh_span_find(sent, '\\') < 0)
        return oh_span_eq(sent, ours);
    oh_buf_init(&b, text, sizeof(text));
    oh_unquote(sent, &b);
    return !b.full && oh_span_eq(oh_buf_view(&b), ours);
}

enum found { FOUND_NONE, FOUND_OTHER_REALM, FOUND_BAD, FOUND_WEAK, FOUND_OURS };

/*
 * The first credentials for our realm with an algorithm that was offered. Rows
 * of other schemes and realms belong to others (PRX-007, AUT-001). Without
 * one, the most telling of the others is what the decision is about.
 */
static enum found find_row(const struct oh__request *rq, struct proof *p)
{
    const struct oh_msg *m = rq->msg;
    enum found best = FOUND_NONE;
    enum oh_header_id id = as_proxy(rq) ? OH_HEADER_PROXY_AUTHORIZATION : OH_HEADER_AUTHORIZATION;

    for (const struct oh_row *r = oh_msg_row(m, id); r; r = oh_msg_row_next(m, r)) {
        struct oh_credentials c;
        enum found is = FOUND_OURS;
        int result = oh_credentials_decode(oh_row_value(m, r), &c, NULL);

        if (result != OH_OK)
            is = FOUND_BAD;
        else if (!oh_span_ieq(c.scheme, OH_LIT("Digest")))
            continue;
        else if (!same_realm(c.realm, p->realm))
            is = FOUND_OTHER_REALM;
        else if (!offered(p->domain, c.algorithm.hash))
            is = FOUND_WEAK;
        if (is <= best)
            continue;
        best = is;
        if (result == OH_OK)
            p->c = c;
        p->row = r;
        if (is == FOUND_OURS)
            break;
    }
    return best;
}

static struct oh_span hash_name(uint8_t hash)
{
    return oh_algorithm_text((struct oh_algorithm){.hash = hash});
}

/* No usable credentials: a challenge, and a word to the administrator when somebody seems to have
 * tried. */
static void nothing_usable(struct oh__serve *s, const struct oh__request *rq, const struct proof *p,
                           enum found found)
{
    const char *why = NULL, *fix = NULL;

    if (found == FOUND_BAD) {
        why = "the credentials cannot be read";
        fix = "the phone's digest is malformed: update its software";
    } else if (found == FOUND_WEAK) {
        why = oh__say(s, "the phone answered with %.*s, but this domain accepts %.*s",
                      OH_PRI(p->c.algorithm_text.n ? p->c.algorithm_text : OH_LIT("MD5")),
                      OH_PRI(hash_name(algorithms(p->domain)[0])));
        fix = "add the algorithm to `digest` of the domain, or use a phone that knows the other";
    } else if (found == FOUND_OTHER_REALM && !as_proxy(rq)) {
        why = oh__say(s, "the phone answered for realm '%.*s', but here it is '%.*s'",
                      OH_PRI(p->c.realm), OH_PRI(p->realm));
        fix = "leave the realm empty in the phone, or set it to the one that the server names";
    }
    oh__auth_challenge(s, rq, false, why, fix);
}

/* Finds the account that the name belongs to; a hashed name is looked up as such (RFC 7616 3.4.4).
 */
static void find_account(struct oh__serve *s, struct proof *p)
{
    struct oh_buf b;

    oh_buf_init(&b, p->name_text, sizeof(p->name_text));
    if (oh_credentials_user(&p->c, &b) != OH_OK)
        return;
    p->name = oh_buf_view(&b);
    p->known = oh__accounts_find_auth(s->shared->accounts, p->name, p->realm, p->c.userhash,
                                      &p->account) == OH_OK &&
               p->account.gone_at == 0;
    p->hashed = p->known && p->account.ha1_len[p->c.algorithm.hash - 1] > 0;
}

/* The same work whether the name exists or not. */
static bool response_right(struct oh__serve *s, const struct oh__request *rq, const struct proof *p)
{
    static const char nobody[] = "0000000000000000000000000000000000000000000000000000000000000000";
    uint8_t hash = p->c.algorithm.hash;
    struct oh_span ha1 = p->hashed ? oh_span(p->account.ha1[hash - 1], p->account.ha1_len[hash - 1])
                                   : oh_span(nobody, 2 * oh_hash_size(hash));
    char expected[OH_HASH_HEX_MAX];
    size_t n = oh_digest_response(s->env->hasher, &p->c, ha1, rq->msg->method_text, rq->msg->body,
                                  expected);
    bool same = n > 0 && oh_digest_equal(oh_span(expected, n), p->c.response);

    return same && p->hashed;
}

/* One sentence about a failure, and what to do about it. */
static void explain(struct oh__serve *s, const struct proof *p, const char **why, const char **fix)
{
    struct oh_span name = p->name;

    if (!p->known) {
        *why = p->c.userhash ? "nobody here has the hashed name that the phone sent"
                             : oh__say(s, "nobody is called '%.*s' here", OH_PRI(name));
        *fix = oh__say(s, "make the account with `offhook user add %.*s`, or correct the phone",
                       OH_PRI(p->c.userhash ? OH_LIT("NAME") : oh__pasteable(name)));
        return;
    }
    name = oh_span_str(p->account.user);
    *fix = oh__say(s, "set a new one with `offhook user passwd %.*s`, or correct the phone",
                   OH_PRI(oh__pasteable(name)));
    if (p->hashed)
        *why = oh__say(s, "wrong password for %.*s (digest does not match)", OH_PRI(name));
    else
        *why = oh__say(s, "%.*s has no password stored for %.*s", OH_PRI(name),
                       OH_PRI(hash_name(p->c.algorithm.hash)));
}

/*
 * The name that wrong passwords are counted for. An account has one, whether its user name, its
 * authentication name or a hash was sent; what nobody is called counts under the name that was
 * tried, so that nothing tells the two apart.
 */
static struct oh_span guessed_name(struct oh__serve *s, const struct proof *p)
{
    struct oh_span user = p->known ? oh_span_str(p->account.user) : p->name;
    struct oh_span domain = p->known ? oh_span_str(p->account.domain) : p->realm;
    struct oh_buf b = oh__arena_buf(s, user.n + domain.n + 1);

    oh_buf_span(&b, user);
    oh_buf_char(&b, '@');
    oh_buf_span(&b, domain.n ? domain : p->realm);
    return oh_buf_view(&b);
}

/* Whether the account has a phone at this very address, port included, or (nearby) at this source.
 */
static bool at_home(struct oh__serve *s, const struct oh__request *rq, const struct proof *p,
                    bool nearby)
{
    struct oh_span domain = oh_span_str(p->account.domain);
    struct oh_buf b = oh__arena_buf(s, USER_MAX * 3 + OH__NAME_MAX + 1);
    struct oh__binding_list list;

    if (!p->known)
        return false;
    oh__put_aor(&b, oh_span_str(p->account.user),
                domain.n ? domain : domain_text(s->env->settings, p->domain));
    if (oh__location_get(s->shared->location, oh_buf_view(&b), s->env->wall, &s->arena, &list) !=
        OH_OK)
        return false;
    for (unsigned i = 0; i < list.n; i++) {
        const struct oh_addr *peer = &list.v[i].flow.peer;

        if (nearby ? oh_addr_same_host(peer, &rq->flow.peer) : oh_addr_eq(peer, &rq->flow.peer))
            return true;
    }
    return false;
}

/*
 * A source with a phone of ours is never banned, and might guess for ever. So it gets no answers
 * about an account whose password it has guessed at too often, and, when it tries one password
 * after another on account after account, about none but those that live there. Silence costs
 * nothing: not even the hash is computed.
 */
static bool guesses(struct oh__serve *s, const struct oh__request *rq, const struct proof *p)
{
    struct oh__guard *g = s->shared->guard;
    uint64_t now = s->env->now;
    const struct oh_addr *peer = &rq->flow.peer;

    if (!oh__guard_has_guesses(g))
        return false;
    if (oh__guard_guessed(g, now, peer, guessed_name(s, p)) && !at_home(s, rq, p, false))
        return true;
    return oh__guard_guessed(g, now, peer, OH_LIT("")) && !at_home(s, rq, p, true);
}

/*
 * Counts a failure for the pair of source and account, and for the source with all accounts. Of a
 * source that is banned altogether nothing more needs to be said.
 */
static void count_guess(struct oh__serve *s, const struct oh__request *rq, const struct proof *p,
                        bool is_banned)
{
    struct oh__guard *g = s->shared->guard;
    const struct oh__settings *settings = s->env->settings;
    struct oh__guard_limits limits = {settings->failures_max, settings->ban_window,
                                      settings->ban_time};
    struct oh_span name = guessed_name(s, p);

    if (oh__guard_guess(g, s->env->now, &rq->flow.peer, name, &limits) && !is_banned)
        oh__decide(
            s, rq, OH__DECISION_BANNED, 0,
            oh__say(s, "more than %u wrong passwords for %.*s from this address",
                    (unsigned)limits.failures_max, OH_PRI(name)),
            "it gets no answers about this account for a while; `offhook bans list` lists it");
    if (limits.failures_max <= UINT32_MAX / SPRAY)
        limits.failures_max *= SPRAY;
    if (oh__guard_guess(g, s->env->now, &rq->flow.peer, OH_LIT(""), &limits) && !is_banned)
        oh__decide(s, rq, OH__DECISION_BANNED, 0,
                   oh__say(s, "more than %u wrong passwords for many accounts from this address",
                           (unsigned)limits.failures_max),
                   "only accounts with a phone there get answers for a while; `offhook bans list`");
}

static void failed(struct oh__serve *s, const struct oh__request *rq, const struct proof *p)
{
    const struct oh__settings *settings = s->env->settings;
    const char *why, *fix;
    bool banned;

    s->stats.auth_failed++;
    explain(s, p, &why, &fix);
    banned = oh__guard_fail(s->shared->guard, s->env->now, &rq->flow.peer, settings->failures_max,
                            settings->ban_window, settings->ban_time) &&
             !oh__location_has_source(s->shared->location, &rq->flow.peer);
    oh__auth_challenge(s, rq, false, why, fix);
    count_guess(s, rq, p, banned);
    if (!banned)
        return;
    oh__decide(s, rq, OH__DECISION_BANNED, 0,
               oh__say(s, "more than %u failed authentications from this address",
                       (unsigned)settings->failures_max),
               "it gets no answers for a while: `offhook bans list` shows it, `offhook bans "
               "clear` lifts it");
}

/*
 * AUT-007: `uri` may differ from the Request-URI, because proxies rewrite it,
 * but must name what we would accept; credentials made for somebody else's
 * server are not good here.
 */
static bool uri_plausible(struct oh__serve *s, const struct oh__request *rq, struct oh_span text)
{
    struct oh__named named;
    struct oh_uri uri;

    if (oh_span_eq(text, rq->msg->uri))
        return true;
    if (oh_uri_parse(text, &uri, NULL) != OH_OK)
        return false;
    if (uri.scheme == OH_SCHEME_OTHER)
        return oh_span_eq(text, rq->uri_text);
    oh__name_of(s, &rq->flow, &uri, &named);
    return named.domain || oh_span_ieq(uri.host, rq->uri.host);
}

/* The nonce of a right response: good once per nc. False when it was answered with a challenge. */
static bool nonce_fresh(struct oh__serve *s, struct oh__request *rq, const struct proof *p,
                        enum oh__nonce_state state)
{
    /* Without qop the response does not cover nc (RFC 7616 3.4.1): whoever has seen it could count
     * on. */
    bool counted = p->c.qop != OH_QOP_NONE && p->c.has_nc;

    if (state == OH__NONCE_GOOD) {
        state = oh__nonce_use(s->shared->nonces, p->c.nonce, counted ? p->c.nc : 0);
        /* A REGISTER has no transaction here, so this may be its own retransmission. */
        if (state != OH__NONCE_GOOD && rq->role == OH__ROLE_REGISTRAR) {
            rq->replayed = true;
            return true;
        }
    }
    if (state == OH__NONCE_GOOD)
        return true;
    oh__auth_challenge(s, rq, true, NULL, NULL);
    return false;
}

/* Notes who it is. False when there is no room for the name. */
static bool take_account(struct oh__serve *s, struct oh__request *rq, const struct proof *p)
{
    struct oh_span user = oh_span_str(p->account.user);
    struct oh_span domain = oh_span_str(p->account.domain);
    struct oh_buf b = oh__arena_buf(s, 3 * user.n + OH__NAME_MAX + 1);

    /* An account without a domain serves all of them: it is of the one that asked. */
    oh__put_aor(&b, user, domain.n ? domain : domain_text(s->env->settings, p->domain));
    if (b.full)
        return false;
    rq->account = oh_buf_view(&b);
    rq->account_flags = p->account.flags;
    rq->authenticated = true;
    rq->credentials = as_proxy(rq) ? p->row : NULL;
    return true;
}

/* RFC 3323 4.1.1.3: what From says when its owner wants it so. */
static bool anonymous(const struct oh_uri *from)
{
    return oh_span_ieq(from->host, OH_LIT("anonymous.invalid"));
}

/* PRX-008: From must be the sender's own address. */
static bool from_own(struct oh__serve *s, const struct oh__request *rq, const struct proof *p)
{
    const struct oh_uri *from = &rq->msg->from_uri;
    struct oh_span domain = oh_span_str(p->account.domain);
    struct oh__named named;

    if (anonymous(from))
        return true;
    if (rq->role == OH__ROLE_REGISTRAR && (p->account.flags & OH__ACCOUNT_ADMIN))
        return true;
    oh__name_of(s, &rq->flow, from, &named);
    if (!named.domain || !oh_span_eq(named.user, oh_span_str(p->account.user)))
        return false;
    return domain.n == 0 || oh_span_ieq(domain, domain_text(s->env->settings, named.domain));
}

/* The right person may still not be permitted. */
static bool permitted(struct oh__serve *s, struct oh__request *rq, const struct proof *p)
{
    const struct oh_msg *m = rq->msg;

    if (!from_own(s, rq, p)) {
        oh__refuse_simply(s, rq, 403,
                          oh__say(s, "%.*s proved to be itself but wrote '%.*s' into From",
                                  OH_PRI(rq->account), OH_PRI(m->from.uri)),
                          "set the phone's user name and domain to those of its account");
        return false;
    }
    if ((p->account.flags & OH__ACCOUNT_BARRED) &&
        (m->method == OH_METHOD_INVITE || m->method == OH_METHOD_MESSAGE)) {
        oh__refuse_simply(s, rq, 403, oh__say(s, "%.*s may not call out", OH_PRI(rq->account)),
                          "the account is barred: allow it again with `offhook user`");
        return false;
    }
    return true;
}

/* Credentials for our realm, with an algorithm that we offered. */
static bool judge(struct oh__serve *s, struct oh__request *rq, struct proof *p)
{
    uint64_t life_ms = s->env->settings->nonce_life / 1000000;
    enum oh__nonce_state state = oh__nonce_check(s->shared->nonces, s->env->wall, life_ms,
                                                 p->c.nonce, p->realm, &rq->flow.peer);

    if (state == OH__NONCE_FOREIGN) {
        /* Of another server, or from before our key changed: not worth a word, nor a hash. */
        oh__auth_challenge(s, rq, false, NULL, NULL);
        return false;
    }
    if (state == OH__NONCE_MOVED) {
        /* Perhaps not even sent by whom it seems to come from: it counts for nothing. */
        oh__auth_challenge(s, rq, true, NULL, NULL);
        return false;
    }
    find_account(s, p);
    if (guesses(s, rq, p)) {
        s->stats.guesses_dropped++;
        return false;
    }
    if (!response_right(s, rq, p)) {
        failed(s, rq, p);
        return false;
    }
    if (!uri_plausible(s, rq, p->c.uri)) {
        oh__auth_challenge(s, rq, false,
                           oh__say(s, "the credentials were made for '%.*s'", OH_PRI(p->c.uri)),
                           "the phone's registrar or proxy setting names another server");
        return false;
    }
    if (!nonce_fresh(s, rq, p, state))
        return false;
    if (!take_account(s, rq, p)) {
        oh__refuse_simply(s, rq, 500, "out of memory", "give the server more");
        return false;
    }
    s->stats.auth_ok++;
    oh__guard_ok(s->shared->guard, &rq->flow.peer);
    if (oh__guard_has_guesses(s->shared->guard))
        oh__guard_known(s->shared->guard, &rq->flow.peer, guessed_name(s, p));
    return permitted(s, rq, p);
}

bool oh__auth_run(struct oh__serve *s, struct oh__request *rq)
{
    struct proof *p;
    enum found found;

    if (exempt(rq))
        return true;
    p = oh_arena_take(&s->arena, sizeof(*p));
    if (!p) {
        oh__refuse_simply(s, rq, 500, "out of memory", "give the server more");
        return false;
    }
    memset(p, 0, sizeof(*p));
    p->domain = asking(s, rq);
    p->realm = domain_text(s->env->settings, p->domain);
    found = find_row(rq, p);
    if (found == FOUND_OURS)
        return judge(s, rq, p);
    if (stranger_welcome(s, rq))
        return true;
    nothing_usable(s, rq, p, found);
    return false;
}
