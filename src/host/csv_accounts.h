/* A file of accounts: CSV with a header, or lines of user@domain,password. */
#ifndef OH_HOST_CSV_ACCOUNTS_H
#define OH_HOST_CSV_ACCOUNTS_H

#include "host/admin.h"

/* What was read. Texts live in the text that was given and in the arena. */
struct oh__csv_accounts {
    struct oh_arena arena;
    struct oh__admin_row *rows;
    size_t n, cap;
    struct oh__admin_fault *faults; /* lines that are no accounts */
    unsigned faults_n, faults_cap;
};

/*
 * Reads the whole text. OH_OK, also when there are faults; OH_E_NOMEM. A header is recognised by
 * its first field being the name of a column; an unknown column is a fault of line 1, and then no
 * row is read. To be ended with oh__csv_accounts_done in every case.
 */
int oh__csv_accounts_read(struct oh_span text, struct oh__csv_accounts *out);

/* Gives the memory back. */
void oh__csv_accounts_done(struct oh__csv_accounts *accounts);

#endif
