/*
 * local/aliases - alias_maps, table by table: a table's owner is whose rights
 * its commands and files have.
 */
#include "local/local.h"

enum maps_result aliases_find(struct arena *arena, struct str name,
	struct str *value, const struct alias_table **table)
{
	for (size_t i = 0; i < room.alias_count; i++) {
		enum maps_result result = maps_find(
			room.aliases[i].maps, arena, name, value);

		if (result != MAPS_ABSENT) {
			*table = &room.aliases[i];
			return result;
		}
	}
	return MAPS_ABSENT;
}
