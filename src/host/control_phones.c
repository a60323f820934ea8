/*
 * Registered phones, a page at a time: a table of two million bindings neither
 * fits into one reply nor may keep the control thread for a second. Whoever
 * names one AOR gets it by a look-up; a walk that skips what is not wanted is
 * for a name that may stand in several domains.
 */
#include "host/control_topics.h"

#define PAGE_MOST  2000
#define LOOKS_MOST 200000        /* AORs passed over in one page when somebody looks for one */
#define AOR_MEMORY (1024 * 1024) /* bytes for the copy of one AOR; its record is smaller */
#define AOR_MOST   1024 /* bytes of an AOR that can be looked up; a walk finds longer ones */

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

/* Writes what stands behind the last "@" in lower case, as all domains are in the table. */
static void put_lower_domain(struct oh_buf *b, struct oh_span who)
{
    size_t at = who.n;

    while (at > 0 && who.p[at - 1] != '@')
        at--;
    oh_buf_put(b, who.p, at);
    for (; at < who.n; at++)
        oh_buf_char(b, (char)(who.p[at] >= 'A' && who.p[at] <= 'Z' ? who.p[at] | 32 : who.p[at]));
}

/*
 * The one AOR that `who` can mean: NAME@DOMAIN, or a bare NAME where all have the same domain.
 * False when it may mean several, or nobody in particular.
 */
static bool names_one(struct oh__host *host, struct oh_span who, struct oh_buf *aor)
{
    if (who.n && oh_span_find(who, '@') >= 0) {
        put_lower_domain(aor, who);
    } else if (who.n) {
        const struct oh__config *config = oh__host_config(host);
        const struct oh__settings *settings = oh__config_settings(config);

        /* Without listed domains everybody is of the default one. */
        if (settings->domains_n == 0) {
            oh_buf_span(aor, who);
            oh_buf_char(aor, '@');
            oh_buf_span(aor, oh_span_str(settings->default_domain));
        }
        oh__config_unref(config);
    }
    return aor->n && !aor->full;
}

/* The phones of one AOR. OH_OK or OH_E_NOMEM. */
static int add(json_t *list, struct oh_span aor, const struct oh__binding_list *bindings,
               uint64_t wall)
{
    for (unsigned i = 0; i < bindings->n; i++)
        if (bindings->v[i].expires_at > wall &&
            json_array_append_new(list, json_of(&bindings->v[i], aor, wall)) != 0)
            return OH_E_NOMEM;
    return OH_OK;
}

/* Fills one page by walking on. OH_OK when the table may have more, OH_E_ABSENT at its end, or
 * OH_E_NOMEM. */
static int walk(struct oh__host *host, struct oh_span who, uint64_t most, struct oh_arena *arena,
                struct oh__location_cursor *at, json_t *list)
{
    uint64_t wall = oh__host_wall(host, oh__clock_now()), version;
    struct oh__binding_list bindings;
    struct oh_span aor;
    unsigned looks = 0;
    int r = OH_OK;

    while (r == OH_OK && json_array_size(list) < most && looks++ < LOOKS_MOST) {
        oh_arena_reset(arena);
        r = oh__location_next(host->shared.location, at, arena, &aor, &version, &bindings);
        if (r == OH_OK && wanted(aor, who))
            r = add(list, aor, &bindings, wall);
    }
    return r;
}

/* All that one AOR has, which is a page with nothing behind it: OH_E_ABSENT, or OH_E_NOMEM. */
static int look_up(struct oh__host *host, struct oh_span aor, struct oh_arena *arena, json_t *list)
{
    uint64_t wall = oh__host_wall(host, oh__clock_now());
    struct oh__binding_list bindings;
    int r = oh__location_get(host->shared.location, aor, wall, arena, &bindings);

    if (r == OH_OK)
        r = add(list, aor, &bindings, wall);
    return r == OH_OK ? OH_E_ABSENT : r;
}

json_t *oh__control_phones_within(struct oh__host *host, const json_t *request, size_t memory)
{
    const json_t *from = json_object_get(request, "cursor");
    struct oh_span who = oh__json_member(request, "who");
    uint64_t most = oh__json_u64(request, "limit", PAGE_MOST);
    struct oh__location_cursor at = {
        .stripe = (uint32_t)json_integer_value(json_array_get(from, 0)),
        .slot = (uint32_t)json_integer_value(json_array_get(from, 1)),
        .tie = (uint32_t)json_integer_value(json_array_get(from, 2))};
    struct oh__location_stats stats;
    json_t *reply, *list = json_array();
    char text[AOR_MOST];
    struct oh_arena arena;
    struct oh_buf aor;
    int r;

    if (most == 0 || most > PAGE_MOST)
        most = PAGE_MOST;
    oh_buf_init(&aor, text, sizeof text);
    oh_arena_init(&arena, oh_alloc_default(), memory);
    if (names_one(host, who, &aor))
        r = look_up(host, oh_buf_view(&aor), &arena, list);
    else
        r = walk(host, who, most, &arena, &at, list);
    oh_arena_done(&arena);
    /* A list that is cut short would look like one that is complete. */
    if (r != OH_OK && r != OH_E_ABSENT) {
        json_decref(list);
        return oh__control_error(9, "the phones could not be listed: %s", oh_error_text(r));
    }
    oh__location_stats(host->shared.location, &stats);
    reply = oh__control_ok();
    json_object_set_new(reply, "phones", list);
    json_object_set_new(reply, "registered", json_integer(stats.bindings));
    json_object_set_new(reply, "next",
                        r == OH_OK ? json_pack("[I,I,I]", (json_int_t)at.stripe,
                                               (json_int_t)at.slot, (json_int_t)at.tie)
                                   : json_null());
    return reply;
}

json_t *oh__control_phones(struct oh__host *host, const json_t *request)
{
    return oh__control_phones_within(host, request, AOR_MEMORY);
}
