/*
 * The table of subcommands and the way to a row of it. Names may have two
 * words ("user add"); the longest name that the arguments begin with wins.
 */
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/output.h"

#define NAME_WORDS 2

static const struct oh__option NONE[] = {{NULL, NULL, NULL, 0}};

static const struct oh__option SERVE[] = {
    {"listen", "udp:ADDR:PORT", "where to listen (udp: or tcp:), instead of what the file says",
     OH__OPTION_MANY},
    {"domain", "NAME", "a domain of this server, instead of those of the file", OH__OPTION_MANY},
    {"workers", "N", "threads that serve; the default is one less than there are cores", 0},
    {"no-auth", "anywhere",
     "trust everybody: for laboratories, on loopback; =anywhere allows other addresses",
     OH__OPTION_OPTIONAL},
    {NULL, NULL, NULL, 0}};

#define PASSWORD_OPTIONS                                                                          \
    {"password-file", "FILE", "take the password from the first line of FILE; - is stdin", 0},    \
        {"prompt", NULL, "ask for the password on the terminal, twice, without showing it", 0},   \
    {                                                                                             \
        "password", "TEXT",                                                                       \
            "a password on the command line is seen by everybody on this machine (ps) and stays " \
            "in the shell's history: leave it out and a good one is made, or use --prompt or "    \
            "--password-file FILE",                                                               \
            OH__OPTION_SECRET                                                                     \
    }

static const struct oh__option USER_ADD[] = {
    {"domain", "NAME", "the account's domain, when it is not written behind the name", 0},
    {"name", "TEXT", "what the account is called for people (display name)", 0},
    {"auth-name", "NAME", "the user name of digest, when it is another one than the account's", 0},
    {"realm", "TEXT", "the realm of digest; the default is the domain", 0},
    {"admin", NULL, "may register for every account of the domain", 0},
    {"barred", NULL, "may be called, but not call", 0},
    PASSWORD_OPTIONS,
    {NULL, NULL, NULL, 0}};

static const struct oh__option USER_LIST[] = {
    {"domain", "NAME", "only the accounts of this domain", 0},
    {"all", NULL, "removed ones, too", 0},
    {NULL, NULL, NULL, 0}};

static const struct oh__option USER_PASSWD[] = {
    {"domain", "NAME", "the account's domain, when it is not written behind the name", 0},
    PASSWORD_OPTIONS,
    {NULL, NULL, NULL, 0}};

static const struct oh__option USER_SET[] = {
    {"domain", "NAME", "the account's domain, when it is not written behind the name", 0},
    {"name", "TEXT", "what the account is called for people; empty removes it", 0},
    {"admin", "yes|no", "may register for every account of the domain", 0},
    {"barred", "yes|no", "may be called, but not call", 0},
    {NULL, NULL, NULL, 0}};

static const struct oh__option USER_REMOVE[] = {
    {"domain", "NAME", "the account's domain, when it is not written behind the name", 0},
    {"forget", NULL, "leave no trace: callers get 404 now, not 410 for 30 days", 0},
    {NULL, NULL, NULL, 0}};

static const struct oh__option USER_IMPORT[] = {
    {"domain", "NAME", "the domain of lines that name none", 0},
    {"check", NULL, "only check the file; change nothing", 0},
    {NULL, NULL, NULL, 0}};

static const struct oh__option CHECK[] = {
    {"reference", NULL, "instead: print the reference of all settings (docs/configuration.md)", 0},
    {NULL, NULL, NULL, 0}};

static const struct oh__option PHONES[] = {{"tried", NULL, "only those who tried and failed", 0},
                                           {NULL, NULL, NULL, 0}};

static const struct oh__option WHY[] = {{"last", NULL, "only the newest", 0},
                                        {"count", "N", "at most so many; 20 unless told", 0},
                                        {"failed", NULL, "only what went wrong", 0},
                                        {NULL, NULL, NULL, 0}};

static const struct oh__option STATUS[] = {
    {"for", "SECONDS", "how long to watch for the rates; 1 unless told", 0}, {NULL, NULL, NULL, 0}};

static const struct oh__option HELP[] = {
    {"markdown", NULL, "the whole reference as Markdown (docs/commands.md)", 0},
    {NULL, NULL, NULL, 0}};

const struct oh__command oh__commands[] = {
    {"serve", "[FILE]", "start the server",
     "Without FILE everything has a useful default: two "
     "accounts are made and shown, and phones may connect at once. Stops at Ctrl-C or SIGTERM; "
     "SIGHUP reads the configuration and opens the log again.",
     SERVE,
     "offhook serve\n"
     "offhook serve /etc/offhook/office.lua\n"
     "offhook serve --listen udp:127.0.0.1:5060 --no-auth\n",
     0, 1, false, oh__cmd_serve, NULL},
    {"check", "FILE", "check a configuration file",
     "Reports every problem with line and column, and changes nothing.", CHECK,
     "offhook check /etc/offhook/office.lua\n"
     "offhook check -o json office.lua\n",
     0, 1, true, NULL, oh__cmd_check},
    {"user add", "NAME[@DOMAIN]", "make an account",
     "Without an option for it a strong password is made and shown once.", USER_ADD,
     "offhook user add 103 --name \"Front desk\"\n"
     "offhook user add alice@example.com --prompt\n"
     "pass show sip/bob | offhook user add bob --password-file -\n",
     1, 1, false, oh__cmd_user_add, NULL},
    {"user list", "", "show the accounts", NULL, USER_LIST,
     "offhook user list\n"
     "offhook user list -o json --domain example.com\n",
     0, 0, false, oh__cmd_user_list, NULL},
    {"user passwd", "NAME[@DOMAIN]", "give an account a new password",
     "Without an option for it a strong password is made and shown once. Phones that are "
     "registered stay so until their registration ends.",
     USER_PASSWD,
     "offhook user passwd 101\n"
     "offhook user passwd 101 --prompt\n",
     1, 1, false, oh__cmd_user_passwd, NULL},
    {"user set", "NAME[@DOMAIN]", "change what an account is called and may do", NULL, USER_SET,
     "offhook user set 101 --name \"Reception\"\n"
     "offhook user set 104 --barred yes\n",
     1, 1, false, oh__cmd_user_set, NULL},
    {"user remove", "NAME[@DOMAIN]", "remove an account",
     "Its phones stop ringing at once. For 30 days callers are told that the user has gone (410), "
     "unless --forget says otherwise.",
     USER_REMOVE,
     "offhook user remove 104\n"
     "offhook user remove 104 --forget\n",
     1, 1, false, oh__cmd_user_remove, NULL},
    {"user import", "FILE|-", "make or replace accounts from a CSV file",
     "With a header the columns are any selection of user, domain, auth_name, realm, password, "
     "ha1_md5, ha1_sha256, name; without one they are user@domain,password. Fields may be quoted "
     "as in RFC 4180. When any line is wrong, all wrong lines are named and nothing is imported.",
     USER_IMPORT,
     "offhook user import accounts.csv\n"
     "offhook user import --check accounts.csv\n",
     1, 1, false, oh__cmd_user_import, NULL},
    {"phones", "[NAME[@DOMAIN]]", "who is registered, and who tried and failed", NULL, PHONES,
     "offhook phones\n"
     "offhook phones 101\n"
     "offhook phones -o json\n",
     0, 1, false, oh__cmd_phones, NULL},
    {"why", "[ACCOUNT|CALL-ID]", "why a call or registration failed, newest first",
     "The server keeps the last 8,192 decisions in memory and forgets them when it stops.", WHY,
     "offhook why\n"
     "offhook why --last\n"
     "offhook why 101\n"
     "offhook why 3848276298220188511@atlanta.example.com\n",
     0, 1, false, oh__cmd_why, NULL},
    {"status", "", "how the server is doing",
     "Looks twice, and tells rates over the time between as well as sums since the start.", STATUS,
     "offhook status\n"
     "offhook status --for 60\n"
     "offhook status -o json\n",
     0, 0, false, oh__cmd_status, NULL},
    {"bans list", "", "sources that failed to authenticate too often", NULL, NONE,
     "offhook bans list\n", 0, 0, false, oh__cmd_bans_list, NULL},
    {"bans clear", "[ADDRESS]", "lift one ban, or all of them", NULL, NONE,
     "offhook bans clear 192.0.2.77\n"
     "offhook bans clear\n",
     0, 1, false, oh__cmd_bans_clear, NULL},
    {"reload", "", "read the configuration file again",
     "A file with a problem changes nothing. Calls and registrations go on.", NONE,
     "offhook reload\n", 0, 0, false, oh__cmd_reload, NULL},
    {"drain", "", "let what is in progress finish, then stop the server",
     "New calls get 503 meanwhile. Returns when the server has stopped.", NONE, "offhook drain\n",
     0, 0, false, oh__cmd_drain, NULL},
    {"stop", "", "stop the server at once",
     "Registrations and calls that are up survive it. Returns when the server has stopped.", NONE,
     "offhook stop\n", 0, 0, false, oh__cmd_stop, NULL},
    {"backup", "DIR", "copy accounts, secrets and registrations to a new directory",
     "Works while the server runs and while it does not.", NONE,
     "offhook backup /srv/backup/offhook-monday\n", 1, 1, false, oh__cmd_backup, NULL},
    {"restore", "DIR", "put back what a backup has",
     "While a server runs, its accounts become those of the backup. Phones that are registered now "
     "stay, unless their account goes; others are registered as in the backup until they expire. "
     "The secrets stay those of the server, because calls in progress depend on them. With no "
     "server running the whole state is replaced, and what was there before is kept beside it.",
     NONE, "offhook restore /srv/backup/offhook-monday\n", 1, 1, false, oh__cmd_restore, NULL},
    {"decode", "[FILE|-]", "show every part of a SIP message, or where it is wrong",
     "Reads one message from FILE or from standard input.", NONE,
     "offhook decode invite.txt\n"
     "offhook decode -o json - < invite.txt\n",
     0, 1, true, oh__cmd_decode, NULL},
    {"explain", "CODE|METHOD", "what a status code or method means, and what to do", NULL, NONE,
     "offhook explain 486\n"
     "offhook explain REGISTER\n",
     1, 1, true, oh__cmd_explain, NULL},
    {"load options", "TARGET", "load a server with OPTIONS requests",
     "TARGET is a server's name or address, with its port when it is not 5060. Latency counts from "
     "the time at which a request was to leave, so a server that stalls cannot hide it.",
     oh__load_options_options,
     "offhook load options 127.0.0.1:5060 --rate 1000/s\n"
     "offhook load options 127.0.0.1 --window 50 --duration 30s -o json\n",
     1, 1, true, oh__cmd_load, NULL},
    {"load register", "TARGET", "load a server with registrations",
     "A user who was asked for a password answers with the same nonce from then on.",
     oh__load_options_register,
     "offhook load register 127.0.0.1:5060 --users 10000 --rate 2000/s\n"
     "offhook load register 127.0.0.1:5060 --accounts accounts.csv --window 100\n",
     1, 1, true, oh__cmd_load, NULL},
    {"load message", "TARGET", "load a server with messages from user to user", NULL,
     oh__load_options_message,
     "offhook load message 127.0.0.1:5060 --register-first --ramp 1000:20000:5\n", 1, 1, true,
     oh__cmd_load, NULL},
    {"load call", "TARGET", "load a server with calls from user to user",
     "Both sides are played here: the users are registered, INVITE, 180, 200, ACK, BYE and 200 go "
     "through the server. The figures of a call are its answer and its end, without the time that "
     "it is held.",
     oh__load_options_call,
     "offhook load call 127.0.0.1:5060 --rate 500/s --hold 30s --duration 5m\n"
     "offhook load call 127.0.0.1:5060 --ramp 1000:20000:5:20 --p99-max 10\n",
     1, 1, true, oh__cmd_load, NULL},
    {"help", "[COMMAND]", "help, also as offhook COMMAND --help", NULL, HELP,
     "offhook help user add\n"
     "offhook help --markdown > docs/commands.md\n",
     0, NAME_WORDS, true, oh__cmd_help, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, false, NULL, NULL}};

/* ---- did you mean ---- */

#define WORD_MAX 32

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours between two words. */
static size_t distance(const char *a, size_t an, const char *b, size_t bn)
{
    size_t d[WORD_MAX + 1][WORD_MAX + 1];

    for (size_t i = 0; i <= an; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= bn; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= an; i++) {
        for (size_t j = 1; j <= bn; j++) {
            d[i][j] = least(least(d[i - 1][j], d[i][j - 1]) + 1,
                            d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[an][bn];
}

const char *oh__cmd_nearest(const char *word, const char *(*next)(const void *ctx, unsigned i),
                            const void *ctx)
{
    size_t n = strcspn(word, "="), best = 0;
    const char *found = NULL, *name;

    for (unsigned i = 0; n <= WORD_MAX && (name = next(ctx, i)) != NULL; i++) {
        size_t len = strlen(name);
        size_t d = len && len <= WORD_MAX ? distance(word, n, name, len) : WORD_MAX;

        /* Further than a third is another word, and not a slip of the finger. */
        if (d <= (n < 4 ? 1 : n / 3 + 1) && d < n && (!found || d < best)) {
            found = name;
            best = d;
        }
    }
    return found;
}

static const char *command_name(const void *ctx, unsigned i)
{
    (void)ctx;
    return oh__commands[i].name;
}

/* ---- the way to a row ---- */

/* How many arguments a command's name takes of these: 0 = it is another command. */
static int matches(const char *name, int argc, char **argv)
{
    int words = 0;

    while (*name) {
        size_t n = strcspn(name, " ");

        if (words == argc || strlen(argv[words]) != n || memcmp(argv[words], name, n) != 0)
            return 0;
        words++;
        name += n + (name[n] == ' ');
    }
    return words;
}

/* True when some command's name begins with this word and has a second one. */
static bool is_group(const char *word)
{
    size_t n = strlen(word);

    for (const struct oh__command *c = oh__commands; c->name; c++)
        if (strncmp(c->name, word, n) == 0 && c->name[n] == ' ')
            return true;
    return false;
}

static const struct oh__command *find(int argc, char **argv, int *used)
{
    const struct oh__command *found = NULL;

    *used = 0;
    for (const struct oh__command *c = oh__commands; c->name; c++) {
        int n = matches(c->name, argc, argv);

        if (n > *used) {
            *used = n;
            found = c;
        }
    }
    return found;
}

static bool asks_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Nothing in the table: help, a group without its second word, or a slip. */
static int no_command(int argc, char **argv)
{
    char words[2 * WORD_MAX + 2];
    const char *near;

    snprintf(words, sizeof words, "%.*s %.*s", WORD_MAX, argv[0], WORD_MAX,
             argc > 1 ? argv[1] : "");
    if (is_group(argv[0])) {
        bool helped = argc > 1 && asks_help(argv[1]);

        if (argc > 1 && !helped) {
            near = oh__cmd_nearest(words, command_name, NULL);
            oh__fail("there is no command '%s'%s%s%s", words, near ? ": did you mean '" : "",
                     near ? near : "", near ? "'?" : "");
        }
        oh__help_group(helped ? stdout : stderr, argv[0]);
        return helped ? OH__EXIT_OK : OH__EXIT_USAGE;
    }
    /* A slip in the first of two words is told only with the second one: `usr list`. */
    near = oh__cmd_nearest(argv[0], command_name, NULL);
    if (!near && argc > 1)
        near = oh__cmd_nearest(words, command_name, NULL);
    if (near)
        oh__fail("unknown command '%s': did you mean '%s'?", argv[0], near);
    else
        oh__fail("unknown command '%s': see `offhook --help`", argv[0]);
    return OH__EXIT_USAGE;
}

static int run(const struct oh__command *command, int argc, char **argv)
{
    static struct oh__args args; /* one per process; too large for comfort on a stack */
    char why[OH__ARGS_WHY] = "";

    if (command->raw)
        return command->raw(argc + 1, argv - 1);
    int status = oh__args_parse(command, argc, argv, &args, why);

    if (status) {
        oh__fail("%s", why);
        return status;
    }
    if (args.help) {
        oh__help_command(stdout, command);
        return OH__EXIT_OK;
    }
    return command->run(&args);
}

int oh__cmd_main(int argc, char **argv)
{
    int used;

    if (argc < 2) {
        oh__help_overview(stderr);
        return OH__EXIT_USAGE;
    }
    if (asks_help(argv[1])) {
        oh__help_overview(stdout);
        return OH__EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("offhook %s\n", OH_VERSION_TEXT);
        return OH__EXIT_OK;
    }
    const struct oh__command *command = find(argc - 1, argv + 1, &used);

    if (!command)
        return no_command(argc - 1, argv + 1);
    int status = run(command, argc - 1 - used, argv + 1 + used);

    /* A full disk or a closed pipe must not look like success. */
    if (fflush(stdout) != 0 && status == OH__EXIT_OK)
        status = OH__EXIT_REFUSED;
    return status;
}
