#include "commands/finger_dns.h"

#include <netinet/in.h>
#include <resolv.h>

#include "base/random.h"
#include "dns/packet.h"
#include "dns/record.h"

enum { EDNS_OCTETS = 1232 }; /* passes without fragments */

/* ---- whose word counts ---- */

/* glibc keeps IPv4 servers in one place and IPv6 servers in another. */
static bool is_loopback(const struct __res_state *state, int i)
{
	const struct sockaddr_in6 *v6 = state->_u._ext.nsaddrs[i];
	struct sockaddr_storage server = { 0 };
	struct dns_address address;
	uint16_t port;

	if (state->nsaddr_list[i].sin_family == AF_INET)
		memcpy(&server, &state->nsaddr_list[i],
			sizeof(state->nsaddr_list[i]));
	else if (v6)
		memcpy(&server, v6, sizeof(*v6));
	return dns_address_from(&server, &address, &port) &&
		dns_address_is_loopback(&address);
}

static bool all_on_loopback(const struct __res_state *state)
{
	for (int i = 0; i < state->nscount; i++)
		if (!is_loopback(state, i))
			return false;
	return state->nscount > 0;
}

/* ---- questions ---- */

/* The octets of the answer; -1: there was none. */
static int ask(const struct finger_dns *dns, struct str question,
	unsigned char *packet)
{
	struct __res_state state = { 0 };
	int len;

	if (res_ninit(&state) != 0)
		return -1;
	/* without it the library takes the bit away */
	if (dns->trust || all_on_loopback(&state))
		state.options |= RES_TRUSTAD;
	len = res_nsend(&state, (const unsigned char *)question.p,
		(int)question.len, packet, DNS_PACKET_MOST);
	res_nclose(&state);
	return len;
}

static void set_status(struct dns_answer *answer, enum dns_status status)
{
	*answer = (struct dns_answer){ .status = status,
		.text = str_from(dns_status_text(status)) };
}

void finger_dns_lookup(void *context, struct arena *arena, struct str name,
	enum dns_type type, struct dns_answer *answer)
{
	unsigned char *packet = arena_alloc(arena, DNS_PACKET_MOST);
	struct buf question = BUF_IN(arena);
	uint16_t id = (uint16_t)random_below(65536);
	int len;

	if (!dns_packet_question(&question, id, name, type, EDNS_OCTETS)) {
		set_status(answer, DNS_MALFORMED);
		return;
	}
	len = ask(context, buf_str(&question), packet);
	if (len < 0 || len > DNS_PACKET_MOST)
		set_status(answer, DNS_TEMPORARY);
	else if (!dns_packet_answer(arena, str_of(packet, (size_t)len), id,
			 name, type, answer))
		set_status(answer, DNS_MALFORMED);
}

/* ---- addresses ---- */

static void add(struct arena *arena, const struct dns_answer *answer,
	struct dns_hosts *hosts)
{
	struct dns_address *all = arena_array(arena,
		hosts->count + answer->count + 1, sizeof(*all));

	for (size_t i = 0; i < hosts->count; i++)
		all[i] = hosts->addresses[i];
	hosts->addresses = all;
	for (size_t i = 0; i < answer->count; i++)
		if (dns_record_address(answer->records[i], &all[hosts->count]))
			hosts->count++;
	hosts->canonical = answer->canonical;
	hosts->secure = hosts->secure && answer->secure;
}

void finger_dns_addresses(struct finger_dns *dns, struct arena *arena,
	struct str host, unsigned families, struct dns_hosts *hosts)
{
	static const enum dns_type types[] = { DNS_AAAA, DNS_A };
	static const unsigned wanted[] = { DNS_IPV6, DNS_IPV4 };

	*hosts = (struct dns_hosts){ .secure = true, .canonical = host,
		.status = DNS_NO_NAME };
	for (size_t i = 0; i < COUNT(types); i++) {
		struct dns_answer answer;

		if (!(families & wanted[i]))
			continue;
		finger_dns_lookup(dns, arena, host, types[i], &answer);
		if (answer.status == DNS_FOUND)
			add(arena, &answer, hosts);
		else if (hosts->status != DNS_TEMPORARY) {
			hosts->status = answer.status;
			hosts->type = types[i];
		}
	}
	if (hosts->count > 0)
		hosts->status = DNS_FOUND;
}
