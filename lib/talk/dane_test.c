#include "talk/dane.h"

#include "base/buf.h"
#include "base/test.h"

/* A zone: what is asked for, and whether the answer is validated. */
struct row {
	const char *name;
	enum dns_type type;
	enum dns_status status;
	bool is_secure;
	const char *record; /* usage, selector, matching; then 32 octets */
};

static const struct world {
	const char *what, *name, *canonical;
	bool is_secure, even_insecure;
	struct row rows[3];
	enum talk_dane_state state;
	const char *base, *asked; /* names, each with a blank behind it */
} worlds[] = {
	{ "plain", "mx.a.example", "MX.a.example", true, false,
		{ { "_25._tcp.mx.a.example", DNS_TLSA, DNS_FOUND, true,
			"\3\1\1" } }, TALK_DANE_USABLE, "mx.a.example",
		"_25._tcp.mx.a.example " },
	{ "none", "mx.a.example", "mx.a.example", true, false,
		{ { "_25._tcp.mx.a.example", DNS_TLSA, DNS_NO_NAME, true, 0 } },
		TALK_DANE_NONE, "", "_25._tcp.mx.a.example " },
	{ "the records are not validated", "mx.a.example", "mx.a.example",
		true, false, { { "_25._tcp.mx.a.example", DNS_TLSA, DNS_FOUND,
			false, "\3\1\1" } }, TALK_DANE_NONE, "",
		"_25._tcp.mx.a.example " },
	{ "usage 1", "mx.a.example", "mx.a.example", true, false,
		{ { "_25._tcp.mx.a.example", DNS_TLSA, DNS_FOUND, true,
			"\1\1\1" } }, TALK_DANE_UNUSABLE, "mx.a.example",
		"_25._tcp.mx.a.example " },
	{ "no record at all", "mx.a.example", "mx.a.example", true, false,
		{ { "_25._tcp.mx.a.example", DNS_TLSA, DNS_FOUND, true, "" } },
		TALK_DANE_UNUSABLE, "mx.a.example", "_25._tcp.mx.a.example " },
	{ "SERVFAIL", "mx.a.example", "mx.a.example", true, false,
		{ { "_25._tcp.mx.a.example", DNS_TLSA, DNS_TEMPORARY, false,
			0 } }, TALK_DANE_TROUBLE, "",
		"_25._tcp.mx.a.example " },
	{ "nonsense", "mx.a.example", "mx.a.example", true, false,
		{ { "_25._tcp.mx.a.example", DNS_TLSA, DNS_MALFORMED, true,
			0 } }, TALK_DANE_TROUBLE, "",
		"_25._tcp.mx.a.example " },
	{ "not validated", "mx.a.example", "mx.a.example", false, false,
		{ { 0 } }, TALK_DANE_INSECURE, "", "" },
	{ "not validated, asked all the same", "mx.a.example", "mx.a.example",
		false, true, { { "_25._tcp.mx.a.example", DNS_TLSA, DNS_FOUND,
			true, "\3\1\1" } }, TALK_DANE_USABLE, "mx.a.example",
		"_25._tcp.mx.a.example " },
	{ "alias, records at its end", "mx.a.example", "b.example", true,
		false, { { "_25._tcp.b.example", DNS_TLSA, DNS_FOUND, true,
			"\2\0\1" } }, TALK_DANE_USABLE, "b.example",
		"_25._tcp.b.example " },
	{ "alias, records at its beginning", "mx.a.example", "b.example", true,
		false, { { "_25._tcp.b.example", DNS_TLSA, DNS_NO_DATA, true,
			0 }, { "_25._tcp.mx.a.example", DNS_TLSA, DNS_FOUND,
			true, "\3\1\1" } }, TALK_DANE_USABLE, "mx.a.example",
		"_25._tcp.b.example _25._tcp.mx.a.example " },
	{ "alias, trouble at its end", "mx.a.example", "b.example", true,
		false, { { "_25._tcp.b.example", DNS_TLSA, DNS_TEMPORARY,
			false, 0 } }, TALK_DANE_TROUBLE, "",
		"_25._tcp.b.example " },
	{ "alias, unusable at its end", "mx.a.example", "b.example", true,
		false, { { "_25._tcp.b.example", DNS_TLSA, DNS_FOUND, true,
			"\1\0\1" } }, TALK_DANE_UNUSABLE, "b.example",
		"_25._tcp.b.example " },
	{ "validated alias to elsewhere", "mx.a.example", "b.example", false,
		false, { { "mx.a.example", DNS_CNAME, DNS_FOUND, true, "" },
			{ "_25._tcp.mx.a.example", DNS_TLSA, DNS_FOUND, true,
			"\3\1\1" } }, TALK_DANE_USABLE, "mx.a.example",
		"mx.a.example _25._tcp.mx.a.example " },
	{ "alias that is not validated", "mx.a.example", "b.example", false,
		true, { { "mx.a.example", DNS_CNAME, DNS_FOUND, false, "" } },
		TALK_DANE_INSECURE, "", "mx.a.example " },
	{ "alias, trouble", "mx.a.example", "b.example", false, false,
		{ { "mx.a.example", DNS_CNAME, DNS_TEMPORARY, false, 0 } },
		TALK_DANE_TROUBLE, "", "mx.a.example " },
};

struct asking {
	const struct world *world;
	struct buf asked;
};

static void answer_of(struct arena *arena, const struct row *row,
	struct dns_answer *answer)
{
	struct buf record = BUF_IN(arena);

	answer->status = row->status;
	answer->secure = row->is_secure;
	if (row->status != DNS_FOUND)
		return;
	answer->count = 1;
	answer->records = arena_new_of(arena, struct str);
	if (row->record[0] == '\0')
		return;
	buf_add(&record, str_of(row->record, 3));
	for (unsigned i = 0; i < 32; i++)
		buf_char(&record, 'd');
	answer->records[0] = buf_str(&record);
}

static void look_up(void *context, struct arena *arena, struct str name,
	enum dns_type type, struct dns_answer *answer)
{
	struct asking *asking = context;
	const struct row *row = asking->world->rows;

	buf_fmt(&asking->asked, "%.*s ", STR_ARG(name));
	*answer = (struct dns_answer){ .status = DNS_MALFORMED };
	for (size_t i = 0; i < 3 && row[i].name; i++)
		if (str_is(name, row[i].name) && row[i].type == type)
			answer_of(arena, &row[i], answer);
}

static void finds_records(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct tls_options options = {
		.dane_digests = STR("sha512 sha256") };
	struct str error;
	struct tls_context *context =
		tls_context_new(arena, &options, &error);

	(void)state;
	for (size_t i = 0; i < COUNT(worlds); i++) {
		const struct world *w = &worlds[i];
		struct asking asking = { w, BUF_IN(arena) };
		struct talk_dane_dns dns = { look_up, &asking };
		struct talk_dane_host host = { str_from(w->name),
			str_from(w->canonical), w->is_secure, 25 };
		struct talk_dane dane;

		talk_dane_find(arena, &dns, &host, w->even_insecure, context,
			&dane);
		if (dane.state != w->state)
			fail_msg("%s: %d", w->what, dane.state);
		assert_str(buf_str(&asking.asked), w->asked);
		assert_str(dane.tls.base, w->base);
		assert_int_equal(dane.tls.count,
			w->state == TALK_DANE_USABLE);
		if (dane.unusable_count > 0)
			assert_int_not_equal(dane.unusable[0].usage, 3);
	}
	tls_context_free(context);
}

static void writes_records(void **state)
{
	const struct tls_tlsa record = { 3, 1, 1, STR("\x01\xab\xff") };
	auto_buf struct buf out = { 0 };

	(void)state;
	talk_dane_format(&out, &record);
	assert_str(buf_str(&out), "3 1 1 01ABFF");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_records),
		cmocka_unit_test(writes_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
