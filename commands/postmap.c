/*
 * postmap - builds, reads and changes lookup tables.
 *
 * Room       the caller's own privileges; as root those of the source's owner
 *            while a table is written
 * Gets       text files
 * Calls      nobody
 */
#include "commands/tables.h"

static const struct tables_kind kind = {
	.command = { "postmap",
		"[-bfFhijmnNoprsuUvw] [-c config_dir] [-d key] [-q key] "
		"[map_type:]file..." },
	.options = "bc:d:fFhijmnNopq:rsuUvw",
};

int main(int argc, char **argv)
{
	return tables_main(&kind, argc, argv);
}
