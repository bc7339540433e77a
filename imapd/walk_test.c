/*
 * A random walk of IMAP commands beside a small model of the states (RFC 3501
 * 3): what is selected, what exists, how many messages. The number of commands
 * is POSTHORN_WALK (1,000), the dice start at POSTHORN_SEED (1).
 */
#include "base/test.h"

#include <stdio.h>
#include <string.h>

#include "mailbox/stand.h"
#include "service/stand.h"
#include "session.h"

enum {
	BOXES = 4,
	MESSAGES_MOST = 20, /* then nothing is added */
	WAIT_S = 60,
};

/* As usual; and a tree, in which all boxes are below each other. */
static const struct world {
	const char *layout;
	struct session_conf conf;
	const char *names[BOXES];
} worlds[] = {
	{ "maildir++", SESSION_USUAL, { "INBOX", "x", "y", "z" } },
	{ "fs", { IMAP_MESSAGE_LIMIT, { STR("Mail/"), '/' } },
		{ "INBOX", "Mail/x", "Mail/x/y", "Mail/x/y/z.z" } },
};

static const struct world *world;
static const char *const *names;

/* ---- dice ---- */

static uint64_t dice;

static unsigned throw(unsigned sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice >> 33) % sides;
}

/* ---- the model ---- */

struct box {
	bool exists;
	unsigned count;
	bool deleted[MESSAGES_MOST]; /* flag of each message */
};

static struct {
	struct box boxes[BOXES];
	int selected; /* -1: none */
	bool is_read_only;
} model = { .selected = -1 };

static void append(struct box *box)
{
	box->deleted[box->count++] = false;
}

static void expunge(struct box *box)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < box->count; i++)
		if (!box->deleted[i])
			box->deleted[kept++] = false;
	box->count = kept;
}

/* ---- one command ---- */

static struct stream *io;
static unsigned long said;
static long told; /* the last number of EXISTS or MESSAGES; -1: none */

static void take_line(struct str *line)
{
	if (!io_line(io, line, span_s(WAIT_S)))
		fail_msg("no answer after %lu commands", said);
}

static void take_untagged(struct str line)
{
	struct str text = str_skip(line, 2);
	uint64_t number;
	size_t at = str_find(line, STR("(MESSAGES "));

	if (str_ends(text, STR(" EXISTS"))) {
		text = str_first(text, text.len - 7);
		assert_true(str_parse_u64(text, UINT32_MAX, &number));
		told = (long)number;
	} else if (at != SIZE_MAX) {
		text = str_skip(line, at + 10);
		assert_true(str_take_u64(&text, UINT32_MAX, &number));
		told = (long)number;
	}
}

/* Say it; the answer must be this word. */
static void say(const char *wanted, const char *format, ...)
	printf_like(2, 3);

static void say(const char *wanted, const char *format, ...)
{
	char text[200];
	struct str line;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	said++;
	told = -1;
	if (!io_fmt(io, "t%lu %s\r\n", said, text))
		fail_msg("gone");
	for (;;) {
		take_line(&line);
		if (!str_starts(line, STR("* ")))
			break;
		take_untagged(line);
	}
	str_take_until(&line, ' ');
	if (!str_starts(line, str_from(wanted)))
		fail_msg("after %lu commands, in state %d: %s: %.*s, not %s",
			said, model.selected, text, STR_ARG(line), wanted);
}

static bool is_selected(void)
{
	return model.selected >= 0;
}

static struct box *selected(void)
{
	return &model.boxes[model.selected];
}

/* ---- verbs ---- */

static void say_open(bool examine)
{
	unsigned i = throw(BOXES);

	say(model.boxes[i].exists ? "OK" : "NO", "%s %s",
		examine ? "EXAMINE" : "SELECT", names[i]);
	model.selected = model.boxes[i].exists ? (int)i : -1;
	model.is_read_only = examine;
	if (model.boxes[i].exists)
		assert_int_equal(told, model.boxes[i].count);
}

static void say_select(void) { say_open(false); }
static void say_examine(void) { say_open(true); }

static void say_close(void)
{
	if (is_selected() && !model.is_read_only)
		expunge(selected());
	say(is_selected() ? "OK" : "BAD", "CLOSE");
	model.selected = -1;
}

static void say_unselect(void)
{
	say(is_selected() ? "OK" : "BAD", "UNSELECT");
	model.selected = -1;
}

static void say_create(void)
{
	unsigned i = throw(BOXES);

	say(model.boxes[i].exists ? "NO" : "OK", "CREATE %s", names[i]);
	if (!model.boxes[i].exists)
		model.boxes[i] = (struct box){ .exists = true };
}

static void say_delete(void)
{
	unsigned i = throw(BOXES);

	if ((int)i == model.selected)
		return;
	say(model.boxes[i].exists && i > 0 ? "OK" : "NO", "DELETE %s",
		names[i]);
	if (i > 0)
		model.boxes[i] = (struct box){ 0 };
}

static void say_append(void)
{
	unsigned i = throw(BOXES);

	if (model.boxes[i].exists && model.boxes[i].count == MESSAGES_MOST)
		return;
	say(model.boxes[i].exists ? "OK" : "NO", "APPEND %s {6+}\r\nA: b\r\n",
		names[i]);
	if (model.boxes[i].exists)
		append(&model.boxes[i]);
}

static void say_status(void)
{
	unsigned i = throw(BOXES);

	say(model.boxes[i].exists ? "OK" : "NO", "STATUS %s (MESSAGES)",
		names[i]);
	if (model.boxes[i].exists)
		assert_int_equal(told, model.boxes[i].count);
}

static void say_store(void)
{
	bool add = throw(2);
	unsigned n;

	if (!is_selected()) {
		say("BAD", "STORE 1 +FLAGS (\\Deleted)");
		return;
	}
	if (selected()->count == 0)
		return;
	n = throw(selected()->count);
	say(model.is_read_only ? "NO" : "OK", "STORE %u %cFLAGS (\\Deleted)",
		n + 1, add ? '+' : '-');
	if (!model.is_read_only)
		selected()->deleted[n] = add;
}

static void say_expunge(void)
{
	say(!is_selected() ? "BAD" : model.is_read_only ? "NO" : "OK",
		"EXPUNGE");
	if (is_selected() && !model.is_read_only)
		expunge(selected());
}

static void say_copy(void)
{
	unsigned to = throw(BOXES);
	struct box *box = &model.boxes[to];

	if (!is_selected()) {
		say("BAD", "COPY 1 %s", names[to]);
		return;
	}
	if (selected()->count == 0 ||
		(box->exists && box->count == MESSAGES_MOST))
		return;
	/* the flags go with it */
	say(box->exists ? "OK" : "NO", "COPY 1 %s", names[to]);
	if (box->exists) {
		box->deleted[box->count] = selected()->deleted[0];
		box->count++;
	}
}

static void say_fetch(void)
{
	if (!is_selected())
		say("BAD", "FETCH 1 (FLAGS)");
	else if (selected()->count > 0)
		say("OK", "FETCH 1:* (FLAGS UID)");
}

/* There is one connection, so only what it does itself happens: it hears of
 * its mailbox as before. */
static void say_notify(void)
{
	static const char *const lines[] = {
		"SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge "
		"FlagChange)) (PERSONAL (MessageNew MessageExpunge MailboxName))",
		"SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange))",
		"SET (SELECTED (MessageNew MessageExpunge)) (SUBTREE (x y) "
		"(MailboxName MessageNew MessageExpunge FlagChange))",
	};

	say("OK", "NOTIFY %s", lines[throw(COUNT(lines))]);
	say("BAD", "NOTIFY SET (SELECTED (MessageNew))");
}

static void say_batches(void)
{
	say(is_selected() ? "OK" : "BAD", "UIDBATCHES %u",
		500 + throw(1 << 30));
}

static void say_search(void)
{
	static const char *const keys[] = { "FUZZY SUBJECT \"some words\"",
		"RETURN (RELEVANCY ALL) FUZZY BODY b", "UIDAFTER 3",
		"UIDBEFORE 9 TEXT b", "BODY b", "SUBJECT xyz" };

	say(is_selected() ? "OK" : "BAD", "SEARCH %s",
		keys[throw(COUNT(keys))]);
}

static void say_noop(void)
{
	say("OK", "NOOP");
}

static void say_nonsense(void)
{
	static const char *const lines[] = { "WHAT", "SELECT", "LOGIN a b",
		"FETCH", "STARTTLS", "APPEND", "UID", "NOOP x" };

	say("BAD", "%s", lines[throw(COUNT(lines))]);
	say_noop(); /* twenty bad ones in a row would end it */
}

static const struct {
	void (*say)(void);
	unsigned weight;
} commands[] = {
	{ say_select, 8 }, { say_examine, 3 }, { say_close, 2 },
	{ say_unselect, 1 }, { say_create, 3 }, { say_delete, 2 },
	{ say_append, 10 }, { say_status, 4 }, { say_store, 12 },
	{ say_expunge, 4 }, { say_copy, 6 }, { say_fetch, 3 },
	{ say_noop, 2 }, { say_notify, 1 },
	{ say_batches, 1 }, { say_search, 3 }, { say_nonsense, 1 },
};

static void say_one(void)
{
	static unsigned sum;
	unsigned at, i = 0;

	if (sum == 0)
		for (size_t k = 0; k < COUNT(commands); k++)
			sum += commands[k].weight;
	for (at = throw(sum); at >= commands[i].weight; i++)
		at -= commands[i].weight;
	commands[i].say();
}

/* ---- the client ---- */

static void run_client(struct client *client, void *context)
{
	session_run(context, client->io, client->arena, STR("joe"), STR_NONE,
		&world->conf);
}

static unsigned long number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

static void walk_session(struct mailbox_store *store, unsigned long most)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stand stand;
	struct str line;

	stand_begin(&stand, run_client, store);
	io = stream_open(arena, stand.fd);
	take_line(&line);
	assert_true(str_starts(line, STR("* PREAUTH")));
	model.selected = -1;
	for (unsigned left = 500; left > 0 && said < most; left--)
		say_one();
	stand.fd = -1; /* the stream's */
	say("OK", "LOGOUT");
	if (!stand_end(&stand))
		fail_msg("a session hangs");
}

static void walk(void *context)
{
	unsigned long most = number("POSTHORN_WALK", 1000), sessions = 0;
	struct mailbox_store *store = stand_store_open(world->layout);

	(void)context;
	model.boxes[0] = (struct box){ .exists = true, .count = 2 };
	model.boxes[1].exists = true;
	for (; said < most; sessions++)
		walk_session(store, most);
	stand_store_close(store);
	printf("%lu commands, %lu sessions\n", said, sessions);
	io_stop();
}

static void agrees_with_the_model(const struct world *in)
{
	static const struct service imapd = { .name = "imapd", .calls = "" };

	world = in;
	names = in->names;
	memset(&model, 0, sizeof(model));
	model.selected = -1;
	said = 0;
	dice = number("POSTHORN_SEED", 1) * 0x9e3779b97f4a7c15;
	stand_open(&imapd, conf_for_test(arena_new(0), NULL));
	io_run(walk, NULL);
}

static void agrees_with_the_model_as_usual(void **state)
{
	(void)state;
	agrees_with_the_model(&worlds[0]);
}

static void agrees_with_the_model_in_a_tree(void **state)
{
	(void)state;
	agrees_with_the_model(&worlds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model_as_usual),
		cmocka_unit_test(agrees_with_the_model_in_a_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
