/*
 * sendmail - submits a message; mailq and newaliases under those names.
 *
 * Room       the caller's own privileges, no set-id bit
 * Gets       a message on standard input
 * Calls      pickup on public/pickup, or leaves a file in maildrop/; runs
 *            postqueue, postalias and posthorn for other modes
 */
#include "base/log.h"
#include "commands/drop.h"
#include "commands/sendmail_headers.h"
#include "commands/sendmail_input.h"
#include "commands/sendmail_smtp.h"
#include "mail/address.h"
#include "mail/verp.h"
#include "queue/maildrop.h"
#include "queue/submission.h"
#include "service/command.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	HEADER_MOST = 1 << 20, /* of a message whose header -t reads */
};

enum mode {
	MODE_DELIVER,
	MODE_VERIFY, /* as DELIVER, but nothing is delivered */
	MODE_LIST,
	MODE_ALIASES,
	MODE_DAEMON,
	MODE_SMTP,
	MODE_FLUSH,
	MODE_FLUSH_ID,
	MODE_FLUSH_SITE,
	MODE_NOTHING,
};

struct request {
	const struct conf *conf;
	struct arena *arena;
	enum mode mode;
	const char *flush;      /* the id or site of -q */
	const char *alias_file; /* -oA */
	struct str sender;      /* NONE: the user */
	struct str name;
	struct str envid;
	struct str encoding;
	struct str verp; /* NONE: no VERP; empty: default_verp_delimiters */
	uint64_t ret, notify, flags;
	int64_t found_count; /* of recipients that -t found */
	bool extract, dot_is_text;
	bool has_interval; /* -q and a time: nothing to do */
	struct buf recipients; /* lines for the drop */
	size_t recipient_count;
};

static const struct command command = {
	"sendmail",
	"[-bm|-bs|-bv|-bp|-bi|-bd|-q] [-f sender] [-F name] [-t] [-i] "
	"[-N dsn] [-R full|hdrs] [-V envid] [-XV[xy]] [recipient]...",
};

/* As Postfix: whatever it was, the caller may try again. */
static _Noreturn void fatal(const char *format, ...) printf_like(1, 2);
static _Noreturn void fatal(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_at(LOG_LEVEL_FATAL, "%s", text);
	exit(EX_TEMPFAIL);
}

static void add_recipient(void *context, struct str address)
{
	struct request *request = context;

	if (++request->recipient_count > MAILDROP_RECIPIENTS_MOST)
		fatal("too many recipients");
	maildrop_text_format(&request->recipients, MAILDROP_RECIPIENT,
		address);
}

static void add_found(void *context, struct str address)
{
	struct request *request = context;

	if (++request->found_count > request->conf->extract_recipient_limit)
		fatal("too many recipients in the header "
		      "(extract_recipient_limit)");
	add_recipient(request, address);
}

/* An address of the command line may stand in <>. */
static struct str command_line_address(const char *text)
{
	struct str address = str_trim(str_from(text));

	if (address.len >= 2 && address.p[0] == '<' &&
		address.p[address.len - 1] == '>')
		address = str_first(str_skip(address, 1), address.len - 2);
	return address;
}

/* A word of the command line: an address, or several as in a header. */
static void add_word(struct request *request, const char *text)
{
	if (!strpbrk(text, ",<(") || !headers_addresses(request->arena,
			str_from(text), add_recipient, request))
		add_recipient(request, mail_address_internal(request->arena,
			command_line_address(text)));
}

static void set_mode(struct request *request, const char *text)
{
	static const struct {
		char letter;
		enum mode mode;
		uint64_t flags;
	} modes[] = {
		{ 'm', MODE_DELIVER },
		{ 'p', MODE_LIST },
		{ 'i', MODE_ALIASES },
		{ 's', MODE_SMTP },
		{ 'd', MODE_DAEMON },
		{ 'l', MODE_DAEMON },
		{ 'v', MODE_VERIFY, MAILDROP_FLAG_VERIFY },
		{ 'h', MODE_NOTHING }, /* persistent status: ignored */
		{ 'H', MODE_NOTHING },
	};

	for (size_t i = 0; i < COUNT(modes); i++) {
		if (text[0] != modes[i].letter || text[1])
			continue;
		request->mode = modes[i].mode;
		request->flags |= modes[i].flags;
		return;
	}
	fatal("unsupported: -b%s", text);
}

static uint64_t find_notify(struct str item)
{
	static const struct {
		const char *word;
		uint64_t bit;
	} words[] = {
		{ "never", DSN_NOTIFY_NEVER },
		{ "success", DSN_NOTIFY_SUCCESS },
		{ "failure", DSN_NOTIFY_FAILURE },
		{ "delay", DSN_NOTIFY_DELAY },
	};

	for (size_t i = 0; i < COUNT(words); i++)
		if (str_is_nocase(item, words[i].word))
			return words[i].bit;
	return 0;
}

/* What is not understood is left out, with a warning: as Postfix. */
static void set_notify(struct request *request, const char *text)
{
	struct str rest = str_from(text), item;
	uint64_t notify = 0;

	while (str_take_item(&rest, ", ", &item)) {
		uint64_t bit = find_notify(item);

		if (!bit) {
			log_warning("unknown DSN NOTIFY command value "
				"\"%.*s\" in \"%s\"", STR_ARG(item), text);
			notify = 0;
			break;
		}
		notify |= bit;
	}
	if (notify == 0 || ((notify & DSN_NOTIFY_NEVER) &&
				   notify != DSN_NOTIFY_NEVER))
		log_warning("bad -N option value -- ignored");
	else
		request->notify = notify;
}

static void set_ret(struct request *request, const char *text)
{
	if (str_is_nocase(str_from(text), "full"))
		request->ret = DSN_RET_FULL;
	else if (str_is_nocase(str_from(text), "hdrs"))
		request->ret = DSN_RET_HDRS;
	else
		log_warning("bad -R option value -- ignored");
}

static void set_encoding(struct request *request, const char *text)
{
	if (str_is_nocase(str_from(text), "8bitmime"))
		request->encoding = STR("8bit");
	else if (str_is_nocase(str_from(text), "7bit"))
		request->encoding = STR("7bit");
	else
		fatal("-B option needs 8BITMIME or 7BIT");
}

/* -O name=value: most of sendmail's options mean nothing here. */
static void set_long_option(struct request *request, const char *text)
{
	static const struct {
		const char *text;
		uint64_t flag;
	} known[] = {
		{ "requiretls=yes", MAILDROP_FLAG_REQUIRETLS },
		{ "smtputf8=yes", MAILDROP_FLAG_SMTPUTF8 },
	};

	for (size_t i = 0; i < COUNT(known); i++)
		if (str_is_nocase(str_from(text), known[i].text))
			request->flags |= known[i].flag;
}

static void set_old_option(struct request *request, const char *text)
{
	if (text[0] == 'i' && !text[1])
		request->dot_is_text = true;
	else if (text[0] == 'A' && text[1])
		request->alias_file = text + 1;
	else if (text[0] == 'A')
		fatal("-oA requires pathname");
}

/* -qI and -qR; -q with a time means what master does anyway. */
static void set_queue_run(struct request *request, const char *text)
{
	static const struct {
		char letter;
		enum mode mode;
		const char *what;
	} modes[] = {
		{ 'I', MODE_FLUSH_ID, "queueid" },
		{ 'R', MODE_FLUSH_SITE, "sitename" },
	};

	for (size_t i = 0; i < COUNT(modes); i++) {
		if (text[0] != modes[i].letter)
			continue;
		if (!text[1])
			fatal("specify: -q%c%s", modes[i].letter,
				modes[i].what);
		if (request->mode != MODE_DELIVER)
			fatal("-q%c can be used only in delivery mode",
				modes[i].letter);
		request->mode = modes[i].mode;
		request->flush = text + 1;
		return;
	}
	if (!ascii_is_digit((unsigned char)text[0]))
		fatal("-q%c is not implemented", text[0]);
	request->has_interval = true;
}

/* -XV or -XVxy: VERP. */
static void set_verp(struct request *request, const char *text)
{
	if (text[0] != 'V')
		fatal("unsupported: -X%c", text[0]);
	request->verp = str_from(text + 1);
}

/* -V was VERP once; two delimiters still mean that. */
static void set_envid(struct request *request, const char *text)
{
	if (strlen(text) != 2 || strspn(text, "-=+") != 2) {
		request->envid = str_from(text);
		return;
	}
	log_warning("option -V%s is deprecated with Postfix 2.3; specify "
		"-XV%s instead", text, text);
	request->verp = str_from(text);
}

static void set_option(struct request *request, int letter, const char *text)
{
	switch (letter) {
	case 'b':
		set_mode(request, text);
		break;
	case 'B':
		set_encoding(request, text);
		break;
	case 'f':
	case 'r':
		request->sender = command_line_address(text);
		break;
	case 'F':
		request->name = str_from(text);
		break;
	case 'G':
		request->flags |= MAILDROP_FLAG_GATEWAY;
		break;
	case 'i':
		request->dot_is_text = true;
		break;
	case 'I':
		request->mode = MODE_ALIASES;
		break;
	case 'N':
		set_notify(request, text);
		break;
	case 'o':
		set_old_option(request, text);
		break;
	case 'O':
		set_long_option(request, text);
		break;
	case 'q':
		set_queue_run(request, text);
		break;
	case 'R':
		set_ret(request, text);
		break;
	case 't':
		request->extract = true;
		break;
	case 'v':
		request->flags |= MAILDROP_FLAG_TRACE;
		break;
	case 'V':
		set_envid(request, text);
		break;
	case 'X':
		set_verp(request, text);
		break;
	case '?':
		fatal("usage: sendmail [options]");
	default:
		break; /* accepted and ignored, as Postfix does */
	}
}

/* -q without a word means: flush everything. getopt cannot say that. */
static bool is_bare_flush(const char *word)
{
	return word[0] == '-' && word[1] == 'q' && !word[2];
}

/* -C may also name the file main.cf. */
static const char *directory_of(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (!slash || slash == path || stat(path, &st) < 0 ||
		!S_ISREG(st.st_mode))
		return path;
	return arena_cstr(arena, str_of(path, (size_t)(slash - path)));
}

static const char *read_options(struct request *request, int argc, char **argv)
{
	static const char letters[] =
		"A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q:tvx";
	const char *directory = NULL;
	int letter;

	/* The last call of getopt puts the recipients behind the options. */
	for (;;) {
		if (optind < argc && is_bare_flush(argv[optind])) {
			request->mode = MODE_FLUSH;
			optind++;
			continue;
		}
		letter = getopt(argc, argv, letters);
		if (letter < 0)
			break;
		if (letter == 'C')
			directory = directory_of(request->arena, optarg);
		else
			set_option(request, letter, optarg);
	}
	return directory;
}

/* Whose mail it is, for messages: the sender that was named, or the user. */
static const char *whose(const struct request *request)
{
	const struct passwd *user = getpwuid(getuid());

	if (!str_is_none(request->sender))
		return arena_cstr(request->arena, request->sender);
	return user ? user->pw_name : "unknown";
}

static struct str own_address(struct request *request)
{
	const struct passwd *user;

	errno = 0;
	user = getpwuid(getuid());
	if (!user && errno != 0 && errno != ENOENT)
		log_fatal("user name of uid %u: %m", getuid());
	if (!user) {
		fatal("no user name for uid %u; say -f ADDRESS", getuid());
	}
	return arena_copy(request->arena, str_from(user->pw_name));
}

/* For a From field that is missing: the user's, whoever is the sender. */
static struct str full_name(const struct request *request)
{
	const char *name = getenv("NAME");
	const struct passwd *user;
	struct str gecos;

	if (!str_is_none(request->name))
		return request->name;
	if (name)
		return str_from(name);
	if (!str_is_none(request->sender) && request->sender.len == 0)
		return STR_NONE; /* a report of some program */
	user = getpwuid(getuid());
	if (!user || !user->pw_gecos || !user->pw_gecos[0])
		return STR_NONE;
	gecos = str_from(user->pw_gecos);
	return arena_copy(request->arena, str_take_until(&gecos, ','));
}

static void add_envelope(struct request *request, struct drop *drop)
{
	struct buf lines = BUF_IN(request->arena);
	struct str sender = str_is_none(request->sender) ?
		own_address(request) :
		request->sender;
	struct str name = full_name(request);

	maildrop_text_format(&lines, MAILDROP_SENDER,
		mail_address_internal(request->arena, sender));
	if (!str_is_none(name))
		maildrop_text_format(&lines, MAILDROP_NAME, name);
	if (!str_is_none(request->envid))
		maildrop_text_format(&lines, MAILDROP_ENVID, request->envid);
	if (!str_is_none(request->encoding))
		maildrop_text_format(&lines, MAILDROP_ENCODING,
			request->encoding);
	if (!str_is_none(request->verp))
		maildrop_text_format(&lines, MAILDROP_VERP, request->verp);
	if (request->ret)
		maildrop_number_format(&lines, MAILDROP_RET, request->ret);
	if (request->notify)
		maildrop_number_format(&lines, MAILDROP_NOTIFY,
			request->notify);
	if (request->flags)
		maildrop_number_format(&lines, MAILDROP_FLAGS, request->flags);
	buf_add(&lines, buf_str(&request->recipients));
	maildrop_word_format(&lines, MAILDROP_CONTENT);
	drop_add(drop, buf_str(&lines));
}

/* mbox's separator in front of a message that came out of one. */
static bool is_from_line(struct str piece)
{
	return str_starts(piece, STR("From ")) ||
		str_starts(piece, STR(">From "));
}

/* The header with its empty line; *piece: what follows it, may be NONE. */
static struct str read_header(struct request *request, struct input *input,
	struct str *piece)
{
	struct buf header = { .arena = request->arena, .limit = HEADER_MOST };
	bool starts;

	while (input_next(input, piece, &starts)) {
		if (header.len == 0 && starts && is_from_line(*piece))
			continue;
		buf_add(&header, *piece);
		if (header.failed) {
			fatal("the header is larger than %d octets",
				HEADER_MOST);
		}
		if (starts && str_is(*piece, "\n"))
			return buf_str(&header);
	}
	return buf_str(&header);
}

static enum line_ends line_ends_of(const struct conf *conf)
{
	if (str_is_nocase(conf->sendmail_fix_line_endings, "never"))
		return LINE_ENDS_NEVER;
	if (str_is_nocase(conf->sendmail_fix_line_endings, "strict"))
		return LINE_ENDS_STRICT;
	return LINE_ENDS_ALWAYS;
}

static void send_body(const struct request *request, struct input *input,
	struct drop *drop, size_t octets)
{
	int64_t most = request->conf->message_size_limit;
	uint64_t limit = most > 0 ?
		(uint64_t)most :
		UINT64_MAX;
	struct str piece;
	bool starts;

	while (input_next(input, &piece, &starts)) {
		octets += piece.len;
		if (octets > limit) {
			drop_cancel(drop);
			fatal("%s(%u): message file too big", whose(request),
				getuid());
		}
		drop_content(drop, piece);
	}
}

static void check_verp(struct request *request)
{
	const struct conf *conf = request->conf;

	if (str_is_none(request->verp))
		return;
	if (!str_is_none(request->sender) && request->sender.len == 0)
		fatal("%s(%u): -V option requires non-null sender address",
			whose(request), getuid());
	if (request->verp.len && !mail_verp_is_valid(request->verp,
					 conf->verp_delimiter_filter))
		fatal("-V requires two characters from %.*s",
			STR_ARG(conf->verp_delimiter_filter));
}

/* Reports of -bv and -v come by mail. */
static void say_report(const struct request *request)
{
	if (request->flags & (MAILDROP_FLAG_VERIFY | MAILDROP_FLAG_TRACE))
		printf("Mail Delivery Status Report will be mailed to "
		       "<%s>.\n", whose(request));
}

static int submit(struct request *request, struct input *input,
	struct str header)
{
	struct drop drop;

	drop_open(&drop, request->conf);
	add_envelope(request, &drop);
	drop_content(&drop, header);
	send_body(request, input, &drop, header.len);
	if (!drop_commit(&drop, 0)) {
		log_at(LOG_LEVEL_FATAL, "%s(%u): %s", whose(request), getuid(),
			drop.answer);
		return drop.failure;
	}
	say_report(request);
	return EX_OK;
}

static int deliver(struct request *request)
{
	struct input *input = mem_new(1, sizeof(*input));
	struct str header = STR(""), piece;
	int status;

	check_verp(request);
	input_open(input, STDIN_FILENO, line_ends_of(request->conf),
		!request->dot_is_text);
	if (!request->extract && request->recipient_count == 0)
		fatal("%s(%u): Recipient addresses must be specified on the "
		      "command line or via the -t option", whose(request),
			getuid());
	/* -bv is about addresses: no message is read. */
	if (request->mode != MODE_VERIFY)
		header = read_header(request, input, &piece);
	else
		input_end(input);
	if (request->extract)
		headers_recipients(request->arena, header, add_found, request);
	if (request->recipient_count == 0)
		fatal("%s(%u): No recipient addresses found in message header",
			whose(request), getuid());
	status = submit(request, input, header);
	free(input);
	return status;
}

static int become(const struct request *request, const char *program,
	const char *const *words)
{
	struct str path = arena_fmt(request->arena, "%.*s/%s",
		STR_ARG(request->conf->command_directory), program);
	char *argv[10] = { arena_cstr(request->arena, path) };

	for (size_t i = 0; i < 8 && words[i]; i++)
		argv[i + 1] = arena_cstr(request->arena, str_from(words[i]));
	execv(argv[0], argv);
	log_error("execute %s: %m", argv[0]);
	return EX_OSFILE;
}

/* postalias over every table of the list. */
static int build_aliases(const struct request *request, struct str directory,
	struct str tables)
{
	const char *words[8] = { "-c", directory.p };
	size_t count = 2;
	struct str item;

	while (str_take_item(&tables, ", \t\n", &item)) {
		if (count == COUNT(words) - 2)
			fatal("too many tables in alias_database");
		words[count++] = arena_cstr(request->arena, item);
	}
	return count == 2 ? EX_OK : become(request, "postalias", words);
}

static int run(struct request *request)
{
	struct str directory =
		arena_copy(request->arena, request->conf->config_directory);
	struct str aliases = request->alias_file ?
		str_from(request->alias_file) :
		request->conf->alias_database;

	switch (request->mode) {
	case MODE_LIST:
		return become(request, "postqueue",
			(const char *[]){ "-c", directory.p, "-p", NULL });
	case MODE_FLUSH:
		return become(request, "postqueue",
			(const char *[]){ "-c", directory.p, "-f", NULL });
	case MODE_FLUSH_ID:
		return become(request, "postqueue",
			(const char *[]){ "-c", directory.p, "-i",
				request->flush, NULL });
	case MODE_FLUSH_SITE:
		return become(request, "postqueue",
			(const char *[]){ "-c", directory.p, "-s",
				request->flush, NULL });
	case MODE_ALIASES:
		return build_aliases(request, directory, aliases);
	case MODE_DAEMON:
		return become(request, "posthorn",
			(const char *[]){ "-c", directory.p, "start", NULL });
	case MODE_SMTP:
		return smtp_session(request->conf, directory);
	case MODE_NOTHING:
		return EX_OK;
	case MODE_DELIVER:
	case MODE_VERIFY:
		break;
	}
	return deliver(request);
}

static void set_name(struct request *request, const char *argv0)
{
	const char *slash = strrchr(argv0, '/');
	const char *name = slash ? slash + 1 : argv0;

	log_name(name);
	if (strcmp(name, "mailq") == 0)
		request->mode = MODE_LIST;
	else if (strcmp(name, "newaliases") == 0)
		request->mode = MODE_ALIASES;
	else if (strcmp(name, "smtpd") == 0)
		request->mode = MODE_DAEMON;
}

/* What does not go together. */
static void check_mode(const struct request *request, int arguments)
{
	static const char *const words[] = {
		[MODE_LIST] = "display queue mode",
		[MODE_ALIASES] = "alias initialization mode",
		[MODE_DAEMON] = "daemon mode",
		[MODE_SMTP] = "stand-alone mode",
		[MODE_FLUSH] = "flush queue mode",
		[MODE_FLUSH_ID] = "flush queue_id",
		[MODE_FLUSH_SITE] = "flush site",
		[MODE_NOTHING] = NULL,
	};
	bool is_flush = request->mode == MODE_FLUSH ||
		request->mode == MODE_FLUSH_ID ||
		request->mode == MODE_FLUSH_SITE;
	bool is_delivery = request->mode == MODE_DELIVER ||
		request->mode == MODE_VERIFY;

	if (request->extract && !is_delivery && !is_flush)
		fatal("-t can be used only in delivery mode");
	if (request->mode == MODE_VERIFY && (request->extract ||
		request->notify))
		fatal("-%c option cannot be used with -bv",
			request->extract ? 't' : 'N');
	if (arguments > 0 && words[request->mode])
		fatal("%s requires no recipient", words[request->mode]);
}

int main(int argc, char **argv)
{
	struct arena *arena;
	struct request request = { .sender = STR_NONE, .verp = STR_NONE };
	const char *directory;

	log_fatal_status(EX_TEMPFAIL);
	arena = arena_new(0);
	request.arena = arena;
	request.recipients = BUF_IN(arena);
	command_begin(&command, argc, argv);
	set_name(&request, argv[0]);
	directory = read_options(&request, argc, argv);
	request.conf = command_conf(arena, directory);
	command_debug(request.conf);
	check_mode(&request, argc - optind);
	if (request.has_interval && optind == argc && !request.extract &&
		(request.mode == MODE_DELIVER || request.mode == MODE_LIST))
		return EX_OK;
	for (int i = optind; i < argc; i++)
		add_word(&request, argv[i]);
	return run(&request);
}
