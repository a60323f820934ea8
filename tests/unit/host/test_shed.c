/* Shedding: when it begins and ends, who is served meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <offhook/endpoint.h>

#include "host/shed.h"

#define MS   UINT64_C(1000000)
#define FULL 256 /* datagrams of a round that leaves more in the queue */

static const uint8_t key[16] = "shed-test-key!!";

static struct oh_addr addr(unsigned i)
{
    return (struct oh_addr){.family = OH_FAMILY_IPV4,
                            .port = 5060,
                            .ip = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
}

/* A round of n datagrams of one source; returns how many were served. */
static unsigned round_of(struct oh__shed *s, uint64_t now, unsigned n, unsigned source, bool known)
{
    struct oh_addr a = addr(source);
    unsigned served = 0;

    oh__shed_round(s, now);
    for (unsigned i = 0; i < n; i++)
        served += !(oh__shed_count(s) && oh__shed_drop(s, &a, known));
    return served;
}

/* Full rounds up to now, so that the next one sheds. */
static uint64_t overload(struct oh__shed *s, uint64_t now)
{
    for (int i = 0; i < 30; i++, now += MS)
        round_of(s, now, FULL, 1, false);
    assert_true(s->active);
    return now;
}

/* A burst is served whole; only a queue that stands is shed. */
static void test_burst(void **state)
{
    struct oh__shed s;
    uint64_t now = 1000 * MS;

    (void)state;
    oh__shed_init(&s, key);
    for (int i = 0; i < 20; i++, now += MS)
        assert_int_equal(round_of(&s, now, FULL, 1, false), FULL);
    assert_int_equal(round_of(&s, now, 10, 1, false), 10);
    for (int i = 0; i < 20; i++, now += MS)
        assert_int_equal(round_of(&s, now, FULL, 1, false), FULL);
}

/* One round that is not full ends it. */
static void test_ends(void **state)
{
    struct oh__shed s;
    uint64_t now;

    (void)state;
    oh__shed_init(&s, key);
    now = overload(&s, 1000 * MS);
    assert_true(round_of(&s, now, FULL, 1, false) < FULL / 8);
    round_of(&s, now + 1, 3, 1, false);
    assert_int_equal(round_of(&s, now + 2, FULL, 1, false), FULL);
    assert_false(s.active);
}

/* Strangers together have a share, so that whoever comes anew gets in some time. */
static void test_strangers(void **state)
{
    struct oh__shed s;
    unsigned served = 0;
    uint64_t now;

    (void)state;
    oh__shed_init(&s, key);
    now = overload(&s, 1000 * MS);
    oh__shed_round(&s, now);
    for (unsigned i = 0; i < FULL; i++) {
        struct oh_addr a = addr(i);

        served += !(oh__shed_count(&s) && oh__shed_drop(&s, &a, false));
    }
    assert_in_range(served, 8, 32);
}

/* Phones are served behind a thousand strangers' datagrams, and behind a phone that floods. */
static void test_known(void **state)
{
    struct oh__shed s;
    struct oh_addr villain = addr(7);
    unsigned served = 0, villains = 0;
    uint64_t now;

    (void)state;
    oh__shed_init(&s, key);
    now = overload(&s, 1000 * MS);
    for (unsigned turn = 0; turn < 2; turn++) {
        villains = served = 0;
        oh__shed_round(&s, ++now);
        for (unsigned i = 0; i < 200; i++)
            villains += !(oh__shed_count(&s) && oh__shed_drop(&s, &villain, true));
        for (unsigned i = 0; i < 40; i++) {
            struct oh_addr a = addr(1000 + i);

            served += !(oh__shed_count(&s) && oh__shed_drop(&s, &a, true));
            served += !(oh__shed_count(&s) && oh__shed_drop(&s, &a, true));
        }
    }
    assert_int_equal(villains, 16);
    /* One may share the villain's bucket. */
    assert_in_range(served, 78, 80);
    /* The next round is a new share. */
    assert_int_equal(round_of(&s, now + 1, 8, 7, true), 8);
}

/* An office behind one address loses nothing to shedding while nobody else wants to be served. */
static void test_alone(void **state)
{
    struct oh__shed s;
    uint64_t now;

    (void)state;
    oh__shed_init(&s, key);
    now = overload(&s, 1000 * MS);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(round_of(&s, ++now, FULL, 7, true), FULL);
    assert_true(s.active);
}

/* A phone that floods has whole rounds for himself; the others are heard of all the same. */
static void test_flood_between(void **state)
{
    struct oh__shed s;
    uint64_t now;
    unsigned served = 0;

    (void)state;
    oh__shed_init(&s, key);
    now = overload(&s, 1000 * MS);
    for (unsigned i = 0; i < 200; i++, now += MS) {
        struct oh_addr phone = addr(1000 + i % 10);

        served = round_of(&s, now, FULL - 1, 7, true);
        if (i % 10 == 0) /* ten phones say a word each now and then */
            assert_false(oh__shed_count(&s) && oh__shed_drop(&s, &phone, true));
        else
            oh__shed_count(&s);
    }
    assert_in_range(served, 16, FULL / 2);
}

/* It says once that it begins. */
static void test_begins_once(void **state)
{
    struct oh__shed s;
    unsigned begins = 0;

    (void)state;
    oh__shed_init(&s, key);
    for (uint64_t now = 0; now < 100 * MS; now += MS) {
        begins += oh__shed_round(&s, now);
        for (int i = 0; i < FULL; i++)
            oh__shed_count(&s);
    }
    assert_int_equal(begins, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst),         cmocka_unit_test(test_ends),
        cmocka_unit_test(test_strangers),     cmocka_unit_test(test_known),
        cmocka_unit_test(test_begins_once),   cmocka_unit_test(test_alone),
        cmocka_unit_test(test_flood_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
