#include "serve/loop.h"

/* A part of the text that is hashed; its own hash goes in, so that no two lists of parts look the
 * same. */
static void mix(const struct oh__hash_key *key, uint64_t *sum, struct oh_span part)
{
    uint64_t both[2] = {*sum, oh__hash(key, part)};

    *sum = oh__hash(key, oh_span((const char *)both, sizeof both));
}

/* What the location service and the routing look at: target, Routes that remain, and what tells one
 * call from another (RFC 5393 4.2.4). */
uint64_t oh__loop_hash(const struct oh__serve *s, const struct oh__request *rq)
{
    const struct oh__hash_key *key = &s->shared->token_key;
    const struct oh_msg *m = rq->msg;
    struct oh_list it = {0};
    struct oh_span value;
    unsigned n = 0;
    uint64_t sum = 0;

    mix(key, &sum, rq->uri_text);
    mix(key, &sum, m->call_id);
    mix(key, &sum, m->from_tag);
    mix(key, &sum, m->to_tag);
    while (oh_list_next(m, OH_HEADER_ROUTE, &it, &value) == OH_OK)
        if (n++ >= rq->routes_popped)
            mix(key, &sum, value);
    return sum;
}

bool oh__loop_found(const struct oh__serve *s, const struct oh_msg *msg, uint64_t hash)
{
    struct oh_list it = {0};
    struct oh_span value, branch;
    uint64_t before;

    while (oh_list_next(msg, OH_HEADER_VIA, &it, &value) == OH_OK) {
        /* A Via that is none of ours need not be decoded in full. */
        struct oh_via via;

        if (oh_via_decode(value, &via, NULL) != OH_OK)
            continue;
        branch = via.branch;
        if (branch.n && oh_branch_loop(s->shared->secret, branch, &before) && before == hash)
            return true;
    }
    return false;
}
