/*
 * auth/stand - for tests: a stand-in for auth (service/stand).
 *
 * PLAIN is right when the password is "right", LOGIN asks two questions and
 * takes any answers, SCRAM-SHA-256 is refused after a challenge; others are
 * unknown.
 *
 * Waits    no
 */
#ifndef AUTH_STAND_H
#define AUTH_STAND_H

void stand_auth_open(void);

#endif
