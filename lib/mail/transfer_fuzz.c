#include "mail/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct buf out = BUF_IN(arena);
	struct mail_decoder decoder;

	for (int i = MAIL_ENCODING_7BIT; i <= MAIL_ENCODING_UNKNOWN; i++) {
		mail_decoder_init(&decoder, (enum mail_encoding)i);
		mail_decode(&decoder, str_first(in, len / 2), &out);
		mail_decode(&decoder, str_skip(in, len / 2), &out);
		mail_decode_end(&decoder, &out);
	}
	mail_qp_format(&out, in);
	arena_free(arena);
	return 0;
}
