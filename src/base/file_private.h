/* file_private.h - what file.c and file_whole.c share: one way to fail. */
#ifndef DARKROOM_FILE_PRIVATE_H
#define DARKROOM_FILE_PRIVATE_H

#include "fault.h"
#include "status.h"

/* The status of the present errno; logs it as `event` unless it is a normal answer. */
enum status file_failed(const char *event, const char *name);

/* The same where only the descriptor is known; its path is asked of the kernel. */
enum status file_failed_fd(const char *event, int fd);

#endif
