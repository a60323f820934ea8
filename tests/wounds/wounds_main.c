/*
 * Runs the wounds: `wounds [-v] [WORD]`. Prints `ok CLASS: name`, or after the
 * ladder of messages `not ok CLASS, name: why`.
 */
#include "wounds.h"

#include <stdio.h>
#include <string.h>

#include "sim/parts.h"

extern const struct conformance_chapter conformance_fields;
extern const struct conformance_chapter conformance_meaning;
extern const struct conformance_chapter conformance_limits;

static const struct conformance_chapter *const files[] = {&conformance_fields, &conformance_meaning,
                                                          &conformance_limits};

void victims_make(struct world *w, struct victims *v)
{
    w->hostile = true;
    v->alice = peer_new(w, "192.0.2.10:5060", "alice");
    v->bob = phone(w, "192.0.2.20:5060", "bob");
    v->mallory = peer_new(w, "192.0.2.66:5060", "mallory");
}

void still_serves(struct world *w, struct victims *v)
{
    world_settle(w);
    peer_forget(v->bob);
    peer_forget(v->alice);
    ASK(v->alice, .method = "MESSAGE", .uri = "sip:bob@example.test");
    peer_reply(v->bob, peer_expect(v->bob, "MESSAGE"), 200, "");
    peer_expect(v->alice, "200 MESSAGE");
}

void attack(struct world *w, struct victims *v, struct oh_span bytes)
{
    if (bytes.n <= 65507)
        peer_send_bytes(v->mallory, bytes);
    world_settle(w);
    peer_connect(v->mallory);
    peer_send_bytes(v->mallory, bytes);
    world_settle(w);
    if (peer_connected(v->mallory))
        peer_disconnect(v->mallory);
    world_settle(w);
}

void text_put(struct text *t, const char *more)
{
    size_t n = strlen(more);

    if (t->n + n >= sizeof t->p)
        abort();
    memcpy(t->p + t->n, more, n + 1);
    t->n += n;
}

void text_fill(struct text *t, char c, size_t n)
{
    if (t->n + n >= sizeof t->p)
        abort();
    memset(t->p + t->n, c, n);
    t->n += n;
    t->p[t->n] = 0;
}

static bool run(const struct conformance_case *c, unsigned verbose)
{
    const char *ladder = "", *why = conformance_run(c, verbose, &ladder);
    size_t n = strlen(ladder);

    if (!why) {
        printf("ok %s, %s\n", c->rows, c->name);
        return true;
    }
    printf("%s\nnot ok %s, %s: %s\n", n > 4000 ? ladder + n - 4000 : ladder, c->rows, c->name, why);
    return false;
}

int main(int argc, char **argv)
{
    unsigned verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    const char *word = argc > 1 + (int)verbose ? argv[1 + verbose] : "";
    unsigned failed = 0, ran = 0;

    for (size_t k = 0; k < sizeof files / sizeof files[0]; k++)
        for (size_t i = 0; i < files[k]->n; i++) {
            const struct conformance_case *c = &files[k]->cases[i];

            if (!strstr(c->rows, word) && !strstr(c->name, word))
                continue;
            ran++;
            failed += !run(c, verbose);
        }
    return failed > 0 || ran == 0;
}
