/*
 * Where a password may come from. Never from the arguments: every user of the
 * machine sees those in the list of processes, and the shell keeps them. What
 * was read is overwritten after use, as far as that helps.
 */
#include "cmd/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/output.h"

void oh__forget(void *p, size_t n)
{
    volatile char *v = p;

    while (n--)
        *v++ = 0;
}

/* Reads a line byte by byte, so that nothing behind it is taken from standard input. */
static bool read_line(int fd, char out[OH__PASSWORD_ROOM])
{
    size_t n = 0;
    char c;

    for (;;) {
        ssize_t got = read(fd, &c, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (got == 0 && n == 0))
            return false;
        if (got == 0 || c == '\n')
            break;
        /* One byte more than allowed is kept, so that check() sees that it was too long. */
        if (n < OH__PASSWORD_ROOM - 2)
            out[n++] = c;
    }
    /* A file from another system; nobody ends a password with a carriage return. */
    if (n && out[n - 1] == '\r')
        n--;
    out[n] = '\0';
    return true;
}

static int check(const char *text)
{
    if (!text[0]) {
        oh__fail("the password is empty: it needs at least one character");
        return OH__EXIT_REFUSED;
    }
    if (strlen(text) > 255) {
        oh__fail("the password is longer than 255 bytes");
        return OH__EXIT_REFUSED;
    }
    return OH__EXIT_OK;
}

static int from_file(const char *path, char out[OH__PASSWORD_ROOM])
{
    bool in = strcmp(path, "-") == 0;
    int fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        oh__fail("%s cannot be read: %s", path, strerror(errno));
        return OH__EXIT_REFUSED;
    }
    bool read = read_line(fd, out);

    if (!in)
        close(fd);
    if (!read) {
        oh__fail("%s has no line with a password in it", in ? "standard input" : path);
        return OH__EXIT_REFUSED;
    }
    return check(out);
}

/* Asks once, without echo; the terminal is put back however it ends. */
static bool ask_once(int tty, const char *words, char out[OH__PASSWORD_ROOM])
{
    struct termios before, silent;
    bool known = tcgetattr(tty, &before) == 0;

    if (known) {
        silent = before;
        /* Canonical mode stays on, so that backspace works as everywhere. */
        silent.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(tty, TCSAFLUSH, &silent);
    }
    bool said = write(tty, words, strlen(words)) > 0 && read_line(tty, out);

    if (known)
        tcsetattr(tty, TCSAFLUSH, &before);
    return write(tty, "\n", 1) == 1 && said;
}

static int from_terminal(char out[OH__PASSWORD_ROOM])
{
    char again[OH__PASSWORD_ROOM] = "";
    /* Not standard input: that may be a pipe while somebody sits at the terminal. */
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC), status;

    if (tty < 0) {
        oh__fail("there is no terminal to ask for a password: use --password-file FILE, or - for "
                 "standard input");
        return OH__EXIT_USAGE;
    }
    bool both = ask_once(tty, "New password: ", out) && ask_once(tty, "Once more: ", again);

    close(tty);
    if (!both) {
        oh__fail("no password was typed: nothing was changed");
        return OH__EXIT_REFUSED;
    }
    status = check(out);
    if (status == OH__EXIT_OK && strcmp(out, again) != 0) {
        oh__fail("the two passwords differ: nothing was changed");
        status = OH__EXIT_REFUSED;
    }
    oh__forget(again, sizeof again);
    return status;
}

int oh__password(const struct oh__args *args, char out[OH__PASSWORD_ROOM], bool *given)
{
    const char *file = oh__arg(args, "password-file");
    bool prompt = oh__arg_given(args, "prompt");

    *given = file || prompt;
    if (file && prompt) {
        oh__fail("--password-file and --prompt: the password can come from one place only");
        return OH__EXIT_USAGE;
    }
    if (file)
        return from_file(file, out);
    return prompt ? from_terminal(out) : OH__EXIT_OK;
}
