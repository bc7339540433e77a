/*
 * postalias - builds, reads and changes alias tables.
 *
 * Room       the caller's own privileges; as root those of the source's owner
 *            while a table is written
 * Gets       files in the form of aliases(5)
 * Calls      nobody
 */
#include "commands/tables.h"

static const struct tables_kind kind = {
	.command = { "postalias",
		"[-fijnNoprsuvw] [-c config_dir] [-d key] [-q key] "
		"[map_type:]file..." },
	.options = "c:d:fijnNopq:rsuvw",
	.is_alias = true,
};

int main(int argc, char **argv)
{
	return tables_main(&kind, argc, argv);
}
