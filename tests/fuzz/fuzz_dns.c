/*
 * Answers of name servers, which anybody on the way may have written, and the
 * administrator's file of names. The first byte says which.
 */
#include "exact.h"
#include "fuzz.h"
#include "net/dns_wire.h"
#include "net/hosts.h"

#define ADDRS 16

static void answers(struct oh_span in)
{
    const uint8_t *p = (const uint8_t *)in.p;
    struct oh_addr addrs[ADDRS];
    uint32_t ttl;
    unsigned n;

    (void)oh__dns_negative_ttl(p, in.n);
    for (unsigned max = 1; max <= ADDRS; max += ADDRS - 1) {
        ttl = UINT32_MAX;
        n = oh__dns_addrs(p, in.n, OH_FAMILY_IPV4, addrs, max, &ttl);
        MUST(n <= max && (n == 0 || ttl <= INT32_MAX));
        for (unsigned i = 0; i < n; i++)
            MUST(addrs[i].family == OH_FAMILY_IPV4 && addrs[i].port == 0);
        n = oh__dns_addrs(p, in.n, OH_FAMILY_IPV6, addrs, max, &ttl);
        MUST(n <= max);
        for (unsigned i = 0; i < n; i++)
            MUST(addrs[i].family == OH_FAMILY_IPV6 && addrs[i].port == 0);
    }
}

/* The first line is the name, the rest the file. */
static void hosts(struct oh_span in)
{
    ptrdiff_t end = oh_span_find(in, '\n');
    struct oh_span name = oh_span_head(in, end < 0 ? in.n : (size_t)end);
    struct oh_span text = exact_copy(oh_span_from(in, end < 0 ? in.n : (size_t)end + 1));
    struct oh_addr addrs[ADDRS];
    unsigned all = oh__hosts_find(text, name, addrs, ADDRS);

    MUST(all <= ADDRS);
    for (unsigned i = 0; i < all; i++)
        MUST(addrs[i].family != OH_FAMILY_NONE && addrs[i].port == 0);
    MUST(oh__hosts_find(text, name, addrs, 1) == (all ? 1 : 0));
    exact_free(text);
}

static void run(struct oh_span in)
{
    struct fuzz_bytes b = {in};

    if (fuzz_byte(&b) % 4 == 3)
        hosts(b.rest);
    else
        answers(b.rest);
}

/* ---- seeds: answers as name servers write them ---- */

#define QUESTION "\4host\4test\0\0\1\0\1"
#define NAME     "\300\14"

#define SEED(to, text) fuzz_seed((to), oh_span((text), sizeof(text) - 1))

static void seeds(struct fuzz_seeds *to)
{
    /* Two addresses. */
    SEED(to, "\0\1\2\201\200\0\1\0\2\0\0\0\0" QUESTION NAME "\0\1\0\1\0\0\0\74\0\4\300\0\2\1" NAME
             "\0\1\0\1\0\0\0\12\0\4\300\0\2\2");
    /* An alias, and the address of IPv6 behind it. */
    SEED(to, "\0\1\2\201\200\0\1\0\2\0\0\0\0" QUESTION NAME "\0\5\0\1\0\0\0\74\0\4\1a\300\21"
             "\1a\300\21\0\34\0\1\0\0\0\74\0\20\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1");
    /* No such name, and for how long. */
    SEED(to, "\0\1\2\201\203\0\1\0\0\0\1\0\0" QUESTION
             "\300\21\0\6\0\1\0\0\16\20\0\30\2ns\300\21\1m\300\21"
             "\0\0\0\1\0\0\16\20\0\0\2\130\0\1\121\200\0\0\0\74");
    SEED(to, "\3pbx\n127.0.0.1 localhost pbx # x\n::1 ip6-localhost\n192.0.2.1\tPBX pbx.test\n");
}

const struct fuzz_harness fuzz_harness = {"dns", 1024, run, seeds, NULL};
