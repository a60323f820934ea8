/* A location table, an arena and short ways to register, for the tests of the location service. */
#ifndef OH_TESTS_UNIT_SERVE_LOCATION_FIXTURE_H
#define OH_TESTS_UNIT_SERVE_LOCATION_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <offhook/arena.h>

#include "serve/location.h"

#define WALL 1000000u /* ms; the time at which most tests happen */

static const uint8_t key[16] = "location-test-k";

struct fixture {
    struct oh__location *loc;
    struct oh_arena arena;
    struct oh__binding_list out;
    enum oh__registered done;
    uint64_t wall;
};

static inline void begin(struct fixture *f, uint32_t bindings_max)
{
    memset(f, 0, sizeof(*f));
    f->loc = oh__location_new(oh_alloc_default(), key, bindings_max);
    assert_non_null(f->loc);
    oh_arena_init(&f->arena, oh_alloc_default(), 1 << 20);
    f->wall = WALL;
}

static inline void end(struct fixture *f)
{
    struct oh__location_stats stats;

    oh__location_stats(f->loc, &stats);
    assert_true(stats.bindings >= stats.aors);
    oh__location_free(f->loc);
    oh_arena_done(&f->arena);
}

static inline struct oh_addr address(const char *text)
{
    struct oh_addr a;

    assert_int_equal(oh_addr_parse_port(oh_span_str(text), &a), OH_OK);
    return a;
}

/* A contact for `seconds`, 0 to remove, from a UDP source. */
static inline struct oh__binding contact(const char *uri, unsigned seconds)
{
    return (struct oh__binding){
        .contact = oh_span_str(uri),
        .expires_at = seconds ? WALL + seconds * UINT64_C(1000) : 0,
        .user_agent = OH_LIT("test/1"),
        .flow = {.local = address("192.0.2.1:5060"),
                 .peer = address("198.51.100.7:5070"),
                 .transport = OH_TRANSPORT_UDP,
                 .listener = 3},
    };
}

static inline int reg(struct fixture *f, const char *aor, const char *call_id, uint32_t cseq,
                      unsigned n, const struct oh__binding *contacts)
{
    struct oh__registration r = {
        .aor = oh_span_str(aor),
        .call_id = oh_span_str(call_id),
        .cseq = cseq,
        .contacts_n = n,
        .contacts = contacts,
        .wall = f->wall,
        .contacts_max = 10,
    };

    return oh__location_register(f->loc, &r, NULL, &f->arena, &f->out, &f->done);
}

static inline int reg1(struct fixture *f, const char *call_id, uint32_t cseq, const char *uri,
                       unsigned seconds)
{
    struct oh__binding b = contact(uri, seconds);

    return reg(f, "alice@example.test", call_id, cseq, 1, &b);
}

static inline int star(struct fixture *f, const char *call_id, uint32_t cseq)
{
    struct oh__registration r = {
        .aor = OH_LIT("alice@example.test"),
        .call_id = oh_span_str(call_id),
        .cseq = cseq,
        .star = true,
        .wall = f->wall,
        .contacts_max = 10,
    };

    return oh__location_register(f->loc, &r, NULL, &f->arena, &f->out, &f->done);
}

/* How many bindings alice has at the fixture's time. */
static inline unsigned count(struct fixture *f)
{
    assert_int_equal(
        oh__location_get(f->loc, OH_LIT("alice@example.test"), f->wall, &f->arena, &f->out), OH_OK);
    return f->out.n;
}

static inline void assert_span(struct oh_span s, const char *text)
{
    assert_true(oh_span_eq(s, oh_span_str(text)));
}

#endif
