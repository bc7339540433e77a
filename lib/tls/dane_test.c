#include "base/test.h"

#include "tls/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <unistd.h>

/* ---- tls_dane_digests ---- */

static const struct {
	const char *text;
	size_t count;
	const char *names[3];
	uint8_t matching[3];
	const char *wrong; /* NULL: it is right */
} lists[] = {
	{ "sha512 sha256", 2, { "sha512", "sha256" }, { 2, 1 }, NULL },
	{ "SHA256=1,\tsha512=2", 2, { "SHA256", "sha512" }, { 1, 2 }, NULL },
	{ "sha3-512=7 sha256", 2, { "sha3-512", "sha256" }, { 7, 1 }, NULL },
	{ "", 0, { 0 }, { 0 }, NULL },
	{ "sha256=2", 0, { 0 }, { 0 }, "sha256=2" },
	{ "sha512 sha1=1", 0, { 0 }, { 0 }, "sha1=1" },
	{ "sha1", 0, { 0 }, { 0 }, "sha1" },
	{ "sha1=0", 0, { 0 }, { 0 }, "sha1=0" },
	{ "sha1=256", 0, { 0 }, { 0 }, "sha1=256" },
	{ "sha1=", 0, { 0 }, { 0 }, "sha1=" },
	{ "=1", 0, { 0 }, { 0 }, "=1" },
	{ "a=3 a=3 a=3 a=3 a=3 a=3 a=3 a=3 a=3 a=3 a=3 a=3 a=3 a=3 a=3 a=3 "
	  "b=4", 0, { 0 }, { 0 }, "b=4" },
};

static void reads_digests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct tls_digest got[TLS_DIGESTS_MOST];
		struct str wrong;
		size_t count;

		if (!tls_digests_parse(str_from(lists[i].text), got, &count,
			    &wrong)) {
			assert_non_null(lists[i].wrong);
			assert_str(wrong, lists[i].wrong);
			continue;
		}
		assert_null(lists[i].wrong);
		assert_int_equal(count, lists[i].count);
		for (size_t k = 0; k < count; k++) {
			assert_str(got[k].name, lists[i].names[k]);
			assert_int_equal(got[k].matching,
				lists[i].matching[k]);
		}
	}
}

/* ---- records ---- */

static struct tls_context *context_of(struct arena *arena, const char *digests)
{
	const struct tls_options options = {
		.dane_digests = str_from(digests) };
	struct str error;
	struct tls_context *context =
		tls_context_new(arena, &options, &error);

	assert_non_null(context);
	return context;
}

static const char octets[65];

#define DIGEST(n) { octets, n }

static const struct {
	struct tls_tlsa record;
	bool is_usable, is_usable_without_sha512;
} records[] = {
	{ { 3, 1, 1, DIGEST(32) }, true, true },
	{ { 3, 1, 2, DIGEST(64) }, true, false },
	{ { 2, 0, 1, DIGEST(32) }, true, true },
	{ { 0, 0, 1, DIGEST(32) }, false, false }, /* PKIX-TA */
	{ { 1, 1, 1, DIGEST(32) }, false, false }, /* PKIX-EE */
	{ { 4, 1, 1, DIGEST(32) }, false, false },
	{ { 255, 1, 1, DIGEST(32) }, false, false },
	{ { 3, 2, 1, DIGEST(32) }, false, false }, /* no such selector */
	{ { 3, 1, 3, DIGEST(32) }, false, false }, /* no such digest */
	{ { 3, 1, 1, DIGEST(31) }, false, false },
	{ { 3, 1, 1, DIGEST(33) }, false, false },
	{ { 3, 1, 2, DIGEST(32) }, false, false },
	{ { 3, 1, 1, DIGEST(0) }, false, false },
	{ { 3, 0, 0, DIGEST(40) }, false, false }, /* no certificate */
	{ { 2, 1, 0, DIGEST(40) }, false, false }, /* no key */
};

static void sifts_records(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct tls_context *both = context_of(arena, "sha512, sha256");
	struct tls_context *one = context_of(arena, "sha256");

	(void)state;
	assert_true(tls_has_dane(both));
	for (size_t i = 0; i < COUNT(records); i++) {
		struct tls_tlsa record = records[i].record;

		if (tls_dane_sift(both, &record, 1) != records[i].is_usable)
			fail_msg("record %zu", i);
		if (tls_dane_sift(one, &record, 1) !=
			records[i].is_usable_without_sha512)
			fail_msg("record %zu, sha256 only", i);
	}
	tls_context_free(both);
	tls_context_free(one);
}

static void usable_ones_come_first(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct tls_context *context = context_of(arena, "sha512 sha256");
	struct tls_tlsa all[COUNT(records)];
	size_t kept;

	(void)state;
	for (size_t i = 0; i < COUNT(records); i++)
		all[i] = records[COUNT(records) - 1 - i].record;
	kept = tls_dane_sift(context, all, COUNT(records));
	assert_int_equal(kept, 3);
	assert_int_equal(all[0].usage, 2);
	assert_int_equal(all[1].matching, 2);
	assert_int_equal(all[2].matching, 1);
	assert_int_equal(tls_dane_sift(context, all, 0), 0);
	tls_context_free(context);
}

/* A whole key, selector 1 and matching type 0. */
static void knows_keys(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct tls_context *context = context_of(arena, "sha512 sha256");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	struct tls_tlsa record = { 3, 1, 0, str_of(der, (size_t)len) };

	(void)state;
	assert_true(len > 0);
	assert_int_equal(tls_dane_sift(context, &record, 1), 1);
	record.data.len--;
	assert_int_equal(tls_dane_sift(context, &record, 1), 0);
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	tls_context_free(context);
}

/* A wrong digest must not make other records count for all. */
static void wrong_digests_end_dane(void **state)
{
	static const char *const wrong[] = { "sha256=2", "nosuchdigest=7",
		"sha512 sha256 nosuchdigest", "" };
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct tls_context *context = context_of(arena, wrong[i]);
		struct tls_tlsa record = records[0].record;

		assert_false(tls_has_dane(context));
		assert_int_equal(tls_dane_sift(context, &record, 1), 0);
		tls_context_free(context);
	}
}

/* ---- files of anchors ---- */

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void reads_anchors(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct tls_tlsa *anchors = arena_array(arena, TLS_ANCHORS_MOST,
		sizeof(*anchors));
	struct tls_context *context = context_of(arena, "sha256");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char path[] = "/tmp/anchors-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");
	size_t count = 0;
	struct str error;

	(void)state;
	assert_int_equal(PEM_write_PUBKEY(file, key), 1);
	assert_int_equal(fclose(file), 0);
	assert_true(tls_anchors_read(arena, path, anchors, &count, &error));
	assert_int_equal(count, 1);
	assert_int_equal(anchors[0].usage, 2);
	assert_int_equal(anchors[0].selector, 1);
	assert_int_equal(tls_dane_sift(context, anchors, count), 1);
	assert_true(tls_anchors_read(arena, path, anchors, &count, &error));
	assert_int_equal(count, 2);
	count = TLS_ANCHORS_MOST;
	assert_false(tls_anchors_read(arena, path, anchors, &count, &error));
	count = 0;
	write_file(path, "nothing\n");
	assert_false(tls_anchors_read(arena, path, anchors, &count, &error));
	unlink(path);
	assert_false(tls_anchors_read(arena, path, anchors, &count, &error));
	assert_true(str_ends(error, STR(": No such file or directory")));
	EVP_PKEY_free(key);
	tls_context_free(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_digests),
		cmocka_unit_test(sifts_records),
		cmocka_unit_test(usable_ones_come_first),
		cmocka_unit_test(knows_keys),
		cmocka_unit_test(wrong_digests_end_dane),
		cmocka_unit_test(reads_anchors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
