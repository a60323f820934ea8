/* Whose domain a host is, whether it is this server, and who is trusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <offhook/error.h>
#include <offhook/flow.h>

#include "serve/settings.h"

static struct oh_addr addr(const char *text)
{
    struct oh_addr a;

    assert_int_equal(oh_addr_parse_port(oh_span_str(text), &a), OH_OK);
    return a;
}

static void set_domain(struct oh__settings *s, const char *name, const char *alias_of)
{
    struct oh__settings_domain *d = &s->domains[s->domains_n++];

    memcpy(d->name, name, strlen(name) + 1);
    memcpy(d->alias_of, alias_of, strlen(alias_of) + 1);
    s->any_domain = false;
}

/* One concrete UDP listener on 192.0.2.1:5070 that advertises a name. */
static void set_listener(struct oh__settings *s)
{
    s->listeners_n = 1;
    s->listeners[0] = (struct oh__settings_listener){.transport = OH_TRANSPORT_UDP,
                                                     .addr = addr("192.0.2.1:5070"),
                                                     .advertise = "sip.example.net",
                                                     .advertise_port = 5080};
}

static const char *domain_of(const struct oh__settings *s, const char *host)
{
    const struct oh__settings_domain *d = oh__settings_domain(s, oh_span_str(host));

    return d ? d->name : NULL;
}

static bool is_us(const struct oh__settings *s, const char *host, uint16_t port, const char *local)
{
    struct oh_addr a;

    if (local)
        a = addr(local);
    return oh__settings_is_us(s, oh_span_str(host), port, local ? &a : NULL);
}

static void test_defaults(void **state)
{
    static struct oh__settings s;

    (void)state;
    memset(&s, 0xa5, sizeof(s));
    oh__settings_default(&s);
    assert_int_equal(s.listeners_n, 4);
    assert_true(s.any_domain);
    assert_int_equal(s.domains_n, 0);
    assert_true(s.timer_c > 180 * UINT64_C(1000000000));
    assert_true(s.t1 == 500000000);
    assert_int_equal(s.limits.uri, 1024);
    assert_false(s.has_on_call);
    assert_ptr_equal(oh__settings_main(&s), &s.fallback);
}

static void test_listed_domains(void **state)
{
    static struct oh__settings s;

    (void)state;
    oh__settings_default(&s);
    set_listener(&s);
    set_domain(&s, "example.com", "");
    set_domain(&s, "www.example.com", "example.com");
    set_domain(&s, "example.org", "");
    set_domain(&s, "[2001:db8::1]", "");
    assert_string_equal(domain_of(&s, "EXAMPLE.com"), "example.com");
    assert_string_equal(domain_of(&s, "example.com."), "example.com");
    assert_string_equal(domain_of(&s, "www.example.com"), "example.com");
    assert_string_equal(domain_of(&s, "[2001:DB8:0:0::1]"), "[2001:db8::1]");
    assert_null(domain_of(&s, "example.net"));
    assert_null(domain_of(&s, "example.co"));
    assert_null(domain_of(&s, "xexample.com"));
    assert_null(domain_of(&s, ""));
    assert_null(domain_of(&s, "."));
    assert_null(domain_of(&s, "192.0.2.2"));
    /* Our own address and advertised name stand for the main domain. */
    assert_string_equal(domain_of(&s, "192.0.2.1"), "example.com");
    assert_string_equal(domain_of(&s, "sip.example.net"), "example.com");
    memcpy(s.default_domain, "example.org", sizeof("example.org"));
    assert_string_equal(domain_of(&s, "192.0.2.1"), "example.org");
    memcpy(s.default_domain, "www.example.com", sizeof("www.example.com"));
    assert_string_equal(oh__settings_main(&s)->name, "example.com");
}

static void test_is_us(void **state)
{
    static struct oh__settings s;

    (void)state;
    oh__settings_default(&s);
    set_listener(&s);
    set_domain(&s, "example.com", "");
    assert_true(is_us(&s, "example.com", 0, NULL));
    assert_true(is_us(&s, "example.com", 5070, NULL));
    assert_true(is_us(&s, "example.com", 5080, NULL));
    assert_false(is_us(&s, "example.com", 5060, NULL));
    assert_true(is_us(&s, "192.0.2.1", 5070, NULL));
    assert_true(is_us(&s, "sip.example.net", 5080, NULL));
    assert_false(is_us(&s, "192.0.2.2", 5070, "192.0.2.2:5070"));
    assert_false(is_us(&s, "foreign.example", 0, NULL));
    /* On a wildcard listener the local address of the flow counts, and no other. */
    s.listeners[0].addr = addr("0.0.0.0:5070");
    assert_true(is_us(&s, "192.0.2.2", 5070, "192.0.2.2:5070"));
    assert_true(is_us(&s, "192.0.2.2", 0, "192.0.2.2:5070"));
    assert_false(is_us(&s, "192.0.2.3", 5070, "192.0.2.2:5070"));
    assert_false(is_us(&s, "192.0.2.2", 5060, "192.0.2.2:5070"));
    assert_false(is_us(&s, "192.0.2.2", 5070, NULL));
    s.listeners_n = 0;
    assert_false(is_us(&s, "example.com", 0, NULL));
}

static void test_any_domain(void **state)
{
    static struct oh__settings s;

    (void)state;
    oh__settings_default(&s);
    memcpy(s.fallback.name, "pbx", sizeof("pbx"));
    assert_string_equal(domain_of(&s, "whatever.example"), "pbx");
    assert_string_equal(domain_of(&s, "192.0.2.7"), "pbx"); /* may be ours: is_us decides */
    assert_true(is_us(&s, "whatever.example", 0, NULL));
    assert_true(is_us(&s, "192.0.2.7", 5060, "192.0.2.7:5060"));
    assert_false(is_us(&s, "192.0.2.8", 5060, "192.0.2.7:5060"));
    assert_false(is_us(&s, "whatever.example", 5999, NULL));
    assert_null(domain_of(&s, ""));
    set_listener(&s);
    assert_null(domain_of(&s, "192.0.2.7"));
    assert_string_equal(domain_of(&s, "192.0.2.1"), "pbx");
}

static void test_trusted(void **state)
{
    static struct oh__settings s;
    struct oh_addr inside = addr("10.1.2.3:5060"), outside = addr("11.1.2.3:5060");

    (void)state;
    oh__settings_default(&s);
    assert_false(oh__settings_trusted(&s, &inside));
    assert_int_equal(oh_network_parse(OH_LIT("10.0.0.0/8"), &s.trusted[s.trusted_n++]), OH_OK);
    assert_true(oh__settings_trusted(&s, &inside));
    assert_false(oh__settings_trusted(&s, &outside));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_listed_domains),
        cmocka_unit_test(test_is_us),    cmocka_unit_test(test_any_domain),
        cmocka_unit_test(test_trusted),
    };

    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
