#include "mail/list.h"

#include "mail/address.h"

/* The words of an element, in order; comments stand beside. */
enum token {
	TOKEN_END,
	TOKEN_WORD,   /* atom or quoted string, value in text */
	TOKEN_LITERAL, /* [...] */
	TOKEN_SPECIAL, /* one of <>@,;:. in c */
	TOKEN_BAD,     /* a stray bracket; what does not end: up to the end */
};

struct scanner {
	struct arena *arena;
	struct str text;
	size_t at;
	enum token token;
	char c;
	bool quoted, blank_before;
	struct str value;
	size_t start, end;  /* of the token */
	struct str comment; /* the last one passed */
	size_t comment_end;
};

static bool is_special(char c)
{
	switch (c) {
	case '<': case '>': case '@': case ',': case ';': case ':': case '.':
		return true;
	default:
		return false;
	}
}

static bool is_atom(char c)
{
	switch (c) {
	case '(': case ')': case '[': case ']': case '\\': case '"':
		return false;
	default:
		return (unsigned char)c > ' ' && c != 0x7f && !is_special(c);
	}
}

/* From "(" on; nested ones are part of the text. False: it does not end. */
static bool scan_comment(struct scanner *s)
{
	struct buf out = BUF_IN(s->arena);
	unsigned depth = 0;

	for (size_t i = s->at; i < s->text.len; i++) {
		char c = s->text.p[i];

		if (c == '\\' && i + 1 < s->text.len)
			c = s->text.p[++i];
		else if (c == '(' && ++depth > MAIL_DEPTH_MOST)
			return false;
		else if (c == '(' && depth == 1)
			continue;
		else if (c == ')' && --depth == 0) {
			s->at = s->comment_end = i + 1;
			s->comment = buf_str(&out);
			return true;
		}
		if (c != '\r' && c != '\n')
			buf_char(&out, c);
	}
	return false;
}

static bool skip_blanks(struct scanner *s)
{
	s->blank_before = false;
	while (s->at < s->text.len) {
		char c = s->text.p[s->at];

		if (c == '(') {
			if (!scan_comment(s))
				return false;
		} else if (ascii_is_blank((unsigned char)c)) {
			s->at++;
		} else {
			break;
		}
		s->blank_before = true;
	}
	return true;
}

/* A quoted string or literal up to `close`; one that does not end takes all
 * the rest, so that no octet is looked at twice. */
static enum token scan_quoted(struct scanner *s, char close, enum token token)
{
	struct buf out = BUF_IN(s->arena);
	bool keep = close == ']';

	for (size_t i = s->at + 1; i < s->text.len; i++) {
		char c = s->text.p[i];

		if (c == close) {
			s->at = i + 1;
			s->value = keep ? str_of(s->text.p + s->start,
				s->at - s->start) : buf_str(&out);
			return token;
		}
		if (c == '\\' && i + 1 < s->text.len)
			c = s->text.p[++i];
		if (c != '\r' && c != '\n')
			buf_char(&out, c);
	}
	s->at = s->text.len;
	return TOKEN_BAD;
}

static void scan_atom(struct scanner *s)
{
	while (s->at < s->text.len && is_atom(s->text.p[s->at]))
		s->at++;
	s->value = str_of(s->text.p + s->start, s->at - s->start);
}

static void scan(struct scanner *s)
{
	s->quoted = false;
	if (!skip_blanks(s)) {
		s->token = TOKEN_BAD;
		s->start = s->at;
		s->at = s->end = s->text.len;
		return;
	}
	s->start = s->at;
	s->token = TOKEN_END;
	if (s->at == s->text.len) {
		s->end = s->at;
		return;
	}
	s->c = s->text.p[s->at];
	if (is_special(s->c)) {
		s->token = TOKEN_SPECIAL;
		s->at++;
	} else if (s->c == '"') {
		s->quoted = true;
		s->token = scan_quoted(s, '"', TOKEN_WORD);
	} else if (s->c == '[') {
		s->token = scan_quoted(s, ']', TOKEN_LITERAL);
	} else if (is_atom(s->c)) {
		s->token = TOKEN_WORD;
		scan_atom(s);
	} else {
		s->token = TOKEN_BAD;
	}
	s->end = s->at > s->start ? s->at : s->start + 1;
}

static bool is_at(const struct scanner *s, char c)
{
	return s->token == TOKEN_SPECIAL && s->c == c;
}

/* Words, dots and blanks from here on as text: a phrase or a local-part. */
struct words {
	struct str text;   /* blanks between words kept as one space */
	struct str joined; /* without blanks around dots: a local-part */
	size_t count, start, end;
	bool spaced; /* two words stood beside each other without a dot */
};

static void scan_words(struct scanner *s, struct words *words)
{
	struct buf text = BUF_IN(s->arena), joined = BUF_IN(s->arena);
	bool after_word = false;

	*words = (struct words){ .start = s->start, .end = s->start };
	while ((s->token == TOKEN_WORD || is_at(s, '.')) &&
		words->count < MAIL_WORDS_MOST) {
		bool is_word = s->token == TOKEN_WORD;

		if (words->count++ > 0 && s->blank_before)
			buf_char(&text, ' ');
		words->spaced |= after_word && is_word;
		buf_add(&text, is_word ? s->value : STR("."));
		buf_add(&joined, is_word ? s->value : STR("."));
		after_word = is_word;
		words->end = s->end;
		scan(s);
	}
	words->text = buf_str(&text);
	words->joined = buf_str(&joined);
}

/* Behind "@": atoms with dots, or a literal. NONE: neither. */
static struct str scan_domain(struct scanner *s, size_t *end)
{
	struct words words;
	struct str literal;

	if (s->token == TOKEN_LITERAL) {
		literal = s->value;
		*end = s->end;
		scan(s);
		return literal;
	}
	scan_words(s, &words);
	if (words.count == 0 || words.spaced)
		return STR_NONE;
	*end = words.end;
	return words.joined;
}

/* "@a,@b:" behind "<"; RFC 5322 4.4 obs-route. */
static bool scan_route(struct scanner *s, struct mail_mailbox *mailbox)
{
	size_t start = s->start, end = s->start;

	if (!is_at(s, '@'))
		return true;
	while (is_at(s, '@') || is_at(s, ',')) {
		bool has_domain = is_at(s, '@');

		scan(s);
		if (has_domain && str_is_none(scan_domain(s, &end)))
			return false;
	}
	if (!is_at(s, ':'))
		return false;
	mailbox->route = str_of(s->text.p + start, end - start);
	scan(s);
	return true;
}

/* local[@domain], from the words that were scanned already. */
static bool finish_spec(struct scanner *s, const struct words *local,
	struct mail_mailbox *mailbox)
{
	size_t end = local->end;

	if (local->spaced)
		return false;
	mailbox->local = local->joined;
	if (is_at(s, '@')) {
		scan(s);
		mailbox->domain = scan_domain(s, &end);
		if (str_is_none(mailbox->domain))
			return false;
	}
	mailbox->len = end - mailbox->at;
	return true;
}

/* From "<" on. */
static bool scan_angle(struct scanner *s, struct mail_mailbox *mailbox)
{
	struct words local;

	mailbox->is_angle = true;
	scan(s);
	mailbox->at = s->start;
	if (!scan_route(s, mailbox))
		return false;
	scan_words(s, &local);
	if (local.count == 0)
		local.end = s->start;
	if (!finish_spec(s, &local, mailbox) || !is_at(s, '>'))
		return false;
	if (local.count == 0 && (!str_is_none(mailbox->domain) ||
		!str_is_none(mailbox->route)))
		return false;
	if (local.count == 0)
		mailbox->len = 0;
	mailbox->item_len = s->end - mailbox->item_at;
	scan(s);
	return true;
}

/* One element up to the separator. */
static enum mail_list_item scan_item(struct scanner *s,
	struct mail_mailbox *mailbox)
{
	struct words words;
	bool ok;

	mailbox->item_at = mailbox->at = s->start;
	scan_words(s, &words);
	if (is_at(s, ':') && words.count > 0) {
		mailbox->name = words.text;
		mailbox->len = mailbox->item_len = s->end - mailbox->at;
		return MAIL_LIST_GROUP;
	}
	if (is_at(s, '<')) {
		if (words.count > 0)
			mailbox->name = words.text;
		ok = scan_angle(s, mailbox);
	} else {
		ok = words.count > 0 && finish_spec(s, &words, mailbox);
		mailbox->item_len = mailbox->len;
	}
	if (!ok || !(s->token == TOKEN_END || is_at(s, ',') || is_at(s, ';')))
		return MAIL_LIST_JUNK;
	return MAIL_LIST_ADDRESS;
}

/* To the next separator. */
static void skip_junk(struct scanner *s, struct mail_mailbox *mailbox)
{
	while (s->token != TOKEN_END && !is_at(s, ',') && !is_at(s, ';')) {
		if (s->token == TOKEN_BAD)
			s->at = s->end;
		scan(s);
	}
	*mailbox = (struct mail_mailbox){
		.at = mailbox->item_at, .item_at = mailbox->item_at,
	};
	mailbox->len = mailbox->item_len = s->start - mailbox->at;
	while (mailbox->len > 0 && ascii_is_blank((unsigned char)
		s->text.p[mailbox->at + mailbox->len - 1]))
		mailbox->item_len = --mailbox->len;
}

/* Commas before the next element. */
static void skip_empty(struct scanner *s, bool in_group)
{
	scan(s);
	while (is_at(s, ',') || (is_at(s, ';') && !in_group))
		scan(s);
}

static enum mail_list_item end_group(struct mail_list *list, size_t at)
{
	list->in_group = false;
	list->at = at;
	return MAIL_LIST_GROUP_END;
}

static void take_comment(const struct scanner *s, struct mail_mailbox *mailbox)
{
	mailbox->comment = s->comment;
	if (str_is_none(mailbox->name))
		mailbox->name = s->comment;
	if (s->comment_end > mailbox->item_at + mailbox->item_len)
		mailbox->item_len = s->comment_end - mailbox->item_at;
}

enum mail_list_item mail_list_next(struct arena *arena, struct mail_list *list,
	struct mail_mailbox *mailbox)
{
	struct scanner s = {
		.arena = arena, .text = list->text, .at = list->at,
	};
	enum mail_list_item item;

	*mailbox = (struct mail_mailbox){ 0 };
	skip_empty(&s, list->in_group);
	if (s.token == TOKEN_END)
		return list->in_group ? end_group(list, s.start) :
			MAIL_LIST_END;
	if (is_at(&s, ';'))
		return end_group(list, s.end);
	s.comment = STR_NONE;
	s.comment_end = 0;
	item = scan_item(&s, mailbox);
	if (item == MAIL_LIST_GROUP && list->in_group)
		item = MAIL_LIST_JUNK; /* groups do not nest */
	if (item == MAIL_LIST_GROUP) {
		list->in_group = true;
		list->at = s.end;
		return item;
	}
	if (item == MAIL_LIST_JUNK)
		skip_junk(&s, mailbox);
	else
		take_comment(&s, mailbox);
	/* The separator is looked at again: ";" ends the group. */
	list->at = s.start;
	return item;
}

struct str mail_mailbox_address(struct arena *arena,
	const struct mail_mailbox *mailbox)
{
	if (str_is_none(mailbox->domain))
		return mailbox->local;
	return arena_fmt(arena, "%.*s@%.*s", STR_ARG(mailbox->local),
		STR_ARG(mailbox->domain));
}

static bool is_phrase(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!is_atom(name.p[i]) && name.p[i] != ' ')
			return false;
	return name.len > 0 && name.p[0] != ' ' &&
		name.p[name.len - 1] != ' ';
}

static void format_escaped(struct buf *out, struct str text, const char *which)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '\r' || text.p[i] == '\n' ||
			text.p[i] == '\0')
			continue;
		if (strchr(which, text.p[i]))
			buf_char(out, '\\');
		buf_char(out, text.p[i]);
	}
}

void mail_phrase_format(struct buf *out, struct str name)
{
	if (is_phrase(name)) {
		buf_add(out, name);
		return;
	}
	buf_char(out, '"');
	format_escaped(out, name, "\"\\");
	buf_char(out, '"');
}

void mail_comment_format(struct buf *out, struct str text)
{
	buf_char(out, '(');
	format_escaped(out, text, "()\\");
	buf_char(out, ')');
}

void mail_mailbox_format(struct buf *out, struct str name, struct str address)
{
	if (name.len == 0) {
		mail_address_format(out, address);
		return;
	}
	mail_phrase_format(out, name);
	buf_text(out, " <");
	mail_address_format(out, address);
	buf_char(out, '>');
}
