/*
 * Registered phones, a page at a time: a table of two million bindings neither
 * fits into one reply nor may keep the control thread for a second.
 */
#include "host/control_topics.h"

#define PAGE_MOST  2000
#define LOOKS_MOST 200000 /* AORs passed over in one page when somebody looks for one */

static json_t *json_of(const struct oh__binding *b, struct oh_span aor, uint64_t wall)
{
    json_t *o = json_object();

    json_object_set_new(o, "aor", oh__json_text(aor));
    json_object_set_new(o, "contact", oh__json_text(b->contact));
    json_object_set_new(o, "from", oh__json_addr(&b->flow.peer));
    json_object_set_new(o, "transport", oh__json_text(oh_transport_param(b->flow.transport)));
    json_object_set_new(o, "device", oh__json_text(b->user_agent));
    json_object_set_new(o, "nat", json_boolean(b->nat));
    json_object_set_new(o, "reachable", json_boolean(b->reachable));
    json_object_set_new(o, "round_trip_us", b->rtt_us ? json_integer(b->rtt_us) : json_null());
    /* Rounded up, so that a phone is not shown with 0 s while it is still registered. */
    json_object_set_new(o, "expires_in",
                        json_integer((json_int_t)((b->expires_at - wall + 999) / 1000)));
    json_object_set_new(o, "registered_ms", json_integer((json_int_t)b->updated_at));
    json_object_set_new(o, "q", b->has_q ? json_real((double)b->q / 1000) : json_null());
    json_object_set_new(o, "path", b->path.n ? oh__json_text(b->path) : json_null());
    json_object_set_new(o, "params", oh__json_text(b->params));
    return o;
}

/* "101" is 101 of every domain. */
static bool wanted(struct oh_span aor, struct oh_span who)
{
    ptrdiff_t at = oh_span_find(aor, '@');

    if (who.n == 0 || oh_span_ieq(aor, who))
        return true;
    return at >= 0 && oh_span_eq(oh_span_head(aor, (size_t)at), who);
}

/* Fills one page; true when the table may have more. */
static bool fill(struct oh__host *host, struct oh_span who, uint64_t most,
                 struct oh__location_cursor *at, json_t *list)
{
    uint64_t wall = oh__clock_wall(), version;
    struct oh__binding_list bindings;
    struct oh_arena arena;
    struct oh_span aor;
    unsigned looks = 0;
    int r = OH_OK;

    oh_arena_init(&arena, oh_alloc_default(), 1024 * 1024);
    while (json_array_size(list) < most && looks++ < LOOKS_MOST) {
        oh_arena_reset(&arena);
        r = oh__location_next(host->shared.location, at, &arena, &aor, &version, &bindings);
        if (r != OH_OK)
            break;
        for (unsigned i = 0; wanted(aor, who) && i < bindings.n; i++)
            if (bindings.v[i].expires_at > wall)
                json_array_append_new(list, json_of(&bindings.v[i], aor, wall));
    }
    oh_arena_done(&arena);
    return r == OH_OK;
}

json_t *oh__control_phones(struct oh__host *host, const json_t *request)
{
    const json_t *from = json_object_get(request, "cursor");
    struct oh_span who = oh__json_member(request, "who");
    uint64_t most = oh__json_u64(request, "limit", PAGE_MOST);
    struct oh__location_cursor at = {
        .stripe = (uint32_t)json_integer_value(json_array_get(from, 0)),
        .slot = (uint32_t)json_integer_value(json_array_get(from, 1)),
        .tie = (uint32_t)json_integer_value(json_array_get(from, 2))};
    struct oh__location_stats stats;
    json_t *reply = oh__control_ok(), *list = json_array();

    if (most == 0 || most > PAGE_MOST)
        most = PAGE_MOST;
    bool more = fill(host, who, most, &at, list);

    oh__location_stats(host->shared.location, &stats);
    json_object_set_new(reply, "phones", list);
    json_object_set_new(reply, "registered", json_integer(stats.bindings));
    json_object_set_new(
        reply, "next",
        more ? json_pack("[I,I,I]", (json_int_t)at.stripe, (json_int_t)at.slot, (json_int_t)at.tie)
             : json_null());
    return reply;
}
