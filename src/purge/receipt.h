/* receipt.h - proof that a key was destroyed: a chained, signed JSON object.
 *
 * Body (the exact bytes are signed): {"number":N,"kind":"epoch"|"erase","epoch":E,
 * "images":COUNT,"due_at":T,"destroyed_at":T,"copies":[],"policy":"…","node":…,
 * "previous":HEX}, where previous is SHA-256 over body and signature of receipt N-1
 * (64 zeros for the first).  Signature: ECDSA P-256 over SHA-256, DER, base64 when shown.  It proves
 * what was done here and when, not that no unknown copy exists elsewhere.
 */
#ifndef DARKROOM_PURGE_RECEIPT_H
#define DARKROOM_PURGE_RECEIPT_H

#include "control.h"
#include "keyring.h"
#include "sign.h"

struct receipt_facts {
	enum control_receipt_kind kind;
	uint32_t epoch;
	uint64_t images;
	int64_t due_at, destroyed_at;
};

/* Loads the signing key from control.db, or makes one and keeps it there, wrapped. */
enum status receipt_key_load(
	struct control *control, struct keyring *keyring, struct sign_key **out) MUST_CHECK;

/* Appends the next receipt of the chain. */
enum status receipt_append(
	struct control *control, const struct sign_key *key, const struct receipt_facts *facts) MUST_CHECK;

/* Appends one receipt as {"body":"…","signature":"…"}. */
struct json_writer;
void receipt_put_json(const struct control_receipt *receipt, struct json_writer *w);

#endif
