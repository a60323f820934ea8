/*
 * Every contact of the request is first judged against the bindings that were
 * there before it, and only then is the new list built: so the order of the
 * contacts does not matter, a contact that comes twice is not taken for an
 * attempt to use a CSeq twice, and a failure leaves nothing half done.
 *
 * A REGISTER that was processed already may come again, because its 200 was
 * lost and the server keeps no transaction for it. RFC 3261 10.3 would answer
 * 500 to its CSeq; it is recognised by content instead and answered with 200.
 *
 * A phone on a stream may come back from another port, and so with another
 * Contact, before what it had has expired. Bindings of streams that have ended
 * are called by nobody, so they give way: to the same device at once, to
 * anybody else when there would be too many.
 */
#include "serve/location_apply.h"

#include <offhook/params.h>
#include <offhook/uri.h>

#define MOST OH__BINDINGS_PER_AOR

#define NONE (-1)

/* The bindings' URIs, parsed when somebody asks. */
struct parsed {
    struct oh_uri uri[MOST];
    uint32_t tried, good; /* bit i: uri[i] was parsed; and it is a URI */
};

_Static_assert(MOST <= 32, "masks of uint32_t have a bit for each binding");

/* Does binding i have this URI? What is no URI (it came from a file) equals nothing. */
static bool parsed_equal(struct parsed *p, unsigned i, struct oh_span text, const struct oh_uri *to)
{
    uint32_t bit = UINT32_C(1) << i;

    if (!(p->tried & bit) && oh_uri_parse(text, &p->uri[i], NULL) == OH_OK)
        p->good |= bit;
    p->tried |= bit;
    return (p->good & bit) && oh_uri_equal(&p->uri[i], to);
}

/*
 * The first of n bindings with this contact, or NONE. One with the very same text is preferred: URI
 * equality is not transitive, so there may be several, and usually there is that one.
 */
static int find_contact(const struct oh__binding *v, unsigned n, struct oh_span contact,
                        struct parsed *parsed)
{
    struct oh_uri uri;

    for (unsigned i = 0; i < n; i++)
        if (oh_span_eq(v[i].contact, contact))
            return (int)i;
    if (n == 0 || oh_uri_parse(contact, &uri, NULL) != OH_OK)
        return NONE;
    for (unsigned i = 0; i < n; i++)
        if (parsed_equal(parsed, i, v[i].contact, &uri))
            return (int)i;
    return NONE;
}

/* A contact for no time, or for a time that is over, takes its binding away. */
static bool removes(const struct oh__registration *reg, const struct oh__binding *contact)
{
    return contact->expires_at <= reg->wall;
}

/* The same contact with the same parameters for the same time. */
static bool same_content(const struct oh__registration *reg, const struct oh__binding *contact,
                         const struct oh__binding *bound)
{
    return !removes(reg, contact) &&
           contact->expires_at - reg->wall == bound->expires_at - bound->updated_at &&
           contact->q == bound->q && contact->has_q == bound->has_q &&
           oh_span_eq(contact->params, bound->params);
}

/* NEUTRAL: removing what is not there, which agrees with a repeat and with anything else. */
enum verdict { CHANGES, REPEATS, NEUTRAL, OUT_OF_ORDER };

/* RFC 3261 10.3 step 7 for one contact and the binding it names, which may be NULL. */
static enum verdict judge(const struct oh__registration *reg, const struct oh__binding *contact,
                          const struct oh__binding *bound)
{
    if (!bound)
        return removes(reg, contact) ? NEUTRAL : CHANGES;
    if (!oh_span_eq(bound->call_id, reg->call_id) || reg->cseq > bound->cseq)
        return CHANGES;
    if (reg->cseq == bound->cseq && same_content(reg, contact, bound))
        return REPEATS;
    return OUT_OF_ORDER;
}

/*
 * What is to be done with each contact of the request: the binding it names, or NONE; and whether a
 * later contact of the same request takes its place. And which bindings go without being named.
 */
struct plan {
    int target[MOST];
    bool replaced[MOST];
    uint32_t gives_way; /* bit j: binding j, which is unreachable */
};

/* Judges all contacts. OH_E_STATE when one of them must not be served, and so none of them. */
static int make_plan(const struct oh__binding_list *now, const struct oh__registration *reg,
                     struct plan *plan, enum oh__registered *done)
{
    struct parsed bound, asked; /* large: only the masks are cleared */
    unsigned changes = 0, repeats = 0;

    bound.tried = bound.good = asked.tried = asked.good = 0;
    plan->gives_way = 0;
    for (unsigned i = 0; i < reg->contacts_n; i++) {
        const struct oh__binding *c = &reg->contacts[i];
        int earlier = find_contact(reg->contacts, i, c->contact, &asked);
        int at = find_contact(now->v, now->n, c->contact, &bound);
        enum verdict v = judge(reg, c, at == NONE ? NULL : &now->v[at]);

        if (v == OUT_OF_ORDER)
            return OH_E_STATE;
        changes += v == CHANGES;
        repeats += v == REPEATS;
        plan->target[i] = at;
        plan->replaced[i] = false;
        if (earlier != NONE)
            plan->replaced[earlier] = true;
    }
    /* Part of the content is what that CSeq brought before and part is not: other content. */
    if (repeats && changes)
        return OH_E_STATE;
    *done = repeats ? OH__REG_REPEATED : OH__REG_DONE;
    return OH_OK;
}

/* The binding that a contact makes, as an update of another when bound is not NULL. */
static struct oh__binding binding_of(const struct oh__registration *reg,
                                     const struct oh__binding *contact,
                                     const struct oh__binding *bound)
{
    struct oh__binding b = *contact;

    b.call_id = reg->call_id;
    b.cseq = reg->cseq;
    b.updated_at = reg->wall;
    b.reachable = true; /* the request has just come from there */
    b.id = bound ? bound->id : 0;
    if (bound && oh_flow_same(&bound->flow, &b.flow))
        b.rtt_us = bound->rtt_us;
    return b;
}

/* The contact that names binding j, the last one if there are several; NONE when none does. */
static int contact_for(const struct plan *plan, unsigned contacts_n, int j)
{
    for (unsigned i = contacts_n; i-- > 0;)
        if (plan->target[i] == j)
            return (int)i;
    return NONE;
}

/* Does contact i make a binding that was not there? */
static bool is_new(const struct oh__registration *reg, const struct plan *plan, unsigned i)
{
    return plan->target[i] == NONE && !plan->replaced[i] && !removes(reg, &reg->contacts[i]);
}

/* Does binding j go, because the request takes it away or because it gives way? */
static bool goes(const struct oh__registration *reg, const struct plan *plan, unsigned j)
{
    int i = contact_for(plan, reg->contacts_n, (int)j);

    return (plan->gives_way >> j & 1) || (i != NONE && removes(reg, &reg->contacts[i]));
}

/* May binding j give way? Not one that the request itself refreshes or removes. */
static bool expendable(const struct oh__binding_list *now, const struct oh__registration *reg,
                       const struct plan *plan, unsigned j)
{
    return !now->v[j].reachable && !(plan->gives_way >> j & 1) &&
           contact_for(plan, reg->contacts_n, (int)j) == NONE;
}

/* The device that a binding belongs to (RFC 5626 4.1); empty when the phone does not tell. */
static struct oh_span instance_of(const struct oh__binding *b)
{
    struct oh_span value;

    return oh_param_find(b->params, OH_LIT("+sip.instance"), &value) ? value : oh_span(NULL, 0);
}

/* New bindings take the place of those that the same device had on streams that have ended. */
static void replace_instances(const struct oh__binding_list *now,
                              const struct oh__registration *reg, struct plan *plan)
{
    for (unsigned i = 0; i < reg->contacts_n; i++) {
        struct oh_span instance = instance_of(&reg->contacts[i]);

        if (instance.n == 0 || !is_new(reg, plan, i))
            continue;
        for (unsigned j = 0; j < now->n; j++)
            if (expendable(now, reg, plan, j) && oh_span_eq(instance_of(&now->v[j]), instance))
                plan->gives_way |= UINT32_C(1) << j;
    }
}

/* The expendable binding that was refreshed the longest time ago, or NONE. */
static int oldest_expendable(const struct oh__binding_list *now, const struct oh__registration *reg,
                             const struct plan *plan)
{
    int oldest = NONE;

    for (unsigned j = 0; j < now->n; j++)
        if (expendable(now, reg, plan, j) &&
            (oldest == NONE || now->v[j].updated_at < now->v[oldest].updated_at))
            oldest = (int)j;
    return oldest;
}

/*
 * Keeps to the bound: unreachable bindings give way first, then it is OH_E_LIMIT. Whoever has more
 * than a bound that was lowered may still refresh and remove.
 */
static int make_room(const struct oh__binding_list *now, const struct oh__registration *reg,
                     struct plan *plan)
{
    unsigned most = reg->contacts_max < MOST ? reg->contacts_max : MOST, n = 0;

    for (unsigned j = 0; j < now->n; j++)
        n += !goes(reg, plan, j);
    for (unsigned i = 0; i < reg->contacts_n; i++)
        n += is_new(reg, plan, i);
    if (n <= now->n)
        return OH_OK;
    for (; n > most; n--) {
        int j = oldest_expendable(now, reg, plan);

        if (j == NONE)
            return OH_E_LIMIT;
        plan->gives_way |= UINT32_C(1) << j;
    }
    return OH_OK;
}

/*
 * Builds the new list: those that were there in their old order, then the new ones. make_room has
 * seen to it that they fit.
 */
static void follow_plan(const struct oh__binding_list *now, const struct oh__registration *reg,
                        const struct plan *plan, struct oh__binding_list *next)
{
    next->n = next->added = next->removed = 0;
    for (unsigned j = 0; j < now->n; j++) {
        int i = contact_for(plan, reg->contacts_n, (int)j);

        if (goes(reg, plan, j))
            next->removed++;
        else
            next->v[next->n++] = i == NONE ? now->v[j]
                                           : binding_of(reg, &reg->contacts[i], &now->v[j]);
    }
    for (unsigned i = 0; i < reg->contacts_n; i++) {
        if (!is_new(reg, plan, i))
            continue;
        next->v[next->n++] = binding_of(reg, &reg->contacts[i], NULL);
        next->added++;
    }
}

/* Step 6: all go, unless one of them says that this request is an old one. */
static int apply_star(const struct oh__binding_list *now, const struct oh__registration *reg,
                      struct oh__binding_list *next)
{
    for (unsigned i = 0; i < now->n; i++)
        if (oh_span_eq(now->v[i].call_id, reg->call_id) && reg->cseq <= now->v[i].cseq)
            return OH_E_STATE;
    next->n = next->added = 0;
    next->removed = now->n;
    return OH_OK;
}

int oh__location_apply(const struct oh__binding_list *now, const struct oh__registration *reg,
                       struct oh__binding_list *next, enum oh__registered *done)
{
    struct plan plan;
    int rc;

    if (reg->contacts_n > MOST)
        return OH_E_LIMIT;
    if (reg->star) {
        *done = OH__REG_DONE;
        return apply_star(now, reg, next);
    }
    rc = make_plan(now, reg, &plan, done);
    if (rc != OH_OK)
        return rc;
    if (*done == OH__REG_REPEATED) {
        next->n = now->n;
        next->added = next->removed = 0;
        memcpy(next->v, now->v, now->n * sizeof(now->v[0]));
        return OH_OK;
    }
    replace_instances(now, reg, &plan);
    rc = make_room(now, reg, &plan);
    if (rc == OH_OK)
        follow_plan(now, reg, &plan, next);
    return rc;
}
