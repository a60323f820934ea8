/*
 * The first minute: two accounts that can call each other, and on the terminal
 * what a person needs to connect a phone. Passwords are shown once on a
 * terminal, or else left in a file that only the owner can read; they never
 * reach the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/account.h"
#include "host/process.h"

#define FIRST_FILE "first-accounts.txt"
#define ADDRS_MAX  16
#define SIP_PORT   5060

static const char *const FIRST_USERS[] = {"101", "102"};
#define FIRST_N 2

/*
 * Makes both accounts, in one transaction: with one of two, the next start would find an account
 * and not make the other. The realm is fixed at creation; without a domain of its own an account
 * serves every name of this machine (decision 12).
 */
static int make_all(struct oh__host *host, char passwords[FIRST_N][OH__PASSWORD_MAX])
{
    const struct oh__settings *settings = oh__config_settings(host->config);
    const char *domain = settings->domains_n ? oh__settings_main(settings)->name : "";
    struct oh__account_made made[FIRST_N];
    struct oh__account_row rows[FIRST_N];
    char text[OH__STORE_WHY] = "";
    const char *why;
    int r = OH_OK;

    for (unsigned i = 0; i < FIRST_N; i++) {
        struct oh__new_account account = {.user = oh_span_str(FIRST_USERS[i]),
                                          .domain = oh_span_str(domain),
                                          .realm = oh_span_str(oh__settings_main(settings)->name),
                                          .password = oh_span_str(passwords[i])};

        if (oh__account_make(host->hasher, &account, &made[i], &why) != OH_OK) {
            fprintf(stderr, "offhook: the account %s could not be made: %s\n", FIRST_USERS[i], why);
            return 9;
        }
        rows[i] = made[i].row;
    }
    if (oh__store_accounts_put(host->store, rows, FIRST_N, text) != OH_OK) {
        fprintf(stderr, "offhook: the first accounts could not be stored: %s\n", text);
        return 9;
    }
    for (unsigned i = 0; i < FIRST_N && r == OH_OK; i++)
        r = oh__accounts_put(host->shared.accounts, &rows[i]);
    if (r != OH_OK)
        fprintf(stderr, "offhook: the first accounts could not be loaded: %s\n", oh_error_text(r));
    return r == OH_OK ? 0 : 9;
}

/* Writes the passwords; false with errno. */
static bool write_passwords(int fd, char passwords[FIRST_N][OH__PASSWORD_MAX])
{
    /* One that is there from another time may be open to more people. */
    if (fchmod(fd, 0600) != 0)
        return false;
    for (unsigned i = 0; i < FIRST_N; i++) {
        if (dprintf(fd, "user %s password %s\n", FIRST_USERS[i], passwords[i]) < 0)
            return false;
    }
    return fsync(fd) == 0;
}

/*
 * Leaves the passwords in STATE/first-accounts.txt, before there are any accounts: passwords
 * without accounts harm nobody, accounts whose passwords nobody knows do. Returns an exit status.
 */
static int leave_file(const char *state, char passwords[FIRST_N][OH__PASSWORD_MAX])
{
    char path[OH__CONFIG_PATH_MAX + 32];
    bool written;
    int error;

    snprintf(path, sizeof path, "%s/%s", state, FIRST_FILE);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        fprintf(stderr, "offhook: cannot write %s (%s): make the directory writable\n", path,
                strerror(errno));
        return 9;
    }
    written = write_passwords(fd, passwords);
    error = errno;
    if (close(fd) != 0 && written) {
        written = false;
        error = errno;
    }
    if (!written) {
        fprintf(stderr, "offhook: cannot write %s: %s\n", path, strerror(error));
        return 9;
    }
    return 0;
}

int oh__first_accounts(struct oh__host *host)
{
    const char *state = oh__config_process(host->config)->state;
    char passwords[FIRST_N][OH__PASSWORD_MAX];
    bool shown = isatty(STDOUT_FILENO);
    int status = 0;

    if (host->options->file || oh__accounts_count(host->shared.accounts))
        return 0;
    for (unsigned i = 0; i < FIRST_N; i++)
        oh__password_make(&host->rng, passwords[i]);
    if (!shown)
        status = leave_file(state, passwords);
    if (status == 0)
        status = make_all(host, passwords);
    if (status)
        return status;
    if (!shown) {
        printf("First accounts: %s and %s, passwords in %s/%s\n", FIRST_USERS[0], FIRST_USERS[1],
               state, FIRST_FILE);
        return 0;
    }
    printf("\nTwo accounts were made. Their passwords are shown only now "
           "(`offhook user passwd 101` makes a new one):\n\n");
    for (unsigned i = 0; i < FIRST_N; i++)
        printf("    user %s   password %s\n", FIRST_USERS[i], passwords[i]);
    printf("\n");
    return 0;
}

/* Collects the addresses by which a listener is reached: its own, or for a wildcard those of this
 * machine, which are the loopback ones only when it has no others. */
static unsigned reach(const struct oh_addr *listener, bool loopback, struct oh_addr *out,
                      unsigned max)
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
        if (local[i].family != listener->family || oh_addr_is_loopback(&local[i]) != loopback)
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

/* The addresses that are listened on; returns how many there are to show. */
static unsigned print_addresses(const struct oh__settings *settings, bool loopback)
{
    struct oh_addr shown[OH__LISTENERS_MAX + ADDRS_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < settings->listeners_n; i++) {
        struct oh_addr addrs[ADDRS_MAX];
        unsigned found = reach(&settings->listeners[i].addr, loopback, addrs, ADDRS_MAX);

        for (unsigned k = 0; k < found; k++) {
            unsigned same = 0;

            /* UDP and TCP mostly listen on the same addresses: each is shown once. */
            while (same < n && !oh_addr_eq(&shown[same], &addrs[k]))
                same++;
            if (same < n || n == OH__LISTENERS_MAX + ADDRS_MAX)
                continue;
            print_server(&addrs[k], n == 0);
            shown[n++] = addrs[k];
        }
    }
    return n;
}

/*
 * What a phone can be given as its server: domains, or the addresses that are listened on. A domain
 * that DNS does not know, or a port that is not the usual one, needs the address as well.
 */
static void print_servers(const struct oh__settings *settings)
{
    printf("    server   ");
    for (unsigned i = 0; i < settings->domains_n; i++)
        printf("%s%s", i ? " or " : "", settings->domains[i].name);
    if (settings->domains_n)
        printf("\n    proxy    ");
    if (print_addresses(settings, false) == 0)
        print_addresses(settings, true);
    printf("%s\n",
           settings->domains_n ? "   (\"outbound proxy\": unless the name leads here)" : "");
}

/* With a configuration file nobody has made accounts, and they may be called anything. */
static void print_account(const struct oh__host *host)
{
    if (oh__accounts_count(host->shared.accounts) == 0)
        printf("    user     none yet: make the first with `offhook user add 101`\n");
    else if (host->options->file)
        printf("    user     one of `offhook user list`\n");
    else
        printf("    user     101, or another of `offhook user list`\n");
    printf("    password the one of that account\n\n");
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
    unsigned accounts = oh__accounts_count(host->shared.accounts);

    printf("\nState: %s   %u worker%s   %u account%s\n", process->state, host->workers_n,
           host->workers_n == 1 ? "" : "s", accounts, accounts == 1 ? "" : "s");
    printf("\nTo connect a phone, enter in its account settings:\n\n");
    print_servers(settings);
    print_account(host);
    if (host->options->overrides.state)
        printf("Other commands find this server with: --state %s\n", process->state);
    printf("See who is registered: offhook phones    Why did a call fail: offhook why    "
           "Stop: Ctrl-C\n");
    if (settings->no_auth)
        printf(
            "\n*** NO AUTHENTICATION (--no-auth): everybody who can reach this server may register "
            "and call. ***\n");
    fflush(stdout);
}
