/*
 * The commands of the control socket by topic. Each gets the request and
 * returns a new reply; the request's members are told at each.
 */
#ifndef OH_HOST_CONTROL_TOPICS_H
#define OH_HOST_CONTROL_TOPICS_H

#include "host/control_commands.h"
#include "host/control_json.h"

/* ---- control_process.c ---- */

/* Nothing in; version, pid and phase out. */
json_t *oh__control_ping(struct oh__host *host, const json_t *request);

/* Nothing in; file, state directory, domains, default domain and realm of accounts out. */
json_t *oh__control_config(struct oh__host *host, const json_t *request);

/* Nothing in; the version in force out, or an error with "problems". */
json_t *oh__control_reload(struct oh__host *host, const json_t *request);

/* Nothing in; pid out. The server stops when nothing is in flight. */
json_t *oh__control_drain(struct oh__host *host, const json_t *request);

/* Nothing in; pid out. The server stops at once. */
json_t *oh__control_stop(struct oh__host *host, const json_t *request);

/* "directory" in, an absolute path; the same out. */
json_t *oh__control_backup(struct oh__host *host, const json_t *request);

/* ---- control_restore.c ---- */

/*
 * "directory" in, the absolute path of a backup. Out: "accounts_restored" and "accounts_removed"
 * (live ones), "accounts_useless" (of a
 * realm that is not asked for), and of addresses-of-record "added", "kept" (those of the backup
 * whose phones are registered now) and "ended" with their accounts.
 */
json_t *oh__control_restore(struct oh__host *host, const json_t *request);

/* ---- control_status.c ---- */

/* Nothing in; counters of all layers, gauges, and the moment they were read out. */
json_t *oh__control_status(struct oh__host *host, const json_t *request);

/* ---- control_phones.c ---- */

/* "who" (NAME or NAME@DOMAIN), "limit" and "cursor" (an earlier reply's "next") in; a page of
 * "phones" out. */
json_t *oh__control_phones(struct oh__host *host, const json_t *request);

/* As oh__control_phones, with so many bytes for the copy of one AOR: too few are an error, not the
 * end of the list. */
json_t *oh__control_phones_within(struct oh__host *host, const json_t *request, size_t memory);

/* ---- control_why.c ---- */

/* "who" (account, AOR or Call-ID), "limit", "failed" (boolean) in; "decisions" out, newest first.
 */
json_t *oh__control_why(struct oh__host *host, const json_t *request);

/* "limit" in; the newest failed registrations that were not made good since out. */
json_t *oh__control_tried(struct oh__host *host, const json_t *request);

/* ---- control_bans.c ---- */

/* Nothing in; "bans" out. */
json_t *oh__control_bans_list(struct oh__host *host, const json_t *request);

/* "address" in, or nothing for all; "lifted" out. */
json_t *oh__control_bans_clear(struct oh__host *host, const json_t *request);

/* ---- control_users.c ---- */

/* All user-... commands (admin_commands.c). */
json_t *oh__control_users(struct oh__host *host, const json_t *request);

struct oh__admin;

/* The administration of a running server: its store, tables and settings. The caller gives config
 * back with oh__config_unref. */
void oh__control_admin(struct oh__host *host, struct oh__admin *out,
                       const struct oh__config **config);

#endif
