/*
 * A request that comes back unchanged runs in a circle; one that comes back
 * with another target is on its way (a spiral). So everything that decides
 * where it goes is hashed, and the hash travels in the sealed branch of our
 * Via, where only we read it.
 */
#include "serve/loop.h"

#define TEXT_MAX 1024

/* What is hashed, one part after the other. */
struct text {
    struct oh__hash_key key;
    char p[TEXT_MAX];
    size_t n;
};

/* Begins anew with the hash of what did not fit together. */
static void fold(struct text *t)
{
    uint64_t sum = oh__hash(&t->key, oh_span(t->p, t->n));

    memcpy(t->p, &sum, sizeof sum);
    t->n = sizeof sum;
}

/* Each part has its length before it, so that no two lists of parts look the same. */
static void part(struct text *t, struct oh_span s)
{
    uint32_t n = (uint32_t)s.n;

    if (t->n + sizeof n + sizeof(uint64_t) + s.n > TEXT_MAX)
        fold(t);
    memcpy(t->p + t->n, &n, sizeof n);
    t->n += sizeof n;
    if (t->n + s.n <= TEXT_MAX) {
        if (s.n)
            memcpy(t->p + t->n, s.p, s.n);
        t->n += s.n;
        return;
    }
    uint64_t sum = oh__hash(&t->key, s);

    memcpy(t->p + t->n, &sum, sizeof sum);
    t->n += sizeof sum;
}

/*
 * What decides where a request goes: for a user of ours the address of record alone, unless a
 * policy function reads the whole URI. Two servers whose users have ten contacts each at the other,
 * told apart by a parameter that nobody looks at, would fork on until the last order of the twenty
 * has been tried.
 */
static struct oh_span deciding(const struct oh__serve *s, const struct oh__request *rq)
{
    const struct oh__settings *settings = s->env->settings;

    if (rq->role != OH__ROLE_LOCAL || settings->has_on_call || settings->has_on_request)
        return rq->uri_text;
    return rq->aor;
}

/* The target, the Routes that remain, and what tells one call from another (RFC 5393 4.2.4). */
uint64_t oh__loop_hash(const struct oh__serve *s, const struct oh__request *rq)
{
    const struct oh_msg *m = rq->msg;
    struct text t;
    struct oh_list it = {0};
    struct oh_span value;
    unsigned n = 0;

    /* Not the key of the tokens itself: this hash is weaker, and can be read in our branches. */
    t.key = (struct oh__hash_key){~s->shared->token_key.k1, ~s->shared->token_key.k0};
    t.n = 0;
    part(&t, deciding(s, rq));
    part(&t, m->call_id);
    part(&t, m->from_tag);
    part(&t, m->to_tag);
    while (rq->has_route && oh_list_next(m, OH_HEADER_ROUTE, &it, &value) == OH_OK)
        if (n++ >= rq->routes_popped)
            part(&t, value);
    return oh__hash(&t.key, oh_span(t.p, t.n));
}

static bool same(const struct oh__serve *s, struct oh_span branch, uint64_t hash)
{
    uint64_t before;

    return oh_branch_loop(s->shared->secret, branch, &before) && before == hash;
}

bool oh__loop_found(const struct oh__serve *s, const struct oh_msg *msg, uint64_t hash)
{
    const struct oh_row *row = oh_msg_row(msg, OH_HEADER_VIA);
    struct oh_list it = {0};
    struct oh_span value;
    struct oh_via via;

    /* The first one is decoded already, and usually the only one. */
    if (same(s, msg->via.branch, hash))
        return true;
    if (!row->next && oh_span_find(oh_row_value(msg, row), ',') < 0)
        return false;
    if (oh_list_next(msg, OH_HEADER_VIA, &it, &value) != OH_OK)
        return false;
    while (oh_list_next(msg, OH_HEADER_VIA, &it, &value) == OH_OK)
        if (oh_via_decode(value, &via, NULL) == OH_OK && same(s, via.branch, hash))
            return true;
    return false;
}
