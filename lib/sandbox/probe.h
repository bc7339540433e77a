/*
 * sandbox/probe - trying in a live daemon what its profile forbids. Used
 * inside lib/sandbox only.
 */
#ifndef SANDBOX_PROBE_H
#define SANDBOX_PROBE_H

#include "sandbox/sandbox.h"

struct probe {
	int parent; /* pid of a process that it must not touch: master */
	const char *queue_directory, *config_directory, *mail_spool_directory;
};

#define ACT(name, text) bool act_##name(const struct probe *probe);
#include "sandbox/acts.def"
#undef ACT

#endif
