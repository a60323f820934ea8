/* The subcommands of the program, one file each. */
#ifndef OH_CMD_CMD_H
#define OH_CMD_CMD_H

/* offhook check: argv[0] is "check". Returns the exit status: 0, 2 (usage) or 9 (refused). */
int oh__cmd_check(int argc, char **argv);

#endif
