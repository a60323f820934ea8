/*
 * What reading a message costs. Four numbers, each the median of many short rounds in nanoseconds
 * of this thread's CPU time, so that a busy machine blurs them little:
 *
 *   parse    the index: start line, every header row and its name, framing
 *   check    parse, and Via, From, To, Call-ID, CSeq, Max-Forwards, Request-URI decoded and checked
 *   decode   check, and every value of Contact and Route decoded down to its URI
 *   corpus   decode over the messages printed in the RFCs, per 500 bytes of them
 *
 * One message read again and again teaches the branch predictor its every byte; the corpus, which
 * is 800 messages in turn, is nearer to what a server meets.
 *
 *     bench-parse [--message FILE] [--corpus DIR] [--rounds N] [--count WHAT]
 *
 * With --count, one of the four (or "corpus") runs a thousand times (the corpus ten times) without
 * a clock: for tools that count instructions.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <offhook/msg.h>

#define ROUNDS_MAX 1000
#define TEXTS_MAX  4096

/* The messages of a run; they stay until the program ends. */
struct texts {
    struct oh_span v[TEXTS_MAX];
    size_t n, bytes;
};

/* How far a message is read. */
enum depth { PARSE, CHECK, DECODE };

static struct oh_msg msg;

/* Adds one file; false when it cannot be read. */
static bool load_file(struct texts *t, const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    char *bytes = NULL;
    bool ok = f && stat(path, &st) == 0 && st.st_size > 0 && t->n < TEXTS_MAX;

    if (ok) {
        /* lint: allow heap: a program that measures the library shares none of its memory. */
        bytes = malloc((size_t)st.st_size);
        ok = bytes && fread(bytes, 1, (size_t)st.st_size, f) == (size_t)st.st_size;
    }
    if (ok) {
        t->v[t->n++] = oh_span(bytes, (size_t)st.st_size);
        t->bytes += (size_t)st.st_size;
    }
    if (f)
        fclose(f);
    return ok;
}

/* Adds every ".sip" below a folder, and the folders in it. */
static void load_folder(struct texts *t, const char *folder, unsigned depth)
{
    struct dirent **list;
    int n = scandir(folder, &list, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        size_t len = strlen(name);
        char path[1024];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        if (len > 4 && strcmp(name + len - 4, ".sip") == 0)
            load_file(t, path);
        else if (name[0] != '.' && depth)
            load_folder(t, path, depth - 1);
        /* lint: allow heap: scandir hands over what it took. */
        free(list[i]);
    }
    if (n >= 0)
        free(list); /* lint: allow heap: as above */
}

/* Decodes every value of a list of addresses down to the URI; how many were fine. */
static unsigned addresses(enum oh_header_id id)
{
    struct oh_list it = {0};
    struct oh_msg_address a;
    unsigned fine = 0;

    while (oh_msg_address_next(&msg, id, &it, &a, NULL) == OH_OK)
        fine++;
    return fine;
}

/* Reads one message as far as asked; whether everything in it was fine. */
static bool read_one(struct oh_span bytes, enum depth depth)
{
    struct oh_fault fault;
    size_t used;

    if (oh_msg_parse(bytes, OH_MSG_DATAGRAM, NULL, &msg, &used, &fault) != OH_OK)
        return false;
    if (depth == PARSE)
        return true;
    if (oh_msg_check(&msg, &fault) != OH_OK)
        return false;
    if (depth == CHECK)
        return true;
    return addresses(OH_HEADER_CONTACT) + addresses(OH_HEADER_ROUTE) > 0;
}

/* Reads all messages `times` times; how many were fine. */
static size_t read_all(const struct texts *t, enum depth depth, unsigned times)
{
    size_t fine = 0;

    while (times--)
        for (size_t i = 0; i < t->n; i++)
            fine += read_one(t->v[i], depth);
    return fine;
}

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

/* Prints the median and the least of the rounds: nanoseconds for one of `unit` in a round. */
static void measure(const char *what, const struct texts *t, enum depth depth, unsigned rounds,
                    double unit)
{
    static double ns[ROUNDS_MAX];
    /* About a millisecond a round: short enough to fall between interruptions. */
    unsigned times = t->n > 1 ? 2 : 2000;

    read_all(t, depth, times);
    for (unsigned i = 0; i < rounds; i++) {
        double before = now_ns();

        read_all(t, depth, times);
        ns[i] = (now_ns() - before) / times / unit;
    }
    qsort(ns, rounds, sizeof(ns[0]), compare);
    printf("%-8s %7.1f ns  (least %.1f)\n", what, ns[rounds / 2], ns[0]);
}

/* Runs one of the four without a clock. */
static int count(const char *what, const struct texts *one, const struct texts *corpus)
{
    static const char *const names[] = {[PARSE] = "parse", [CHECK] = "check", [DECODE] = "decode"};

    if (strcmp(what, "corpus") == 0)
        return printf("%zu fine\n", read_all(corpus, DECODE, 10)) < 0;
    for (unsigned d = PARSE; d <= DECODE; d++)
        if (strcmp(what, names[d]) == 0)
            return printf("%zu fine\n", read_all(one, (enum depth)d, 1000)) < 0;
    fprintf(stderr, "bench-parse: --count takes parse, check, decode or corpus, not '%s'\n", what);
    return 2;
}

int main(int argc, char **argv)
{
    static struct texts one, corpus;
    const char *message = OH_BENCH_DATA "/invite.sip", *what = NULL;
    const char *folder = OH_BENCH_DATA "/../tests/corpus/rfc-flows";
    unsigned rounds = 200;

    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (value && strcmp(argv[i], "--message") == 0) {
            message = value;
        } else if (value && strcmp(argv[i], "--corpus") == 0) {
            folder = value;
        } else if (value && strcmp(argv[i], "--count") == 0) {
            what = value;
        } else if (value && strcmp(argv[i], "--rounds") == 0) {
            rounds = (unsigned)strtoul(value, NULL, 10);
            rounds = rounds < 1 ? 1 : rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX;
        } else {
            fprintf(stderr, "usage: bench-parse [--message FILE] [--corpus DIR] [--rounds N] "
                            "[--count parse|check|decode|corpus]\n");
            return 2;
        }
    }
    load_folder(&corpus, folder, 2);
    if (!load_file(&one, message) || !read_one(one.v[0], DECODE) || !corpus.n) {
        fprintf(stderr, "bench-parse: %s cannot be read, or %s has no messages\n", message, folder);
        return 1;
    }
    if (what)
        return count(what, &one, &corpus);
    measure("parse", &one, PARSE, rounds, 1);
    measure("check", &one, CHECK, rounds, 1);
    measure("decode", &one, DECODE, rounds, 1);
    measure("corpus", &corpus, DECODE, rounds, (double)corpus.bytes / 500);
    return 0;
}
