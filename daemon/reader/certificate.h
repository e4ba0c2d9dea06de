/* SPDX-License-Identifier: Apache-2.0 */
/* What we want to know of an X.509 certificate, for people: libldap doesn't say it, and the TLS library
 * behind libldap differs. Whether a certificate is good is for that library alone to say. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/time.h"

/* validity.notAfter (RFC 5280 §4.1.2.5) of a DER certificate as wall time; 0 if it can't be read. */
usec_t certificate_end(const uint8_t *der, size_t len);

/* The latest notAfter among the certificates of a PEM text (RFC 7468 §5) whose subject is the issuer of this
 * one; 0: it isn't there. */
usec_t certificate_issuer_end(const uint8_t *der, size_t len, const char *pem, size_t pem_len);

/* Its DNS names and IP addresses (RFC 5280 §4.2.1.6) as "a.example.com, 192.0.2.1" in buf, cut where it
 * is full; "no name" if there are none. */
const char *certificate_names(const uint8_t *der, size_t len, char *buf, size_t size);
/* Whether one of them is this host: alike without regard to case, or by "*." for one label (RFC 6125
 * §6.4). */
bool certificate_is_for(const uint8_t *der, size_t len, const char *host);
