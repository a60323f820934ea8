/*
 * Lua's patterns with a meter. Lua's own matcher backtracks inside of one
 * call, so "(.-)*(.-)*(.-)*x" on a long text would hold a worker for hours,
 * and no hook could stop it. This one counts every comparison.
 */
#ifndef OH_HOST_CONFIG_PATTERN_H
#define OH_HOST_CONFIG_PATTERN_H

#include <offhook/span.h>

#define OH__PATTERN_CAPTURES_MAX 32
#define OH__PATTERN_DEPTH_MAX    200 /* items of one pattern */

struct oh__capture {
    const char *p;
    ptrdiff_t n; /* bytes; OH__CAPTURE_POSITION for "()" */
};

#define OH__CAPTURE_OPEN     (-1)
#define OH__CAPTURE_POSITION (-2)

struct oh__match {
    struct oh_span subject;
    struct oh_span pattern; /* without the leading "^" */
    int64_t steps;          /* that may still be taken */
    int64_t used;           /* taken so far */
    const char *error;      /* a fault of the pattern, else NULL */
    unsigned depth;
    unsigned captures_n;
    struct oh__capture captures[OH__PATTERN_CAPTURES_MAX];
    const char *end; /* behind the match */
};

enum oh__match_result { OH__MATCH_NO, OH__MATCH_YES, OH__MATCH_STOPPED, OH__MATCH_BAD };

/*
 * Matches the pattern at one place of the subject. YES fills end and captures;
 * STOPPED: steps are over; BAD: error says why.
 */
enum oh__match_result oh__match_at(struct oh__match *m, size_t at);

#endif
