/*
 * One harness per file: what it does with bytes, and which bytes to begin with.
 * A harness is linked twice. With engine.c it is a libFuzzer program, which
 * looks for inputs that break it; with replay.c a plain program, built by any
 * compiler, which runs the seeds and every input that ever broke it.
 *
 * A harness keeps nothing from one input to the next that could change what it
 * does, so that one file is enough to see a failure again.
 */
#ifndef OH_TESTS_FUZZ_FUZZ_H
#define OH_TESTS_FUZZ_FUZZ_H

#include <offhook/span.h>

struct fuzz_seeds;

struct fuzz_harness {
    const char *name;
    size_t max; /* bytes of an input */
    /* Tries one input, which stands in a block of its exact size. Comes back, or stops the program.
     */
    void (*run)(struct oh_span input);
    /* Gives inputs to begin with to fuzz_seed. */
    void (*seeds)(struct fuzz_seeds *to);
    /*
     * Changes an input in place into something that is more likely to get past the first check than
     * random bytes are; the new length, at most `cap`. NULL: libFuzzer's own ways.
     */
    size_t (*mutate)(char *p, size_t n, size_t cap, uint64_t random);
};

/* The harness of this program. */
extern const struct fuzz_harness fuzz_harness;

/* Adds one seed. */
void fuzz_seed(struct fuzz_seeds *to, struct oh_span bytes);

/* Adds every file below tests/<folder> whose name ends in suffix, with `head` before its bytes. */
void fuzz_seed_files(struct fuzz_seeds *to, const char *folder, const char *suffix,
                     struct oh_span head);

/* Stops the program as a failure that the engine records; as printf. */
_Noreturn void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What must be so whatever the input is. Stays in optimised builds. */
#define MUST(condition) \
    ((condition) ? (void)0 : fuzz_fail("%s:%d: not so: %s", __FILE__, __LINE__, #condition))

/* True when a span lies within another, or is empty. */
static inline bool fuzz_inside(struct oh_span outer, struct oh_span s)
{
    return s.n == 0 || (s.p >= outer.p && s.p + s.n <= outer.p + outer.n);
}

/*
 * Takes decisions out of an input: numbers off one end of it. An input that has
 * come to its end gives zeros.
 */
struct fuzz_bytes {
    struct oh_span rest;
};

/* The next byte. */
static inline uint8_t fuzz_byte(struct fuzz_bytes *b)
{
    uint8_t v = b->rest.n ? (uint8_t)b->rest.p[0] : 0;

    b->rest = oh_span_from(b->rest, 1);
    return v;
}

/* The next 16 bits, little-endian. */
static inline uint16_t fuzz_u16(struct fuzz_bytes *b)
{
    uint16_t low = fuzz_byte(b);

    return (uint16_t)(low | fuzz_byte(b) << 8);
}

/* The next n bytes, or what is left. */
static inline struct oh_span fuzz_take(struct fuzz_bytes *b, size_t n)
{
    struct oh_span s = oh_span_head(b->rest, n);

    b->rest = oh_span_from(b->rest, n);
    return s;
}

#endif
