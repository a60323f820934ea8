/* What changes a running server as a whole, or its state: reload, drain, stop, backup, restore. */
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/output.h"
#include "host/config.h"
#include "host/control_json.h"
#include "host/offline.h"
#include "net/system.h"

#define STOP_MOST_NS UINT64_C(30000000000) /* a drain gives up after 10 s by itself */
#define LOOK_MS      50

static void tell_reloaded(const char *file)
{
    oh__puts(stdout, file);
    printf(" was read again and is in force.\n");
}

int oh__cmd_reload(const struct oh__args *args)
{
    json_t *reply = NULL;
    int status = oh__ask(args, json_pack("{s:s}", "command", "reload"), &reply);

    if (status)
        return status;
    if (args->json)
        status = oh__print_json(reply);
    else if (oh__json_str(reply, "file")[0])
        tell_reloaded(oh__json_str(reply, "file"));
    else
        printf(
            "This server was started without a configuration file: there was nothing to read.\n");
    json_decref(reply);
    return status;
}

/* Waits until the state is free: then the process is done with all it had to write. */
static bool wait_free(const char *state)
{
    uint64_t until = oh__clock_now() + STOP_MOST_NS;

    while (oh__offline_busy(state)) {
        if (oh__clock_now() > until)
            return false;
        poll(NULL, 0, LOOK_MS);
    }
    return true;
}

static int leave(const struct oh__args *args, const char *command)
{
    char state[OH__CONFIG_PATH_MAX];
    json_t *reply = NULL;
    int status = oh__ask(args, json_pack("{s:s}", "command", command), &reply);

    if (status)
        return status;
    if (!oh__state_dir(args, state, sizeof state)) {
        status = OH__EXIT_REFUSED;
    } else if (!wait_free(state)) {
        oh__fail("the server (process %llu) was asked to stop and has not within 30 s: look at its "
                 "log",
                 (unsigned long long)oh__json_u64(reply, "pid", 0));
        status = OH__EXIT_TIMEOUT;
    } else if (args->json) {
        status = oh__print_json(reply);
    } else {
        printf("The server has stopped.\n");
    }
    json_decref(reply);
    return status;
}

int oh__cmd_drain(const struct oh__args *args)
{
    return leave(args, "drain");
}

int oh__cmd_stop(const struct oh__args *args)
{
    return leave(args, "stop");
}

/* The path as the server sees it, which works in another directory. False: told. */
static bool absolute(const char *path, char out[PATH_MAX])
{
    char here[PATH_MAX];

    if (path[0] == '/') {
        int n = snprintf(out, PATH_MAX, "%s", path);

        if (n < PATH_MAX)
            return true;
    } else if (getcwd(here, sizeof here)) {
        int n = snprintf(out, PATH_MAX, "%s/%s", here, path);

        if (n < PATH_MAX)
            return true;
    }
    oh__fail("the path %s is too long", path);
    return false;
}

int oh__cmd_backup(const struct oh__args *args)
{
    char path[PATH_MAX];
    json_t *request, *reply = NULL;
    int status;

    if (!absolute(args->words[0], path))
        return OH__EXIT_REFUSED;
    request = json_pack("{s:s,s:s}", "command", "backup", "directory", path);
    status = oh__ask_or_do(args, request, &reply);
    if (status)
        return status;
    if (args->json) {
        status = oh__print_json(reply);
    } else {
        printf("Backup written to ");
        oh__puts(stdout, oh__json_str(reply, "directory"));
        printf(".\n");
    }
    json_decref(reply);
    return status;
}

static void tell_exchanged(const json_t *reply)
{
    printf("The backup is in place in ");
    oh__puts(stdout, oh__json_str(reply, "state"));
    printf("%s.\n", json_is_true(json_object_get(reply, "before"))
                        ? "; what was there before is beside it, with .before-restore-N in its "
                          "name"
                        : "");
}

/* A running server takes over what it can use, and has its own reasons to leave the rest. */
static void tell_taken_over(const json_t *reply)
{
    unsigned long long useless = oh__json_u64(reply, "accounts_useless", 0);

    printf("accounts: %llu restored, %llu removed; registrations: %llu added, %llu kept, %llu "
           "ended.\n",
           (unsigned long long)oh__json_u64(reply, "accounts_restored", 0),
           (unsigned long long)oh__json_u64(reply, "accounts_removed", 0),
           (unsigned long long)oh__json_u64(reply, "added", 0),
           (unsigned long long)oh__json_u64(reply, "kept", 0),
           (unsigned long long)oh__json_u64(reply, "ended", 0));
    printf("The secrets are still those of the running server: calls in progress depend on "
           "them.\n");
    if (useless)
        printf("%llu of the accounts are of a realm that this server does not ask for, and no "
               "phone can use them: make them again with `offhook user add NAME`.\n",
               useless);
}

int oh__cmd_restore(const struct oh__args *args)
{
    char path[PATH_MAX];
    json_t *request, *reply = NULL;
    int status;

    if (!absolute(args->words[0], path))
        return OH__EXIT_REFUSED;
    request = json_pack("{s:s,s:s}", "command", "restore", "directory", path);
    status = oh__ask_or_do(args, request, &reply);
    if (status)
        return status;
    if (args->json)
        status = oh__print_json(reply);
    else if (json_object_get(reply, "state"))
        tell_exchanged(reply);
    else
        tell_taken_over(reply);
    json_decref(reply);
    return status;
}
