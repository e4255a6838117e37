/* Mbed TLS 2.28 and 3. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and what made each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_csr.h>

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;

static void must(int result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "%s: -0x%x\n", what, -result);
  exit(1);
}

static void request(const char *name, mbedtls_pk_context *key, mbedtls_md_type_t md, const char *subject, unsigned char usage, unsigned char netscape) {
  static unsigned char pem[8192];
  char file[128];
  mbedtls_x509write_csr csr;
  mbedtls_x509write_csr_init(&csr);
  mbedtls_x509write_csr_set_md_alg(&csr, md);
  mbedtls_x509write_csr_set_key(&csr, key);
  must(mbedtls_x509write_csr_set_subject_name(&csr, subject), name);
  if (usage) must(mbedtls_x509write_csr_set_key_usage(&csr, usage), name);
  if (netscape) must(mbedtls_x509write_csr_set_ns_cert_type(&csr, netscape), name);
  must(mbedtls_x509write_csr_pem(&csr, pem, sizeof pem, mbedtls_ctr_drbg_random, &drbg), name);
  snprintf(file, sizeof file, "%s.csr", name);
  FILE *out = fopen(file, "w");
  fputs((char *)pem, out);
  fclose(out);
  printf("%s\tmbedtls_x509write_csr of %s, subject %s\n", name, MBEDTLS_VERSION_STRING, subject);
  mbedtls_x509write_csr_free(&csr);
}

static void ec_key(mbedtls_pk_context *key, mbedtls_ecp_group_id curve) {
  mbedtls_pk_init(key);
  must(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), "key");
  must(mbedtls_ecp_gen_key(curve, mbedtls_pk_ec(*key), mbedtls_ctr_drbg_random, &drbg), "key");
}

int main(void) {
  mbedtls_pk_context p256, p384, p521, k256, rsa;
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&drbg);
  must(mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0), "seed");
  ec_key(&p256, MBEDTLS_ECP_DP_SECP256R1);
  ec_key(&p384, MBEDTLS_ECP_DP_SECP384R1);
  ec_key(&p521, MBEDTLS_ECP_DP_SECP521R1);
  ec_key(&k256, MBEDTLS_ECP_DP_SECP256K1);
  mbedtls_pk_init(&rsa);
  must(mbedtls_pk_setup(&rsa, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)), "key");
  must(mbedtls_rsa_gen_key(mbedtls_pk_rsa(rsa), mbedtls_ctr_drbg_random, &drbg, 2048, 65537), "key");
  request("p256", &p256, MBEDTLS_MD_SHA256, "CN=pump-17", 0, 0);
  request("p384", &p384, MBEDTLS_MD_SHA384, "CN=pump-17", 0, 0);
  request("p521", &p521, MBEDTLS_MD_SHA512, "CN=pump-17", 0, 0);
  request("k256", &k256, MBEDTLS_MD_SHA256, "CN=pump-17", 0, 0);
  request("rsa2048", &rsa, MBEDTLS_MD_SHA256, "CN=pump-17", 0, 0);
  request("p256-sha1", &p256, MBEDTLS_MD_SHA1, "CN=pump-17", 0, 0);
  request("p256-sha512", &p256, MBEDTLS_MD_SHA512, "CN=pump-17", 0, 0);
  request("rsa-sha1", &rsa, MBEDTLS_MD_SHA1, "CN=pump-17", 0, 0);
  request("full", &p256, MBEDTLS_MD_SHA256, "CN=pump-17,O=Acme,OU=Plant,C=DE", 0, 0);
  request("usage", &p256, MBEDTLS_MD_SHA256, "CN=pump-17", MBEDTLS_X509_KU_DIGITAL_SIGNATURE, 0);
  request("usage-more", &p256, MBEDTLS_MD_SHA256, "CN=pump-17", MBEDTLS_X509_KU_DIGITAL_SIGNATURE | MBEDTLS_X509_KU_KEY_ENCIPHERMENT, 0);
  request("ns-client", &p256, MBEDTLS_MD_SHA256, "CN=pump-17", 0, MBEDTLS_X509_NS_CERT_TYPE_SSL_CLIENT);
  request("ns-server", &p256, MBEDTLS_MD_SHA256, "CN=pump-17", 0, MBEDTLS_X509_NS_CERT_TYPE_SSL_SERVER);
  return 0;
}
