/*
 * A journal in memory, for worlds whose disk fails now and then. The server
 * calls oh__journal_append, _pending and _commit of the store; the linker
 * gives those calls to the functions below (--wrap in tests/CMakeLists.txt),
 * which tell this journal by its first word from one of the store.
 *
 * It keeps the store's promises: what was committed is there after a restart
 * with the highest version of each AOR, what was only appended is not.
 */
#include "parts.h"

#include "store/store.h"

#define JOURNAL_MAGIC UINT64_C(0x6a6f75726e616c21)

int __real_oh__journal_append(struct oh__journal *journal, struct oh_span aor, uint64_t version,
                              struct oh_span record);
bool __real_oh__journal_pending(const struct oh__journal *journal);
int __real_oh__journal_commit(struct oh__journal *journal);
int __wrap_oh__journal_append(struct oh__journal *journal, struct oh_span aor, uint64_t version,
                              struct oh_span record);
bool __wrap_oh__journal_pending(const struct oh__journal *journal);
int __wrap_oh__journal_commit(struct oh__journal *journal);

static struct journal *ours(const struct oh__journal *journal)
{
    struct journal *j = (struct journal *)(void *)(uintptr_t)journal;

    return j && j->magic == JOURNAL_MAGIC ? j : NULL;
}

static char *copy(struct oh_span s)
{
    char *p = world_grow(NULL, s.n + 1);

    if (s.n)
        memcpy(p, s.p, s.n);
    return p;
}

static void drop(struct journal_record *r)
{
    free(r->aor);
    free(r->record);
}

int __wrap_oh__journal_append(struct oh__journal *journal, struct oh_span aor, uint64_t version,
                              struct oh_span record)
{
    struct journal *j = ours(journal);

    if (!j)
        return __real_oh__journal_append(journal, aor, version, record);
    if (aor.n == 0)
        return OH_E_LIMIT;
    if (world_chance(j->world, j->append_faults)) {
        world_note(j->world, "the journal refuses a record");
        return world_chance(j->world, 50) ? OH_E_FULL : OH_E_IO;
    }
    if (j->pending_n == j->pending_cap) {
        j->pending_cap = j->pending_cap * 2 + 8;
        j->pending = world_grow(j->pending, j->pending_cap * sizeof *j->pending);
    }
    j->pending[j->pending_n++] = (struct journal_record){copy(aor), copy(record), aor.n, record.n,
                                                         version};
    return OH_OK;
}

bool __wrap_oh__journal_pending(const struct oh__journal *journal)
{
    struct journal *j = ours(journal);

    return j ? j->pending_n > 0 : __real_oh__journal_pending(journal);
}

/* Puts a record where an older one of its AOR was. */
static void keep(struct journal *j, struct journal_record *r)
{
    for (unsigned i = 0; i < j->committed_n; i++) {
        struct journal_record *old = &j->committed[i];

        if (old->aor_n != r->aor_n || memcmp(old->aor, r->aor, r->aor_n) != 0)
            continue;
        drop(old->version > r->version ? r : old);
        if (old->version <= r->version)
            *old = *r;
        return;
    }
    if (j->committed_n == j->committed_cap) {
        j->committed_cap = j->committed_cap * 2 + 64;
        j->committed = world_grow(j->committed, j->committed_cap * sizeof *j->committed);
    }
    j->committed[j->committed_n++] = *r;
}

int __wrap_oh__journal_commit(struct oh__journal *journal)
{
    struct journal *j = ours(journal);

    if (!j)
        return __real_oh__journal_commit(journal);
    if (world_chance(j->world, j->commit_faults)) {
        world_note(j->world, "the journal loses %u records", j->pending_n);
        journal_forget(j);
        return OH_E_IO;
    }
    for (unsigned i = 0; i < j->pending_n; i++)
        keep(j, &j->pending[i]);
    j->pending_n = 0;
    j->commits++;
    return OH_OK;
}

void journal_init(struct journal *j, struct world *w)
{
    *j = (struct journal){.magic = JOURNAL_MAGIC, .world = w};
}

void journal_forget(struct journal *j)
{
    for (unsigned i = 0; i < j->pending_n; i++)
        drop(&j->pending[i]);
    j->pending_n = 0;
}

void journal_done(struct journal *j)
{
    journal_forget(j);
    for (unsigned i = 0; i < j->committed_n; i++)
        drop(&j->committed[i]);
    free(j->pending);
    free(j->committed);
}
