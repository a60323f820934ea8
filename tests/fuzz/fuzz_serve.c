/*
 * The whole door of the server: an input is a play for four peers, out of
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

static void open_stage(struct stage *s, struct fuzz_bytes *in)
{
    static const char *const addresses[PEERS] = {"192.0.2.10:5060", "192.0.2.11:5060",
                                                 "192.0.2.12:5060", "192.0.2.13:5062"};
    static const char *const names[PEERS] = {"alice", "bob", "carol", "stranger"};
    uint8_t flags = fuzz_byte(in);
    struct world_options o = {.seed = fuzz_byte(in),
                              .settings = &s->settings,
                              .shards = 2,
                              .transactions_max = flags & 8 ? 6 : 64,
                              .completed_max = flags & 8 ? 6 : 64,
                              .nonces_max = 16,
                              .journal = true};

    world_settings_default(&s->settings);
    s->settings.no_auth = flags & 1;
    s->settings.bindings_max = flags & 8 ? 4 : 64;
    s->world = world_new(&o);
    /* Whatever peers say is damaged, and memory may be short. */
    s->world->hostile = true;
    s->world->lenient = true;
    for (unsigned i = 0; i < PEERS; i++) {
        s->peers[i] = peer_new(s->world, addresses[i], names[i]);
        if (i < PEERS - 1)
            server_account(s->world, names[i], "secret", i == 2 ? OH__ACCOUNT_ADMIN : 0);
    }
    network_name(s->world, "good.test", "192.0.2.11 192.0.2.12");
    network_name(s->world, "empty.test", "");
    network_name(s->world, "mute.test", NULL);
    network_faults(s->world, &(struct network_faults){.loss = flags & 2 ? 20 : 0,
                                                      .repeat = flags & 2 ? 10 : 0,
                                                      .delay_max = flags & 4 ? 80 : 0});
}

/* ---- acts ---- */

static const uint32_t pauses[] = {1, 50, 500, 1000, 5000, 32000, 64000, 185000};

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
    case ACT_TIME: world_run(s->world, pauses[number % 8]); break;
    case ACT_REQUEST: stage_request(s, p, number, text); break;
    case ACT_REPLY: stage_reply(s, p, number, text); break;
    case ACT_FOLLOW: stage_follow(s, p, number, text); break;
    case ACT_STREAM:
        if (peer_connected(p))
            peer_disconnect(p);
        else
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

static void run(struct oh_span in)
{
    static struct stage s;
    const char *why;

    memset(&s, 0, sizeof s);
    s.script.rest = in;
    open_stage(&s, &s.script);
    why = world_try(s.world, play, &s);
    if (why) {
        fprintf(stderr, "%s\n", world_ladder(s.world));
        fuzz_fail("not so: %s", why);
    }
    world_free(s.world);
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
    char play_text[16384] = {1, 0};
    size_t n = 2;

    (void)name;
    if (bytes.n >= TEXT_MAX)
        return;
    n += put_act(play_text + n, ACT_REQUEST, 1, 4, oh_span("", 0));
    n += put_act(play_text + n, ACT_BYTES, 0, 0, bytes);
    n += put_act(play_text + n, ACT_REPLY, 1, 180, oh_span("", 0));
    n += put_act(play_text + n, ACT_TIME, 0, 2, oh_span("", 0));
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
         {ACT_TIME, 0, 4, ""},
         {ACT_REPLY, 1, 302, "Contact: <sip:carol@good.test>;q=0.5\n"},
         {ACT_TIME, 0, 7, ""}},
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
        for (char flags = 0; flags < 16; flags++) {
            char text[2048] = {flags, 1};
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
