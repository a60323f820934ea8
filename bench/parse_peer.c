/*
 * The clock around another library's parser: the same rounds, median and CPU time as in parse.c.
 *
 *     bench-parse-NAME [MESSAGE]
 */
#include "parse_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 200
#define TIMES  200 /* about a millisecond a round: short enough to fall between interruptions */
#define ROOM   65536

static double now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Reads a file; its length, 0 when that is not possible. */
static size_t load(const char *path, char *out)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(out, 1, ROOM - 1, f) : 0;

    if (f)
        fclose(f);
    out[n] = 0; /* osip2 wants it so */
    return n;
}

int main(int argc, char **argv)
{
    static char bytes[ROOM];
    static double ns[ROUNDS];
    const char *path = argc > 1 ? argv[1] : OH_BENCH_DATA "/invite.sip";
    size_t n = load(path, bytes);

    if (!n || !peer_init() || !peer_read(bytes, n)) {
        fprintf(stderr, "bench-parse: %s does not read all of %s\n", peer_name, path);
        return 1;
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        double before = now_ns();

        for (unsigned k = 0; k < TIMES; k++)
            if (!peer_read(bytes, n))
                return 1;
        ns[i] = (now_ns() - before) / TIMES;
    }
    qsort(ns, ROUNDS, sizeof ns[0], compare);
    printf("%-8s %7.1f ns  (least %.1f)\n", "decode", ns[ROUNDS / 2], ns[0]);
    return 0;
}
