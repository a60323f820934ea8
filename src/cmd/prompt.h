/* Passwords from where they are safe: a file, standard input, the terminal. */
#ifndef OH_CMD_PROMPT_H
#define OH_CMD_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#define OH__PASSWORD_ROOM 258 /* 255 bytes, one too many to notice it, a line end, a terminator */

struct oh__args;

/*
 * The password that --password-file or --prompt asks for. 0 with the password terminated in out and
 * *given true; 0 and *given false when neither option is there; else an exit status, told.
 */
int oh__password(const struct oh__args *args, char out[OH__PASSWORD_ROOM], bool *given);

/* Overwrites a password in a way that the compiler may not leave out. */
void oh__forget(void *p, size_t n);

#endif
