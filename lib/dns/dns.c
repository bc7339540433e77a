#include "dns/dns.h"

#include "base/buf.h"
#include "dns/filter.h"
#include "dns/record.h"
#include "ipc/messages.h"
#include "service/service.h"

#include <errno.h>

enum {
	INTRODUCTION_S = 10, /* to be connected to the resolver */
	ANSWER_S = 100,      /* longer than all of its attempts */
};

/* ---- questions ---- */

static void failed(struct dns_answer *answer, enum dns_status status)
{
	*answer = (struct dns_answer){ .status = status,
		.text = str_from(dns_status_text(status)) };
}

static struct str without_dot(struct str name)
{
	return name.len > 0 && name.p[name.len - 1] == '.' ?
		str_first(name, name.len - 1) :
		name;
}

/* The question is under way, or NULL. */
static struct call *ask(struct arena *arena,
	const struct dns_question *question)
{
	struct msg_dns_query query = {
		.name = without_dot(question->name),
		.type = question->type,
		.flags = question->flags,
	};
	struct call *call =
		service_call(arena, "resolver", span_s(INTRODUCTION_S));

	if (call && !msg_dns_query_send(call, &query)) {
		call_close(call);
		return NULL;
	}
	return call;
}

static void take_answer(struct arena *arena, struct call *call,
	struct dns_answer *answer)
{
	struct msg_dns_answer got;
	struct str record;

	failed(answer, DNS_TEMPORARY);
	if (!call)
		return;
	if (!msg_dns_answer_recv(call, &got, span_s(ANSWER_S)) ||
		got.status > DNS_MALFORMED) {
		call_close(call);
		return;
	}
	*answer = (struct dns_answer){
		.status = (enum dns_status)got.status,
		.ttl = (uint32_t)got.ttl,
		.secure = got.secure,
		.canonical = arena_copy(arena, got.canonical),
		.count = got.records.count,
		.text = arena_copy(arena, got.text),
	};
	answer->records =
		arena_array(arena, answer->count + 1, sizeof(struct str));
	for (size_t i = 0; i < answer->count; i++)
		if (msg_list_take(&got.records, &record))
			answer->records[i] = arena_copy(arena, record);
	if (answer->status == DNS_FOUND && answer->count == 0)
		failed(answer, DNS_MALFORMED);
	call_close(call);
}

void dns_lookup_all(struct arena *arena, const struct dns_question *questions,
	size_t count, struct dns_answer *answers)
{
	struct call **calls = arena_array(arena, count + 1, sizeof(*calls));

	for (size_t i = 0; i < count; i++)
		calls[i] = ask(arena, &questions[i]);
	for (size_t i = 0; i < count; i++)
		take_answer(arena, calls[i], &answers[i]);
	for (size_t i = 0; i < count; i++)
		dns_filter_apply(arena, &questions[i], &answers[i]);
}

void dns_lookup(struct arena *arena, struct str name, enum dns_type type,
	struct dns_answer *answer)
{
	struct dns_question question = { .name = name, .type = type };

	dns_lookup_all(arena, &question, 1, answer);
}

/* ---- addresses of a host ---- */

static void add_addresses(struct arena *arena, const struct dns_answer *answer,
	struct dns_hosts *hosts)
{
	struct dns_address *more = arena_array(arena,
		hosts->count + answer->count + 1, sizeof(*more));
	struct dns_address *at = more;

	for (size_t i = 0; i < hosts->count; i++)
		*at++ = hosts->addresses[i];
	for (size_t i = 0; i < answer->count; i++)
		if (dns_record_address(answer->records[i], at))
			at++;
	hosts->addresses = more;
	hosts->count = (size_t)(at - more);
}

/* Of two answers without an address: the one that says most. */
static bool is_worse(enum dns_status status, enum dns_status than)
{
	static const int rank[] = { [DNS_FOUND] = 0, [DNS_NO_DATA] = 1,
		[DNS_NO_NAME] = 2, [DNS_MALFORMED] = 3, [DNS_TEMPORARY] = 4 };

	return rank[status] > rank[than];
}

void dns_addresses(struct arena *arena, struct str host, unsigned families,
	struct dns_hosts *hosts)
{
	struct dns_question questions[2] = { 0 };
	struct dns_answer answers[2];
	struct dns_address literal;
	size_t count = 0;

	/* A question that failed does not count: whoever can make it fail
	 * could make the whole answer one that is not validated. */
	*hosts = (struct dns_hosts){ .status = DNS_FOUND, .secure = true,
		.canonical = host, .type = DNS_A };
	if (dns_address_parse(host, &literal)) {
		hosts->addresses = arena_new_of(arena, struct dns_address);
		hosts->addresses[0] = literal;
		hosts->count = 1;
		return;
	}
	for (unsigned family = DNS_IPV6; family; family >>= 1)
		if (families & family)
			questions[count++] = (struct dns_question){
				.name = host,
				.type = family == DNS_IPV6 ? DNS_AAAA : DNS_A,
				.flags = families & ~(DNS_IPV4 | DNS_IPV6),
			};
	dns_lookup_all(arena, questions, count, answers);
	for (size_t i = 0; i < count; i++) {
		if (answers[i].status == DNS_FOUND) {
			hosts->secure = hosts->secure && answers[i].secure;
			hosts->canonical = answers[i].canonical;
			add_addresses(arena, &answers[i], hosts);
		} else if (is_worse(answers[i].status, hosts->status)) {
			hosts->status = answers[i].status;
			hosts->text = answers[i].text;
			hosts->is_filtered = answers[i].is_filtered;
			hosts->is_dropped = answers[i].is_dropped;
			hosts->type = questions[i].type;
		}
	}
	if (hosts->count > 0)
		hosts->status = DNS_FOUND;
	else if (hosts->status == DNS_FOUND)
		hosts->status = DNS_NO_DATA;
}

/* ---- names of addresses ---- */

static bool contains(const struct dns_hosts *hosts,
	const struct dns_address *address)
{
	for (size_t i = 0; i < hosts->count; i++)
		if (dns_address_eq(&hosts->addresses[i], address))
			return true;
	return false;
}

/* The first usable name of a PTR answer; NONE: there is none. */
static struct str first_name(struct arena *arena,
	const struct dns_answer *answer)
{
	struct str name;

	for (size_t i = 0; i < answer->count; i++)
		if (dns_record_name(arena, answer->records[i], &name) &&
			dns_is_hostname(name))
			return name;
	return STR_NONE;
}

void dns_client_name(struct arena *arena, const struct dns_address *address,
	struct dns_client *client)
{
	struct dns_question question = {
		.name = dns_reverse_name(arena, address),
		.type = DNS_PTR,
		.flags = DNS_NATIVE,
	};
	struct dns_answer answer;
	struct dns_hosts hosts;
	struct str name;

	*client = (struct dns_client){ .name = STR("unknown"),
		.reverse = STR("unknown"), .name_code = 5, .reverse_code = 5,
		.problem = STR_NONE };
	dns_lookup_all(arena, &question, 1, &answer);
	if (answer.status == DNS_TEMPORARY)
		client->name_code = client->reverse_code = 4;
	name = first_name(arena, &answer);
	if (answer.status != DNS_FOUND || str_is_none(name))
		return;
	client->reverse = name;
	client->reverse_code = 2;
	dns_addresses(arena, name,
		(address->v6 ? DNS_IPV6 : DNS_IPV4) | DNS_NATIVE, &hosts);
	if (hosts.status == DNS_FOUND && contains(&hosts, address)) {
		client->name = name;
		client->name_code = 2;
		return;
	}
	client->name_code = hosts.status == DNS_TEMPORARY ? 4 : 5;
	client->problem = arena_fmt(arena,
		"hostname %.*s does not resolve to address %.*s%s%.*s",
		STR_ARG(name), STR_ARG(dns_address_text(arena, address)),
		hosts.status == DNS_FOUND ? "" : ": ", STR_ARG(hosts.text));
}
