/*
 * Damaged messages. Some phones talk to each other, and a stranger who listens
 * sends the server damaged copies of all that they say; other phones, of whom
 * he hears nothing, must not notice.
 */
#include "scenario.h"

#include "parts.h"

struct stranger {
    struct world *world;
    struct cast *cast;
    struct peer *peer;
    unsigned heard; /* phones 0 .. heard-1 */
    bool busy;      /* his own messages are not copied */
};

/* Puts n bytes in place of `cut` bytes at `at`. */
static size_t splice(char *p, size_t n, size_t at, size_t cut, struct oh_span in)
{
    cut = cut < n - at ? cut : n - at;
    memmove(p + at + in.n, p + at + cut, n - at - cut);
    if (in.n)
        memcpy(p + at, in.p, in.n);
    return n - cut + in.n;
}

/* A random line's begin and length, its end included. */
static struct oh_span some_line(struct world *w, struct oh_span all)
{
    size_t at = world_random(w, all.n);
    ptrdiff_t end;

    while (at > 0 && all.p[at - 1] != '\n')
        at--;
    end = oh_span_find(oh_span_from(all, at), '\n');
    return oh_span_head(oh_span_from(all, at), end < 0 ? all.n : (size_t)end + 1);
}

static const char *const nasty[] = {
    "\r\n",
    "\r\n ",
    "\0",
    ",",
    ";",
    "\"",
    "<",
    ">",
    "%00",
    "Content-Length: 99999999999\r\n",
    "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\n",
    "Route: <sip:192.0.2.1;lr>\r\n",
    "Max-Forwards: 0\r\n",
    "CSeq: 4294967296 INVITE\r\n",
    "To: *\r\n",
    "Contact: *\r\n",
    "Require: nothing\r\n",
    "Expires: 99999999999999\r\n",
    "Record-Route: <sip:[::1];lr>\r\n",
};

static size_t damage(struct world *w, char *p, size_t n)
{
    size_t at = world_random(w, n);
    const char *text = nasty[world_random(w, sizeof nasty / sizeof *nasty)];
    char line[600];
    struct oh_span one;

    switch (world_random(w, 7)) {
    case 0: p[at] = (char)(p[at] ^ (1 << world_random(w, 8))); return n;
    case 1: return at + 1;                                                    /* cut off */
    case 2: return splice(p, n, at, 1 + world_random(w, 20), oh_span("", 0)); /* cut out */
    case 3:
        return splice(p, n, at, world_random(w, 4), oh_span(text, strlen(text) ? strlen(text) : 1));
    case 4: p[at] = (char)world_random(w, 256); return n;
    default: break;
    }
    /* A line again, or a line of our own where a line begins. */
    one = some_line(w, oh_span(p, n));
    if (one.n > sizeof line)
        return n;
    memcpy(line, one.p, one.n);
    if (world_chance(w, 50))
        return splice(p, n, (size_t)(one.p - p), 0, oh_span(line, one.n));
    return splice(p, n, (size_t)(one.p - p), world_chance(w, 50) ? one.n : 0, oh_span_str(text));
}

static bool listen(void *ctx, bool to_server, const struct oh_addr *peer, struct oh_span bytes)
{
    struct stranger *s = ctx;
    struct world *w = s->world;
    bool heard = false;
    char copy[8192];
    size_t n = bytes.n;

    for (unsigned i = 0; i < s->heard; i++)
        heard |= oh_addr_eq(&phone_peer(s->cast->phones[i])->addr, peer);
    if (s->busy || !to_server || !heard || bytes.n > 4096)
        return false;
    s->busy = true;
    for (unsigned i = 0; i < 3; i++) {
        n = bytes.n;
        memcpy(copy, bytes.p, n);
        for (uint64_t k = 0; k <= world_random(w, 4) && n > 1; k++)
            n = damage(w, copy, n);
        if (world_chance(w, 50))
            peer_send_bytes(s->peer, oh_span(copy, n));
        else
            /* Even in the phone's own name. */
            network_to_server(w, peer_at(w, peer), oh_span(copy, n));
    }
    s->busy = false;
    return false;
}

/* The phones that must not notice: a call and a message, as if nothing were. */
static void good_ones(struct cast *cast)
{
    struct world *w = cast->world;
    struct phone *a = cast->phones[cast->n - 2], *b = cast->phones[cast->n - 1];
    struct phone_manner manner = {.rings = true, .code = 200, .answer_ms = 300};
    struct phone_plan plan = {.hangup_ms = 500};
    const struct phone_task *reg, *call, *message;

    phone_manner(b, &manner);
    reg = phone_register(b, 600, "");
    world_run(w, 1000);
    CHECK_SAY(w, reg->code == 200, "a good REGISTER ends with %d", reg->code);
    call = phone_call(a, cast->uris[cast->n - 1], &plan);
    message = phone_request(a, "MESSAGE", cast->uris[cast->n - 1], "Hello.");
    world_run(w, 4000);
    CHECK_SAY(w, call->code == 200, "a good call ends with %d", call->code);
    CHECK_SAY(w, message->code == 200, "a good MESSAGE ends with %d", message->code);
    CHECK_SAY(w, phone_talking(b) == 0, "a good BYE does not arrive");
}

void scenario_hostile(struct world *w, void *arg)
{
    struct phone_manner manner = {.rings = true, .code = 200, .answer_ms = 500};
    struct stranger s = {.world = w};
    struct cast cast;

    (void)arg;
    w->hostile = true;
    /* A final response that was damaged is hard to recognise from outside. */
    w->lenient = true;
    cast_make(&cast, w, 6);
    /* An authenticated request with another URI may go anywhere. */
    network_closed(w, false);
    scenario_network(w);
    cast_register(&cast);
    s.cast = &cast;
    s.heard = cast.n - 2;
    s.peer = peer_new(w, "192.0.2.99:5060", "stranger");
    network_filter(w, listen, &s);
    for (unsigned i = 0; i < 6; i++) {
        unsigned from = (unsigned)world_random(w, s.heard), to = (unsigned)world_random(w, s.heard);
        struct phone_plan plan = {.hangup_ms = 800, .cancel_ms = world_chance(w, 30) ? 400 : 0};

        phone_manner(cast.phones[to], &manner);
        phone_register(cast.phones[from], 600, "");
        phone_call(cast.phones[from], cast.uris[to], &plan);
        phone_request(cast.phones[from], "MESSAGE", cast.uris[to], "Hello.");
        good_ones(&cast);
    }
    network_filter(w, NULL, NULL);
    scenario_end(&cast);
}
