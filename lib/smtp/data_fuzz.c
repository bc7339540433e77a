#include "base/base.h"

#include "smtp/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* In one piece and in two: the same must come out. */
int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct buf one = BUF_IN(arena), two = BUF_IN(arena);
	struct buf wire = BUF_IN(arena);
	struct smtp_decoder d, e;
	struct smtp_encoder encoder = { .line_most = 998 };
	struct str in = str_of(octets, len), a, b;
	size_t cut = len ? octets[0] % len : 0;

	smtp_decoder_init(&d, SMTP_NEWLINE_NORMALIZE, false, false);
	smtp_decoder_init(&e, SMTP_NEWLINE_NORMALIZE, false, false);
	a = str_first(in, cut);
	b = str_skip(in, cut);
	(void)smtp_decode(&d, &in, &one);
	if (!smtp_decode(&e, &a, &two))
		(void)smtp_decode(&e, &b, &two);
	if (!str_eq(buf_str(&one), buf_str(&two)) || d.is_done != e.is_done ||
		d.bare_lf != e.bare_lf || d.nuls != e.nuls)
		panic("cutting the input changes the message");
	smtp_encode(&encoder, buf_str(&one), &wire);
	smtp_encode_end(&encoder, &wire);
	/* The same octets as a chunk of BDAT: all are taken. */
	in = str_of(octets, len);
	smtp_decoder_init(&d, SMTP_NEWLINE_NORMALIZE, false, true);
	if (smtp_decode(&d, &in, &one) || in.len > 0)
		panic("a chunk that ends by itself");
	smtp_decode_end(&d, &one);
	arena_free(arena);
	return 0;
}
