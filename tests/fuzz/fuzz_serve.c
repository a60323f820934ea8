/*
 * The whole door of the server: an input is a play for five peers, out of
 * messages as bytes, requests and replies of the usual form with odd parts,
 * streams that come and go, time that passes, look-ups that fail, restarts,
 * and a heap that runs dry. The world of the simulator is the stage: it mounts
 * the shards with all tables and checks them after every step.
 *
 * At the end the peers fall silent and time runs on until every timer is over:
 * no transaction, no context, no look-up, no memory may be left (world_finish,
 * world_free). An act is a kind, a peer, a number and a text.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "mutate.h"
#include "serve_parts.h"

#define ACTS_MAX 48
#define TEXT_MAX 3072

/* ---- settings of the stage ---- */

/* What the second byte of an input switches on; the first is about the network and room. */
enum setting {
    SMALL = 1,
    REDIRECT = 2,
    NO_ROUTE = 4,
    POLICY = 8,
    FOREIGN = 16,
    TRUSTED = 32,
    OLD = 64
};

static void choose_settings(struct oh__settings *st, uint8_t network, uint8_t flags)
{
    world_settings_default(st);
    /* Beside the listeners for IPv4 one for IPv6. */
    st->listeners_n = 3;
    st->listeners[2] = st->listeners[0];
    MUST(oh_addr_parse_port(OH_LIT("[2001:db8::1]:5060"), &st->listeners[2].addr) == OH_OK);
    st->no_auth = network & 1;
    st->bindings_max = flags & SMALL ? 4 : 64;
    st->contacts_max = flags & SMALL ? 2 : 10;
    st->failures_max = 3;
    st->domains[0].mode = flags & REDIRECT ? OH__DOMAIN_REDIRECT : OH__DOMAIN_PROXY;
    st->domains[0].accept_foreign = flags & FOREIGN;
    st->domains[0].digest[1] = flags & OLD ? 0 : OH_HASH_SHA256;
    st->record_route = !(flags & NO_ROUTE);
    st->recurse = !(flags & NO_ROUTE);
    st->has_on_call = st->has_on_request = st->has_on_register = flags & POLICY;
    if (flags & TRUSTED)
        MUST(oh_network_parse(OH_LIT("192.0.2.13"), &st->trusted[st->trusted_n++]) == OH_OK);
}

static void open_stage(struct stage *s, struct fuzz_bytes *in, bool quiet)
{
    static const char *const addresses[PEERS] = {"192.0.2.10:5060", "192.0.2.11:5060",
                                                 "192.0.2.12:5060", "192.0.2.13:5062",
                                                 "[2001:db8::20]:5060"};
    static const char *const names[PEERS] = {"alice", "bob", "carol", "stranger", "dora"};
    uint8_t network = fuzz_byte(in), flags = fuzz_byte(in);
    struct world_options o = {.seed = 1,
                              .settings = &s->settings,
                              .policy = flags & POLICY ? &stage_policy : NULL,
                              .shards = 2,
                              .transactions_max = flags & SMALL ? 6 : 64,
                              .completed_max = flags & SMALL ? 6 : 64,
                              .nonces_max = 16,
                              .journal = true,
                              .quiet = quiet};

    choose_settings(&s->settings, network, flags);
    s->world = world_new(&o);
    /* Whatever peers say is damaged, and memory may be short. */
    s->world->hostile = true;
    s->world->lenient = true;
    /* All invariants at every fourth step: otherwise they would take a quarter of the time. */
    s->world->check_every = quiet ? 4 : 0;
    for (unsigned i = 0; i < PEERS; i++) {
        s->peers[i] = peer_new(s->world, addresses[i], names[i]);
        if (i != 3)
            server_account(s->world, names[i], "secret", i == 2 ? OH__ACCOUNT_ADMIN : 0);
    }
    network_name(s->world, "good.test", "192.0.2.11 192.0.2.12 2001:db8::20");
    network_name(s->world, "empty.test", "");
    network_name(s->world, "mute.test", NULL);
    network_faults(s->world, &(struct network_faults){.loss = network & 2 ? 20 : 0,
                                                      .repeat = network & 2 ? 10 : 0,
                                                      .delay_max = network & 4 ? 80 : 0,
                                                      .pieces_max = network & 8 ? 100 : 0});
}

/* ---- acts ---- */

/* ms; the timers of RFC 3261, Timer C, a nonce, a binding. */
static const uint32_t pauses[16] = {1,     50,    100,   500,    1000,   2000,   4000,    5000,
                                    16000, 32000, 64000, 185000, 301000, 600000, 1800000, 3700000};

static void trouble(struct stage *s, struct peer *p, uint16_t number)
{
    struct world *w = s->world;

    switch (number % 10) {
    case 0:
        /* A process that cannot even start is another matter. */
        server_fail_allocation(w, 0);
        server_restart(w);
        break;
    case 1: server_drain(w, number & 16); break;
    case 2: server_journal_faults(w, number & 16 ? 50 : 0, number & 32 ? 50 : 0); break;
    case 3: server_ping_all(w); break;
    case 4: server_sweep(w); break;
    case 5: network_refuse(w, peer_address(p)); break;
    case 6: network_allow(w, peer_address(p)); break;
    case 7: server_fail_allocation(w, number / 10 % 64); break;
    case 8: server_fail_allocation(w, 0); break;
    default: peer_silence(p, number & 16); break;
    }
}

static void act(struct stage *s, struct fuzz_bytes *in)
{
    uint8_t kind = fuzz_byte(in);
    struct peer *p = s->peers[fuzz_byte(in) % PEERS];
    uint16_t number = fuzz_u16(in);
    struct oh_span text = fuzz_take(in, fuzz_u16(in) % TEXT_MAX);

    switch (kind % ACT_KINDS) {
    case ACT_BYTES: peer_send_bytes(p, text); break;
    case ACT_TIME: world_run(s->world, pauses[number % 16]); break;
    case ACT_REQUEST: stage_request(s, p, number, text); break;
    case ACT_REPLY: stage_reply(s, p, number, text); break;
    case ACT_FOLLOW: stage_follow(s, p, number, text); break;
    case ACT_STREAM:
        if (peer_connected(p))
            peer_disconnect(p);
        else if (p->addr.family == OH_FAMILY_IPV4)
            peer_connect(p);
        break;
    default: trouble(s, p, number); break;
    }
    world_settle(s->world);
}

static void play(struct world *w, void *arg)
{
    struct stage *s = arg;

    for (unsigned i = 0; i < ACTS_MAX && s->script.rest.n; i++)
        act(s, &s->script);
    server_fail_allocation(w, 0);
    server_journal_faults(w, 0, 0);
    for (unsigned i = 0; i < PEERS; i++)
        peer_disconnect(s->peers[i]);
    world_finish(w);
    MUST(server_idle(w));
}

/* The sentence of what went wrong, on a stage that goes on to live; NULL when all was well. */
static const char *perform(struct stage *s, struct oh_span in, bool quiet)
{
    memset(s, 0, sizeof *s);
    s->script.rest = in;
    open_stage(s, &s->script, quiet);
    return world_try(s->world, play, s);
}

static void run(struct oh_span in)
{
    static struct stage s;
    const char *why = perform(&s, in, true);

    if (!why) {
        world_free(s.world);
        return;
    }
    fprintf(stderr, "not so: %s\n", why);
    /* Once more for the ladder, which nobody needs otherwise. */
    why = perform(&s, in, false);
    fprintf(stderr, "%s\n", world_ladder(s.world));
    fuzz_fail("not so: %s", why ? why : "and the second time it was");
}

/* ---- seeds and changes ---- */

static size_t put_act(char *p, enum act_kind kind, unsigned peer, unsigned number,
                      struct oh_span text)
{
    char head[ACT_HEAD] = {(char)kind,          (char)peer,   (char)number,
                           (char)(number >> 8), (char)text.n, (char)(text.n >> 8)};

    memcpy(p, head, sizeof head);
    if (text.n)
        memcpy(p + sizeof head, text.p, text.n);
    return sizeof head + text.n;
}

/* A message of the corpora is sent by everybody, between two pauses. */
static void seed_message(void *ctx, const char *name, struct oh_span bytes)
{
    char play_text[16384] = {1, (char)bytes.n};
    size_t n = 2;

    (void)name;
    if (bytes.n >= TEXT_MAX)
        return;
    n += put_act(play_text + n, ACT_REQUEST, 1, 4, oh_span("", 0));
    n += put_act(play_text + n, ACT_BYTES, 0, 0, bytes);
    n += put_act(play_text + n, ACT_REPLY, 1, 180, oh_span("", 0));
    n += put_act(play_text + n, ACT_TIME, 0, 3, oh_span("", 0));
    n += put_act(play_text + n, ACT_REPLY, 1, 200, oh_span("", 0));
    n += put_act(play_text + n, ACT_BYTES, 3, 0, bytes);
    fuzz_seed(ctx, oh_span(play_text, n));
}

/* Short plays in which everything goes well, so that a change makes one thing go wrong. */
static void seed_plays(struct fuzz_seeds *to)
{
    static const struct {
        uint8_t kind, peer;
        uint16_t number;
        const char *text;
    } plays[][10] = {
        /* bob registers, alice calls him, he answers, she hangs up */
        {{ACT_REQUEST, 1, 4, ""},
         {ACT_REQUEST, 0, 0, ""},
         {ACT_REPLY, 1, 180, ""},
         {ACT_REPLY, 1, 200, ""},
         {ACT_FOLLOW, 0, 0, ""},
         {ACT_FOLLOW, 0, 4, ""}},
        /* the same, cancelled; then with streams */
        {{ACT_STREAM, 1, 0, ""},
         {ACT_REQUEST, 1, 4, ""},
         {ACT_STREAM, 0, 0, ""},
         {ACT_REQUEST, 0, 0, "Supported: timer\nX-Y: z\n"},
         {ACT_REPLY, 1, 183, ""},
         {ACT_FOLLOW, 0, 1, ""},
         {ACT_REPLY, 1, 487, ""},
         {ACT_STREAM, 1, 0, ""}},
        /* challenged, and answered; a name; a redirection */
        {{ACT_REQUEST, 1, 4, ""},
         {ACT_FOLLOW, 1, 2, ""},
         {ACT_REQUEST, 0, 0x30, ""},
         {ACT_FOLLOW, 0, 2, ""},
         {ACT_TIME, 0, 7, ""},
         {ACT_REPLY, 1, 302, "Contact: <sip:carol@good.test>;q=0.5\n"},
         {ACT_TIME, 0, 11, ""}},
        /* by IPv6, with wrong passwords until banned, and a sweep */
        {{ACT_REQUEST, 4, 4, ""},
         {ACT_FOLLOW, 4, 2, ""},
         {ACT_FOLLOW, 4, 257, ""},
         {ACT_FOLLOW, 3, 2, ""},
         {ACT_REQUEST, 3, 4, ""},
         {ACT_FOLLOW, 3, 257, ""},
         {ACT_FOLLOW, 3, 257, ""},
         {ACT_FOLLOW, 3, 257, ""},
         {ACT_TIME, 0, 15, ""},
         {ACT_TROUBLE, 0, 4, ""}},
        /* along routes: a strict router upstream, and one that is not ours */
        {{ACT_REQUEST, 1, 4, ""},
         {ACT_REQUEST, 0, 0x70, "Route: <sip:bob@192.0.2.11>,<sip:192.0.2.12;lr>\n"},
         {ACT_REQUEST, 0, 0, "Route: <sip:192.0.2.1;lr>,<sip:192.0.2.11>\n"},
         {ACT_REPLY, 1, 100, ""},
         {ACT_REPLY, 1, 404, "Retry-After: 3\n"}},
        /* trouble of each kind round a registration */
        {{ACT_REQUEST, 1, 4, ""},
         {ACT_TROUBLE, 1, 3, ""},
         {ACT_TROUBLE, 1, 0, ""},
         {ACT_REQUEST, 0, 0, ""},
         {ACT_TROUBLE, 1, 5, ""},
         {ACT_REQUEST, 0, 7, ""},
         {ACT_TROUBLE, 0, 57, ""},
         {ACT_REQUEST, 2, 0, "Route: <sip:192.0.2.1;lr>\n"}},
    };

    for (size_t i = 0; i < sizeof plays / sizeof *plays; i++) {
        for (unsigned flags = 0; flags < 16; flags++) {
            /* Each play on some stages, one of them with everything as usual. */
            char text[2048] = {(char)flags, (char)(flags * 37 & 127)};
            size_t n = 2;

            for (size_t k = 0; k < 10 && plays[i][k].text; k++)
                n += put_act(text + n, plays[i][k].kind, plays[i][k].peer, plays[i][k].number,
                             oh_span_str(plays[i][k].text));
            fuzz_seed(to, oh_span(text, n));
        }
    }
}

static void seeds(struct fuzz_seeds *to)
{
    seed_plays(to);
    stage_corpus(seed_message, to);
}

const struct fuzz_harness fuzz_harness = {"serve", 12288, run, seeds, stage_mutate};
