/*
 * commands/tables - what postmap and postalias do, and how they differ.
 *
 * Waits    for the disk
 */
#ifndef COMMANDS_TABLES_H
#define COMMANDS_TABLES_H

#include "config/main_cf.h"
#include "maps/text.h"
#include "service/command.h"

struct tables_kind {
	struct command command;
	const char *options; /* of getopt(3) */
	bool is_alias;       /* "name: value" lines, "@" and YP_ entries */
};

int tables_main(const struct tables_kind *kind, int argc, char **argv);

#endif
