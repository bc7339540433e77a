#include "dns/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct str record = str_of(data, size);
	struct dns_address address;
	struct dns_tlsa tlsa;
	struct dns_srv srv;
	struct dns_soa soa;
	struct dns_mx mx;
	struct str text;
	int known = 0;

	known += dns_record_address(record, &address);
	known += dns_record_name(arena, record, &text);
	known += dns_record_mx(arena, record, &mx);
	known += dns_record_txt(arena, record, &text);
	known += dns_record_srv(arena, record, &srv);
	known += dns_record_tlsa(record, &tlsa);
	known += dns_record_soa(arena, record, &soa);
	known += dns_address_parse(record, &address);
	known += dns_is_hostname(record);
	arena_free(arena);
	return known > 9 ? -1 : 0;
}
