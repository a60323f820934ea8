/*
 * What the files of the store share.
 *
 * Segments of all journals are in one list of the store; store->lock guards
 * the list, the spares and the numbers beside them. A worker takes it only
 * when its segment is full, once in 16 MiB. The background thread (compact)
 * copies what it needs and syncs without the lock; only it removes segments,
 * so a pointer that it copied stays good.
 *
 * Every record gets a number from one counter, its LSN. Appends are made under
 * the lock of the table row they describe, and the snapshot's `next` takes the
 * same locks; so everything up to the counter's value before the first `next`
 * is in the snapshot, and a segment that still holds such records (it was
 * being written, or its removal was lost with the power) does no harm: replay
 * leaves them out. Without that, an unregistration whose segment was dropped
 * could be undone by an older record in another worker's segment.
 */
#ifndef OH_STORE_PARTS_H
#define OH_STORE_PARTS_H

#include "store/db.h"
#include "store/record.h"

#include <stdatomic.h>

#define OH__SEGMENT_MAGIC  "OHJOURN1"
#define OH__SNAPSHOT_MAGIC "OHSNAP01"
#define OH__SNAPSHOT_NAME  "snapshot"
#define OH__BINDINGS_NAME  "bindings"
#define OH__NAME_ROOM      64 /* for names of files in the bindings' directory */

/* Of an LSN, for the records of one run: 10^12; what is above is the generation, 16 million runs.
 */
#define OH__LSN_BITS 40

/* Room of a batch: 1,700 usual records, more than any worker receives at once. */
#define OH__BATCH_BYTES (2u * OH__RECORD_MAX)

/*
 * Segments kept ready, so that a worker finds its next one allocated: one, one more for each four
 * journals, and those that journals without a segment will ask for with their first record.
 */
#define OH__SPARES(store) (1 + (store)->workers / 4 + (store)->idle_journals)

/*
 * Bytes that are allocated when none is ready all the same. The caller's stripe is locked
 * meanwhile, so they are few; the background thread has been woken and makes more.
 */
#define OH__SEGMENT_QUICK (1u << 20)

struct oh__segment {
    struct oh__segment *next;
    int fd; /* -1: closed, synced, or found at start */
    char name[OH__NAME_ROOM];
    uint64_t sequence; /* 0: a spare */
    uint64_t size;     /* bytes that it takes on disk */
    uint32_t seed;
    unsigned worker;   /* whose it is; a spare's is 0 */
    bool closed;       /* no worker writes to it any more */
    bool covered;      /* a snapshot that is being written holds all of it */
    bool missed;       /* somebody has deleted it, which was told */
    atomic_bool dirty; /* written since its last sync */
};

/* GOOD; FAILED after an error; RETRY when compact found that files can be written again. */
enum oh__journal_state { OH__JOURNAL_GOOD, OH__JOURNAL_FAILED, OH__JOURNAL_RETRY };

struct oh__journal {
    struct oh__store *store;
    unsigned worker;
    struct oh__segment *segment; /* written now; NULL before the first record */
    uint64_t at;                 /* where the batch goes in it */
    char *batch;
    size_t batch_n;
    bool pending; /* records were accepted since the last commit */
    bool lost;    /* and some of them could not be written */
    atomic_int state;
};

struct oh__store {
    char *dir; /* NULL: memory only */
    size_t dir_room;
    bool read_only;
    int dir_fd, bind_fd, lock_fd;
    struct oh__db db;
    unsigned workers;
    struct oh__journal *journals;
    uint64_t segment_bytes;
    uint64_t generation;  /* of this opening */
    _Atomic uint64_t lsn; /* the last one given out */
    pthread_mutex_t lock; /* guards what follows */
    struct oh__segment *segments;
    struct oh__segment *spares;
    unsigned spares_n;
    uint64_t next_sequence;
    unsigned idle_journals; /* that have had no segment yet */
    uint64_t closed_bytes;  /* of closed segments */
    uint64_t live_bytes;    /* of the last snapshot */
    struct oh__store_trouble trouble;
    unsigned troubles; /* counts them, also those that are not the first */
    void (*wake)(void *ctx);
    void *wake_ctx;
    bool suspect;          /* a sync failed: a snapshot makes good what may be lost */
    bool replayed;         /* before that, a snapshot would lose what was not loaded */
    bool bindings_missing; /* their directory was not there, and a database was */
    atomic_bool gone;      /* the state directory was deleted: what is written is lost */
    atomic_bool full;      /* the disk had no room for a segment, a moment ago */
    atomic_bool dir_dirty; /* names changed since the directory's last sync */
};

/* ---- trouble (trouble.c) ---- */

/*
 * Notes that something could not be done to a file of the bindings ("" is the directory), with the
 * reason errno has. The first one is told until all is well again. Wakes the background thread.
 */
void oh__trouble(struct oh__store *store, bool refusing, const char *doing, const char *name);

/* The count of troubles, to be given to oh__trouble_over. */
unsigned oh__troubles(struct oh__store *store);

/* Ends the trouble if none has come since the count was taken. */
void oh__trouble_over(struct oh__store *store, unsigned count);

/*
 * Looks whether the files are still where they were. Removed segments and snapshots are only noted,
 * as suspect; a removed directory of bindings is made again. OH_OK, or OH_E_ABSENT: the state
 * directory itself is gone.
 */
int oh__files_there(struct oh__store *store);

/* ---- segments (segment.c) ---- */

/* True when the bindings' directory of a store that is being opened holds records. */
bool oh__segments_any(const struct oh__store *store);

/* Finds what is in the bindings' directory and the numbers to go on with. OH_OK or a code, why. */
int oh__segments_find(struct oh__store *store, char why[OH__STORE_WHY]);

/* Gives a worker a new segment, its head written. OH_OK, OH_E_FULL, OH_E_IO or OH_E_NOMEM. */
int oh__segment_take(struct oh__store *store, unsigned worker, struct oh__segment **out);

/* A worker is done with a segment; it is still to be synced. */
void oh__segment_close(struct oh__store *store, struct oh__segment *segment);

/* Syncs what was written since the last time. OH_OK or OH_E_IO. */
int oh__segments_sync(struct oh__store *store);

/* Marks closed segments as covered and returns the floor of a snapshot that starts now. */
uint64_t oh__segments_cover(struct oh__store *store);

/* Removes covered segments (done), keeping some as spares, or takes the marks away (not done). */
void oh__segments_uncover(struct oh__store *store, bool done);

/* Allocates spares as far as they are missing. OH_OK or as oh__segment_take. */
int oh__segments_prepare(struct oh__store *store);

/* Forgets spares that somebody has deleted. */
void oh__segments_check_spares(struct oh__store *store);

/* Writes to a spare and syncs it, to find out whether files can be written. OH_OK or a code. */
int oh__segments_probe(struct oh__store *store);

/* Closes files and frees the lists. */
void oh__segments_done(struct oh__store *store);

/* ---- snapshots (snapshot.c) ---- */

/* As oh__store_compact's next. */
typedef int oh__snapshot_next(void *ctx, struct oh_span *aor, uint64_t *version,
                              struct oh_span *record);

struct oh__snapshot_source {
    oh__snapshot_next *next;
    void *ctx;
    uint64_t generation, floor;
};

/*
 * Writes a snapshot beside the old one, syncs it, renames it over the old one and syncs the
 * directory. OH_OK with its size, or a code (errno tells more), and then the old one is untouched.
 */
int oh__snapshot_write(int bind_fd, const struct oh__snapshot_source *from, uint64_t *size);

/* Opens the snapshot and reads its head. OH_OK, OH_E_ABSENT, OH_E_CORRUPT, OH_E_VERSION, OH_E_IO.
 */
int oh__snapshot_open(int bind_fd, int *fd, struct oh__file_head *head);

#endif
