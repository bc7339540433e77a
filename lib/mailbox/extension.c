#include "mailbox/extension.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "imap/mutf7.h"
#include "imap/nfc.h"
#include "io/helper.h"
#include "mailbox/name.h"
#include "mailbox/namespace.h"
#include "mailbox/uidlist.h"

enum {
	SUBSCRIPTIONS_MOST = 1024 * 1024,
};

/* What is at hand while a folder is looked for. */
struct extension {
	struct arena *arena;
	const struct conf *conf;
	struct mailbox_place place; /* dir: the user's Maildir */
};

/* As the store knows it, in modified UTF-7; NONE: no mailbox can have it. */
static struct str name_of(const struct extension *e, struct str extension)
{
	struct mailbox_namespace ns;
	const char *why;
	struct str name;

	if (!mailbox_namespace_make(STR(""), e->conf->imap_namespace_separator,
		&ns, &why) || !str_is_utf8(extension))
		return STR_NONE;
	name = imap_mutf7_of_utf8(e->arena, imap_nfc(e->arena, extension));
	if (str_is_none(name))
		return STR_NONE;
	name = mailbox_namespace_inner(e->arena, &ns, name);
	return name_is_good(name) && e->place.layout->is_good(name) &&
			!str_is_nocase(name, "INBOX") ? name : STR_NONE;
}

/* Addresses lose their case on the way, names of mailboxes do not. */
static struct str find(const struct extension *e, struct str name)
{
	struct str *names;
	size_t count;

	if (layout_exists(&e->place, arena_cstr(e->arena, name)))
		return name;
	if (e->place.layout->list(&e->place, e->arena, true, &names, &count) !=
		MAILBOX_OK)
		return STR_NONE;
	for (size_t i = 0; i < count; i++)
		if (str_eq_nocase(names[i], name))
			return names[i];
	return STR_NONE;
}

static bool is_subscribed(const struct extension *e, struct str name,
	struct mailbox_subscriptions *in)
{
	struct str line;

	while (mailbox_subscription_take(e->arena, in, &line))
		if (str_eq(name_read(e->arena, line), name))
			return true;
	return false;
}

/* One line more at the end, so that what others write is not lost. */
static bool subscribe(const struct extension *e, struct str name)
{
	auto_close int fd = openat(e->place.dir, "subscriptions",
		O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct mailbox_subscriptions in = {
		.separator = e->place.layout->separator };
	struct buf out = BUF_IN(e->arena);
	struct stat st;
	char *text;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > SUBSCRIPTIONS_MOST)
		return false;
	text = arena_alloc(e->arena, (size_t)st.st_size + 1);
	in.text = str_of(text, (size_t)st.st_size);
	if (pread(fd, text, in.text.len, 0) != (ssize_t)in.text.len)
		return false;
	if (in.text.len > 0 && text[in.text.len - 1] != '\n')
		buf_char(&out, '\n');
	if (is_subscribed(e, name, &in))
		return true;
	mailbox_subscription_format(&out, &in,
		name_written(e->arena, name, e->place.utf8));
	return fd_write_all(fd, out.p, out.len) && io_fsync(fd) == 0 &&
		layout_flush(e->place.dir, ".");
}

static bool make(const struct extension *e, struct str name)
{
	enum mailbox_result result;

	if (!e->conf->mailbox_extension_autocreate)
		return false;
	result = e->place.layout->create(&e->place,
		arena_cstr(e->arena, name));
	if (result == MAILBOX_OK && e->conf->mailbox_extension_autosubscribe &&
		!subscribe(e, name))
		log_warning("%.*s: not subscribed: %m", STR_ARG(name));
	return result == MAILBOX_OK || result == MAILBOX_EXISTS;
}

/* The first mail of a user makes the Maildir, too. */
static int open_maildir(const struct extension *e, int base,
	const char *maildir)
{
	int fd = openat(base, maildir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT ||
		!e->conf->mailbox_extension_autocreate ||
		mkdirat(base, maildir, 0700) < 0)
		return fd;
	return openat(base, maildir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

struct str mailbox_extension_folder(struct arena *arena,
	const struct conf *conf, int base, struct str maildir,
	struct str extension, bool *is_made)
{
	struct extension e = { .arena = arena, .conf = conf,
		.place = { .layout = layout_find(conf->mailbox_layout),
			.utf8 = conf->mailbox_list_utf8 } };
	char path[LAYOUT_PATH];
	struct str wanted, name;

	*is_made = false;
	if (!conf->mailbox_extension_delivery || extension.len == 0 ||
		!e.place.layout)
		return maildir;
	wanted = name_of(&e, extension);
	auto_close int fd = str_is_none(wanted) ? -1 :
		open_maildir(&e, base, arena_cstr(arena, maildir));

	if (fd < 0)
		return maildir;
	e.place.dir = fd;
	name = find(&e, wanted);
	if (str_is_none(name) && make(&e, wanted)) {
		name = wanted;
		*is_made = true;
	}
	if (str_is_none(name) || str_is(name, "INBOX"))
		return maildir;
	return arena_fmt(arena, "%.*s/%s", STR_ARG(maildir),
		layout_path(&e.place, arena_cstr(arena, name), path));
}
