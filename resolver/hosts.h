/*
 * resolver/hosts - the hosts file (hosts(5)) as answers.
 *
 * Names that stand in it are answered from it alone, for A and AAAA; addresses
 * that stand in it have its first name (PTR). No file: no answers.
 */
#ifndef RESOLVER_HOSTS_H
#define RESOLVER_HOSTS_H

#include "dns/dns.h"

struct hosts;

struct hosts *hosts_open(struct str path);
struct hosts *hosts_parse(struct str text);
void hosts_free(struct hosts *hosts);
/* False: it says nothing about this name. */
must_check bool hosts_find(struct arena *arena, const struct hosts *hosts,
	struct str name, enum dns_type type, struct dns_answer *answer);
bool hosts_changed(const struct hosts *hosts);

#endif
