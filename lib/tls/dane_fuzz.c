/* Records as strangers' name servers give them: the first octet of each piece
 * is the length of what follows. */
#include "tls/tls.h"

#include <stdlib.h>

enum { RECORDS_MOST = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static size_t cut(struct str in, struct tls_tlsa *records)
{
	size_t count = 0;

	while (in.len > 4 && count < RECORDS_MOST) {
		const unsigned char *p = (const unsigned char *)in.p;
		struct str rest = str_skip(in, 4);

		/* 0: all that is left */
		records[count].data = p[0] ? str_first(rest, p[0]) : rest;
		records[count].usage = p[1];
		records[count].selector = p[2];
		records[count].matching = p[3];
		in = str_skip(rest, records[count++].data.len);
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	static struct tls_context *context;
	static struct arena *arena; /* of it */
	struct tls_tlsa records[RECORDS_MOST];
	struct tls_digest digests[TLS_DIGESTS_MOST];
	struct str text = str_of(octets, len), error, wrong;
	size_t count, kept;

	if (!context) {
		arena = arena_new(0);
		context = tls_context_new(arena,
			&(struct tls_options){
				.dane_digests = STR("sha512 sha256") },
			&error);
	}
	count = cut(text, records);
	kept = tls_dane_sift(context, records, count);
	for (size_t i = 0; i < count; i++)
		if (i < kept && (records[i].usage < 2 ||
					records[i].usage > 3 ||
					records[i].data.len == 0))
			abort();
	if (tls_digests_parse(text, digests, &count, &wrong) &&
		count > TLS_DIGESTS_MOST)
		abort();
	return 0;
}
