#include "sasl/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* First line: client-first-message; the rest: client-final-message, or a
 * stored verifier. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena auto_arena = arena_new(0);
	struct str in = str_of(data, size), first, final;
	struct scram_verifier verifier;
	struct scram_server s = { .arena = arena, .nonce = STR("n"),
		.binding_type = STR("tls-exporter"), .binding = STR("0123") };

	if (!str_take_line(&in, &first))
		return 0;
	s.plus = s.plus_offered = str_starts(first, STR("p="));
	if (!scram_verifier_parse(in, &verifier))
		scram_verifier_fake(STR("secret"), STR("u"), &verifier);
	if (scram_server_first(&s, first) != SCRAM_OK)
		return 0;
	scram_server_challenge(&s, &verifier);
	if (scram_server_final(&s, in, &final) == SCRAM_OK)
		panic("a proof was guessed");
	return 0;
}
