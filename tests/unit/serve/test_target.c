/* Where requests go that have no flow, and what becomes of flows that are older than the
 * configuration. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "serve/target.h"

static struct oh_addr addr(const char *text)
{
    struct oh_addr a;

    assert_int_equal(oh_addr_parse_port(oh_span_str(text), &a), OH_OK);
    return a;
}

static void listen_on(struct oh__settings *s, uint8_t transport, const char *text)
{
    s->listeners[s->listeners_n].transport = transport;
    s->listeners[s->listeners_n++].addr = addr(text);
}

/* A binding stored before a restart with another file: same socket elsewhere in the list, only
 * the transport left, nothing left. */
static void test_rebind(void **state)
{
    static struct oh__settings s;
    struct oh_flow flow = {.local = addr("192.0.2.1:5060"),
                           .peer = addr("198.51.100.7:5060"),
                           .listener = 0,
                           .transport = OH_TRANSPORT_UDP};
    struct oh_flow other = flow;

    (void)state;
    oh__settings_default(&s);
    s.listeners_n = 0;
    listen_on(&s, OH_TRANSPORT_TCP, "192.0.2.1:5060");
    listen_on(&s, OH_TRANSPORT_UDP, "192.0.2.9:5060");
    listen_on(&s, OH_TRANSPORT_UDP, "0.0.0.0:5060");
    assert_true(oh__target_rebind(&s, &flow));
    assert_int_equal(flow.listener, 2);
    assert_true(oh_addr_eq(&flow.local, &other.local));

    s.listeners_n = 2;
    assert_true(oh__target_rebind(&s, &flow));
    assert_int_equal(flow.listener, 1);
    assert_true(oh_addr_eq(&flow.local, &s.listeners[1].addr));

    s.listeners_n = 1;
    flow = other;
    assert_false(oh__target_rebind(&s, &flow));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rebind)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
