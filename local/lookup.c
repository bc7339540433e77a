/*
 * local/lookup - the child that asks the system who a name is.
 */
#include "local/local.h"

#include "base/log.h"
#include "io/helper.h"

#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>

enum {
	RECEIVE_S = 300,
	PASSWD_OCTETS = 2 * 1024, /* of an entry, at first */
	PASSWD_OCTETS_MOST = 64 * 1024,
	LOGIN_MOST = 256, /* LOGIN_NAME_MAX: a longer name is no user's */
	AT_ONCE = 32, /* in one turn */
	TURNS = 2,    /* at once: one that is slow does not hold up the rest */
};

struct lookup {
	struct list link; /* in those that wait */
	const char *name;
	struct passwd entry, *found;
	char *text;
	size_t octets;
	int error, home_error;
	bool is_done;
};

/* Who asks at the same time shares a helper's turn. */
static struct {
	struct list waiting;
	struct io_event done;
	unsigned turns;
	bool is_ready;
} lookups;

static void find_one(struct lookup *lookup)
{
	struct stat st;

	lookup->error = getpwnam_r(lookup->name, &lookup->entry, lookup->text,
		lookup->octets, &lookup->found);
	if (!lookup->found)
		return;
	if (stat(lookup->entry.pw_dir, &st) < 0)
		lookup->home_error = errno;
	else
		lookup->home_error = S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
}

/* In a helper thread: NSS may ask the network. */
static int find_all(void *context)
{
	struct list *taken = context;

	list_each(link, taken)
		find_one(CONTAINER(link, struct lookup, link));
	return 0;
}

static void run_lookups(void)
{
	struct list taken, *link;

	lookups.turns++;
	io_pause(); /* let others ask */
	list_init(&taken);
	for (int i = 0; i < AT_ONCE; i++)
		if ((link = list_shift(&lookups.waiting)))
			list_append(&taken, link);
	if (!list_is_empty(&taken))
		io_help(find_all, &taken);
	while ((link = list_shift(&taken)))
		CONTAINER(link, struct lookup, link)->is_done = true;
	lookups.turns--;
	io_event_wake_all(&lookups.done);
}

static void look_up(struct lookup *lookup)
{
	if (!lookups.is_ready) {
		lookups.is_ready = true;
		list_init(&lookups.waiting);
		io_event_init(&lookups.done);
	}
	lookup->is_done = false;
	list_append(&lookups.waiting, &lookup->link);
	while (!lookup->is_done)
		if (lookups.turns < TURNS &&
			!list_is_empty(&lookups.waiting))
			run_lookups();
		else if (!io_event_wait(&lookups.done, SPAN_FOREVER))
			io_uncancel();
}

/* getpwnam_r(3) names these for "no such user", beside 0. */
static bool means_absent(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH;
}

void lookup_serve(struct call *call)
{
	struct arena *arena = call_arena(call);
	struct lookup lookup = { .octets = PASSWD_OCTETS / 2 };
	struct msg_local_user m;
	struct msg_local_user_is is = { 0 };

	if (!msg_local_user_recv(call, &m, span_s(RECEIVE_S)))
		return;
	/* The C library takes space for a name from the stack. */
	if (m.name.len < LOGIN_MOST) {
		lookup.name = arena_cstr(arena, m.name);
		do {
			lookup.octets *= 2;
			lookup.text = arena_alloc(arena, lookup.octets);
			look_up(&lookup);
		} while (lookup.error == ERANGE &&
			lookup.octets < PASSWD_OCTETS_MOST);
	}
	if (lookup.found) {
		is = (struct msg_local_user_is){
			.result = 1,
			.name = str_from(lookup.entry.pw_name),
			.home = str_from(lookup.entry.pw_dir),
			.shell = str_from(lookup.entry.pw_shell),
			.home_error = (uint64_t)lookup.home_error,
			.sys_uid = lookup.entry.pw_uid,
			.sys_gid = lookup.entry.pw_gid,
		};
	} else if (!means_absent(lookup.error)) {
		errno = lookup.error;
		log_warning("user lookup: %.*s: %m", STR_ARG(m.name));
		is.result = 2;
	}
	if (!msg_local_user_is_send(call, &is))
		log_debug("the parent has gone: %m");
}
