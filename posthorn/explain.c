/*
 * posthorn explain - what would happen to a message, step by step.
 *
 * The steps are taken by the code that takes them when mail flows: lib/rewrite
 * and lib/maps here, which tell what they found (maps/trace), and for a client
 * on the network the restrictions of smtpd -s (smtpd/explain.c), which hears a
 * dialogue and submits nothing.
 */
#include "posthorn/posthorn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/network.h"
#include "config/list.h"
#include "config/master_cf.h"
#include "mail/address.h"
#include "maps/trace.h"
#include "rewrite/rewrite.h"

enum {
	HITS_MOST = 100,
};

struct explain {
	struct arena *arena;
	const struct command_line *line;
	const struct conf *conf;
	bool is_json;
	struct str recipient, sender, client, helo;
	struct router *router;
	struct rewriter *rewriter;
	struct maps *sender_bcc, *recipient_bcc, *aliases;
	struct master_cf rows, built_in;
	struct maps_hit hits[HITS_MOST]; /* since the last step */
	size_t hit_count;
	bool is_doubtful; /* something could not be looked up, or is refused */
};

/* ---- what is printed ---- */

static void keep_hit(void *context, const struct maps_hit *hit)
{
	struct explain *e = context;

	if (e->hit_count == HITS_MOST)
		return;
	e->hits[e->hit_count++] = (struct maps_hit){
		.table = arena_copy(e->arena, hit->table),
		.key = arena_copy(e->arena, hit->key),
		.value = arena_copy(e->arena, hit->value),
		.line = hit->line,
	};
}

static void put_member(struct buf *out, const char *name, struct str value)
{
	buf_fmt(out, "%s\"%s\": ", out->p[out->len - 1] == '{' ? "" : ", ",
		name);
	json_format(out, value);
}

static void put_hit(struct explain *e, struct buf *out,
	const struct maps_hit *hit)
{
	struct str file;
	unsigned line = 0;
	bool has_file = maps_locate(e->arena, hit, &file, &line);

	if (e->is_json) {
		buf_char(out, '{');
		put_member(out, "table", hit->table);
		put_member(out, "key", hit->key);
		put_member(out, "value", hit->value);
		if (has_file)
			put_member(out, "file", file);
		if (line)
			buf_fmt(out, ", \"line\": %u", line);
		buf_char(out, '}');
		return;
	}
	buf_fmt(out, "        %.*s", STR_ARG(hit->table));
	if (has_file && line)
		buf_fmt(out, " (%.*s:%u)", STR_ARG(file), line);
	buf_fmt(out, ": \"%.*s\" has \"%.*s\"\n", STR_ARG(hit->key),
		STR_ARG(hit->value));
}

/* One step and what it found in tables since the step before. */
static void step(struct explain *e, const char *name, struct str about,
	struct str result)
{
	struct buf out = BUF_IN(e->arena);

	if (e->is_json) {
		buf_char(&out, '{');
		put_member(&out, "step", str_from(name));
		put_member(&out, "about", about);
		put_member(&out, "result", result);
		buf_text(&out, ", \"tables\": [");
	} else {
		buf_fmt(&out, "  %-22s %.*s%s%.*s\n", name, STR_ARG(about),
			about.len && result.len ? ": " : "", STR_ARG(result));
	}
	for (size_t i = 0; i < e->hit_count; i++) {
		if (e->is_json && i)
			buf_text(&out, ", ");
		put_hit(e, &out, &e->hits[i]);
	}
	if (e->is_json)
		buf_text(&out, "]}\n");
	fwrite(out.p, 1, out.len, stdout);
	e->hit_count = 0;
}

static void head(const struct explain *e, const char *what, struct str address)
{
	if (!e->is_json)
		printf("%s <%.*s>\n", what, STR_ARG(address));
}

static void fail(struct explain *e, const char *name, struct str about,
	const char *why)
{
	e->is_doubtful = true;
	step(e, name, about, str_from(why));
}

/* ---- rewriting ---- */

static void rewrite(struct explain *e, enum rewrite_where where,
	struct str *address)
{
	struct str before = *address;

	*address = rewrite_address(e->rewriter, e->arena, REWRITE_LOCAL,
		before);
	if (!str_eq(before, *address))
		step(e, "made complete", before, *address);
	before = *address;
	if (before.len == 0)
		return;
	switch (rewrite_canonical(e->rewriter, e->arena, where, address)) {
	case MAPS_ERROR:
		fail(e, "canonical", before, "a table is not available: "
			"451 4.3.0, try again later");
		break;
	case MAPS_FOUND:
		step(e, "canonical", before, *address);
		break;
	case MAPS_ABSENT:
		break;
	}
	e->hit_count = 0;
	before = *address;
	if (rewrite_masquerade(e->rewriter, e->arena, where, address))
		step(e, "masquerade", before, *address);
}

static void copies(struct explain *e, const char *name, struct maps *maps,
	struct str address)
{
	struct str list;

	if (rewrite_find_copies(e->rewriter, e->arena, maps, address, &list) ==
		MAPS_FOUND)
		step(e, name, address, list);
	e->hit_count = 0;
}

/* ---- routing ---- */

static const char *class_of(unsigned flags)
{
	static const struct {
		unsigned flag;
		const char *text;
	} rows[] = {
		{ RESOLVE_LOCAL, "local (mydestination, or an own address)" },
		{ RESOLVE_ALIAS, "virtual alias (virtual_alias_domains)" },
		{ RESOLVE_MAILBOX, "virtual mailbox "
			"(virtual_mailbox_domains)" },
		{ RESOLVE_RELAY, "relay (relay_domains)" },
		{ RESOLVE_DEFAULT, "default (none of our domains)" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (flags & rows[i].flag)
			return rows[i].text;
	return flags & RESOLVE_ERROR ? "not an address" : "not known";
}

static void find_service(struct explain *e, const struct resolved *r)
{
	const struct master_cf_row *row = master_cf_find(&e->rows,
		r->transport, MASTER_CF_UNIX);
	struct buf text = BUF_IN(e->arena);

	if (!row && master_cf_find(&e->built_in, r->transport,
			    MASTER_CF_UNIX)) {
		step(e, "delivered by", r->transport,
			STR("a row that master.cf need not have"));
		return;
	}
	if (!row) {
		fail(e, "delivered by", r->transport,
			"master.cf has no such row: mail waits");
		return;
	}
	buf_fmt(&text, "%.*s (master.cf:%u)",
		STR_ARG(row->column[MASTER_CF_COMMAND]), row->line);
	for (size_t i = 0; i < row->arg_count; i++)
		buf_fmt(&text, " %.*s", STR_ARG(row->args[i]));
	step(e, "delivered by", r->transport, buf_str(&text));
}

/* What local(8) looks up first. */
static void find_alias(struct explain *e, const struct resolved *r)
{
	struct mail_address parts;
	struct str value;

	if (!str_is(r->transport, "local"))
		return;
	mail_address_split(r->recipient, e->conf->recipient_delimiter,
		e->conf->owner_request_special, &parts);
	if (maps_find(e->aliases, e->arena, mail_address_local(r->recipient),
		    &value) == MAPS_FOUND ||
		maps_find(e->aliases, e->arena, parts.user, &value) ==
			MAPS_FOUND)
		step(e, "alias_maps", mail_address_local(r->recipient), value);
	e->hit_count = 0;
}

static void route(struct explain *e, struct str address)
{
	struct resolved r;
	struct status listed;

	resolve(e->router, e->arena, e->sender, address, &r);
	step(e, "class", address, str_from(class_of(r.flags)));
	if (r.flags & (RESOLVE_FAIL | RESOLVE_ERROR))
		e->is_doubtful = true;
	listed = resolve_listed(e->router, e->arena, address, false);
	if (!status_is_ok(listed))
		fail(e, "known recipient", address,
			arena_cstr(e->arena, arena_fmt(e->arena,
				"%u %u.%u.%u %.*s", listed.code,
				listed.code / 100, listed.subject,
				listed.detail, STR_ARG(listed.text))));
	e->hit_count = 0;
	resolve(e->router, e->arena, e->sender, address, &r);
	step(e, "transport", r.transport, r.nexthop);
	if (!str_eq(r.recipient, address))
		step(e, "delivered to", address, r.recipient);
	find_service(e, &r);
	find_alias(e, &r);
}

static void deliver(struct explain *e, struct str address)
{
	struct rewrite_aliases aliases;
	struct status status = rewrite_aliases(e->rewriter, e->arena, address,
		&aliases);
	struct buf list = BUF_IN(e->arena);

	if (!status_is_ok(status)) {
		fail(e, "virtual alias", address,
			"not accepted: 451, try again later");
		return;
	}
	for (size_t i = 0; i < aliases.count; i++)
		buf_fmt(&list, "%s%.*s", i ? ", " : "",
			STR_ARG(aliases.addresses[i]));
	if (aliases.expanded)
		step(e, "virtual alias", address, buf_str(&list));
	for (size_t i = 0; i < aliases.count; i++) {
		if (aliases.expanded)
			head(e, "alias", aliases.addresses[i]);
		route(e, aliases.addresses[i]);
	}
}

/* ---- the restrictions, by smtpd ---- */

static const struct master_cf_row *smtpd_row(const struct explain *e)
{
	for (size_t i = 0; i < e->rows.count; i++)
		if (e->rows.rows[i].type == MASTER_CF_INET &&
			str_is(e->rows.rows[i].column[MASTER_CF_COMMAND],
				"smtpd"))
			return &e->rows.rows[i];
	return NULL;
}

static _Noreturn void become_smtpd(const struct explain *e, int in, int out)
{
	const struct master_cf_row *row = smtpd_row(e);
	size_t more = row ? row->arg_count : 0, count = 0;
	char **argv = arena_array(e->arena, more + 5, sizeof(*argv));
	char *path = arena_cstr(e->arena, arena_fmt(e->arena, "%.*s/smtpd",
		STR_ARG(e->conf->daemon_directory)));
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	argv[count++] = path;
	argv[count++] = arena_cstr(e->arena, STR("-s"));
	argv[count++] = arena_cstr(e->arena, STR("-c"));
	argv[count++] = arena_cstr(e->arena, e->conf->config_directory);
	for (size_t i = 0; i < more; i++)
		argv[count++] = arena_cstr(e->arena, row->args[i]);
	setenv("POSTHORN_EXPLAIN", "1", 1);
	setenv("POSTHORN_CLIENT_ADDRESS", arena_cstr(e->arena, e->client), 1);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	if (!e->line->verbose)
		dup2(null, STDERR_FILENO);
	execv(path, argv);
	_exit(1);
}

static struct str take_word(struct explain *e, struct str *line)
{
	return xtext_parse(e->arena, str_take_until(line, ' '));
}

static void read_table(struct explain *e, struct str line)
{
	struct maps_hit hit = { 0 };
	uint64_t number = 0;

	hit.table = take_word(e, &line);
	hit.key = take_word(e, &line);
	if (str_parse_u64(str_take_until(&line, ' '), UINT32_MAX, &number))
		hit.line = (unsigned)number;
	hit.value = take_word(e, &line);
	keep_hit(e, &hit);
}

static void read_restriction(struct explain *e, struct str line)
{
	struct str list = take_word(e, &line), name = take_word(e, &line);
	struct str argument = take_word(e, &line);

	step(e, arena_cstr(e->arena, line),
		arena_fmt(e->arena, "%.*s: %.*s%s%.*s", STR_ARG(list),
			STR_ARG(name), argument.len ? " " : "",
			STR_ARG(argument)), STR(""));
}

/* True: the last reply is to RCPT, and it is not a refusal. */
static void read_dialogue(struct explain *e, FILE *from)
{
	char *text = NULL;
	size_t capacity = 0, replies = 0;
	ssize_t len;

	while ((len = getline(&text, &capacity, from)) > 0) {
		struct str line = arena_copy(e->arena,
			str_trim(str_of(text, (size_t)len)));

		if (str_take_prefix(&line, STR("# table ")))
			read_table(e, line);
		else if (str_take_prefix(&line, STR("# restriction ")))
			read_restriction(e, line);
		else if (line.len > 3 && line.p[3] == ' ') {
			static const char *const what[] = { "greeting", "EHLO",
				"MAIL", "RCPT" };

			if (replies < COUNT(what) &&
				(line.p[0] != '2' || replies == 3)) {
				e->is_doubtful |= line.p[0] != '2';
				step(e, "reply", str_from(what[replies]),
					line);
			}
			replies++;
		}
	}
	free(text);
	if (replies < 4)
		fail(e, "reply", STR("smtpd"), "did not answer (see "
			"`posthorn -v explain`)");
}

static void restrictions(struct explain *e)
{
	int in[2], out[2];
	FILE *from;
	pid_t child;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
		(child = fork()) < 0)
		log_fatal("start smtpd: %m");
	if (child == 0)
		become_smtpd(e, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	dprintf(in[1], "EHLO %.*s\r\nMAIL FROM:<%.*s>\r\nRCPT TO:<%.*s>\r\n"
		"QUIT\r\n", STR_ARG(e->helo),
		STR_ARG(mail_address_external(e->arena, e->sender)),
		STR_ARG(mail_address_external(e->arena, e->recipient)));
	close(in[1]);
	from = fdopen(out[0], "r");
	if (from) {
		read_dialogue(e, from);
		fclose(from);
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

/* ---- all of it ---- */

static void read_rows(struct explain *e)
{
	struct buf text = BUF_IN(e->arena);
	const char *path = arena_cstr(e->arena, arena_fmt(e->arena,
		"%.*s/master.cf", STR_ARG(e->conf->config_directory)));
	FILE *file = fopen(path, "re");
	int c;

	if (!file)
		log_fatal("open %s: %m", path);
	while ((c = getc(file)) != EOF)
		buf_char(&text, (char)c);
	fclose(file);
	e->rows.arena = e->arena;
	master_cf_parse(e->arena, buf_str(&text), &e->rows);
	e->built_in.arena = e->arena;
	master_cf_parse(e->arena, str_from(master_cf_built_in), &e->built_in);
}

static void open_tables(struct explain *e)
{
	e->router = router_open(e->arena, e->conf);
	e->rewriter = rewriter_open(e->arena, e->conf, e->router);
	e->sender_bcc = maps_open(e->arena, e->conf, "sender_bcc_maps",
		e->conf->sender_bcc_maps, 0);
	e->recipient_bcc = maps_open(e->arena, e->conf, "recipient_bcc_maps",
		e->conf->recipient_bcc_maps, 0);
	e->aliases = maps_open(e->arena, e->conf, "alias_maps",
		e->conf->alias_maps, MAPS_NO_SUBSTITUTION);
}

static void explain(struct explain *e)
{
	struct str given = e->recipient;

	maps_trace(keep_hit, e);
	if (!str_is_none(e->client)) {
		head(e, "client", e->client);
		restrictions(e);
	}
	head(e, "sender", e->sender);
	rewrite(e, ENVELOPE_SENDER, &e->sender);
	copies(e, "sender_bcc", e->sender_bcc, e->sender);
	head(e, "recipient", given);
	rewrite(e, ENVELOPE_RECIPIENT, &e->recipient);
	copies(e, "recipient_bcc", e->recipient_bcc, e->recipient);
	if (e->conf->always_bcc.len)
		step(e, "always_bcc", e->recipient, e->conf->always_bcc);
	deliver(e, e->recipient);
}

static _Noreturn void say_usage(void)
{
	fprintf(stderr, "usage: posthorn explain [--json] [--from SENDER] "
		"[--client ADDRESS [--helo NAME]] RECIPIENT\n");
	exit(1);
}

static void read_arguments(struct explain *e, int argc, char **argv)
{
	const struct {
		const char *name;
		struct str *into;
	} options[] = {
		{ "--from", &e->sender },
		{ "--client", &e->client },
		{ "--helo", &e->helo },
	};

	for (int i = 0; i < argc; i++) {
		struct str *into = &e->recipient;

		for (size_t o = 0; o < COUNT(options); o++)
			if (strcmp(argv[i], options[o].name) == 0)
				into = options[o].into;
		if (strcmp(argv[i], "--json") == 0) {
			e->is_json = true;
			continue;
		}
		if (into != &e->recipient && ++i == argc)
			say_usage();
		if (into == &e->recipient && (!str_is_none(*into) ||
				strncmp(argv[i], "--", 2) == 0))
			say_usage();
		*into = str_from(argv[i]);
	}
	if (str_is_none(e->recipient))
		say_usage();
}

/* What stands in a command line of SMTP is one line. */
static bool is_line(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < ' ')
			return false;
	return true;
}

int run_explain(struct command_line *line)
{
	struct explain e = { .arena = line->arena, .line = line,
		.conf = line->conf, .recipient = STR_NONE, .sender = STR_NONE,
		.client = STR_NONE, .helo = STR("client.example") };
	struct network client;

	read_arguments(&e, line->argc, line->argv);
	if (!str_is_none(e.client) &&
		!network_parse_address(e.client, &client)) {
		log_error("no IP address: %.*s", STR_ARG(e.client));
		return 1;
	}
	if (str_is_none(e.sender))
		e.sender = STR("");
	if (str_is(e.sender, "<>"))
		e.sender = STR("");
	if (!is_line(e.sender) || !is_line(e.recipient) || !is_line(e.helo)) {
		log_error("control characters in an argument");
		return 1;
	}
	read_rows(&e);
	open_tables(&e);
	explain(&e);
	return e.is_doubtful ? 2 : 0;
}
