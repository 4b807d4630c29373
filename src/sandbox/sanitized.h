/* sanitized.h - whether this build carries a sanitizer, which wants more of the system; internal.
 *
 * AddressSanitizer reserves terabytes of address space, so RLIMIT_AS cannot hold there, and all of
 * them speak on stderr before they end a process.  Nothing else about the confinement differs.
 */
#ifndef DARKROOM_SANDBOX_SANITIZED_H
#define DARKROOM_SANDBOX_SANITIZED_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANDBOX_IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_IS_SANITIZED 1
#endif
#ifndef SANDBOX_IS_SANITIZED
#define SANDBOX_IS_SANITIZED 0
#endif

#endif
