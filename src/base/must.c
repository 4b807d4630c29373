#include "poison.h"

#include "must.h"

#include "log.h"

/* Nothing is trusted any more: one formatted line into a local array, one write, and the end. */
void must_fail(const char *condition, const char *file, int line)
{
	char text[512];
	int len = snprintf(text, sizeof text, "darkroom: must failed: %s at %s:%d\n", condition, file, line);
	if (len > 0) {
		size_t size = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
		ssize_t ignored = write(STDERR_FILENO, text, size);
		(void)ignored;
	}
	abort();
}

/* sysexits' EX_SOFTWARE.  No handler runs and no buffer is flushed: what is on disk is what was synced. */
enum { EXIT_ENDED = 70 };

void must_end(const char *event)
{
	log_event(LOG_ERROR, event, LOG_ERRNO());
	_exit(EXIT_ENDED);
}
