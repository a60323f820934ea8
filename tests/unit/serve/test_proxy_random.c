/*
 * Walks without a plan: phones ring, refuse, answer twice, vanish, register
 * late, callers hang up at any time, connections end, names are found or not,
 * memory is short. After each step the shard's rules must hold, every call
 * gets exactly one final response (or more than one 2xx), and in the end
 * nothing is left. Each walk has a number, which is printed when it fails.
 */
#include "proxy_harness.h"

#include <stdio.h>

#define S     HARNESS_SECOND
#define WALKS 150
#define STEPS 60

static struct phones p;
static struct oh__rng rng;

static unsigned below(unsigned n)
{
    return (unsigned)oh__rng_below(&rng, n);
}

static const unsigned codes[] = {100, 180, 183, 200, 200, 302, 401, 404,
                                 407, 480, 486, 487, 500, 503, 600, 603};

/* A phone answers something that it got, in any order, also twice. */
static void answer(unsigned i)
{
    static const char *const methods[] = {"INVITE", "CANCEL", "MESSAGE"};
    static const char *const rows[] = {"Contact: <sip:103@example.test>\n",
                                       "Contact: <sip:x@carrier.test>, <tel:+123>\n", ""};
    const char *method = methods[below(3)];

    if (phone_request_at(&p, i, method) >= 0)
        phone_reply(&p, i, method, codes[below(sizeof codes / sizeof codes[0])], rows[below(3)]);
}

static void look_up(void)
{
    static const int results[] = {OH_OK, OH_OK, OH_E_NOTFOUND, OH_E_TIMEOUT};
    struct oh_addr addrs[2] = {harness_addr("192.0.2.16"), harness_addr("192.0.2.17")};

    if (p.h.resolves_n)
        harness_answer(&p.h, p.h.resolves[below(p.h.resolves_n)].ticket, results[below(4)], addrs,
                       2);
}

/* A send that failed, perhaps long ago. */
static void fail_send(void)
{
    if (p.h.sends_n)
        harness_answer(&p.h, p.h.sends[below(p.h.sends_n)].ticket, OH_E_IO, NULL, 0);
}

static void reregister(void)
{
    static const char *const params[] = {"", ";q=0.5", ";q=0.1"};
    char text[128];
    unsigned i = 1 + below(5);

    snprintf(text, sizeof text, "<sip:%u@192.0.2.%u%s>%s", 102 + i % 2, 10 + i,
             p.flow[i].id ? ";transport=tcp" : "", params[below(3)]);
    p.cseq++;
    phone_send(&p, i,
               "REGISTER sip:example.test SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.%u;branch=z9hG4bKw%u\n"
               "From: <sip:%u@example.test>;tag=r\nTo: <sip:%u@example.test>\nCall-ID: w%u\n"
               "CSeq: %u REGISTER\nContact: %s\nExpires: %u\nContent-Length: 0\n\n",
               10 + i, p.cseq, 102 + i % 2, 102 + i % 2, i, p.cseq, text, below(4) ? 600 : 0);
}

/* Lets time pass; the harness keeps a bounded number of messages. */
static void pass(unsigned seconds)
{
    while (seconds--) {
        harness_advance(&p.h, S);
        if (p.h.sends_n > HARNESS_SENDS / 2)
            harness_clear(&p.h);
    }
}

static const char *const uris[] = {"sip:102@example.test", "sip:103@example.test",
                                   "sip:x@carrier.test", "sip:x@192.0.2.17"};

/* One step; call is the newest call's number. */
static void step(unsigned walk, unsigned *call, const char **uri)
{
    char name[32];

    snprintf(name, sizeof name, "w%uc%u", walk, *call);
    switch (below(12)) {
    case 0:
        *uri = uris[below(4)];
        snprintf(name, sizeof name, "w%uc%u", walk, ++*call);
        phone_request(&p, "INVITE", name, *uri, below(4) ? "" : "Max-Breadth: 2\nExpires: 20\n");
        break;
    case 1:
        snprintf(name, sizeof name, "w%um%u", walk, ++*call);
        phone_request(&p, "MESSAGE", name, uris[below(4)], "");
        break;
    case 2: phone_cancel(&p, name, *uri, ""); break;
    case 3: pass(below(40)); break;
    case 4: look_up(); break;
    case 5: fail_send(); break;
    case 6:
        oh__serve_flow_closed(p.h.s, &p.h.env, &p.flow[1 + below(5)]);
        harness_collect(&p.h);
        break;
    case 7: reregister(); break;
    default: answer(1 + below(7)); break;
    }
    oh__serve_check(p.h.s);
    if (p.h.sends_n > HARNESS_SENDS / 2 || p.h.resolves_n > HARNESS_OTHERS / 2)
        harness_clear(&p.h);
}

static void begin(unsigned walk)
{
    uint8_t seed[32] = {(uint8_t)walk, (uint8_t)(walk >> 8)};

    oh__rng_init(&rng, seed);
    phones_init(&p);
    for (unsigned i = 1; i <= 5; i++) {
        if (i >= 4)
            phones_tcp(&p, i, 100 + i);
        phone_register(&p, i, i % 2 ? "103" : "102", i == 2 ? ";q=0.5" : "");
    }
}

static void any_order_of_events(void **state)
{
    (void)state;
    for (unsigned walk = 0; walk < WALKS; walk++) {
        unsigned call = 0;
        const char *uri = uris[0];

        begin(walk);
        for (unsigned i = 0; i < STEPS; i++) {
            /* Now and then memory is short for a moment. */
            p.h.heap.fail_at = walk % 3 == 0 && below(8) == 0 ? p.h.heap.calls + 1 + below(4) : 0;
            step(walk, &call, &uri);
        }
        p.h.heap.fail_at = 0;
        pass(600);
        if (!oh__serve_idle(p.h.s))
            fail_msg("walk %u does not end", walk);
        phones_done(&p);
    }
}

/* The finals that each call got: one, or several that are 2xx. */
static void one_final_for_each_call(void **state)
{
    (void)state;
    for (unsigned walk = 1000; walk < 1000 + WALKS; walk++) {
        unsigned finals = 0, success = 0;

        begin(walk);
        phone_invite(&p, "only", below(2) ? "102" : "103", below(2) ? "Max-Breadth: 1\n" : "");
        for (unsigned i = 0; i < 40; i++) {
            if (below(6) == 0)
                harness_advance(&p.h, below(20) * S);
            else if (below(12) == 0)
                phone_cancel(&p, "only", "sip:102@example.test", "");
            else
                answer(1 + below(5));
            for (unsigned k = 0; k < p.h.sends_n; k++) {
                const struct oh_msg *m = harness_message(&p.h, k);
                bool final = !m->request && m->status >= 200 && m->cseq_method == OH_METHOD_INVITE;

                if (final && oh_flow_same(&p.h.sends[k].flow, &p.flow[0])) {
                    success += m->status < 300;
                    finals += m->status >= 300 && finals == 0;
                }
            }
            if (p.h.sends_n > HARNESS_SENDS / 2)
                harness_clear(&p.h);
        }
        harness_clear(&p.h);
        for (unsigned i = 0; i < 20; i++) {
            harness_advance(&p.h, 20 * S);
            finals += success == 0 && finals == 0 &&
                      phone_statuses(&p, 0, 408) + phone_statuses(&p, 0, 487) +
                              phone_statuses(&p, 0, 500) + phone_statuses(&p, 0, 486) +
                              phone_statuses(&p, 0, 404) + phone_statuses(&p, 0, 480) +
                              phone_statuses(&p, 0, 302) + phone_statuses(&p, 0, 401) +
                              phone_statuses(&p, 0, 407) + phone_statuses(&p, 0, 600) +
                              phone_statuses(&p, 0, 603) >
                          0;
            harness_clear(&p.h);
        }
        if ((success > 0) + finals != 1)
            fail_msg("walk %u: %u refusals and %u answers for one call", walk, finals, success);
        phones_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_of_events),
        cmocka_unit_test(one_final_for_each_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
