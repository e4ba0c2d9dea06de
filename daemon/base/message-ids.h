/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The message ids of the journal: one for every line that an operator may want to find or to be alerted by.
 *
 * An id belongs to one meaning for ever: it is never changed and never used again. Each has a text in
 * systemd/idsyncd.catalog (journalctl -x), and a lint test keeps the two together. A new one comes from
 * "systemd-id128 new". They are plain strings, to be written as "MESSAGE_ID=" MSGID_STARTED. */

/* Start, stop, reload */
#define MSGID_STARTED                  "d61d482b55bb473cbe2f79fd18a8bf2e"
#define MSGID_STOPPING                 "a60ef467135444e0977c1eb395a323b7"
#define MSGID_RELOADED                 "ff8d78c6dc954b0e9c31f0a999b7abec"
#define MSGID_RELOAD_REFUSED           "27bedd4bd4f941608b4d1c69b0f6b51f"

/* The two sides of a cycle */
#define MSGID_READ_INCOMPLETE          "b0f0f14626224d77a6f7e69cb4e67d65"
#define MSGID_READ_RECOVERED           "902a01398d534c03ad785f43ad890a28"
#define MSGID_LISTING_INCOMPLETE       "d5bf12fbada9400f94261b152a27652b"
#define MSGID_CYCLE_OVERRUN            "dda9f901d4964bc994ba12d61018d765"
#define MSGID_CERTIFICATE_ENDS         "a792e55765174c868ec1a0201b5b350c"

/* Plans */
#define MSGID_PERSON_BLOCKED           "a85367f44e5c4cf5abc48b25b1aedcc9"
#define MSGID_PLAN_HELD                "95a4b5319f1b4ef99fc04d6507912d2e"
#define MSGID_EXPECTATION_FAILED       "f60fc321b1c04551a8e69b75807111ed"
#define MSGID_APPROVAL_STALE           "1c5bd5a9bfa34830865f8df501e36560"
#define MSGID_LEAVER_IN_GRACE          "e0f2bd74a3d045e38ab8b533100a115e"
#define MSGID_LAST_OR_PROTECTED_KEPT   "5065f1ebe3eb4434a9199dfb8445fdcd"

/* Actions */
#define MSGID_ACTION_DONE              "d84badf97bd84de3af606d34cff420c3"
#define MSGID_DEAD_LETTER              "954aceae577e4b9db28331388f00c9d9"
#define MSGID_RECREATE_UNFINISHED      "46f842470604480b98e0021216d04cf5"

/* Targets */
#define MSGID_AUTH_REFUSED             "5b78c01a257e4db785620e66af31e934"
#define MSGID_THROTTLED                "f183699263ac4104bb8526fbff79e4f2"
#define MSGID_TARGET_PARKED            "a69f5f569a0046d2b774bd7ec91187ac"
#define MSGID_TARGET_UNPARKED          "1476d74a383746b9975d93de5fbb4f3e"
#define MSGID_QUARANTINE               "760cf955a69f4a7b970683c2f1caa565"

/* The state directory */
#define MSGID_STATE_IN_USE             "7c52e4e7446949e5b6c74aace840bc31"
#define MSGID_STORE_FAULT              "c425d59f32534be298865e213c300367"
