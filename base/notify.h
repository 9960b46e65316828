// notify.h - tells whoever supervises this process how it is: systemd's sd_notify protocol.
//
// Works under `nova up` and under systemd (Type=notify). Without NOTIFY_SOCKET nothing is sent.
// After notify_ready a process says notify_watchdog every second or so from the loop that does its
// work; one that is silent for 10 s counts as hanging, and is killed and started again.
//
// Threads:   safe from any thread.
// Errors:    none: a supervisor that does not listen is no reason to stop.
#pragma once

void notify_ready(void);
void notify_watchdog(void);
// One line for people: "waiting for the stream".
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
// What only a person can put right ("the outbox lacks events of the stream"); "" when it is over.
// It goes with each status from the next one on; `nova status` and `nova up` say it and fail.
void notify_trouble(const char *what);
