#include "resolver/hosts.h"

#include "base/table.h"
#include "config/file.h"
#include "dns/packet.h"
#include "resolver/file.h"

enum {
	ADDRESSES_MOST = 64, /* of one name */
	TTL_S = 60,
};

struct hosts {
	struct arena *arena;
	struct table *names;    /* -> struct entry */
	struct table *reverses; /* -> struct str, the first name */
	const char *path;
	int64_t changed_us, number;
};

struct entry {
	struct str canonical;
	struct dns_address addresses[ADDRESSES_MOST];
	size_t count;
};

static struct hosts *empty(void)
{
	struct arena *arena = arena_new(0);
	struct hosts *hosts = arena_new_of(arena, struct hosts);

	hosts->arena = arena;
	hosts->names = table_new_nocase();
	hosts->reverses = table_new_nocase();
	return hosts;
}

void hosts_free(struct hosts *hosts)
{
	table_free(hosts->names);
	table_free(hosts->reverses);
	arena_free(hosts->arena);
}

static void add_reverse(struct hosts *hosts,
	const struct dns_address *address, struct str name)
{
	struct str reverse = dns_reverse_name(hosts->arena, address);
	struct str *value;

	if (table_find(hosts->reverses, reverse))
		return;
	value = arena_new_of(hosts->arena, struct str);
	*value = arena_copy(hosts->arena, name);
	table_put(hosts->reverses, reverse, value);
}

static void add_name(struct hosts *hosts, const struct dns_address *address,
	struct str name, struct str canonical)
{
	struct entry *entry = table_find(hosts->names, name);

	if (!entry) {
		entry = arena_new_of(hosts->arena, struct entry);
		entry->canonical = arena_copy(hosts->arena, canonical);
		table_put(hosts->names, name, entry);
	}
	for (size_t i = 0; i < entry->count; i++)
		if (dns_address_eq(&entry->addresses[i], address))
			return;
	if (entry->count < ADDRESSES_MOST)
		entry->addresses[entry->count++] = *address;
}

static void take_entry(struct hosts *hosts, struct str line)
{
	struct str rest = str_take_until(&line, '#');
	struct dns_address address;
	struct str first = STR_NONE, name;

	if (!dns_address_parse(str_take_word(&rest), &address))
		return;
	while (str_take_item(&rest, " \t", &name)) {
		if (!dns_is_hostname(name))
			continue;
		if (str_is_none(first)) {
			first = name;
			add_reverse(hosts, &address, name);
		}
		add_name(hosts, &address, name, first);
	}
}

struct hosts *hosts_parse(struct str text)
{
	struct hosts *hosts = empty();
	struct str line;

	while (str_take_line(&text, &line))
		take_entry(hosts, line);
	return hosts;
}

struct hosts *hosts_open(struct str path)
{
	auto_arena struct arena *arena = arena_new(0);
	struct hosts *hosts;
	struct str text = STR_NONE;
	int64_t changed, number;

	changed = state_of_file(arena_cstr(arena, path), &number);
	if (!file_read(arena, arena_cstr(arena, path), &text))
		text = STR_NONE;
	hosts = hosts_parse(text);
	hosts->path = arena_cstr(hosts->arena, path);
	hosts->changed_us = changed;
	hosts->number = number;
	return hosts;
}

bool hosts_changed(const struct hosts *hosts)
{
	int64_t number;

	return hosts->path &&
		(state_of_file(hosts->path, &number) != hosts->changed_us ||
			number != hosts->number);
}

static void found(struct dns_answer *answer)
{
	answer->status = answer->count ? DNS_FOUND : DNS_NO_DATA;
	answer->text = str_from(dns_status_text(answer->status));
	answer->ttl = TTL_S;
}

static bool find_reverse(struct arena *arena, const struct hosts *hosts,
	struct str name, struct dns_answer *answer)
{
	const struct str *first = table_find(hosts->reverses, name);
	struct buf wire = BUF_IN(arena);

	if (!first || !dns_name_format(&wire, *first))
		return false;
	answer->records = arena_new_of(arena, struct str);
	answer->records[0] = buf_str(&wire);
	answer->count = 1;
	answer->canonical = name;
	found(answer);
	return true;
}

bool hosts_find(struct arena *arena, const struct hosts *hosts,
	struct str name, enum dns_type type, struct dns_answer *answer)
{
	const struct entry *entry;

	*answer = (struct dns_answer){ 0 };
	if (type == DNS_PTR)
		return find_reverse(arena, hosts, name, answer);
	entry = table_find(hosts->names, name);
	if (!entry || (type != DNS_A && type != DNS_AAAA))
		return false;
	answer->canonical = entry->canonical;
	answer->records = arena_array(arena, entry->count + 1,
		sizeof(struct str));
	for (size_t i = 0; i < entry->count; i++)
		if (entry->addresses[i].v6 == (type == DNS_AAAA))
			answer->records[answer->count++] = arena_copy(arena,
				str_of(entry->addresses[i].octets,
					type == DNS_AAAA ? 16 : 4));
	found(answer);
	return true;
}
