/* process_child.h - what runs in the sandbox: confine, decode, answer.
 *
 * The same binary, started as `darkroom child-image` by sandbox_run().  It confines
 * itself before it looks at one byte of the image on fd 3, and writes to fd 4
 * either a result (imaging_result_write) or, with exit code PROCESS_CHILD_UNDECODABLE, the
 * reason as one line of text.  The parent believes neither.
 *
 * Threads: the process has one.
 */
#ifndef DARKROOM_PROCESS_CHILD_H
#define DARKROOM_PROCESS_CHILD_H

#define PROCESS_CHILD_COMMAND "child-image"

/* 65 is EX_DATAERR of sysexits; 70, EX_SOFTWARE: it could not be confined or could not answer;
 * SANDBOX_EXIT_NO_MEMORY. */
enum process_child_exit { PROCESS_CHILD_GOOD = 0, PROCESS_CHILD_UNDECODABLE = 65, PROCESS_CHILD_BROKEN = 70 };

/* Does all of it and ends the process by itself with one of these codes: what libraries and sanitizers have
 * registered for exit() wants system calls that are gone.  The type is for `return process_child_main();`. */
int process_child_main(void);

#endif
