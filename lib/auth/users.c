#include "auth/users.h"

#include "base/table.h"

struct users {
	struct table *by_name;
	struct user *all;
	size_t count, capacity;
	bool have_scram;
};

static bool is_name_octet(unsigned char c)
{
	return c > ' ' && c != 0x7f && c != ':';
}

bool user_name_is_good(struct str name)
{
	struct str rest = name;

	str_take_while(&rest, is_name_octet);
	return name.len > 0 && name.len <= USERS_NAME_MOST && rest.len == 0 &&
		name.p[0] != '#' && str_is_utf8(name);
}

static bool is_password_octet(unsigned char c)
{
	return c >= ' ' && c != 0x7f;
}

bool user_password_is_good(struct str password)
{
	struct str rest = password;

	str_take_while(&rest, is_password_octet);
	return password.len > 0 && password.len <= USERS_PASSWORD_MOST &&
		rest.len == 0 && str_is_utf8(password);
}

static bool is_hash_octet(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != ':';
}

bool user_parse(struct str line, struct user *user)
{
	struct user got = { 0 };
	struct str rest;

	if (line.len > USERS_LINE_MOST || str_find_char(line, ':') == SIZE_MAX)
		return false;
	got.name = str_take_until(&line, ':');
	if (!user_name_is_good(got.name) ||
		str_find_char(line, ':') == SIZE_MAX)
		return false;
	got.hash = rest = str_take_until(&line, ':');
	str_take_while(&rest, is_hash_octet);
	if (rest.len > 0)
		return false;
	if (line.len > 0) {
		if (!scram_verifier_parse(line, &got.scram))
			return false;
		got.has_scram = true;
	}
	*user = got;
	return true;
}

void user_format(struct buf *out, const struct user *user)
{
	buf_fmt(out, "%.*s:%.*s:", STR_ARG(user->name), STR_ARG(user->hash));
	if (user->has_scram)
		scram_verifier_format(out, &user->scram);
	buf_char(out, '\n');
}

bool user_line_is_comment(struct str line)
{
	line = str_trim(line);
	return line.len == 0 || line.p[0] == '#';
}

static void free_table(void *context)
{
	table_free(context);
}

static bool add_line(struct arena *arena, struct users *users,
	struct str line)
{
	struct user user;

	if (!user_parse(line, &user) ||
		table_find(users->by_name, user.name))
		return false;
	arena_grow(arena, &users->all, &users->capacity, users->count + 1,
		sizeof(*users->all));
	users->all[users->count++] = user;
	/* Its place; the array may still move. */
	table_put(users->by_name, user.name, users);
	users->have_scram |= user.has_scram;
	return true;
}

struct users *users_parse(struct arena *arena, struct str text, size_t *bad)
{
	struct users *users = arena_new_of(arena, struct users);
	struct str line;
	size_t number = 0;

	*bad = 0;
	users->by_name = table_new_nocase();
	arena_on_free(arena, free_table, users->by_name);
	while (str_take_line(&text, &line)) {
		number++;
		if (!user_line_is_comment(line) &&
			!add_line(arena, users, line) && *bad == 0)
			*bad = number;
	}
	for (size_t i = 0; i < users->count; i++)
		table_put(users->by_name, users->all[i].name, &users->all[i]);
	return users;
}

const struct user *users_find(const struct users *users, struct str name)
{
	return name.len > 0 ? table_find(users->by_name, name) : NULL;
}

size_t users_count(const struct users *users)
{
	return users->count;
}

const struct user *users_at(const struct users *users, size_t at)
{
	return &users->all[at];
}

bool users_have_scram(const struct users *users)
{
	return users->have_scram;
}
