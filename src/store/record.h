/*
 * How records of bindings lie in a file, in journal segments and snapshots
 * alike, and how they are found again in a file that may be torn or damaged.
 *
 *   0  u32  CRC-32C of the 28 bytes that follow
 *   4  u32  CRC-32C of what lies behind the head
 *   8  u32  size in bytes, head included, padding not
 *  12  u16  bytes of the AOR; 0 in a snapshot's last record
 *  14  u16  format of the record, 1
 *  16  u64  place in the order of all appends (LSN)
 *  24  u64  version
 *  32       AOR, body, zeros up to a multiple of 8
 *
 * Numbers are little-endian. Both sums start from the file's salt, which is
 * random: what an earlier use of the segment left behind does not pass for a
 * record of this use, and neither does one that a stranger wrote into a
 * Contact. The head has its own sum, so that a search through damaged bytes
 * never has to add up what a wild size claims.
 */
#ifndef OH_STORE_RECORD_H
#define OH_STORE_RECORD_H

#include "store/store.h"

#define OH__RECORD_HEAD 32
#define OH__RECORD_MAX  (256u << 10) /* bytes with head; 32 bindings of 8 KiB each */
#define OH__RECORD_STEP 8
#define OH__FILE_HEAD   64
#define OH__FILE_FORMAT 1

struct oh__record {
    uint64_t lsn, version;
    struct oh_span aor, body;
};

/* Bytes that a record takes in a file, padding included; 0 when it is larger than OH__RECORD_MAX.
 */
size_t oh__record_size(struct oh_span aor, struct oh_span body);

/* Writes a record, with padding, into oh__record_size bytes. */
void oh__record_put(char *to, uint32_t seed, const struct oh__record *r);

/*
 * Reads a record at the start of bytes; spans point into them. OH_OK with the bytes it takes;
 * OH_E_INCOMPLETE when the head is good and the rest is not there; OH_E_CORRUPT when there is none.
 */
int oh__record_get(struct oh_span bytes, uint32_t seed, struct oh__record *out, size_t *size);

/* The head of a file of records. */
struct oh__file_head {
    char magic[8];
    uint32_t worker;     /* segments: whose */
    uint64_t sequence;   /* segments: unique in a state directory, ascending */
    uint64_t generation; /* counts the openings of the store; the upper part of its LSNs */
    uint64_t floor;      /* snapshots: everything up to this LSN is in them */
    uint8_t salt[16];
};

/* Writes a file's head. */
void oh__file_head_put(char to[OH__FILE_HEAD], const struct oh__file_head *head);

/* Reads a file's head of this magic. OH_OK, OH_E_CORRUPT, OH_E_VERSION (made by a newer program).
 */
int oh__file_head_get(const char from[OH__FILE_HEAD], const char magic[8],
                      struct oh__file_head *out);

/* What the record sums of a file start from. */
uint32_t oh__file_seed(const struct oh__file_head *head);

/*
 * Finds the seed of a file whose head is damaged, by means of its first record: the seed that the
 * salt gives when it is intact, else the one that the record's own sum can only have started from.
 * bytes is what lies behind the head. OH_OK with the seed and the record, or OH_E_CORRUPT when that
 * record is damaged as well, or none.
 */
int oh__file_seed_guess(const char head[OH__FILE_HEAD], struct oh_span bytes, uint32_t *seed,
                        struct oh__record *first);

/* Walks through the records of a file, over whatever is broken. */
struct oh__scan {
    int fd;
    uint32_t seed;
    char *buf;        /* a window on the file */
    size_t at, n;     /* where we are in it, and how much there is */
    uint64_t offset;  /* place of the window in the file */
    bool ended;       /* the window reaches the end of the file */
    uint64_t gap;     /* bytes that were passed since the last intact record */
    uint64_t damaged; /* bytes that were passed and had an intact record behind them */
    uint64_t first;   /* where the first of them was */
};

/* Starts behind the head of an open file with this seed. OH_OK or OH_E_NOMEM. */
int oh__scan_init(struct oh__scan *s, int fd, uint32_t seed);

/* Frees the window; the file stays open. */
void oh__scan_done(struct oh__scan *s);

/* The next intact record; its spans live until the next call. OH_OK, OH_E_ABSENT at the end,
 * OH_E_IO. */
int oh__scan_next(struct oh__scan *s, struct oh__record *out);

#endif
