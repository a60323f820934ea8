/*
 * Who watches the watcher? In worlds within this one the server is made to
 * look guilty: one kind of message is swallowed, said twice, changed, or
 * leaves too early on its way from a healthy server. Each time the watcher must
 * notice, and say which rule it was.
 */
#include "scenario.h"

#include "invariants.h"
#include "parts.h"

static bool starts(const struct oh__serve_output *out, const char *text)
{
    return oh_span_eq(oh_span_head(out->bytes, strlen(text)), oh_span_str(text));
}

static bool no_ack(struct world *w, struct oh__serve_output *out)
{
    (void)w;
    return starts(out, "ACK ");
}

static bool no_180(struct world *w, struct oh__serve_output *out)
{
    (void)w;
    return starts(out, "SIP/2.0 180");
}

static bool no_200(struct world *w, struct oh__serve_output *out)
{
    (void)w;
    return starts(out, "SIP/2.0 200 OK") && peer_at(w, &out->flow.peer) &&
           strcmp(peer_at(w, &out->flow.peer)->name, "u0") == 0 && !out->durable &&
           w->now > w->lies;
}

static bool no_cancel(struct world *w, struct oh__serve_output *out)
{
    (void)w;
    return starts(out, "CANCEL ");
}

static bool twice(struct world *w, struct oh__serve_output *out)
{
    if (starts(out, "INVITE "))
        invariants_taken(w->invariants, &out->flow, out->bytes);
    return false;
}

static bool too_early(struct world *w, struct oh__serve_output *out)
{
    (void)w;
    out->durable = false;
    return false;
}

/* The same final response as before, or so it seems. */
static bool another(struct world *w, struct oh__serve_output *out)
{
    char *copy;

    if (!starts(out, "SIP/2.0 486"))
        return false;
    copy = world_keep_text(w, out->bytes);
    invariants_taken(w->invariants, &out->flow, out->bytes);
    memcpy(copy + 7, " 480", 4);
    invariants_taken(w->invariants, &out->flow, oh_span(copy, out->bytes.n));
    return true;
}

static bool behind_the_end(struct world *w, struct oh__serve_output *out)
{
    char *copy;

    if (!starts(out, "SIP/2.0 486"))
        return false;
    copy = world_keep_text(w, out->bytes);
    memcpy(copy + 7, " 180", 4);
    invariants_taken(w->invariants, &out->flow, out->bytes);
    invariants_taken(w->invariants, &out->flow, oh_span(copy, out->bytes.n));
    return true;
}

static bool cut_off(struct world *w, struct oh__serve_output *out)
{
    (void)w;
    if (starts(out, "SIP/2.0 486"))
        out->bytes.n -= 10;
    return false;
}

static const struct {
    const char *what;
    bool (*lie)(struct world *w, struct oh__serve_output *out);
    const char *rule;
} lies[] = {
    {"an ACK is swallowed", no_ack, "a final response is acknowledged at once"},
    {"a 180 is swallowed", no_180, "a 180 goes up at once"},
    {"a 200 is swallowed", no_200, "a 200 goes up at once"},
    {"a CANCEL is swallowed", no_cancel, "a phone that rang has got an end"},
    {"an INVITE leaves twice", twice, "no copy before its time"},
    {"a 200 to REGISTER leaves before the commit", too_early, "survives a restart"},
    {"another final follows", another, "there is one final response"},
    {"a 180 follows the final", behind_the_end, "nothing provisional behind the final"},
    {"a response is cut off", cut_off, "a message is framed rightly"},
};

/* Something of everything that the lies are about. */
static void story(struct world *w, void *arg)
{
    struct phone_manner busy = {.rings = true, .ring_ms = 50, .code = 486, .answer_ms = 300};
    struct phone_manner fine = {.rings = true, .code = 200, .answer_ms = 500};
    struct phone_manner never = {.rings = true, .ignores_cancel = true};
    struct phone_plan plan = {.hangup_ms = 500}, cancel = {.cancel_ms = 1000};
    struct cast cast;

    (void)arg;
    cast_make(&cast, w, 4);
    scenario_network(w);
    cast_register(&cast);
    server_journal_faults(w, 0, 100);
    phone_register(cast.phones[1], 7000, "");
    world_run(w, 300);
    server_journal_faults(w, 0, 0);
    server_restart(w);
    w->lies = w->now;
    phone_manner(cast.phones[1], &busy);
    phone_manner(cast.phones[2], &fine);
    phone_manner(cast.phones[3], &never);
    phone_call(cast.phones[0], cast.uris[1], NULL);
    world_run(w, 2000);
    phone_call(cast.phones[0], cast.uris[2], &plan);
    world_run(w, 5000);
    phone_call(cast.phones[0], cast.uris[3], &cancel);
    world_run(w, 100000);
    world_finish(w);
}

void scenario_watcher(struct world *w, void *arg)
{
    struct world_options options = {.seed = w->options.seed, .journal = true, .quiet = true};
    struct world *inner;
    const char *why;
    char said[WORLD_WHY];

    (void)arg;
    for (unsigned i = 0; i <= sizeof lies / sizeof *lies; i++) {
        bool honest = i == sizeof lies / sizeof *lies;

        inner = world_new(&options);
        inner->lie = honest ? NULL : lies[i].lie;
        why = world_try(inner, story, NULL);
        snprintf(said, sizeof said, "%s", why ? why : "nothing");
        world_free(inner);
        CHECK_SAY(w, !honest || !why, "an honest server is accused: %s", said);
        CHECK_SAY(w, honest || strstr(said, lies[i].rule), "%s, and the watcher says: %s",
                  lies[i].what, said);
    }
}
