/*
 * local/pass - another delivery agent takes a recipient: mailbox_transport,
 * fallback_transport. The message and the answer go through unread.
 */
#include "local/local.h"

#include "base/log.h"
#include "service/service.h"

enum {
	CONNECT_S = 60,
	REPORT_S = 3600,
};

/* False: it does not even have the message. */
static bool hand_over(struct call *call, const struct task *task,
	struct str nexthop)
{
	struct msg_deliver m = task->delivery->m;

	m.nexthop = nexthop;
	return deliver_send(call, &m, &task->recipient, 1,
		task->delivery->large);
}

/* It has logged the line; qmgr is told what it said. */
static bool receive(struct call *call, struct task *task)
{
	struct msg_delivered m;
	struct msg_deliver_done done;
	struct msg_settled settled;

	if (!msg_delivered_recv(call, &m, span_s(REPORT_S)) ||
		m.number != task->recipient->number)
		return false;
	task->is_passed = true;
	task->recipient->reported = true;
	if (!msg_delivered_send(task->delivery->call, &m))
		log_warning("%.*s: qmgr does not hear of it: %m",
			STR_ARG(task->delivery->m.queue_id));
	task->is_lost = !msg_deliver_done_recv(call, &done, span_s(REPORT_S)) ||
		(!done.settled &&
			!msg_settled_recv(call, &settled, span_s(REPORT_S)));
	return true;
}

bool pass_on(struct task *task, struct str destination)
{
	struct str nexthop = str_trim(destination);
	struct str transport = str_take_until(&nexthop, ':');
	struct call *call;

	if (transport.len == 0)
		return false;
	if (nexthop.len == 0)
		nexthop = task->delivery->m.nexthop;
	log_info("%.*s: passing <%.*s> to transport=%.*s",
		STR_ARG(task->delivery->m.queue_id),
		STR_ARG(mail_address_logged(task->arena,
			room.conf->info_log_address_format,
			task->recipient->address)),
		STR_ARG(transport));
	call = service_call_str(task->arena, transport, span_s(CONNECT_S));
	if (!call)
		log_warning("connect to transport private/%.*s: %m",
			STR_ARG(transport));
	if (call && hand_over(call, task, nexthop) && receive(call, task))
		return true;
	task_add(task, STATUS(451, 3, 0, "mail transport unavailable"));
	return true;
}

bool pass_by(struct task *task, struct maps *maps, struct str key,
	struct str destination)
{
	struct str value = STR("");

	switch (maps_find(maps, task->arena, key, &value)) {
	case MAPS_FOUND:
		if (pass_on(task, value))
			return true;
		break;
	case MAPS_ERROR:
		task_add(task,
			status_f(task->arena, 451, 3, 5,
				"%.*s: table lookup problem",
				STR_ARG(maps_failed(maps))));
		return true;
	case MAPS_ABSENT:
		break;
	}
	return pass_on(task, destination);
}
