/*
 * The first minute: two accounts that can call each other, and on the terminal
 * what a person needs to connect a phone. Passwords are shown once on a
 * terminal, or else left in a file that only the owner can read; they never
 * reach the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "host/account.h"
#include "host/process.h"

#define FIRST_FILE "first-accounts.txt"
#define ADDRS_MAX  16
#define SIP_PORT   5060

static const char *const FIRST_USERS[] = {"101", "102"};
#define FIRST_N 2

/* The realm is fixed at creation; without a domain of its own the account serves every name of this
 * machine (decision 12). */
static int make_one(struct oh__host *host, const char *user, const char *password)
{
    const struct oh__settings *settings = oh__config_settings(host->config);
    const char *domain = settings->domains_n ? oh__settings_main(settings)->name : "";
    struct oh__new_account account = {.user = oh_span_str(user),
                                      .domain = oh_span_str(domain),
                                      .realm = oh_span_str(oh__settings_main(settings)->name),
                                      .password = oh_span_str(password)};
    struct oh__account_made made;
    char text[OH__STORE_WHY] = "";
    const char *why;

    if (oh__account_make(host->hasher, &account, &made, &why) != OH_OK) {
        fprintf(stderr, "offhook: the account %s could not be made: %s\n", user, why);
        return 9;
    }
    if (oh__store_accounts_put(host->store, &made.row, 1, text) != OH_OK) {
        fprintf(stderr, "offhook: the account %s could not be stored: %s\n", user, text);
        return 9;
    }
    return oh__accounts_put(host->shared.accounts, &made.row) == OH_OK ? 0 : 9;
}

/* Leaves the passwords in STATE/first-accounts.txt. Returns an exit status. */
static int leave_file(const char *state, char passwords[FIRST_N][OH__PASSWORD_MAX])
{
    char path[OH__CONFIG_PATH_MAX + 32];

    snprintf(path, sizeof path, "%s/%s", state, FIRST_FILE);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        fprintf(stderr, "offhook: cannot write %s (%s): make the directory writable\n", path,
                strerror(errno));
        return 9;
    }
    for (unsigned i = 0; i < FIRST_N; i++)
        dprintf(fd, "user %s password %s\n", FIRST_USERS[i], passwords[i]);
    fsync(fd);
    close(fd);
    printf("First accounts: %s and %s, passwords in %s\n", FIRST_USERS[0], FIRST_USERS[1], path);
    return 0;
}

int oh__first_accounts(struct oh__host *host)
{
    char passwords[FIRST_N][OH__PASSWORD_MAX];

    if (host->options->file || oh__accounts_count(host->shared.accounts))
        return 0;
    for (unsigned i = 0; i < FIRST_N; i++)
        oh__password_make(&host->rng, passwords[i]);
    int status = 0;

    if (!isatty(STDOUT_FILENO))
        status = leave_file(oh__config_process(host->config)->state, passwords);
    for (unsigned i = 0; i < FIRST_N && status == 0; i++)
        status = make_one(host, FIRST_USERS[i], passwords[i]);
    if (status || !isatty(STDOUT_FILENO))
        return status;
    printf(
        "\nTwo accounts were made. Their passwords are shown only now (`offhook user passwd 101` makes a new one):\n\n");
    for (unsigned i = 0; i < FIRST_N; i++)
        printf("    user %s   password %s\n", FIRST_USERS[i], passwords[i]);
    printf("\n");
    return 0;
}

/* Collects the addresses by which a listener is reached: its own, or for a wildcard those of this
 * machine. */
static unsigned reach(const struct oh_addr *listener, struct oh_addr *out, unsigned max)
{
    struct oh_addr local[ADDRS_MAX];
    unsigned n = 0;

    if (max == 0)
        return 0;
    if (!oh_addr_is_any(listener)) {
        out[0] = *listener;
        return 1;
    }
    unsigned found = oh__local_addrs(local, ADDRS_MAX);

    for (unsigned i = 0; i < found && n < max; i++) {
        if (local[i].family != listener->family || oh_addr_is_loopback(&local[i]))
            continue;
        out[n] = local[i];
        out[n++].port = listener->port;
    }
    return n;
}

/* "192.0.2.1", or with a port when it is not the usual one. */
static void print_server(const struct oh_addr *a, bool first)
{
    char text[OH_ADDR_TEXT_MAX];
    struct oh_addr shown = *a;

    if (shown.port == SIP_PORT)
        shown.port = 0;
    oh_addr_text(&shown, text);
    printf("%s%s%s", first ? "" : " or ", text,
           oh_addr_is_loopback(a) ? " (this machine only)" : "");
}

/* The names that a phone can be given as its server: domains, or the addresses that are listened
 * on. */
static void print_servers(const struct oh__settings *settings)
{
    struct oh_addr shown[OH__LISTENERS_MAX + ADDRS_MAX];
    unsigned n = 0;

    printf("    server   ");
    for (unsigned i = 0; i < settings->domains_n; i++)
        printf("%s%s", i ? " or " : "", settings->domains[i].name);
    for (unsigned i = 0; i < settings->listeners_n && settings->domains_n == 0; i++) {
        struct oh_addr addrs[ADDRS_MAX];
        unsigned found = reach(&settings->listeners[i].addr, addrs, ADDRS_MAX);

        for (unsigned k = 0; k < found; k++) {
            unsigned same = 0;

            while (same < n && !oh_addr_eq(&shown[same], &addrs[k]))
                same++;
            if (same < n || n == OH__LISTENERS_MAX + ADDRS_MAX)
                continue;
            print_server(&addrs[k], n == 0);
            shown[n++] = addrs[k];
        }
    }
    printf("\n");
}

void oh__first_banner(struct oh__host *host)
{
    const struct oh__settings *settings = oh__config_settings(host->config);
    const struct oh__config_process *process = oh__config_process(host->config);
    char text[OH_ADDR_TEXT_MAX];

    printf("offhook %s serves on", OH_VERSION_TEXT);
    for (unsigned i = 0; i < settings->listeners_n; i++) {
        oh_addr_text(&settings->listeners[i].addr, text);
        printf("%s %.*s:%s", i ? "," : "",
               OH_PRI(oh_transport_param(settings->listeners[i].transport)), text);
    }
    printf("\nState: %s   %u worker(s)   %u account(s)\n", process->state, host->workers_n,
           oh__accounts_count(host->shared.accounts));
    printf("\nTo connect a phone, enter in its account settings:\n\n");
    print_servers(settings);
    printf("    user     101\n    password the one of that account\n\n");
    printf(
        "See who is registered: offhook phones    Why did a call fail: offhook why    Stop: Ctrl-C\n");
    if (settings->no_auth)
        printf(
            "\n*** NO AUTHENTICATION (--no-auth): everybody who can reach this server may register and call. ***\n");
    fflush(stdout);
}
