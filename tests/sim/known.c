/*
 * Seeds that are worth more than others: each has shown something once, a
 * fault of the server, one that was put in on purpose and that no other seed
 * noticed, or a rule of the watcher that was wrong. They run with every plain
 * `sim`. A seed is one story as long as its scenario draws the same numbers; a
 * fault of the server has a test of its own besides, which does not change.
 */
#include "scenario.h"

static const struct known_seed known[] = {
    {"hostile", 6, "server: a 400 to a folded bad Via read beyond it (unit_sip_build: bad_via)"},
    {"disk", 989,
     "put in: a batch is written in two parts, the first part is lost, and its 200s leave"},
    {"disk", 368, "watcher: an old REGISTER that is repeated asks for nothing new"},
    {"late", 231, "watcher: a 1xx behind Timer B does not make a branch ring"},
    {"late", 3557, "watcher: what a 408 has ended is over so long after the 408"},
    {"late", 86, "watcher: a 408 that comes when all is over ends nothing"},
    {"death", 24, "watcher: a 2xx behind the guard of a CANCEL, and its copies, are nobody's"},
    {"fork-late", 20142, "watcher: an ACK behind Timer H confirms nothing"},
    {"requests", 21, "watcher: what a 408 has ended is not answered again (RFC 4320 4.2)"},
    {"corrupt", 2169, "watcher: a damaged final may be one for the watcher only"},
};

const struct known_seed *known_seed_at(unsigned i)
{
    return i < sizeof known / sizeof *known ? &known[i] : NULL;
}
