"""Bad samples that must be reported, and good ones that must not. A line of a sample that ends in
`//! rule` must have exactly that finding (`//! rule rule` for two); every other line none."""

import re

WORK = "/" + "work/main"
LATER = "TO" + "DO"

LONG = "static int long_one(int x)\n{\n" + "    x++;\n" * 80 + "    return x;\n}\n"

SAMPLES = [
    ("src/sip/banned.c", r"""
#include <string.h>
/* strcpy(a, b) in a comment is only talk. */
static void copy(char *to, const char *from)
{
    const char *text = "sprintf(x)";
    strcpy(to, from); //! banned
    to[0] = (char)atoi(text); //! banned
    sscanf(from, "%s", to); //! banned
    memcpy(to, from, 1);
}
#define PASTE(a, b) \
    strcat(a, b) //! banned
"""),
    ("src/core/system.c", r"""
#include <sys/socket.h> //! layers
#include <stdint.h>
static void reach(struct door *door, int fd)
{
    void *p = malloc(3); //! heap
    door->alloc.free(p);
    door->send(fd);
    send(fd, p, 3, 0); //! system
    uint64_t now = clock_gettime(0, p); //! clock
    getaddrinfo(p, p, p, p); //! names
    uint32_t x = random(); //! entropy
    printf("%u", x); //! output
    /* lint: allow heap: the sample shows a waiver. */
    free(p);
    /* lint: allow heap: */
    free(p); //! heap
    free(p); /* lint: allow clock: the wrong rule */ //! heap
}
"""),
    ("src/host/edge.c", r"""
static void edge(int fd)
{
    accept(fd, 0, 0);
    time(0); //! clock
    free(0); //! heap
}
"""),
    ("src/serve/own_name.c", r"""
static int accept(int a)
{
    return a;
}
static int user(int a)
{
    return accept(a);
}
"""),
    ("src/base/alloc.c", r"""
static void release(void *p)
{
    free(p);
}
"""),
    ("src/sip/layers.c", r"""
#include "base/span.h"
#include "core/dialog.h" //! layers
#include "uri.h" //! layers
#include <openssl/evp.h> //! layers
#include <offhook/span.h>
#include <offhook/dialog.h> //! layers
"""),
    ("src/serve/store_door.c", r"""
#include "core/endpoint.h"
#include "store/store.h"
#include "store/journal.h" //! layers
#include "net/udp.h" //! layers
"""),
    ("src/store/sqlite.c", "\n#include <sqlite3.h>\n#include <unistd.h>\n"
                           "#include \"serve/auth.h\" //! layers\n"),
    ("include/offhook/dialog.h", r"""
#include "core/dialog.h" //! layers
"""),
    ("src/core/state.c", r"""
struct pair;
struct pair {
    int a, b;
};
enum kind { ONE, TWO };
static int counter; //! state
static const char *name = "x"; //! state
static const char *const fixed = "x";
static const struct pair table[] = {{1, 2}, {3, 4}};
static struct pair other[2] = {{1, 2}}; //! state
int oh__shared; //! state
static int (*hook)(int); //! state
static int (*const hooks[])(int) = {0};
typedef int (*callback)(int);
static int forward(int a);
extern const int elsewhere;
_Static_assert(sizeof(int) == 4, "int");
static int forward(int a)
{
    static const int zero = 0;
    static int calls; //! state
    return a + zero + calls;
}
"""),
    ("src/net/state.c", "\nstatic int wakes;\n"),
    ("src/core/nested.c", r"""
static int deep(int a) //! nesting
{
    if (a) {
        for (;;) {
            while (a)
                if (a)
                    do {
                        a--;
                    } while (a);
        }
    }
    return a;
}
static int chain(int a)
{
    if (a == 1)
        return 2;
    else if (a == 2)
        return 3;
    else if (a == 3)
        return 4;
    else if (a == 4)
        return 5;
    else if (a == 5)
        return 6;
    switch (a) {
    case 6: {
        FOR_EACH(x, a) {
            if (x)
                goto out;
        }
    }
    case 7: return 1;
    default: break;
    }
out:
    return 0;
}
#if A
static int twice(int a) {
#elif B
static int twice(int a, int b) {
#else
static int twice(void) {
#endif
    return 0;
}
static int after(int a)
{
    struct pair p = {.a = 1, .b = a ? 2 : 3};
    return p.a;
}
static int many(int a, int b, int c, int d, int e, int f, int (*g)(int, int), int h) //! params
{
    return a;
}
__attribute__((format(printf, 1, 2))) static void few(const char *a, ...)
{
}
"""),
    ("src/core/long.c", "\n" + LONG.replace("x)\n", "x) //! function-length\n", 1)),
    ("src/core/short.c", "\n" + LONG.replace("    x++;\n", "", 10)),
    ("src/core/table.c", "\nstatic const int table[] = {\n" + "    1,\n" * 100 + "};\n"
                         "#define ROWS(X) \\\n" + "    X(1) \\\n" * 90 + "    X(2)\n"),
    ("src/core/huge.c", "\n" + "/* x */\n" * 999 + "/* y */ //! file-length\n"),
    ("src/core/contract.h", r"""
#ifdef __cplusplus
extern "C" {
#endif
struct oh_thing;
/* Makes a thing; the caller owns it. OH_OK or OH_E_MEMORY. */
int oh__thing_new(struct oh_thing **out);

int oh__thing_bare(int a); //! contract
/* free */
void oh__thing_free(struct oh_thing *t); //! contract
/* Says how many there are, as a number without unit. */

int oh__thing_count(void); //! contract
// One line of two that explain it,
// and the second one.
int oh__thing_lines(void);
/* A name without the prefix of shared functions. */
int thing_name(void); //! names
/* Formats like printf, into nothing at all. */
__attribute__((format(printf, 1, 2))) void oh__thing_print(const char *format, ...);
static inline int thing_twice(int a)
{
    return 2 * a;
}
extern const int oh__thing_limit;
struct oh__ops {
    int (*run)(int a);
};
typedef struct oh__bad { //! names
    int a;
} oh__bad;
#ifdef __cplusplus
}
#endif
"""),
    ("include/offhook/name.h", r"""
/* A shared name in a public header is a mistake. */
int oh__name(void); //! names
/* Public things have the short prefix. */
int oh_name(void);
"""),
    ("src/core/names.c", r"""
int visible(void) //! names
{
    return 1;
}
static int oh_hidden(void) //! names
{
    return 1;
}
"""),
    ("src/core/text.c", "\n/* " + LATER + ": later */ //! unfinished\n"
                        "/* see " + WORK + " */ //! outside\n"
                        "/* blank at the end //! blanks*/ \n"
                        "\t/* tab //! blanks*/\n"
                        "/* " + "x" * 100 + " //! width*/\n"),
    ("tests/unit/core/test_x.c", r"""
static int changeable;
static void test_heap(void **state)
{
    free(malloc(1));
    strcpy(*state, "x"); //! banned
}
"""),
    ("docs/links.md", "\nSee [here](../ARCHITECTURE.md), [there](gone.md) //! links\n"
                      "[web](https://example.org/x) and [part](#part), `[no](link)`\n"),
]


def expected(text):
    """The (line, rule) pairs that a sample's marks ask for."""
    wanted = []
    for number, line in enumerate(text.split("\n"), 1):
        mark = re.search(r"//! ([a-z -]+)", line)
        if mark:
            wanted += [(number, rule) for rule in mark.group(1).split()]
    return wanted


def run(check):
    """Checks every sample; prints what differs and returns the exit status."""
    public = {"dialog.h": "core", "span.h": "base"}
    wrong = 0
    for path, text in SAMPLES:
        bare = re.sub(r" ?//! [a-z -]+", "", text)
        findings, _, _ = check(path, bare, public, lambda p: p == "ARCHITECTURE.md")
        found = sorted((line, rule) for line, rule, _ in findings)
        wanted = sorted(expected(text))
        for line, rule in wanted:
            if (line, rule) not in found:
                wrong += 1
                print("self-test: %s:%d: %s was not reported" % (path, line, rule))
        for line, rule in found:
            if (line, rule) not in wanted:
                wrong += 1
                print("self-test: %s:%d: %s was reported wrongly" % (path, line, rule))
    print("lint self-test: %d samples, %s" % (len(SAMPLES), "%d wrong" % wrong if wrong else "ok"))
    return 1 if wrong else 0
