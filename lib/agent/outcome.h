/*
 * agent/outcome - a status out of how a command ended and what it wrote.
 *
 * Source   sysexits(3), RFC 3463 2 (enhanced codes)
 * Memory   slices of the text, or in the arena
 * Waits    no
 */
#ifndef AGENT_OUTCOME_H
#define AGENT_OUTCOME_H

#include "base/status.h"

/*
 * What became of a command: `wait_status` as of waitpid(2), `output` what it
 * wrote. A code at the front of the output is used if its class goes with the
 * exit status.
 */
struct status outcome_of_command(struct arena *arena, struct str command,
	int wait_status, struct str output);

/* Output of a command as one line of text: control octets become blanks, no
 * blanks at either end. */
struct str outcome_line(struct arena *arena, struct str output);

#endif
