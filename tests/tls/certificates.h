/*
 * Certificates for the tests of TLS, made when the case begins, by the library itself: two
 * authorities, servers and a client of the first, one whose time is over. PEM files in a folder of
 * the case's own, which goes when it ends.
 */
#ifndef WEFT_TESTS_TLS_CERTIFICATES_H
#define WEFT_TESTS_TLS_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/test.h"

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
};

static char certificates_folder[] = "/tmp/weft-tls-XXXXXX";
static char certificates_paths[16][64];
static int certificates_count;

static inline const char *certificates_path(const char *name)
{
    char *path = certificates_paths[certificates_count++];

    ck_assert_int_lt(certificates_count, 16);
    snprintf(path, 64, "%s/%s.pem", certificates_folder, name);
    return path;
}

static inline void certificates_extend(X509 *certificate, X509 *issuer, int what, const char *value)
{
    X509_EXTENSION *one;
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    one = X509V3_EXT_conf_nid(NULL, &context, what, value);
    ck_assert_ptr_nonnull(one);
    X509_add_ext(certificate, one, -1);
    X509_EXTENSION_free(one);
}

/* names: "DNS:a.test,IP:127.0.0.1", or NULL for an authority; from and to: seconds from now. */
static inline X509 *certificates_sign(const struct authority *by, EVP_PKEY *key,
                                      const char *subject, const char *names, long from, long to)
{
    static long serial;
    X509 *made = X509_new();
    X509_NAME *name = X509_get_subject_name(made);

    ck_assert_ptr_nonnull(made);
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made), from);
    X509_gmtime_adj(X509_getm_notAfter(made), to);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)subject, -1, -1, 0);
    X509_set_issuer_name(made, by ? X509_get_subject_name(by->certificate) : name);
    X509_set_pubkey(made, key);
    certificates_extend(made, made, NID_basic_constraints, names ? "CA:FALSE" : "critical,CA:TRUE");
    if (names && *names)
        certificates_extend(made, made, NID_subject_alt_name, names);
    ck_assert_int_gt(X509_sign(made, by ? by->key : key, EVP_sha256()), 0);
    return made;
}

/* The file with certificate and key in it. */
static inline const char *certificates_save(const char *file, X509 *certificate, EVP_PKEY *key)
{
    const char *path = certificates_path(file);
    FILE *out = fopen(path, "w");

    ck_assert_ptr_nonnull(out);
    PEM_write_X509(out, certificate);
    if (key)
        PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    ck_assert_int_eq(fclose(out), 0);
    return path;
}

static inline const char *certificates_issue(const struct authority *by, const char *file,
                                             const char *names, long from, long to)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificates_sign(by, key, file, names, from, to);
    const char *path = certificates_save(file, certificate, key);

    X509_free(certificate);
    EVP_PKEY_free(key);
    return path;
}

static inline struct authority certificates_authority(const char *subject)
{
    struct authority made = {EVP_EC_gen("P-256"), NULL};

    made.certificate = certificates_sign(NULL, made.key, subject, NULL, -3600, 86400);
    return made;
}

static inline void certificates_forget(struct authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
}

/* What every case has. */
static const char *ca, *other_ca, *server_pem, *second_pem, *expired_pem, *stranger_pem,
    *client_pem;

static inline void certificates_make(void)
{
    struct authority good, bad;

    ck_assert_ptr_nonnull(mkdtemp(certificates_folder));
    good = certificates_authority("good authority");
    bad = certificates_authority("other authority");
    ca = certificates_save("ca", good.certificate, NULL);
    other_ca = certificates_save("other-ca", bad.certificate, NULL);
    server_pem = certificates_issue(&good, "server", "DNS:server.test,IP:127.0.0.1", -60, 3600);
    second_pem = certificates_issue(&good, "second", "DNS:*.second.test", -60, 3600);
    expired_pem = certificates_issue(&good, "expired", "DNS:server.test", -7200, -3600);
    stranger_pem = certificates_issue(&bad, "stranger", "DNS:server.test", -60, 3600);
    client_pem = certificates_issue(&good, "client", "email:client@test", -60, 3600);
    certificates_forget(&good);
    certificates_forget(&bad);
}

static inline void certificates_remove(void)
{
    for (int i = 0; i < certificates_count; i++)
        unlink(certificates_paths[i]);
    rmdir(certificates_folder);
}

#endif
