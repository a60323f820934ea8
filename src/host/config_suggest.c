/*
 * "Did you mean": the distance of Damerau and Levenshtein in its form of
 * optimal string alignment, which counts a swap of neighbours as one slip, as
 * people make them. Names are short, so three rows on the stack are enough.
 */
#include "host/config_parts.h"

#define WORD_MAX 48

/* The least of three. */
static size_t least(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;

    return m < c ? m : c;
}

/* The number of insertions, deletions, replacements and swaps between two words. */
static size_t distance(struct oh_span a, struct oh_span b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b.n; j++)
        last[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *spare = before;

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t differ = a.p[i - 1] != b.p[j - 1];

            row[j] = least(last[j] + 1, row[j - 1] + 1, last[j - 1] + differ);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        before = last;
        last = row;
        row = spare;
    }
    return last[b.n];
}

void oh__suggest(struct oh__suggestion *best, struct oh_span word, const char *name)
{
    struct oh_span known = oh_span_str(name);
    size_t d;

    if (word.n == 0 || word.n > WORD_MAX || known.n > WORD_MAX)
        return;
    d = distance(word, known);
    /* Further than a third of the word is another word, not a slip; short words allow one. */
    if (d > (word.n < 6 ? 1 : word.n / 3))
        return;
    if (!best->name || d < best->distance)
        *best = (struct oh__suggestion){name, d};
}
