/* poison.h - names that no file of ours may use; included first in every .c.
 *
 * Each has a bounded, checked or thread-safe counterpart: buf and span for
 * text, num.h for numbers, clock.h for times, the sandbox for processes.  The
 * headers that declare them come first, for they may still say their names.
 * Arrays of variable length are refused by -Wvla.
 */
#ifndef DARKROOM_POISON_H
#define DARKROOM_POISON_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#undef alloca
#undef strdupa
#undef strndupa

#pragma GCC poison strcpy strncpy stpcpy stpncpy strcat strncat
#pragma GCC poison sprintf vsprintf gets
#pragma GCC poison strtok strtok_r
#pragma GCC poison gmtime localtime ctime ctime_r asctime asctime_r
#pragma GCC poison atoi atol atoll atof
#pragma GCC poison alloca strdupa strndupa
#pragma GCC poison system popen tmpnam tempnam mktemp

#endif
