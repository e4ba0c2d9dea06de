/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5280 §4.1:
 *
 *   Certificate    ::= SEQUENCE { tbsCertificate TBSCertificate, … }
 *   TBSCertificate ::= SEQUENCE { version [0] EXPLICIT … OPTIONAL, serialNumber INTEGER, signature SEQUENCE,
 *                                 issuer SEQUENCE, validity Validity, subject SEQUENCE,
 *                                 subjectPublicKeyInfo SEQUENCE, issuerUniqueID [1] …,
 *                                 subjectUniqueID [2] …, extensions [3] EXPLICIT Extensions OPTIONAL }
 *   Validity       ::= SEQUENCE { notBefore Time, notAfter Time }
 *   Time           ::= CHOICE { utcTime UTCTime ("YYMMDDHHMMSSZ"),
 *                               generalTime GeneralizedTime ("YYYYMMDDHHMMSSZ") }
 *   Extensions     ::= SEQUENCE OF SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE,
 *                                             extnValue OCTET STRING }
 *   SubjectAltName ::= SEQUENCE OF GeneralName       ; in extnValue of 2.5.29.17
 *   GeneralName    ::= CHOICE { dNSName [2] IA5String, iPAddress [7] OCTET STRING, … } */
#include "reader/certificate.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Bytes of a CA's certificate that we look into. */
#define CA_MAX 8192

enum {
        DER_INTEGER = 0x02,
        DER_OCTETS = 0x04,
        DER_OID = 0x06,
        DER_UTC_TIME = 0x17,
        DER_GENERALIZED_TIME = 0x18,
        DER_SEQUENCE = 0x30,
        DER_VERSION = 0xa0,
        DER_EXTENSIONS = 0xa3,
        DER_DNS_NAME = 0x82,
        DER_IP_ADDRESS = 0x87,
};

typedef struct Der {
        const uint8_t *p, *end;
} Der;

/* Takes one element: its tag and contents. */
static bool der_next(Der *in, uint8_t *ret_tag, Der *ret) {
        size_t len, n;

        if (in->end - in->p < 2)
                return false;
        *ret_tag = *in->p++;
        len = *in->p++;
        if (len >= 0x80) {
                n = len & 0x7f;
                if (n == 0 || n > 3 || (size_t) (in->end - in->p) < n)
                        return false;
                for (len = 0; n > 0; n--)
                        len = len << 8 | *in->p++;
        }
        if ((size_t) (in->end - in->p) < len)
                return false;
        *ret = (Der){in->p, in->p + len};
        in->p += len;
        return true;
}

static bool der_expect(Der *in, uint8_t tag, Der *ret) {
        uint8_t found;

        return der_next(in, &found, ret) && found == tag;
}

static int digits(const uint8_t *p, size_t n) {
        int v = 0;

        for (; n > 0; n--, p++) {
                if (*p < '0' || *p > '9')
                        return -1;
                v = v * 10 + (*p - '0');
        }
        return v;
}

static usec_t time_of(uint8_t tag, const Der *value) {
        size_t year_digits = tag == DER_UTC_TIME ? 2 : 4, len = (size_t) (value->end - value->p);
        const uint8_t *p = value->p + year_digits;
        struct tm tm = {0};
        int year, part[5];
        time_t t;

        if ((tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME) || len != year_digits + 11 ||
            value->end[-1] != 'Z')
                return 0;
        year = digits(value->p, year_digits);
        for (size_t i = 0; i < 5; i++) {
                part[i] = digits(p + 2 * i, 2);
                if (part[i] < 0)
                        return 0;
        }
        if (year < 0)
                return 0;
        if (tag == DER_UTC_TIME)
                year += year < 50 ? 2000 : 1900;
        tm = (struct tm){.tm_year = year - 1900,
                         .tm_mon = part[0] - 1,
                         .tm_mday = part[1],
                         .tm_hour = part[2],
                         .tm_min = part[3],
                         .tm_sec = part[4]};
        t = timegm(&tm);
        return t > 0 ? (usec_t) t * USEC_PER_SEC : 0;
}

/* Issuer and validity, and what follows them in tbsCertificate. */
static bool find_parts(const uint8_t *der, size_t len, Der *ret_issuer, Der *ret_validity, Der *ret_rest) {
        Der in = {der, der + len}, certificate, tbs, skipped;
        uint8_t tag;

        if (!der_expect(&in, DER_SEQUENCE, &certificate) || !der_expect(&certificate, DER_SEQUENCE, &tbs) ||
            !der_next(&tbs, &tag, &skipped))
                return false;
        if (tag == DER_VERSION && !der_next(&tbs, &tag, &skipped))
                return false;
        if (tag != DER_INTEGER || !der_expect(&tbs, DER_SEQUENCE, &skipped) ||
            !der_expect(&tbs, DER_SEQUENCE, ret_issuer) || !der_expect(&tbs, DER_SEQUENCE, ret_validity))
                return false;
        *ret_rest = tbs;
        return true;
}

static usec_t end_of(const Der *validity) {
        Der in = *validity, value;
        uint8_t tag;

        return der_next(&in, &tag, &value) && der_next(&in, &tag, &value) ? time_of(tag, &value) : 0;
}

usec_t certificate_end(const uint8_t *der, size_t len) {
        Der issuer, validity, rest;

        return find_parts(der, len, &issuer, &validity, &rest) ? end_of(&validity) : 0;
}

/* ---- issuers ---- */

static int base64_value(char c) {
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *p = c ? strchr(alphabet, c) : NULL;

        return p ? (int) (p - alphabet) : -1;
}

/* Up to the first character that is neither base64 nor white space; 0: too long. */
static size_t decode_base64(const char *p, const char *end, uint8_t *buf, size_t size) {
        unsigned bits = 0, n_bits = 0;
        size_t len = 0;

        for (; p < end; p++) {
                int v = base64_value(*p);

                if (v < 0 && (*p == '\n' || *p == '\r' || *p == ' ' || *p == '\t'))
                        continue;
                if (v < 0)
                        break;
                bits = (bits << 6 | (unsigned) v) & 0xffff;
                n_bits += 6;
                if (n_bits < 8)
                        continue;
                if (len == size)
                        return 0;
                n_bits -= 8;
                buf[len++] = (uint8_t) (bits >> n_bits);
        }
        return len;
}

/* 0: it isn't this issuer's certificate. */
static usec_t end_of_issuer(const Der *wanted, const uint8_t *der, size_t len) {
        Der issuer, validity, rest, subject;

        if (!find_parts(der, len, &issuer, &validity, &rest) || !der_expect(&rest, DER_SEQUENCE, &subject) ||
            subject.end - subject.p != wanted->end - wanted->p ||
            memcmp(subject.p, wanted->p, (size_t) (subject.end - subject.p)) != 0)
                return 0;
        return end_of(&validity);
}

usec_t certificate_issuer_end(const uint8_t *der, size_t len, const char *pem, size_t pem_len) {
        static const char begin[] = "-----BEGIN CERTIFICATE-----";
        const char *end = pem + pem_len, *p = pem;
        Der issuer, validity, rest;
        uint8_t ca[CA_MAX];
        usec_t latest = 0, t;

        if (!find_parts(der, len, &issuer, &validity, &rest))
                return 0;
        while ((p = memmem(p, (size_t) (end - p), begin, sizeof(begin) - 1))) {
                p += sizeof(begin) - 1;
                t = end_of_issuer(&issuer, ca, decode_base64(p, end, ca, sizeof(ca)));
                if (t > latest)
                        latest = t;
        }
        return latest;
}

/* ---- names ---- */

/* The list of names, if there is one. */
static bool find_names(const uint8_t *der, size_t len, Der *ret) {
        static const uint8_t subject_alt_name[] = {0x55, 0x1d, 0x11};
        Der issuer, validity, rest, part, list, extension, oid, value;
        uint8_t tag = 0;

        if (!find_parts(der, len, &issuer, &validity, &rest))
                return false;
        while (tag != DER_EXTENSIONS)
                if (!der_next(&rest, &tag, &part))
                        return false;
        if (!der_expect(&part, DER_SEQUENCE, &list))
                return false;
        while (der_expect(&list, DER_SEQUENCE, &extension)) {
                if (!der_expect(&extension, DER_OID, &oid))
                        return false;
                if (oid.end - oid.p != sizeof(subject_alt_name) ||
                    memcmp(oid.p, subject_alt_name, sizeof(subject_alt_name)) != 0)
                        continue;
                do
                        if (!der_next(&extension, &tag, &value))
                                return false;
                while (tag != DER_OCTETS);
                return der_expect(&value, DER_SEQUENCE, ret);
        }
        return false;
}

/* The next DNS name or IP address as text. */
static bool next_name(Der *names, char *buf, size_t size) {
        uint8_t tag;
        Der name;

        while (der_next(names, &tag, &name)) {
                size_t len = (size_t) (name.end - name.p);

                if (tag == DER_IP_ADDRESS && (len == 4 || len == 16))
                        return inet_ntop(len == 4 ? AF_INET : AF_INET6, name.p, buf, (socklen_t) size) !=
                               NULL;
                if (tag != DER_DNS_NAME || len == 0 || len >= size || memchr(name.p, 0, len))
                        continue;
                memcpy(buf, name.p, len);
                buf[len] = '\0';
                return true;
        }
        return false;
}

const char *certificate_names(const uint8_t *der, size_t len, char *buf, size_t size) {
        char name[256];
        size_t used = 0;
        Der names;

        (void) snprintf(buf, size, "no name");
        if (!find_names(der, len, &names))
                return buf;
        while (used < size && next_name(&names, name, sizeof(name)))
                used += (size_t) snprintf(buf + used, size - used, "%s%s", used > 0 ? ", " : "", name);
        return buf;
}

bool certificate_is_for(const uint8_t *der, size_t len, const char *host) {
        const char *dot = strchr(host, '.');
        char name[256];
        Der names;

        if (!find_names(der, len, &names))
                return false;
        while (next_name(&names, name, sizeof(name)))
                if (strcasecmp(name, host) == 0 ||
                    (dot && strncmp(name, "*.", 2) == 0 && strcasecmp(name + 1, dot) == 0))
                        return true;
        return false;
}
