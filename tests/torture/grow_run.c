/*
 * Does the work grow with the input, or faster? Each generator makes inputs of
 * n units for n = 1,024 and its doublings, and a parser of foreign bytes reads
 * them in measured(). valgrind counts that function's instructions (grow
 * beside this); the memory of its arena is printed here.
 *
 *	grow_run list
 *	grow_run NAME DOUBLINGS	a line per size: "NAME n octets arena-octets"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/alias.h"
#include "base/encode.h"
#include "base/log.h"
#include "config/main_cf.h"
#include "dns/packet.h"
#include "imap/envelope.h"
#include "imap/fetch.h"
#include "imap/match.h"
#include "imap/mutf7.h"
#include "imap/preview.h"
#include "imap/search.h"
#include "imap/set.h"
#include "imap/subject.h"
#include "imap/take.h"
#include "ipc/messages.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/list.h"
#include "mail/message_id.h"
#include "mail/mime.h"
#include "mail/param.h"
#include "mail/transfer.h"
#include "mail/word.h"
#include "mailbox/uidlist.h"
#include "queue/message.h"
#include "smtp/command.h"
#include "smtp/data.h"
#include "smtp/param.h"
#include "smtp/path.h"
#include "smtp/reply.h"

enum {
	FIRST = 1024,
};

/* ---- readers ---- */

static void read_mime(struct arena *arena, struct str in)
{
	struct mime_part *root = mime_parse(arena, in);
	struct buf out = BUF_IN(arena);

	imap_structure_format(arena, &out, in, root, true);
}

static void read_envelope(struct arena *arena, struct str in)
{
	struct buf out = BUF_IN(arena);

	imap_envelope_format(arena, &out, in);
}

static void read_body(struct arena *arena, struct str in)
{
	struct mime_part *root = mime_parse(arena, in);

	(void)!imap_match_body(arena, in, root, STR("needle"), true);
	(void)imap_preview(arena, in, root);
}

static void read_header(struct arena *arena, struct str in)
{
	struct mail_header header;

	while (mail_header_take(&in, &header))
		(void)mail_header_unfold(arena, header.body);
}

static void read_list(struct arena *arena, struct str in)
{
	struct mail_list list = mail_list_of(in);
	struct mail_mailbox mailbox;

	while (mail_list_next(arena, &list, &mailbox) != MAIL_LIST_END)
		;
}

static void read_params(struct arena *arena, struct str in)
{
	struct mail_params params;

	mail_params_parse(arena, in, &params);
}

static void read_words(struct arena *arena, struct str in)
{
	(void)mail_words_decode(arena, in);
}

static void read_ids(struct arena *arena, struct str in)
{
	struct str id;

	(void)arena;
	while (mail_message_id_take(&in, &id))
		;
}

static void read_date(struct arena *arena, struct str in)
{
	struct mail_date date;

	(void)arena;
	(void)!mail_date_parse(in, &date);
}

static void read_address(struct arena *arena, struct str in)
{
	(void)mail_address_external(arena, in);
	(void)mail_address_internal(arena, in);
}

static void decode_all(struct arena *arena, struct str in,
	enum mail_encoding encoding)
{
	struct buf out = BUF_IN(arena);
	struct mail_decoder decoder;

	mail_decoder_init(&decoder, encoding);
	mail_decode(&decoder, in, &out);
	mail_decode_end(&decoder, &out);
}

static void read_quoted(struct arena *arena, struct str in)
{
	decode_all(arena, in, MAIL_ENCODING_QP);
}

static void read_base64(struct arena *arena, struct str in)
{
	decode_all(arena, in, MAIL_ENCODING_BASE64);
}

static void read_data(struct arena *arena, struct str in)
{
	struct buf out = BUF_IN(arena);
	struct smtp_decoder decoder;

	smtp_decoder_init(&decoder, SMTP_NEWLINE_NORMALIZE, false, false);
	(void)smtp_decode(&decoder, &in, &out);
}

static void write_data(struct arena *arena, struct str in)
{
	struct buf out = BUF_IN(arena);
	struct smtp_encoder encoder = { .line_most = 998 };

	smtp_encode(&encoder, in, &out);
	smtp_encode_end(&encoder, &out);
}

static void read_commands(struct arena *arena, struct str in)
{
	struct smtp_command command;
	struct str line, rest, address;
	bool has_route;

	while (str_take_line(&in, &line)) {
		if (!smtp_command_parse(line, &command))
			continue;
		rest = command.arguments;
		if (smtp_keyword_take(&rest, "TO"))
			(void)!smtp_path_take(arena, &rest, false, &address,
				&has_route);
	}
}

static void read_path(struct arena *arena, struct str in)
{
	struct str address;
	bool has_route;

	(void)!smtp_path_take(arena, &in, false, &address, &has_route);
}

static void read_smtp_params(struct arena *arena, struct str in)
{
	struct smtp_param param;

	(void)arena;
	while (smtp_param_take(&in, &param))
		;
}

static void read_replies(struct arena *arena, struct str in)
{
	struct smtp_reply reply = { 0 };
	struct str line;

	while (str_take_line(&in, &line))
		if (smtp_reply_add(arena, &reply, line) != SMTP_REPLY_MORE)
			return;
}

static void read_search(struct arena *arena, struct str in)
{
	struct imap_search *program;

	if (!imap_search_parse(arena, in, &program))
		return;
	imap_search_resolve(program, 100, 1000);
	(void)imap_search_needs(program);
}

static void read_set(struct arena *arena, struct str in)
{
	struct imap_set set;

	if (imap_set_take(arena, &in, &set))
		imap_set_resolve(&set, 1000000);
}

static void read_fetch(struct arena *arena, struct str in)
{
	struct imap_fetch fetch;

	(void)!imap_fetch_parse(arena, in, &fetch);
}

static void read_strings(struct arena *arena, struct str in)
{
	struct str value;

	while (imap_take_astring(arena, &in, &value) && imap_take_space(&in))
		;
}

static void read_flags(struct arena *arena, struct str in)
{
	struct imap_flags flags;

	(void)arena;
	(void)!imap_take_flags(&in, false, &flags);
}

static void read_mutf7(struct arena *arena, struct str in)
{
	(void)imap_mutf7_of_utf8(arena, imap_mutf7_to_utf8(arena, in));
}

static void read_subject(struct arena *arena, struct str in)
{
	bool is_reply;

	(void)imap_subject_base(arena, in, &is_reply);
}

static void read_aliases(struct arena *arena, struct str in)
{
	struct alias_list list;

	(void)!alias_parse(arena, in, &list);
	(void)!alias_parse_file(arena, in, &list);
}

static void read_main_cf(struct arena *arena, struct str in)
{
	struct main_cf file = main_cf_of(in);
	struct main_cf_entry entry;

	while (main_cf_take(arena, &file, &entry))
		;
}

static void read_uidlist(struct arena *arena, struct str in)
{
	struct mailbox_uidlist list;

	(void)!mailbox_uidlist_parse(arena, in, &list);
}

static void read_xtext(struct arena *arena, struct str in)
{
	(void)xtext_parse(arena, in);
}

static void read_dns(struct arena *arena, struct str in)
{
	struct dns_answer answer;

	(void)!dns_packet_answer(arena, in, 1, STR("a"), DNS_A, &answer);
}

static void read_records(struct arena *arena, struct str in)
{
	struct str record;
	char tag;

	(void)arena;
	while (envelope_take_record(&in, &tag, &record))
		;
}

/* ---- generators: head, n units, tail ---- */

#define S(literal) { literal, sizeof(literal) - 1 }

static const struct generator {
	const char *name;
	void (*read)(struct arena *arena, struct str in);
	struct str head, unit, tail;
} generators[] = {
	{ "mime-nested", read_mime, S("Content-Type: multipart/mixed; "
		"boundary=b\n\n"), S("--b\nContent-Type: multipart/mixed; "
		"boundary=b\n\n"), S("") },
	{ "mime-parts", read_mime, S("Content-Type: multipart/mixed; "
		"boundary=b\n\n"), S("--b\n\nx\n"), S("--b--\n") },
	{ "mime-messages", read_mime, S(""),
		S("Content-Type: message/rfc822\n\n"), S("x\n") },
	{ "mime-boundary", read_mime, S("Content-Type: multipart/mixed; "
		"boundary=\""), S("b"), S("\"\n\n--b\n\nx\n") },
	{ "mime-dashes", read_mime, S("Content-Type: multipart/mixed; "
		"boundary=b\n\n"), S("--\n--a\n"), S("") },
	{ "envelope-to", read_envelope, S("To: "), S("a@b.example, "),
		S("\n\n") },
	{ "envelope-fields", read_envelope, S(""), S("To: a@b.example\n"),
		S("\n") },
	{ "header-fields", read_header, S(""), S("X: y\n"), S("\n") },
	{ "header-folds", read_header, S("X: y\n"), S(" z\n"), S("\n") },
	{ "header-no-colon", read_header, S(""), S("x"), S("\n") },
	{ "list-addresses", read_list, S(""), S("A B <a@b.example>,"), S("") },
	{ "list-comments", read_list, S(""), S("("), S("") },
	{ "list-comment-runs", read_list, S(""), S("(a) "), S("a@b") },
	{ "list-words", read_list, S(""), S("\"a\" "), S("<a@b>") },
	{ "list-groups", read_list, S(""), S("g:"), S(";") },
	{ "list-routes", read_list, S("<"), S("@a,"), S(":b@c>") },
	{ "list-open-angles", read_list, S(""), S("<"), S("") },
	{ "list-backslashes", read_list, S("\""), S("\\\\"), S("\"@a") },
	{ "params", read_params, S(""), S("; a=b"), S("") },
	{ "params-2231", read_params, S("x"), S("; a*1*=%41; a*0*=u''%42"),
		S("") },
	{ "params-quoted", read_params, S("; a=\""), S("\\\""), S("\"") },
	{ "words", read_words, S(""), S("=?utf-8?q?a?= "), S("") },
	{ "words-open", read_words, S(""), S("=?utf-8?q?"), S("") },
	{ "words-question", read_words, S(""), S("=?"), S("") },
	{ "message-ids", read_ids, S(""), S("<a@b> "), S("") },
	{ "message-ids-open", read_ids, S(""), S("<a"), S("") },
	{ "date-comments", read_date, S(""), S("("), S("") },
	{ "address-quotes", read_address, S("\""), S("\\\""), S("\"@a") },
	{ "address-dots", read_address, S(""), S("a."), S("@a") },
	{ "quoted-printable", read_quoted, S(""), S("=\n"), S("") },
	{ "quoted-spaces", read_quoted, S(""), S(" "), S("\n") },
	{ "base64", read_base64, S(""), S("QUJD\n=="), S("") },
	{ "data-dots", read_data, S(""), S("\r\n."), S("\r\n.\r\n") },
	{ "data-nuls", read_data, S(""), S("\0\r"), S("\r\n.\r\n") },
	{ "data-lines", read_data, S(""), S("x\n\r"), S("\r\n.\r\n") },
	{ "encode-long-line", write_data, S(""), S("x\r"), S("\n") },
	{ "encode-dots", write_data, S(""), S(".\n"), S("") },
	{ "commands-rcpt", read_commands, S(""), S("RCPT TO:<a@b.example>\n"),
		S("") },
	{ "path-route", read_path, S("<"), S("@a,"), S(":b@c>") },
	{ "path-quotes", read_path, S("<\""), S("\\a"), S("\"@c>") },
	{ "smtp-params", read_smtp_params, S(""), S("A=b "), S("") },
	{ "replies", read_replies, S(""), S("250-x\n"), S("250 x\n") },
	{ "search-nested", read_search, S(""), S("("), S("") },
	{ "search-not", read_search, S(""), S("NOT "), S("SEEN") },
	{ "search-or", read_search, S(""), S("OR SEEN "), S("SEEN") },
	{ "search-keys", read_search, S("SEEN"), S(" TEXT a"), S("") },
	{ "set-ranges", read_set, S("1"), S(",9:3,5"), S("") },
	{ "fetch-sections", read_fetch, S("(FLAGS"), S(" BODY[1.2.3]"),
		S(")") },
	{ "fetch-fields", read_fetch, S("BODY[HEADER.FIELDS (a"), S(" b"),
		S(")]") },
	{ "fetch-deep", read_fetch, S("BODY[1"), S(".1"), S("]") },
	{ "imap-literals", read_strings, S(""), S("{1}\r\nx "), S("x") },
	{ "imap-quotes", read_strings, S("\""), S("\\\""), S("\"") },
	{ "imap-flags", read_flags, S("(a"), S(" b"), S(")") },
	{ "mutf7", read_mutf7, S(""), S("&AOk-a"), S("") },
	{ "subject-re", read_subject, S(""), S("Re: [x] "), S("a") },
	{ "subject-fwd", read_subject, S(""), S("[fwd: "), S("a]") },
	{ "body-lines", read_body, S("Content-Type: text/html\n\n"),
		S("<a needl>"), S("") },
	{ "aliases", read_aliases, S("a@b"), S(", \"|x\""), S("") },
	{ "aliases-open", read_aliases, S(""), S("\"(<"), S("") },
	{ "main-cf", read_main_cf, S("a = b\n"), S(" c\n# d\n"), S("") },
	{ "main-cf-entries", read_main_cf, S(""), S("a = b\n"), S("") },
	{ "uidlist", read_uidlist, S("3 V1 N9\n"), S("1 :a\n"), S("") },
	{ "xtext", read_xtext, S(""), S("+2B"), S("") },
	{ "dns-pointers", read_dns, S("\0\1\201\200\0\1\377\377\0\0\0\0"
		"\1a\0\0\1\0\1"), S("\300\14\0\1\0\1\0\0\0\1\0\4\177\0\0\1"),
		S("") },
	{ "queue-records", read_records, S(""), S("R\0\0\0\1a"), S("") },
};

/* ---- counted ---- */

void measured(const struct generator *generator, struct arena *arena,
	struct str in);

/* What valgrind looks at. */
__attribute__((noinline)) void measured(const struct generator *generator,
	struct arena *arena, struct str in)
{
	generator->read(arena, in);
}

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static void run(const struct generator *generator, unsigned doublings)
{
	for (size_t n = FIRST; n <= (size_t)FIRST << doublings; n *= 2) {
		struct arena *arena = arena_new(0);
		struct buf in = { 0 };

		buf_add(&in, generator->head);
		for (size_t i = 0; i < n; i++)
			buf_add(&in, generator->unit);
		buf_add(&in, generator->tail);
		measured(generator, arena, buf_str(&in));
		printf("%s %zu %zu %zu\n", generator->name, n, in.len,
			arena_octets(arena));
		buf_free(&in);
		arena_free(arena);
	}
}

int main(int argc, char **argv)
{
	log_sink(be_silent);
	for (size_t i = 0; i < COUNT(generators); i++) {
		const struct generator *generator = &generators[i];

		if (argc < 3)
			puts(generator->name);
		else if (strcmp(argv[1], generator->name) == 0)
			run(generator, (unsigned)atoi(argv[2]));
	}
	return 0;
}
