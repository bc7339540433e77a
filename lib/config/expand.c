#include "config/expand.h"

#include "base/punycode.h"

/* Values that name each other many times: work is bounded too. */
enum { STEPS_MOST = 100000 };

static bool run(struct expand *e, struct buf *out, struct str text);

static bool fail(struct expand *e, struct str error)
{
	if (str_is_none(e->error))
		e->error = error;
	return false;
}

static bool expected(struct expand *e, const char *what, struct str whole,
	struct str rest)
{
	struct str seen = str_first(whole, whole.len - rest.len);

	return fail(e, arena_fmt(e->arena, "%s at: \"...%.*s>>>%.*s\"", what,
			       STR_ARG(seen), STR_ARG(rest)));
}

static bool is_name(unsigned char c)
{
	return ascii_is_alnum(c) || c == '_';
}

static bool is_blank(unsigned char c)
{
	return ascii_is_blank(c);
}

static bool is_operator(unsigned char c)
{
	return c == '=' || c == '!' || c == '<' || c == '>';
}

static void skip_blanks(struct str *in)
{
	str_take_while(in, is_blank);
}

/* The octets between an opening bracket, which has been taken, and its
 * counterpart, which is taken too. */
static bool take_inside(struct str *in, char open, char close,
	struct str *inside)
{
	size_t depth = 1;

	for (size_t i = 0; i < in->len; i++) {
		if (in->p[i] == open)
			depth++;
		else if (in->p[i] == close && --depth == 0) {
			*inside = str_first(*in, i);
			*in = str_skip(*in, i + 1);
			return true;
		}
	}
	return false;
}

/* "{text}" with blanks around it. */
static bool take_braced(struct expand *e, struct str whole, struct str *in,
	struct str *inside)
{
	skip_blanks(in);
	if (!str_take_char(in, '{'))
		return expected(e, "\"{\" expected", whole, *in);
	if (!take_inside(in, '{', '}', inside))
		return expected(e, "\"}\" expected", whole, *in);
	skip_blanks(in);
	return true;
}

static bool evaluate(struct expand *e, struct str text, struct str *value)
{
	struct buf out = BUF_IN(e->arena);

	out.limit = EXPAND_OCTETS_MOST;
	if (!run(e, &out, text))
		return false;
	*value = buf_str(&out);
	return true;
}

static bool value_of(struct expand *e, struct str name, struct str *value)
{
	struct str raw = e->find(e->context, name);

	*value = str_is_none(raw) ? STR("") : raw;
	if (e->is_flat || str_is_none(raw))
		return true;
	if (e->depth >= EXPAND_DEPTH_MOST)
		return fail(e, arena_fmt(e->arena,
				       "unreasonable macro call nesting: \"%.*s\"",
				       STR_ARG(name)));
	return evaluate(e, raw, value);
}

/* ---- comparisons ---- */

static bool is_number(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_digit((unsigned char)s.p[i]))
			return false;
	return s.len > 0;
}

static int compare_numbers(struct str a, struct str b)
{
	while (a.len > 1 && a.p[0] == '0')
		a = str_skip(a, 1);
	while (b.len > 1 && b.p[0] == '0')
		b = str_skip(b, 1);
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return str_cmp(a, b);
}


/* Octet by octet, unless both are numbers. */
static int compare_texts(struct str a, struct str b)
{
	if (is_number(a) && is_number(b))
		return compare_numbers(a, b);
	return str_cmp(a, b);
}

bool expand_level_parse(struct str text, int64_t *level)
{
	uint64_t part[3] = { 0 };
	size_t count = 0;

	do {
		if (count == COUNT(part) ||
			!str_take_u64(&text, 9999, &part[count++]))
			return false;
	} while (str_take_char(&text, '.'));
	if (text.len > 0)
		return false;
	*level = (int64_t)(part[0] * 100000000 + part[1] * 10000 + part[2]);
	return true;
}

static bool compare_levels(struct expand *e, struct str a, struct str b,
	int *order)
{
	int64_t left, right;
	struct str bad;

	if (expand_level_parse(a, &left) && expand_level_parse(b, &right)) {
		*order = left == right ? 0 : left < right ? -1 : 1;
		return true;
	}
	bad = expand_level_parse(a, &left) ? b : a;
	return fail(e, arena_fmt(e->arena,
			       "malformed compatibility level syntax: \"%.*s\"",
			       STR_ARG(bad)));
}

/* Which orders (less, equal, greater) satisfy an operator. */
static const struct {
	const char *name;
	bool less, equal, greater;
} operators[] = {
	{ "==", false, true,  false },
	{ "!=", true,  false, true  },
	{ "<",  true,  false, false },
	{ "<=", true,  true,  false },
	{ ">",  false, false, true  },
	{ ">=", false, true,  true  },
};

static bool holds(size_t operator, int order)
{
	return order < 0 ? operators[operator].less :
	       order > 0 ? operators[operator].greater :
			   operators[operator].equal;
}

static bool take_operator(struct expand *e, struct str whole, struct str *in,
	size_t *operator, bool *is_level)
{
	struct str rest = *in, name = str_take_while(&rest, is_operator);

	*is_level = str_take_prefix(&rest, STR("level"));
	for (size_t i = 0; i < COUNT(operators); i++)
		if (str_is(name, operators[i].name)) {
			*in = rest;
			*operator = i;
			return true;
		}
	return expected(e,
		"\"==\" or \"!=\" or \"<\" or \"<=\" or \">=\" or \">\" expected",
		whole, *in);
}

/* ---- ${...} ---- */

/* What stands behind ? or : when the condition is `yes`. */
static bool choose(struct expand *e, struct buf *out, struct str whole,
	struct str rest, bool yes)
{
	struct str first, other = STR("");
	bool is_question = rest.p[0] == '?', has_other = false;
	struct str look = str_skip(rest, 1);

	first = look;
	skip_blanks(&look);
	if (look.len > 0 && look.p[0] == '{') {
		if (!take_braced(e, whole, &look, &first))
			return false;
		if (look.len > 0) {
			if (!is_question || !str_take_char(&look, ':'))
				return expected(e, "\":\" expected", whole,
					look);
			has_other = true;
			other = look;
			skip_blanks(&look);
			if (look.len > 0 && look.p[0] == '{' &&
				(!take_braced(e, whole, &look, &other) ||
					look.len > 0))
				return expected(e, "unexpected input", whole,
					look);
		}
	}
	if (e->is_looking)
		return run(e, out, first) && (!has_other ||
			run(e, out, other));
	if (yes == is_question)
		return run(e, out, first);
	return has_other ? run(e, out, other) : true;
}

static bool expand_comparison(struct expand *e, struct buf *out,
	struct str body)
{
	struct str rest = body, left, right;
	size_t operator;
	bool is_level, yes = false;
	int order;

	if (!take_braced(e, body, &rest, &left) ||
		!take_operator(e, body, &rest, &operator, &is_level) ||
		!take_braced(e, body, &rest, &right) ||
		!evaluate(e, left, &left) || !evaluate(e, right, &right))
		return false;
	if (!is_level)
		yes = holds(operator, compare_texts(left, right));
	else if (compare_levels(e, left, right, &order))
		yes = holds(operator, order);
	else if (!e->is_flat)
		return false;
	if (rest.len == 0) {
		buf_text(out, yes ? "true" : "");
		return true;
	}
	if (rest.p[0] != '?' && rest.p[0] != ':')
		return expected(e, "\"?\" or \":\" expected", body, rest);
	return choose(e, out, body, rest, yes);
}

static bool expand_function(struct expand *e, struct buf *out, struct str name,
	struct str whole, struct str rest)
{
	struct str argument, ascii;

	if (!str_is(name, "domain_to_ascii"))
		return expected(e, "attribute name syntax error", whole, rest);
	if (!take_braced(e, whole, &rest, &argument) ||
		!evaluate(e, argument, &argument))
		return false;
	ascii = domain_to_ascii(e->arena, argument);
	if (str_is_none(ascii) && !e->is_flat)
		return fail(e, STR("domain_to_ascii: not a domain name"));
	buf_add(out, str_is_none(ascii) ? argument : ascii);
	return true;
}

static bool expand_body(struct expand *e, struct buf *out, struct str body)
{
	struct str rest = body, name, value;

	skip_blanks(&rest);
	if (rest.len > 0 && rest.p[0] == '{')
		return expand_comparison(e, out, body);
	name = str_take_while(&rest, is_name);
	if (name.len == 0)
		return fail(e, arena_fmt(e->arena,
				       "empty macro name: \"${%.*s}\"",
				       STR_ARG(body)));
	if (rest.len > 0 && rest.p[0] == '{')
		return expand_function(e, out, name, body, rest);
	skip_blanks(&rest);
	if (rest.len > 0 && rest.p[0] != '?' && rest.p[0] != ':')
		return expected(e, "attribute name syntax error", body, rest);
	if (!value_of(e, name, &value))
		return false;
	if (rest.len > 0)
		return choose(e, out, body, rest, value.len > 0);
	buf_add(out, value);
	return true;
}

static bool expand_dollar(struct expand *e, struct buf *out, struct str *rest,
	struct str whole)
{
	struct str body, value;
	char open;

	if (str_take_char(rest, '$')) {
		buf_char(out, '$');
		return true;
	}
	open = rest->len > 0 ? rest->p[0] : 0;
	if (open == '{' || open == '(') {
		*rest = str_skip(*rest, 1);
		if (!take_inside(rest, open, open == '{' ? '}' : ')', &body))
			return fail(e, arena_fmt(e->arena,
					       "truncated macro reference: "
					       "\"%.*s\"",
					       STR_ARG(whole)));
		return expand_body(e, out, body);
	}
	body = str_take_while(rest, is_name);
	if (body.len == 0)
		return fail(e, arena_fmt(e->arena, "empty macro name: \"%.*s\"",
				       STR_ARG(whole)));
	if (!value_of(e, body, &value))
		return false;
	buf_add(out, value);
	return true;
}

static bool run(struct expand *e, struct buf *out, struct str text)
{
	struct str rest = text;

	if (e->depth >= 2 * EXPAND_DEPTH_MOST || ++e->steps > STEPS_MOST)
		return fail(e, STR("unreasonable macro call nesting"));
	e->depth++;
	while (rest.len > 0) {
		size_t dollar = str_find_char(rest, '$');

		if (dollar == SIZE_MAX)
			dollar = rest.len;
		buf_add(out, str_first(rest, dollar));
		rest = str_skip(rest, dollar);
		if (out->failed)
			return fail(e, STR("expansion is too long"));
		if (str_take_char(&rest, '$') &&
			!expand_dollar(e, out, &rest, text))
			return false;
	}
	e->depth--;
	return true;
}

bool expand_text(struct arena *arena, struct expand *expand, struct buf *out,
	struct str text)
{
	expand->arena = arena;
	expand->depth = expand->steps = 0;
	expand->error = STR_NONE;
	return run(expand, out, text);
}
