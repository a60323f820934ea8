/* Changes to a SIP message that leave most of it whole, for harnesses that read messages. */
#ifndef OH_TESTS_FUZZ_MUTATE_H
#define OH_TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Changes the message in p[0 .. n-1] in place, within cap bytes: takes lines out, repeats, swaps or
 * folds them, writes a header row out of a table, changes a value, or makes Content-Length right
 * again. Returns the new length. The same random number does the same again.
 */
size_t mutate_message(char *p, size_t n, size_t cap, uint64_t random);

#endif
