#include "maps/build_type.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

enum {
	PATH_TRIES = 100,
};

static const struct build_type *const types[] = { &build_hash, &build_btree,
	&build_lmdb, &build_cdb };

/* ---- the file ---- */

static bool fail(struct build *build, const char *what, const char *why)
{
	build->error = arena_fmt(build->arena, "%s %.*s: %s", what,
		STR_ARG(build->path), why);
	return false;
}

/* A fresh, empty file beside the one to be; nobody else's. */
static int create(struct build *build)
{
	int fd = -1;

	for (int i = 0; i < PATH_TRIES && fd < 0; i++) {
		build->temporary = arena_fmt(build->arena, "%.*s.new-%d-%d",
			STR_ARG(build->path), getpid(), i)
					   .p;
		fd = open(build->temporary,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd;
}

static bool copy(int from, int to)
{
	char block[1 << 14];
	ssize_t got;

	while ((got = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)got) != got)
			return false;
	return got == 0;
}

/* The present content, as base of changes; none: a new file. */
static bool copy_present(struct build *build, int to, bool *is_new)
{
	auto_close int from = open(build->path.p, O_RDONLY | O_CLOEXEC);

	*is_new = true;
	if (from < 0)
		return errno == ENOENT;
	*is_new = false;
	return flock(from, LOCK_SH) == 0 && copy(from, to);
}

static const struct build_type *find_type(struct str type)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (str_is(type, types[i]->type))
			return types[i];
	return NULL;
}

static struct str label_of(const struct build *build, struct str name)
{
	switch (build->type->naming) {
	case BUILD_NAMED_BY_TABLE:
		return arena_fmt(build->arena, "%s:%.*s", build->type->type,
			STR_ARG(name));
	case BUILD_NAMED_BY_SOURCE:
		return arena_copy(build->arena, name);
	default:
		return build->path;
	}
}

bool build_is_type(struct str type)
{
	return find_type(type) != NULL;
}

const char *build_suffix(struct str type)
{
	const struct build_type *found = find_type(type);

	if (found && found->instead)
		found = found->instead;
	return found && found->open && found->remove ? found->suffix : NULL;
}

bool build_open(struct arena *arena, const struct conf *conf, struct str type,
	struct str name, unsigned flags, struct build *build)
{
	auto_close int fd = -1;
	bool is_new = true;
	int error;

	*build = (struct build){ .arena = arena, .flags = flags,
		.entry = arena_child(arena) };
	build->type = find_type(type);
	if (build->type && build->type->instead)
		build->type = build->type->instead;
	if (!build->type || (flags & BUILD_CHANGE && !build->type->remove))
		return false;
	build->path = arena_fmt(arena, "%.*s.%s", STR_ARG(name),
		build->type->suffix);
	build->label = label_of(build, name);
	if (!build->type->open)
		return fail(build, "create", "this program was built without "
			"the library for such files");
	fd = create(build);
	if (fd < 0)
		return fail(build, "create", strerror(errno));
	if (flags & BUILD_CHANGE && !copy_present(build, fd, &is_new)) {
		fail(build, "open database", strerror(errno));
		unlink(build->temporary);
		return false;
	}
	error = build->type->open(build, conf, is_new);
	if (!error)
		return true;
	fail(build, "open database", build->type->text(error));
	unlink(build->temporary);
	return false;
}

/* With the NUL that arena_copy puts behind every copy. */
static struct str stored(struct build *build, struct str text)
{
	text = arena_copy(build->entry, text);
	return str_of(text.p, text.len + !(build->flags & BUILD_NO_NUL ||
					   build->type->no_nul));
}

enum build_put build_put(struct build *build, struct str key,
	struct str value)
{
	int error;

	arena_reset(build->entry);
	error = build->type->put(build, stored(build, key),
		stored(build, value), build->flags & BUILD_REPLACE);

	if (error == 0)
		return BUILD_PUT;
	if (error == EEXIST)
		return BUILD_DUPLICATE;
	fail(build, "write", build->type->text(error));
	return BUILD_FAILED;
}

bool build_delete(struct build *build, struct str key)
{
	struct str with = stored(build, key);
	int error = build->type->remove(build, with);

	if (error == ENOENT)
		error = build->type->remove(build,
			str_of(with.p, key.len));
	if (error && error != ENOENT)
		fail(build, "write", build->type->text(error));
	return error == 0;
}

bool build_commit(struct build *build, mode_t mode)
{
	int error = build->type->close(build, true);
	auto_close int fd = -1;

	build->state = NULL;
	if (error) {
		fail(build, "write", build->type->text(error));
	} else {
		fd = open(build->temporary, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && fchmod(fd, mode) == 0 && fsync(fd) == 0 &&
			rename(build->temporary, build->path.p) == 0)
			return true;
		fail(build, "write", strerror(errno));
	}
	unlink(build->temporary);
	return false;
}

void build_abandon(struct build *build)
{
	if (build->state)
		build->type->close(build, false);
	build->state = NULL;
	unlink(build->temporary);
}
