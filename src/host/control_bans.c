/* What operators do about banned sources. Addresses are shown without a port: a ban has none. */
#include "host/control_topics.h"

#define BANS_MOST 10000

json_t *oh__control_bans_list(struct oh__host *host, const json_t *request)
{
    const struct oh_alloc *a = oh_alloc_default();
    /* Copied first and written as JSON afterwards: the guard's locks are those of every request. */
    struct oh__ban *bans = oh_alloc_zero(a, BANS_MOST, sizeof *bans);
    uint64_t now = oh__clock_now();
    json_t *reply, *list = json_array();

    (void)request;
    if (!bans) {
        json_decref(list);
        return oh__control_error(9, "memory is short");
    }
    unsigned n = oh__guard_list(host->shared.guard, now, bans, BANS_MOST);

    for (unsigned i = 0; i < n; i++) {
        char text[OH_ADDR_TEXT_MAX];
        json_t *o = json_object();
        size_t len;

        bans[i].source.port = 0;
        len = oh_addr_host_text(&bans[i].source, text);
        json_object_set_new(o, "address", json_stringn(text, len));
        json_object_set_new(o, "seconds_left",
                            json_integer((json_int_t)((bans[i].until - now) / 1000000000)));
        json_object_set_new(o, "failures", json_integer(bans[i].failures));
        if (bans[i].is_pair)
            json_object_set_new(o, "account",
                                oh__json_text(bans[i].account[0] ? oh_span_str(bans[i].account)
                                                                 : OH_LIT("others")));
        json_array_append_new(list, o);
    }
    reply = oh__control_ok();
    json_object_set_new(reply, "bans", list);
    oh_free(a, bans, BANS_MOST * sizeof *bans);
    return reply;
}

json_t *oh__control_bans_clear(struct oh__host *host, const json_t *request)
{
    struct oh_span text = oh__json_member(request, "address");
    struct oh_addr addr;
    json_t *reply;

    if (text.p && oh_addr_parse(text, &addr) != OH_OK)
        return oh__control_error(2, "'%.*s' is no IP address: see `offhook bans list`",
                                 OH_PRI(oh_span_head(text, 100)));
    unsigned lifted = oh__guard_clear(host->shared.guard, text.p ? &addr : NULL);

    if (text.p && lifted == 0)
        return oh__control_error(1, "%.*s is not banned: see `offhook bans list`",
                                 OH_PRI(oh_span_head(text, 100)));
    oh__log_say(host->log, OH__LOG_INFO, "bans-cleared", "%u ban(s) lifted by hand", lifted);
    reply = oh__control_ok();
    json_object_set_new(reply, "lifted", json_integer(lifted));
    return reply;
}
