/*
 * The target set of a request (RFC 3261 16.5), each target once: whoever is
 * registered under two spellings of one URI, or named by a policy and a
 * registration, rings once. The set lives in the arena of the request; what is
 * tried for longer is copied into branches (context.c).
 */
#include "serve/targets.h"

#include "serve/target.h"

bool oh__targets_init(struct oh__serve *s, struct oh__targets *set, unsigned max)
{
    *set = (struct oh__targets){.max = max};
    set->v = oh_arena_take(&s->arena, max * sizeof *set->v);
    return set->v != NULL;
}

bool oh__candidate_same(const struct oh__candidate *a, const struct oh__candidate *b)
{
    struct oh_uri x, y;

    /* Behind NATs two phones may have the same private Contact; their flows tell them apart. */
    if (a->bound && b->bound && !oh_flow_same(&a->flow, &b->flow))
        return false;
    if (oh_span_eq(a->uri, b->uri))
        return true;
    return oh_uri_parse(a->uri, &x, NULL) == OH_OK && oh_uri_parse(b->uri, &y, NULL) == OH_OK &&
           oh_uri_equal(&x, &y);
}

bool oh__targets_add(struct oh__targets *set, const struct oh__candidate *candidate)
{
    if (set->n == set->max)
        return false;
    for (unsigned i = 0; i < set->n; i++)
        if (oh__candidate_same(&set->v[i], candidate))
            return false;
    set->v[set->n++] = *candidate;
    return true;
}

int oh__targets_add_user(struct oh__serve *s, struct oh__targets *set, struct oh_span aor,
                         unsigned q)
{
    struct oh__binding_list *list = oh_arena_take(&s->arena, sizeof *list);

    if (!list)
        return OH_E_NOMEM;
    list->n = 0;
    int err = oh__location_get(s->shared->location, aor, s->env->wall, &s->arena, list);

    for (unsigned i = 0; err == OH_OK && i < list->n; i++) {
        struct oh__binding *b = &list->v[i];

        /* Counted and not forgotten: "its connection has ended" is another answer than "it never
         * registered" (PRX-011). */
        if (!b->reachable || !oh__target_rebind(s->env->settings, &b->flow)) {
            set->unreachable++;
            continue;
        }
        oh__targets_add(set, &(struct oh__candidate){.uri = b->contact,
                                                     .path = b->path,
                                                     .flow = b->flow,
                                                     .bound = true,
                                                     .own = true,
                                                     .q = (uint16_t)(q <= 1000  ? q
                                                                     : b->has_q ? b->q
                                                                                : 1000)});
    }
    return err;
}

unsigned oh__targets_add_uri(struct oh__serve *s, struct oh__targets *set, const struct oh_flow *in,
                             struct oh_span uri, unsigned q)
{
    unsigned before = set->n;
    struct oh__named named;
    struct oh_uri parsed;

    if (oh_uri_parse(uri, &parsed, NULL) != OH_OK)
        return 0;
    oh__name_of(s, in, &parsed, &named);
    /* One of our own users is his phones; to send to his AOR would be to send to ourselves. */
    if (named.domain)
        oh__targets_add_user(s, set, named.aor, q);
    else if (parsed.scheme == OH_SCHEME_SIP || parsed.scheme == OH_SCHEME_SIPS)
        oh__targets_add(set,
                        &(struct oh__candidate){.uri = uri, .q = (uint16_t)(q <= 1000 ? q : 1000)});
    return set->n - before;
}
