#include "maps/driver.h"

static const struct map_driver *const drivers[] = {
	&map_btree,
	&map_cdb,
	&map_cidr,
	&map_debug,
	&map_environ,
	&map_fail,
	&map_hash,
	&map_inline,
	&map_ldap,
	&map_lmdb,
	&map_memcache,
	&map_mongodb,
	&map_mysql,
	&map_pcre,
	&map_pgsql,
	&map_pipe,
	&map_proxy,
	&map_rand,
	&map_regexp,
	&map_socketmap,
	&map_sqlite,
	&map_static,
	&map_tcp,
	&map_texthash,
	&map_union,
	&map_unix,
};

const struct map_driver *map_driver_find(struct str type)
{
	for (size_t i = 0; i < COUNT(drivers); i++)
		if (str_is(type, drivers[i]->type))
			return drivers[i];
	return NULL;
}

const char *maps_type(size_t at)
{
	return at < COUNT(drivers) ? drivers[at]->type : NULL;
}
