#include "milter/macro.h"

#include "config/list.h"
#include "milter/packet.h"

enum {
	NAME_MOST = 128,
};

/* "client_addr" is "{client_addr}"; a letter alone stays. */
static struct str full_name(struct str name, char *space)
{
	if (name.len < 2 || name.len > NAME_MOST - 2 || name.p[0] == '{')
		return name;
	space[0] = '{';
	memcpy(space + 1, name.p, name.len);
	space[name.len + 1] = '}';
	return str_of(space, name.len + 2);
}

/* "name=value", "{name}=value", "{ name = value }" */
static bool split_default(struct str element, struct str *name,
	struct str *value)
{
	(void)list_unbrace(&element);
	return list_split_pair(element, name, value);
}

static struct str bare_name(struct str name)
{
	(void)list_unbrace(&name);
	return name;
}

static struct str find_default(struct str defaults, struct str wanted)
{
	struct str element, name, value;

	while (list_take(&defaults, &element))
		if (split_default(element, &name, &value) &&
			str_eq(bare_name(name), bare_name(wanted)))
			return value;
	return STR_NONE;
}

void milter_macros_format(struct buf *out, struct str list,
	struct str defaults, const struct milter_finder *finder)
{
	struct str element;
	char space[NAME_MOST];

	while (list_take(&list, &element)) {
		struct str name = full_name(element, space);
		struct str value = finder->find(finder->context, name);

		if (str_is_none(value))
			value = find_default(defaults, name);
		if (str_is_none(value))
			continue;
		milter_text_format(out, name);
		milter_text_format(out, value);
	}
}
