#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/table.h"
#include "mailbox/store.h"
#include "queue/journal.h"
#include "queue/maildrop.h"
#include "queue/serial.h"
#include "queue/store.h"

/* ---- the ledger ---- */

static const struct {
	const char *word;
	enum promise_kind kind;
	unsigned fields; /* the moment is the last */
} words[] = {
	{ "mail", PROMISE_MAIL, 5 },   { "hold", PROMISE_HOLD, 2 },
	{ "drop", PROMISE_DROP, 2 },   { "gone", PROMISE_GONE, 2 },
	{ "box", PROMISE_BOX, 3 },     { "there", PROMISE_THERE, 5 },
	{ "leave", PROMISE_LEAVE, 3 }, { "left", PROMISE_LEFT, 4 },
	{ "nobox", PROMISE_NOBOX, 2 },
};

static struct str read_file(struct arena *arena, const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *octets;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0)
		panic("%s: %m", path);
	octets = arena_alloc(arena, (size_t)st.st_size + 1);
	got = read(fd, octets, (size_t)st.st_size);
	return str_of(octets, got > 0 ? (size_t)got : 0);
}

static struct str take_field(struct str *line)
{
	size_t end = str_find_char(*line, '\t');
	struct str field = str_first(*line, end == SIZE_MAX ? line->len : end);

	*line = str_skip(*line, field.len + (end != SIZE_MAX));
	return field;
}

static struct str text_of(struct ledger *ledger, const char *folder,
	struct str id)
{
	struct str *text = table_find(ledger->texts, id);

	if (!text) {
		text = arena_new_of(ledger->arena, struct str);
		*text = read_file(ledger->arena, arena_fmt(ledger->arena,
			"%s/text/%.*s", folder, STR_ARG(id)).p);
		table_put(ledger->texts, id, text);
	}
	return *text;
}

static void parse_line(struct ledger *ledger, const char *folder,
	struct str line, struct str *store)
{
	struct str word = take_field(&line);
	struct promise *p = &ledger->promises[ledger->count];

	if (str_is(word, "store")) {
		*store = line;
		return;
	}
	for (size_t i = 0; i < COUNT(words); i++) {
		if (!str_is(word, words[i].word))
			continue;
		*p = (struct promise){ .kind = words[i].kind,
			.store = *store, .place = NEVER };
		for (unsigned k = 0; k < words[i].fields; k++)
			p->fields[k] = take_field(&line);
		if (p->kind == PROMISE_MAIL)
			p->text = text_of(ledger, folder, p->fields[0]);
		if (p->kind == PROMISE_THERE)
			p->text = text_of(ledger, folder, p->fields[2]);
		ledger->count++;
		return;
	}
	panic("ledger: %.*s", STR_ARG(word));
}

struct ledger *ledger_read(const char *folder)
{
	struct arena *arena = arena_new(0);
	struct ledger *ledger = arena_new_of(arena, struct ledger);
	struct str text, line, store = STR_NONE;

	ledger->arena = arena;
	ledger->texts = table_new();
	ledger->promises = arena_array(arena, PROMISES_MOST,
		sizeof(*ledger->promises));
	text = read_file(arena, arena_fmt(arena, "%s/ledger", folder).p);
	while (text.len > 0 && ledger->count < PROMISES_MOST) {
		size_t end = str_find_char(text, '\n');

		line = str_first(text, end == SIZE_MAX ? text.len : end);
		text = str_skip(text, line.len + (end != SIZE_MAX));
		if (line.len)
			parse_line(ledger, folder, line, &store);
	}
	return ledger;
}

static struct str moment_of(const struct promise *p)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i].kind == p->kind)
			return p->fields[words[i].fields - 1];
	return STR_NONE;
}

static bool is_moment(struct str moment, const struct record *r)
{
	char number[32];

	if (r->op == OP_START || (r->op == OP_EXIT && r->a == 0)) {
		snprintf(number, sizeof(number), "%s %u",
			r->op == OP_START ? "start" : "exit", r->pid);
		return str_is(moment, number);
	}
	return r->op == OP_SEND &&
		str_take_prefix(&moment, str_from(r->program)) &&
		str_take_char(&moment, ' ') &&
		str_find(str_of((const char *)(r + 1), r->len), moment) !=
			SIZE_MAX;
}

void ledger_moment(struct ledger *ledger, uint64_t place,
	const struct record *r)
{
	for (size_t i = 0; i < ledger->count; i++) {
		struct promise *p = &ledger->promises[i];

		if (p->place == NEVER && is_moment(moment_of(p), r)) {
			p->place = (int64_t)place;
			p->when_us = r->when_us;
		}
	}
}

static bool is_made(const struct now *now, const struct promise *p)
{
	return p->place != NEVER && p->place <= now->place;
}

static const char *wrong(const struct now *now, const char *format, ...)
	printf_like(2, 3);

static const char *wrong(const struct now *now, const char *format, ...)
{
	va_list args;
	struct str text;

	va_start(args, format);
	text = arena_vfmt(now->arena, format, args);
	va_end(args);
	return arena_cstr(now->arena, text);
}

/* ---- messages ---- */

/* The whole of what was sent stands there, from its first line on. */
static bool has_text(struct str octets, struct str text)
{
	struct str first = str_first(text, str_find_char(text, '\n') + 1);
	size_t at = str_find(octets, first);

	return at != SIZE_MAX && str_starts(str_skip(octets, at), text);
}

/* A report about it, with its end. */
static bool is_report(struct str octets, struct str text)
{
	struct str first = str_first(text, str_find_char(text, '\n') + 1);
	size_t end = octets.len;

	while (end > 0 && octets.p[end - 1] == '\n')
		end--;
	return str_find(octets, first) != SIZE_MAX &&
		str_find(octets, STR("multipart/report")) != SIZE_MAX &&
		end > 2 && memcmp(octets.p + end - 2, "--", 2) == 0;
}

struct found {
	struct str content;
	bool done;
	bool is_held;
	const struct stored *stored;
	struct found *next;
};

struct search {
	const struct now *now;
	struct disk *disk;
	struct serials serials;
	struct journal *journal;
	struct store store;
	struct found *found;
	const char *wrong;
};

static void freed(void *context, const struct place *place)
{
	struct search *search = context;

	journal_free(search->journal, place);
}

static struct str content_of(struct search *search, struct stored *stored)
{
	struct arena *arena = search->now->arena;
	struct str large;
	char *octets;
	bool done;
	int fd;

	if (!stored->head.large_octets)
		return stored->content;
	fd = store_large(&search->store, stored);
	if (fd < 0)
		return STR_NONE;
	octets = arena_alloc(arena, stored->head.large_octets + 1);
	done = disk_read_all(search->disk, fd, octets,
		stored->head.large_octets, 0);
	disk_close(search->disk, &fd);
	large = str_of(octets, stored->head.large_octets);
	return done ? arena_join(arena, stored->content,
			      str_skip(large, stored->envelope.skip)) :
		      STR_NONE;
}

static void found(struct search *search, struct stored *stored)
{
	struct found *one = arena_new_of(search->now->arena, struct found);

	*one = (struct found){ .content = content_of(search, stored),
		.done = stored->left == 0,
		.is_held = stored->queue == QUEUE_HOLD, .stored = stored,
		.next = search->found };
	search->found = one;
}

static void found_place(void *context, const struct place *place)
{
	struct search *search = context;
	struct stored *stored;
	enum store_result result = store_load_slot(&search->store,
		search->now->arena, place, true, &stored);

	if (result == STORE_FOUND)
		found(search, stored);
	else if (result == STORE_ERROR)
		search->wrong = "a slot cannot be read";
}

static void find_files(struct search *search, enum queue_name queue)
{
	struct spool_ids ids;

	if (!spool_list(search->disk, search->now->arena, queue, true, &ids)) {
		search->wrong = "a queue cannot be listed";
		return;
	}
	for (size_t i = 0; i < ids.count; i++) {
		struct stored *stored;
		enum store_result result = store_load_file(&search->store,
			search->now->arena, queue, ids.ids[i], &stored);

		if (result == STORE_FOUND)
			found(search, stored);
		else if (result == STORE_CORRUPT)
			search->wrong = "a file of the queue is damaged";
	}
}

/* maildrop/: what sendmail left while the suite was down. */
static bool take_drop(struct arena *arena, struct str octets, struct str *text)
{
	struct buf content = BUF_IN(arena);
	struct maildrop_line line;

	while (octets.len > 0) {
		size_t end = str_find_char(octets, '\n');

		if (end == SIZE_MAX || !maildrop_line_parse(arena,
			str_first(octets, end), &line))
			return false;
		octets = str_skip(octets, end + 1);
		if (line.kind == MAILDROP_END) {
			*text = buf_str(&content);
			return true;
		}
		if (line.kind != MAILDROP_CHUNK)
			continue;
		if (line.number > octets.len)
			return false;
		buf_add(&content, str_first(octets, line.number));
		octets = str_skip(octets, line.number);
	}
	return false;
}

static void find_drops(struct search *search, const struct model_tree *state)
{
	uint32_t dir = tree_find(state, "queue/maildrop");
	const struct model_node *node = state->nodes[dir];

	for (size_t i = 0; dir && i < node->entry_count; i++) {
		struct arena *arena = search->now->arena;
		struct found *one = arena_new_of(arena, struct found);
		struct str octets = tree_octets(
			state->nodes[node->entries[i].node], arena);

		if (strncmp(node->entries[i].name, "tmp-", 4) == 0 ||
			!take_drop(arena, octets, &one->content))
			continue;
		one->next = search->found;
		search->found = one;
	}
}

static bool recover(struct search *search)
{
	if (!serials_open(&search->serials, search->disk) ||
		!journal_open(&search->journal, search->disk, NULL, 0) ||
		!store_open(&search->store, search->disk, false, freed,
			search)) {
		search->wrong = "the queue does not open";
		return false;
	}
	find_files(search, QUEUE_DEFERRED);
	find_files(search, QUEUE_HOLD);
	if (!store_scan(&search->store, true, found_place, search))
		search->wrong = "the journal cannot be read";
	return true;
}

/* Is it, or a report of it, in a file at or below the node? mbox: anywhere in
 * the file; Maildir: a file in new/ or cur/. */
static bool is_below(const struct now *now, const struct model_tree *state,
	uint32_t node, struct str text, bool report)
{
	const struct model_node *n = state->nodes[node];

	if (!node)
		return false;
	if (!n->is_dir) {
		struct str octets = tree_octets(n, now->arena);

		return report ? is_report(octets, text) :
				has_text(octets, text);
	}
	for (size_t i = 0; i < n->entry_count; i++)
		if (strcmp(n->entries[i].name, "tmp") != 0 &&
			is_below(now, state, n->entries[i].node, text, report))
			return true;
	return false;
}

static bool is_queued(const struct search *search, struct str text,
	bool report)
{
	for (const struct found *f = search->found; f; f = f->next) {
		if (f->done)
			continue;
		if (report && f->stored && f->stored->envelope.sender.len == 0 &&
			is_report(f->content, text))
			return true;
		if (has_text(f->content, text) &&
			(!f->stored || f->stored->envelope.sender.len > 0))
			return true;
	}
	return false;
}

static bool is_asked_to_drop(const struct now *now, struct str id)
{
	for (size_t i = 0; i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (p->kind == PROMISE_DROP && is_made(now, p) &&
			str_eq(p->fields[0], id))
			return true;
	}
	return false;
}

static const char *check_message(struct search *search,
	const struct model_tree *state, const struct promise *p)
{
	struct str kind = p->fields[2];
	bool report = str_is(kind, "bounce");

	if (is_asked_to_drop(search->now, p->fields[0]) ||
		is_queued(search, p->text, report))
		return NULL;
	if (!str_is(kind, "queue") &&
		is_below(search->now, state,
			tree_find(state, arena_cstr(search->now->arena,
				p->fields[3])), p->text, report))
		return NULL;
	return wrong(search->now, "lost: message %.*s to %.*s",
		STR_ARG(p->fields[0]), STR_ARG(p->fields[1]));
}

static const char *check_held(struct search *search, const struct promise *p)
{
	for (const struct found *f = search->found; f; f = f->next)
		if (f->stored &&
			str_eq(f->stored->envelope.queue_id, p->fields[0]) &&
			!f->is_held)
			return wrong(search->now, "not on hold any more: %.*s",
				STR_ARG(p->fields[0]));
	return NULL;
}

static const char *check_gone(struct search *search, const struct promise *p)
{
	struct str *text = table_find(search->now->ledger->texts,
		p->fields[0]);

	return text && is_queued(search, *text, false) ?
		wrong(search->now, "deleted, but came back: %.*s",
			STR_ARG(p->fields[0])) :
		NULL;
}

static const char *check_serial(struct search *search)
{
	uint64_t serial;

	if (!serials_take(&search->serials, 1, &serial))
		return "no serial can be had";
	for (const struct found *f = search->found; f; f = f->next)
		if (f->stored && f->stored->head.serial >= serial)
			return "a serial would be given twice";
	return NULL;
}

const char *check_mail(const struct now *now, struct model_tree *state)
{
	struct search search = { .now = now };
	const char *result;
	bool opened;

	search.disk = tree_disk(now->arena, state, "queue");
	opened = recover(&search);
	if (opened)
		find_drops(&search, state);
	result = search.wrong ? search.wrong : check_serial(&search);
	for (size_t i = 0; !result && i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (!is_made(now, p))
			continue;
		if (p->kind == PROMISE_MAIL)
			result = check_message(&search, state, p);
		else if (p->kind == PROMISE_HOLD)
			result = check_held(&search, p);
		else if (p->kind == PROMISE_GONE)
			result = check_gone(&search, p);
	}
	if (search.journal)
		journal_close(search.journal);
	if (opened)
		store_close(&search.store);
	serials_close(&search.serials);
	return result;
}

/* ---- a user's mail ---- */

static bool is_boot_file(const char *name)
{
	return strcmp(name, "posthorn-index-boot") == 0;
}

/* As if the machine had been started again: the boot id is another. */
static void write_out(int dir, const char *name,
	const struct model_node *node, struct arena *arena)
{
	struct str octets = tree_octets(node, arena);
	auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC,
		0600);
	struct timespec times[2] = { { .tv_sec = node->modified_s },
		{ .tv_sec = node->modified_s } };

	if (is_boot_file(name) && octets.len > 0)
		((char *)(uintptr_t)octets.p)[0] ^= 1;
	if (fd < 0 || write(fd, octets.p, octets.len) != (ssize_t)octets.len)
		panic("%s: %m", name);
	if (node->modified_s && futimens(fd, times) < 0)
		panic("%s: %m", name);
}

static void put_tree(const struct model_tree *state, uint32_t node, int dir,
	struct arena *arena)
{
	const struct model_node *n = state->nodes[node];

	for (size_t i = 0; i < n->entry_count; i++) {
		const char *name = n->entries[i].name;
		const struct model_node *child =
			state->nodes[n->entries[i].node];

		if (!child->is_dir) {
			write_out(dir, name, child, arena);
			continue;
		}
		if (mkdirat(dir, name, 0700) < 0)
			panic("%s: %m", name);
		auto_close int below = openat(dir, name,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		put_tree(state, n->entries[i].node, below, arena);
	}
}

static void remove_tree(int dir)
{
	DIR *list = fdopendir(dup(dir));
	struct dirent *e;

	rewinddir(list);
	while ((e = readdir(list))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (e->d_type == DT_DIR) {
			auto_close int below = openat(dir, e->d_name,
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			remove_tree(below);
			unlinkat(dir, e->d_name, AT_REMOVEDIR);
		} else {
			unlinkat(dir, e->d_name, 0);
		}
	}
	closedir(list);
}

static uint64_t number_of(struct str text)
{
	uint64_t value = 0;

	(void)!str_parse_u64(text, UINT64_MAX, &value);
	return value;
}

/* A promise that is about this message is taken back by this moment. */
static bool is_leaving(const struct now *now, const struct promise *there)
{
	for (size_t i = 0; i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (!str_eq(p->store, there->store) || !is_made(now, p) ||
			!str_eq(p->fields[0], there->fields[0]))
			continue;
		if (p->kind == PROMISE_NOBOX ||
			(p->kind == PROMISE_LEAVE &&
				str_eq(p->fields[1], there->fields[1])))
			return true;
	}
	return false;
}

static const char *check_there(const struct now *now, struct mailbox *box,
	const struct promise *p)
{
	uint32_t uid = (uint32_t)number_of(p->fields[1]);
	struct mailbox_message *m = mailbox_find(box, uid);
	struct str octets;

	if (uid >= box->row.uidnext)
		return wrong(now, "%s: UID %u would be given again", box->name,
			uid);
	if (!m && now->when_us < p->when_us + number_of(p->fields[3]) * 1000)
		return NULL;
	if (!m)
		return is_leaving(now, p) ? NULL :
			wrong(now, "%s: UID %u, message %.*s, is not there",
				box->name, uid, STR_ARG(p->fields[2]));
	if (mailbox_read(box, uid, now->arena, 0, &octets) != MAILBOX_OK)
		return wrong(now, "%s: UID %u cannot be read", box->name, uid);
	return has_text(octets, p->text) ? NULL :
		wrong(now, "%s: UID %u is not %.*s", box->name, uid,
			STR_ARG(p->fields[2]));
}

static const char *check_left(const struct now *now, struct mailbox *box,
	const struct promise *p)
{
	uint64_t after_us = number_of(p->fields[2]) * 1000;

	if (now->when_us < p->when_us + after_us ||
		!mailbox_find(box, (uint32_t)number_of(p->fields[1])))
		return NULL;
	return wrong(now, "%s: UID %.*s came back", box->name,
		STR_ARG(p->fields[1]));
}

static bool is_no_box(const struct now *now, const struct promise *box)
{
	for (size_t i = 0; i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (p->kind == PROMISE_NOBOX && is_made(now, p) &&
			str_eq(p->store, box->store) &&
			str_eq(p->fields[0], box->fields[0]))
			return true;
	}
	return false;
}

static const char *check_box(const struct now *now,
	struct mailbox_store *store, const struct promise *first)
{
	struct mailbox *box;
	const char *result = NULL;

	if (mailbox_open(store, first->fields[0], &box) != MAILBOX_OK)
		return is_no_box(now, first) ? NULL :
			wrong(now, "mailbox %.*s is not there",
				STR_ARG(first->fields[0]));
	if (number_of(first->fields[1]) != box->row.uidvalidity &&
		!is_no_box(now, first))
		result = wrong(now, "UIDVALIDITY of %s changed from %.*s to "
			"%u", box->name, STR_ARG(first->fields[1]),
			box->row.uidvalidity);
	for (size_t i = 0; !result && i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (!is_made(now, p) || !str_eq(p->store, first->store) ||
			!str_is(p->fields[0], box->name))
			continue;
		if (p->kind == PROMISE_THERE && !is_no_box(now, first))
			result = check_there(now, box, p);
		else if (p->kind == PROMISE_LEFT)
			result = check_left(now, box, p);
	}
	mailbox_close(box);
	return result;
}

const char *check_store_at(const struct now *now, struct str name,
	const char *path)
{
	struct mailbox_store *store = mailbox_store_open(path);
	const char *result = NULL;

	if (!store)
		return "a user's mail does not open";
	for (size_t i = 0; !result && i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (p->kind == PROMISE_BOX && is_made(now, p) &&
			str_eq(p->store, name))
			result = check_box(now, store, p);
	}
	mailbox_store_close(store);
	return result;
}

static const char *check_store(const struct now *now,
	struct model_tree *state, const char *scratch, struct str name)
{
	uint32_t node = tree_find(state, arena_cstr(now->arena, name));
	const char *path = arena_fmt(now->arena, "%s/mail", scratch).p;
	const char *result;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		panic("%s: %m", path);
	auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	remove_tree(dir);
	if (node)
		put_tree(state, node, dir, now->arena);
	result = check_store_at(now, name, path);
	return result ? wrong(now, "%.*s: %s", STR_ARG(name), result) : NULL;
}

const char *check_stores(const struct now *now, struct model_tree *state,
	const char *scratch)
{
	struct str last = STR_NONE;
	const char *result = NULL;

	for (size_t i = 0; !result && i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (p->kind != PROMISE_BOX || !is_made(now, p) ||
			str_eq(p->store, last))
			continue;
		last = p->store;
		result = check_store(now, state, scratch, last);
	}
	return result;
}
