/* The chapters, in the order in which they run. */
#include "harness.h"

/* X(name): one file of cases each. */
#define CHAPTERS(X) \
    X(syntax)       \
    X(uri)          \
    X(torture)      \
    X(transport)    \
    X(transactions) \
    X(uas)          \
    X(registrar)    \
    X(proxy)        \
    X(forking)      \
    X(redirect)     \
    X(auth)         \
    X(overload)

#define DECLARE(name) extern const struct conformance_chapter conformance_##name;
CHAPTERS(DECLARE)

static const struct conformance_chapter *const chapters[] = {
#define ENTRY(name) &conformance_##name,
    CHAPTERS(ENTRY)};

const struct conformance_chapter *conformance_chapter_at(size_t k)
{
    return k < sizeof(chapters) / sizeof(chapters[0]) ? chapters[k] : NULL;
}
