#include "posthorn/instances.h"

#include <stdlib.h>

#include "base/log.h"
#include "config/list.h"
#include "service/command.h"

static struct str without_slash(struct str path)
{
	while (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	return path;
}

static struct instance read_one(struct arena *arena, const char *directory)
{
	const struct conf *conf = command_conf(arena, directory);

	return (struct instance){
		.conf = conf,
		.directory = without_slash(conf->config_directory),
		.name = conf->multi_instance_name,
		.group = conf->multi_instance_group,
		.is_enabled = conf->multi_instance_enable,
	};
}

static void add(struct instances *in, const struct instance *one)
{
	struct str conflict = instance_conflict(in, one);

	if (!str_is_none(conflict))
		log_fatal("%.*s", STR_ARG(conflict));
	arena_grow(in->arena, &in->all, &in->room, in->count + 1,
		sizeof(*in->all));
	in->all[in->count++] = *one;
}

void instances_read(struct arena *arena, const char *directory,
	struct instances *in)
{
	struct instance one = read_one(arena, directory);
	struct str rest = one.conf->multi_instance_directories, word;

	*in = (struct instances){ .arena = arena };
	add(in, &one);
	while (list_take(&rest, &word)) {
		if (word.p[0] != '/')
			log_fatal("%.*s/main.cf: multi_instance_directories: "
				"%.*s: write an absolute path",
				STR_ARG(in->all[0].directory), STR_ARG(word));
		one = read_one(arena, arena_cstr(arena, word));
		add(in, &one);
	}
	/* Alone it is what `posthorn start` starts, whatever is set. */
	if (in->count == 1)
		in->all[0].is_enabled = true;
}

bool instances_are_managed(const struct instances *in)
{
	const struct conf *primary = in->all[0].conf;

	return primary->multi_instance_wrapper.len > 0 &&
		primary->multi_instance_enable;
}

struct instance *instance_find(const struct instances *in, const char *name)
{
	struct str wanted = without_slash(str_from(name));

	if (str_is(wanted, "-"))
		return &in->all[0];
	for (size_t i = 0; wanted.len && i < in->count; i++)
		if (str_eq(in->all[i].name, wanted) ||
			str_eq(in->all[i].directory, wanted))
			return &in->all[i];
	return NULL;
}

static struct str shared(struct arena *arena, const char *what,
	struct str value, const struct instance *a, const struct instance *b)
{
	return arena_fmt(arena, "%.*s and %.*s have the same %s %.*s: each "
		"instance needs its own", STR_ARG(a->directory),
		STR_ARG(b->directory), what, STR_ARG(value));
}

struct str instance_conflict(const struct instances *in,
	const struct instance *with)
{
	for (size_t i = 0; i < in->count; i++) {
		const struct instance *one = &in->all[i];

		if (one == with)
			continue;
		if (str_eq(one->directory, with->directory))
			return shared(in->arena, "configuration directory",
				with->directory, one, with);
		if (with->name.len && str_eq(one->name, with->name))
			return shared(in->arena, "multi_instance_name",
				with->name, one, with);
		if (str_eq(without_slash(one->conf->queue_directory),
			    without_slash(with->conf->queue_directory)))
			return shared(in->arena, "queue_directory",
				with->conf->queue_directory, one, with);
		if (str_eq(without_slash(one->conf->data_directory),
			    without_slash(with->conf->data_directory)))
			return shared(in->arena, "data_directory",
				with->conf->data_directory, one, with);
	}
	return STR_NONE;
}
