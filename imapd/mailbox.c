/*
 * posthorn-mailbox - "posthorn mailbox verify|rebuild location": is what the
 * index of a user's mail says true; and the index made anew.
 *
 * As root it becomes the owner of the mail before it looks at anything in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/span.h"
#include "mailbox/text.h"
#include "mailbox/verify.h"
#include "service/command.h"

static const struct command command = { "posthorn mailbox",
	"verify|quick-verify|rebuild directory[:LAYOUT=layout][:UTF-8]" };

/* What the command line says, taken apart. */
struct place {
	const char *location; /* with the layout */
	const char *path;
};

/* A line on the terminal that is written over again. */
struct progress {
	bool is_on, is_shown;
	struct moment next;
};

static void show(struct progress *p, const char *mailbox, size_t done,
	size_t all)
{
	enum { WIDTH = 30 };
	char bar[WIDTH + 1] = "";
	size_t full = all ? done * WIDTH / all : WIDTH;

	if (!p->is_on || (moment_left(p->next).us > 0 && done < all))
		return;
	p->next = moment_after(span_ms(100));
	p->is_shown = true;
	for (size_t i = 0; i < WIDTH; i++)
		bar[i] = i < full ? '#' : '.';
	fprintf(stderr, "\r[%s] %zu of %zu  %s\033[K", bar, done, all,
		mailbox);
}

static void clear(struct progress *p)
{
	if (p->is_shown)
		fputs("\r\033[K", stderr);
	p->is_shown = false;
}

static void on_progress(void *context, const char *mailbox, size_t done,
	size_t all)
{
	show(context, mailbox, done, all);
}

static void on_problem(void *context, const char *mailbox, struct str text)
{
	clear(context);
	printf("%s: %.*s\n", mailbox, STR_ARG(text));
}

static struct mailbox_names names_of(struct mailbox_store *store,
	struct arena *arena)
{
	struct mailbox_names names;

	if (mailbox_store_list(store, arena, &names) != MAILBOX_OK)
		log_fatal("%s: cannot be read", store->path);
	return names;
}

static int verify(const struct place *place, bool deep)
{
	struct arena *arena = arena_new(0);
	struct progress progress = { .is_on = isatty(2) };
	struct mailbox_verify v = { .tell = on_problem, .deep = deep,
		.progress = on_progress, .context = &progress };
	struct mailbox_store *store = mailbox_store_open(place->location);
	struct mailbox_names names;

	if (!store)
		return 1;
	names = names_of(store, arena);
	for (size_t i = 0; i < names.count; i++)
		if (mailbox_verify(store, names.names[i], &v) != MAILBOX_OK)
			log_fatal("%.*s: cannot be read",
				STR_ARG(names.names[i]));
	clear(&progress);
	printf("%s: %zu mailboxes, %zu inconsistencies", place->path,
		names.count, v.problems);
	if (v.untaken > 0)
		printf(" (%zu messages are not in the search index yet)",
			v.untaken);
	printf("\n");
	mailbox_store_close(store);
	return v.problems > 0;
}

static int run_verify(const struct place *place)
{
	return verify(place, true);
}

static int run_quick_verify(const struct place *place)
{
	return verify(place, false);
}

/* Nobody may have it open: whoever has holds a lock on the boot file. */
static void remove_index(const char *path)
{
	static const char *const files[] = { "posthorn-index",
		"posthorn-index-lock", "posthorn-index-boot" };
	auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int lock = openat(dir, "posthorn-index-boot",
		O_RDWR | O_CLOEXEC);

	if (dir < 0)
		log_fatal("open %s: %m", path);
	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0)
		log_fatal("%s: the index is in use; try again when the user "
			"has been logged out for a minute", path);
	for (size_t i = 0; i < COUNT(files); i++)
		if (unlinkat(dir, files[i], 0) < 0 && errno != ENOENT)
			log_fatal("remove %s/%s: %m", path, files[i]);
}

static void index_mailbox(struct mailbox_store *store, struct str name,
	struct progress *progress, size_t *messages)
{
	struct arena *arena = arena_new(0);
	struct mailbox_facts facts;
	struct mailbox *m;

	if (mailbox_open(store, name, &m) != MAILBOX_OK)
		log_fatal("%.*s: cannot be opened", STR_ARG(name));
	for (size_t i = 0; i < m->count; i++) {
		enum mailbox_result result = mailbox_facts(m,
			m->messages[i].is.uid, arena, true, &facts);

		if (result != MAILBOX_OK && result != MAILBOX_EXPUNGED)
			log_fatal("%s: message with UID %u cannot be read",
				m->name, m->messages[i].is.uid);
		arena_reset(arena);
		show(progress, m->name, i + 1, m->count);
	}
	if (!mailbox_complete(m))
		log_fatal("%s: cannot be read", m->name);
	while (mailbox_date_some(m))
		;
	mailbox_text_follow(m, NULL, NULL);
	*messages += m->count;
	mailbox_close(m);
	arena_free(arena);
}

static int run_rebuild(const struct place *place)
{
	struct arena *arena = arena_new(0);
	struct progress progress = { .is_on = isatty(2) };
	struct mailbox_store *store;
	struct mailbox_names names;
	size_t messages = 0;

	remove_index(place->path);
	store = mailbox_store_open(place->location);
	if (!store)
		return 1;
	names = names_of(store, arena);
	for (size_t i = 0; i < names.count; i++)
		index_mailbox(store, names.names[i], &progress, &messages);
	clear(&progress);
	mailbox_store_close(store);
	printf("%s: %zu mailboxes, %zu messages\n", place->path, names.count,
		messages);
	return 0;
}

/* What root reads there, its owner could have made up. */
static void become_owner(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		log_fatal("%s is no directory", path);
	if (geteuid() != 0 || st.st_uid == 0)
		return;
	if (setgroups(0, NULL) < 0 ||
		setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
		setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
		log_fatal("cannot become the owner of %s: %m", path);
}

static const struct {
	const char *name;
	int (*run)(const struct place *place);
} verbs[] = {
	{ "verify", run_verify },
	{ "quick-verify", run_quick_verify },
	{ "rebuild", run_rebuild },
};

/* As main.cf says, if there is one that may be read. */
static struct mailbox_place usual_place(struct arena *arena)
{
	const struct conf *conf;
	const char *folder = getenv("MAIL_CONFIG");
	struct str file = arena_fmt(arena, "%s/main.cf", folder && *folder ?
		folder : CONFIG_DIRECTORY);

	if (access(file.p, R_OK) < 0)
		return (struct mailbox_place){ .layout = &layout_plusplus };
	conf = command_conf(arena, NULL);
	return (struct mailbox_place){
		.layout = layout_find(conf->mailbox_layout),
		.utf8 = conf->mailbox_list_utf8,
	};
}

static struct place place_of(struct arena *arena, const char *location)
{
	struct mailbox_place place = usual_place(arena);
	struct str path;

	if (!layout_of_location(str_from(location), &path, &place))
		log_fatal("%s: the layout is neither maildir++ nor fs",
			location);
	return (struct place){
		.path = arena_cstr(arena, path),
		.location = layout_location(arena, path, &place).p,
	};
}

int main(int argc, char **argv)
{
	struct arena *arena = arena_new(0);
	struct place place;

	command_begin(&command, argc, argv);
	if (argc != 3)
		command_usage(&command);
	umask(077);
	for (size_t i = 0; i < COUNT(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		place = place_of(arena, argv[2]);
		become_owner(place.path);
		return verbs[i].run(&place);
	}
	command_usage(&command);
}
