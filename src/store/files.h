/*
 * What the store asks of the file system, with errors turned into the
 * project's codes and into sentences that say what to do. Everything takes
 * directory descriptors and short names, so a renamed directory is followed
 * and no path is built twice.
 */
#ifndef OH_STORE_FILES_H
#define OH_STORE_FILES_H

#include "store/store.h"

#define OH__PATH_MAX 4096

/* Writes a sentence into why (which may be NULL), cut off at its end when it is too long. */
void oh__why(char why[OH__STORE_WHY], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The code of an errno value: FULL (disk, quota or file size), DENIED, NOMEM, ABSENT or IO. */
int oh__files_code(int err);

/* As oh__files_code, and says in why what could not be done to which file, and the remedy. */
int oh__files_fail(char why[OH__STORE_WHY], int err, const char *doing, const char *path);

/* Writes all of it at an offset. OH_OK, or a code as oh__files_code gives (errno is kept). */
int oh__files_write(int fd, const void *p, size_t n, uint64_t at);

/* Reads until n bytes or the end; *got is how many there were. OH_OK or OH_E_IO. */
int oh__files_read(int fd, void *p, size_t n, uint64_t at, size_t *got);

/* Makes a directory with mode 0700 when it is missing and opens it; the descriptor or -1 with
 * errno. */
int oh__files_dir(int at_fd, const char *path, bool make);

/* Makes the directories above a path, with mode 0700, where they are missing. 0 or -1 with errno.
 */
int oh__files_make_above(const char *path);

/* Copies a file into a directory, with mode 0600, and syncs it. OH_OK or a code with errno kept. */
int oh__files_copy(int from_fd, int to_dir, const char *name);

/* Joins a directory and a name. OH_OK or OH_E_LIMIT. */
int oh__files_join(char out[OH__PATH_MAX], const char *dir, const char *name);

/* Syncs the directory that holds a path, so that the path's entry is on disk. OH_OK or OH_E_IO. */
int oh__files_sync_parent(const char *path);

/*
 * Takes the lock of a state directory: exclusive for a server, shared for those that only look. *fd
 * gets the descriptor whose closing ends the lock, or -1 when a reader may not even make the file.
 * OH_OK, OH_E_BUSY with the holder's pid in why, or as oh__files_fail.
 */
int oh__files_lock(int dir_fd, const char *dir, bool shared, int *fd, char why[OH__STORE_WHY]);

#endif
