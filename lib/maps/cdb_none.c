/*
 * cdb: where libcdb (tinycdb) was not there when this was built.
 */
#include "maps/build_type.h"
#include "maps/driver.h"

static void *none_open(struct map_opening *opening)
{
	return map_cannot(opening, "cdb:%.*s: this program was built without "
		"libcdb (tinycdb); use lmdb: or hash:",
		STR_ARG(opening->name));
}

const struct map_driver map_cdb = {
	.type = "cdb",
	.open = none_open,
};

const struct build_type build_cdb = { .type = "cdb", .suffix = "cdb" };
