#include "milter/inside.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "maps/link.h"

enum {
	STREAM_CEILING = 4 << 20,
	PROGRESS_MOST_S = 3600, /* that a filter may ask for in one event */
	GOODBYE_S = 1,
};

/* clang-format off */
const struct event milter_events[EVENTS] = {
	[ON_CONNECT] = { MILTER_CONNECT, "CONNECT", MILTER_NO_CONNECT,
		MILTER_SILENT_CONNECT, 2, MILTER_AT_CONNECT, OF_CLIENT, false },
	[ON_HELO] = { MILTER_HELO, "HELO", MILTER_NO_HELO,
		MILTER_SILENT_HELO, 2, MILTER_AT_HELO, OF_CLIENT, false },
	[ON_MAIL] = { MILTER_MAIL, "MAIL", MILTER_NO_MAIL,
		MILTER_SILENT_MAIL, 2, MILTER_AT_MAIL, OF_MESSAGE, false },
	[ON_RCPT] = { MILTER_RCPT, "RCPT", MILTER_NO_RCPT,
		MILTER_SILENT_RCPT, 2, MILTER_AT_RCPT, OF_COMMAND, false },
	[ON_DATA] = { MILTER_DATA, "DATA", MILTER_NO_DATA,
		MILTER_SILENT_DATA, 4, MILTER_AT_DATA, OF_MESSAGE, false },
	[ON_UNKNOWN] = { MILTER_UNKNOWN, "UNKNOWN", MILTER_NO_UNKNOWN,
		MILTER_SILENT_UNKNOWN, 3, MILTER_STAGES, OF_COMMAND, false },
	[ON_HEADER] = { MILTER_HEADER, "HEADER", MILTER_NO_HEADERS,
		MILTER_SILENT_HEADER, 2, -1, OF_MESSAGE, true },
	[ON_END_OF_HEADER] = { MILTER_END_OF_HEADER, "EOH",
		MILTER_NO_END_OF_HEADER, MILTER_SILENT_END_OF_HEADER, 2,
		MILTER_AT_END_OF_HEADER, OF_MESSAGE, true },
	[ON_FIRST_BODY] = { MILTER_BODY, "BODY", MILTER_NO_BODY,
		MILTER_SILENT_BODY, 2, MILTER_AT_END, OF_MESSAGE, true },
	[ON_BODY] = { MILTER_BODY, "BODY", MILTER_NO_BODY,
		MILTER_SILENT_BODY, 2, -1, OF_MESSAGE, true },
	[ON_END] = { MILTER_END, "BODYEOB", 0, 0, 2, MILTER_AT_END,
		OF_MESSAGE, true },
};
/* clang-format on */

/* ---- who is there ---- */

static void close_milter(struct milter *m)
{
	arena_free(m->arena);
	m->arena = NULL;
	m->io = NULL;
	m->in_message = false;
}

static void close_all(void *context)
{
	struct milters *ms = context;

	for (size_t i = 0; i < ms->count; i++)
		close_milter(&ms->all[i]);
}

static struct milters *new_milters(struct arena *arena, size_t count)
{
	struct milters *ms = arena_new_of(arena, struct milters);

	ms->arena = arena;
	ms->count = count;
	ms->all = arena_array(arena, count ? count : 1, sizeof(*ms->all));
	ms->hold = STR_NONE;
	for (size_t i = 0; i < count; i++)
		ms->all[i].eoh_macros = ms->all[i].end_macros = STR_NONE;
	arena_on_free(arena, close_all, ms);
	return ms;
}

struct milters *milters_new(struct arena *arena,
	const struct milter_plan *plan)
{
	struct milters *ms = new_milters(arena, plan->places.count);

	ms->plan = *plan;
	for (size_t i = 0; i < ms->count; i++)
		ms->all[i].place = plan->places.all[i];
	return ms;
}

/* ---- failure ---- */

#define REPLY(code, subject, detail, text) \
	{ REFUSES, { code, subject, detail, { "" text, sizeof(text) - 1 } } }

static struct opinion otherwise(enum milter_otherwise action)
{
	static const struct opinion opinions[MILTER_OTHERWISES] = {
		[MILTER_OTHERWISE_ACCEPT] = { PASSES, { 0 } },
		[MILTER_OTHERWISE_QUARANTINE] = { PASSES, { 0 } },
		[MILTER_OTHERWISE_REJECT] = REPLY(550, 5, 0,
			"Service unavailable"),
		[MILTER_OTHERWISE_TEMPFAIL] = REPLY(451, 7, 1,
			"Service unavailable - try again later"),
		[MILTER_OTHERWISE_SHUTDOWN] = REPLY(421, 7, 0,
			"Server closing connection"),
	};

	return opinions[action];
}

static struct status as_status(struct opinion opinion)
{
	return opinion.kind == REFUSES ? opinion.status : STATUS_OK;
}

static struct status give_up(struct milters *ms, struct milter *m)
{
	close_milter(m);
	m->client = otherwise(m->place.otherwise);
	m->holds = m->place.otherwise == MILTER_OTHERWISE_QUARANTINE;
	if (m->holds)
		ms->hold = STR("milter is unavailable");
	return as_status(m->client);
}

static struct status cannot_write(struct milters *ms, struct milter *m,
	const char *what)
{
	log_warning("milter %.*s: can't write SMFIC_%s packet: %m",
		STR_ARG(m->place.endpoint), what);
	return give_up(ms, m);
}

struct status milter_fail(struct milters *ms, struct milter *m,
	const char *what)
{
	if (errno == 0)
		errno = ECONNRESET; /* the end of input */
	log_warning("milter %.*s: can't read SMFIC_%s reply packet header: %m",
		STR_ARG(m->place.endpoint), what);
	return give_up(ms, m);
}

/* ---- packets ---- */

static struct span limit_of(const struct milter *m, const struct event *event)
{
	return event->is_content ? m->place.content : m->place.command;
}

static bool read_packet(struct milter *m, struct milter_packet *packet)
{
	struct str octets;
	size_t len;

	if (!io_read(m->io, MILTER_LENGTH_OCTETS, &octets, SPAN_FOREVER))
		return false;
	if (milter_length_parse(octets, &len)) {
		/* The kind by itself: a read has its limit, too. */
		if (!io_read(m->io, 1, &octets, SPAN_FOREVER))
			return false;
		*packet = (struct milter_packet){ octets.p[0], STR("") };
		return len == 1 || io_read(m->io, len - 1, &packet->data,
			SPAN_FOREVER);
	}
	errno = EPROTO;
	return false;
}

static void put(struct milter *m, char kind, struct str data)
{
	auto_buf struct buf head = { 0 };

	milter_head_format(&head, kind, data.len);
	io_write(m->io, buf_str(&head));
	io_write(m->io, data);
}

/* The names that go with an event: the filter's own wish comes first. */
static struct str symbols_of(const struct milters *ms, const struct milter *m,
	int stage)
{
	const struct conf *conf = ms->plan.conf;
	const struct str lists[MILTER_STAGES + 1] = {
		[MILTER_AT_CONNECT] = conf->milter_connect_macros,
		[MILTER_AT_HELO] = conf->milter_helo_macros,
		[MILTER_AT_MAIL] = conf->milter_mail_macros,
		[MILTER_AT_RCPT] = conf->milter_rcpt_macros,
		[MILTER_AT_DATA] = conf->milter_data_macros,
		[MILTER_AT_END] = conf->milter_end_of_data_macros,
		[MILTER_AT_END_OF_HEADER] = conf->milter_end_of_header_macros,
		[MILTER_STAGES] = conf->milter_unknown_command_macros,
	};

	if (stage < MILTER_STAGES && !str_is_none(m->options.symbols[stage]))
		return m->options.symbols[stage];
	return lists[stage];
}

static void format_macros(const struct milters *ms, const struct milter *m,
	int stage, struct buf *out)
{
	struct str known = stage == MILTER_AT_END ? m->end_macros :
		stage == MILTER_AT_END_OF_HEADER ? m->eoh_macros : STR_NONE;

	if (!str_is_none(known))
		buf_add(out, known);
	else
		milter_macros_format(out, symbols_of(ms, m, stage),
			ms->plan.conf->milter_macro_defaults,
			&ms->plan.finder);
}

static void put_macros(struct milters *ms, struct milter *m,
	const struct event *event)
{
	auto_buf struct buf data = { 0 };

	buf_char(&data, event->kind);
	format_macros(ms, m, event->stage, &data);
	if (data.len > 1)
		put(m, MILTER_MACRO, buf_str(&data));
}

bool milter_hears(const struct milter *m, const struct event *event)
{
	return m->options.version >= event->version &&
		!(m->options.steps & event->left_out);
}

bool milter_say(struct milters *ms, struct milter *m,
	const struct event *event, struct str data)
{
	stream_deadline(m->io, moment_after(limit_of(m, event)));
	if (event->stage >= 0)
		put_macros(ms, m, event);
	put(m, event->kind, data);
	if (!io_failure(m->io))
		return true;
	errno = io_failure(m->io);
	return false;
}

bool milter_listen(struct milter *m, const struct event *event,
	struct milter_reply *reply)
{
	struct moment end = moment_after(span_s(PROGRESS_MOST_S));
	struct milter_packet packet;

	do {
		stream_deadline(m->io, moment_after(limit_of(m, event)));
		if (!read_packet(m, &packet))
			return false;
		if (!milter_reply_parse(&packet, reply)) {
			errno = EPROTO;
			return false;
		}
	} while (reply->kind == MILTER_PROGRESS && moment_left(end).us > 0);
	return true;
}

/* ---- the beginning ---- */

static bool negotiate(struct milter *m)
{
	struct milter_options offered = milter_options_of(m->place.version);
	auto_buf struct buf data = { 0 };
	struct milter_packet packet;

	milter_options_format(&data, &offered);
	put(m, MILTER_OPTIONS, buf_str(&data));
	if (!read_packet(m, &packet))
		return false;
	if (packet.kind != MILTER_OPTIONS ||
		!milter_options_parse(packet.data, &offered, &m->options)) {
		errno = EPROTO;
		return false;
	}
	/* Those names outlive the packet. */
	for (size_t i = 0; i < MILTER_STAGES; i++)
		m->options.symbols[i] = arena_copy(m->arena,
			m->options.symbols[i]);
	if (m->place.no_header_reply)
		m->options.steps |= MILTER_SILENT_HEADER;
	return true;
}

static struct status open_milter(struct milters *ms, struct milter *m)
{
	const struct links_plan plan = { .purpose = m->place.parameter,
		.endpoint = m->place.endpoint, .timeout = m->place.connect };
	auto_arena struct arena *scratch = arena_new(0);
	int fd = link_connect(scratch, &plan);

	if (fd < 0) {
		log_warning("connect to Milter service %.*s: %m",
			STR_ARG(m->place.endpoint));
		return give_up(ms, m);
	}
	m->arena = arena_new(STREAM_CEILING);
	m->io = stream_open(m->arena, fd);
	stream_write_timeout(m->io, m->place.content);
	stream_deadline(m->io, moment_after(m->place.connect));
	return negotiate(m) ? STATUS_OK :
		milter_fail(ms, m, "OPTNEG");
}

/* ---- answers ---- */

static struct status refuse(struct milter *m, const struct event *event,
	struct status status)
{
	const struct opinion opinion = { REFUSES, status };

	if (event->scope == OF_CLIENT || status.code == 421)
		m->client = opinion;
	else if (event->scope == OF_MESSAGE)
		m->message = opinion;
	return status;
}

static struct status accept(struct milter *m, const struct event *event)
{
	if (event->scope == OF_CLIENT)
		m->client.kind = PASSES;
	else if (event->kind != MILTER_UNKNOWN)
		m->message.kind = PASSES;
	return STATUS_OK;
}

static struct status discard(struct milters *ms, struct milter *m)
{
	ms->discard = true;
	m->message.kind = PASSES;
	return STATUS_OK;
}

static struct status reply_code(struct milters *ms, struct milter *m,
	const struct event *event, const struct milter_reply *reply)
{
	struct status status;

	if (milter_status_parse(ms->arena, reply->name, &status))
		return refuse(m, event, status);
	errno = EPROTO;
	return milter_fail(ms, m, event->name);
}

struct status milter_take_reply(struct milters *ms, struct milter *m,
	const struct event *event, const struct milter_reply *reply)
{
	switch ((enum milter_answer)reply->kind) {
	case MILTER_CONTINUE:
	case MILTER_SKIP:
		return STATUS_OK;
	case MILTER_ACCEPT:
		return accept(m, event);
	case MILTER_DISCARD:
		return event->scope == OF_CLIENT ? STATUS_OK :
			discard(ms, m);
	case MILTER_REJECT:
		return refuse(m, event, STATUS(550, 7, 1,
			"Command rejected"));
	case MILTER_TEMPFAIL:
		return refuse(m, event, STATUS(451, 7, 1,
			"Service unavailable - try again later"));
	case MILTER_REPLY:
		return reply_code(ms, m, event, reply);
	case MILTER_SHUTDOWN:
		return refuse(m, event, STATUS(421, 7, 0,
			"Server closing connection"));
	default:
		errno = EPROTO;
		return milter_fail(ms, m, event->name);
	}
}

/* ---- events ---- */

struct status milter_run(struct milters *ms, struct milter *m,
	const struct event *event, struct str data)
{
	struct milter_reply reply;

	if (!milter_hears(m, event))
		return STATUS_OK;
	if (!milter_say(ms, m, event, data))
		return cannot_write(ms, m, event->name);
	if (m->options.steps & event->silent)
		return STATUS_OK;
	if (!milter_listen(m, event, &reply))
		return milter_fail(ms, m, event->name);
	return milter_take_reply(ms, m, event, &reply);
}

static struct status ask(struct milters *ms, struct milter *m,
	const struct event *event, struct str data)
{
	if (m->client.kind != UNDECIDED)
		return as_status(m->client);
	if (m->message.kind != UNDECIDED)
		return as_status(m->message);
	if (event->scope != OF_CLIENT && event->kind != MILTER_UNKNOWN)
		m->in_message = true;
	return milter_run(ms, m, event, data);
}

static struct status ask_all(struct milters *ms, enum event_id id,
	struct str data)
{
	struct status status = STATUS_OK;

	for (size_t i = 0; i < ms->count && status_is_ok(status) &&
		!ms->discard; i++)
		status = ask(ms, &ms->all[i], &milter_events[id], data);
	return status;
}

struct status milters_connect(struct milters *ms, struct str name,
	char family, uint16_t port, struct str address)
{
	auto_buf struct buf data = { 0 };

	milter_text_format(&data, name);
	buf_char(&data, family);
	if (family != 'U') {
		buf_char(&data, (char)(port >> 8));
		buf_char(&data, (char)(port & 0xff));
		milter_text_format(&data, address);
	}
	for (size_t i = 0; i < ms->count; i++) {
		struct status status = open_milter(ms, &ms->all[i]);

		if (!status_is_ok(status))
			return status;
	}
	return ask_all(ms, ON_CONNECT, buf_str(&data));
}

struct status milters_helo(struct milters *ms, struct str name)
{
	auto_buf struct buf data = { 0 };

	milter_text_format(&data, name);
	return ask_all(ms, ON_HELO, buf_str(&data));
}

static void format_arguments(struct buf *data, const struct str *arguments,
	size_t count)
{
	for (size_t i = 0; i < count; i++)
		milter_text_format(data, arguments[i]);
}

/* Who cannot be asked about any message has it held. */
static void hold_for_absent(struct milters *ms)
{
	for (size_t i = 0; i < ms->count; i++)
		if (ms->all[i].holds)
			ms->hold = STR("milter is unavailable");
}

struct status milters_mail(struct milters *ms, const struct str *arguments,
	size_t count)
{
	auto_buf struct buf data = { 0 };

	hold_for_absent(ms);
	format_arguments(&data, arguments, count);
	return ask_all(ms, ON_MAIL, buf_str(&data));
}

struct status milters_rcpt(struct milters *ms, const struct str *arguments,
	size_t count)
{
	auto_buf struct buf data = { 0 };

	format_arguments(&data, arguments, count);
	return ask_all(ms, ON_RCPT, buf_str(&data));
}

void milters_refused_rcpt(struct milters *ms, const struct str *arguments,
	size_t count)
{
	auto_buf struct buf data = { 0 };

	format_arguments(&data, arguments, count);
	for (size_t i = 0; i < ms->count; i++) {
		struct milter *m = &ms->all[i];

		if (milter_is_asked(m) &&
			(m->options.steps & MILTER_WANTS_REFUSED))
			(void)milter_run(ms, m, &milter_events[ON_RCPT],
				buf_str(&data));
	}
}

struct status milters_data(struct milters *ms)
{
	return ask_all(ms, ON_DATA, STR(""));
}

struct status milters_unknown(struct milters *ms, struct str line)
{
	auto_buf struct buf data = { 0 };

	milter_text_format(&data, line);
	return ask_all(ms, ON_UNKNOWN, buf_str(&data));
}

/* ---- ends ---- */

/* Nothing is waited for; what does not leave makes the next event fail. */
static void say_last(struct milter *m, char kind)
{
	stream_deadline(m->io, moment_after(span_s(GOODBYE_S)));
	put(m, kind, STR(""));
	(void)io_flush(m->io, span_s(GOODBYE_S));
}

void milter_end_message(struct milters *ms)
{
	for (size_t i = 0; i < ms->count; i++) {
		struct milter *m = &ms->all[i];

		if (m->io && m->in_message)
			say_last(m, MILTER_ABORT);
		m->in_message = false;
		m->message = (struct opinion){ 0 };
	}
}

void milters_abort(struct milters *ms)
{
	milter_end_message(ms);
	ms->discard = false;
	ms->hold = STR_NONE;
}

void milters_close(struct milters *ms)
{
	milters_abort(ms);
	for (size_t i = 0; i < ms->count; i++) {
		if (ms->all[i].io)
			say_last(&ms->all[i], MILTER_QUIT);
		close_milter(&ms->all[i]);
	}
}

bool milters_discard(const struct milters *ms)
{
	return ms->discard;
}

struct str milters_hold(const struct milters *ms)
{
	return ms->hold;
}

/* ---- to another process, and back ---- */

static void pass(struct milters *ms, struct milter *m,
	void (*give)(void *context, const struct msg_milter *m), void *context)
{
	auto_buf struct buf eoh = { 0 }, end = { 0 };

	format_macros(ms, m, MILTER_AT_END_OF_HEADER, &eoh);
	format_macros(ms, m, MILTER_AT_END, &end);
	give(context, &(struct msg_milter){
		.endpoint = m->place.endpoint,
		.version = m->options.version,
		.steps = m->options.steps,
		.otherwise = (uint64_t)m->place.otherwise,
		.timeout_ms = (uint64_t)span_to_ms(m->place.content),
		.eoh_macros = buf_str(&eoh),
		.end_macros = buf_str(&end),
		.socket = stream_fd(m->io),
	});
	m->was_passed = true;
}

struct status milters_pass(struct milters *ms,
	void (*give)(void *context, const struct msg_milter *m), void *context)
{
	struct status status = STATUS_OK;

	for (size_t i = 0; i < ms->count; i++) {
		struct milter *m = &ms->all[i];

		if (!milter_is_asked(m))
			continue;
		/* What got no answer may still be here. */
		stream_deadline(m->io, moment_after(m->place.command));
		if (io_flush(m->io, m->place.command))
			pass(ms, m, give, context);
		else
			status = cannot_write(ms, m, "DATA");
		if (!status_is_ok(status))
			return status;
	}
	return status;
}

void milters_passed(struct milters *ms, uint64_t in_step)
{
	for (size_t i = 0; i < ms->count; i++) {
		struct milter *m = &ms->all[i];

		if (!m->was_passed)
			continue;
		m->was_passed = m->in_message = false;
		if (!(in_step & 1))
			(void)give_up(ms, m);
		in_step >>= 1;
	}
}

struct milters *milters_received(struct arena *arena, const struct conf *conf)
{
	struct milters *ms = new_milters(arena, MILTERS_MOST);

	ms->plan.conf = conf;
	ms->count = 0;
	return ms;
}

static enum milter_otherwise known_otherwise(uint64_t number)
{
	return number < MILTER_OTHERWISES ? (enum milter_otherwise)number :
		MILTER_OTHERWISE_TEMPFAIL;
}

bool milters_receive(struct milters *ms, const struct msg_milter *from)
{
	struct milter *m = &ms->all[ms->count];
	struct span content = span_ms(from->timeout_ms < INT32_MAX ?
		(int64_t)from->timeout_ms : INT32_MAX);

	if (ms->count == MILTERS_MOST)
		return false;
	ms->count++;
	m->place = (struct milter_place){ .endpoint = from->endpoint,
		.otherwise = known_otherwise(from->otherwise),
		.content = content, .command = content };
	m->options = milter_options_of(MILTER_VERSION);
	m->options.version = (uint32_t)from->version;
	m->options.steps = (uint32_t)from->steps;
	m->eoh_macros = from->eoh_macros;
	m->end_macros = from->end_macros;
	m->arena = arena_new(STREAM_CEILING);
	m->io = stream_open(m->arena, from->socket);
	stream_write_timeout(m->io, content);
	m->in_message = true;
	return true;
}

uint64_t milters_in_step(const struct milters *ms)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < ms->count; i++)
		if (ms->all[i].io && !ms->all[i].in_message)
			bits |= (uint64_t)1 << i;
	return bits;
}
