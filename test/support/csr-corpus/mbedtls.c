/* Writes requests with mbedTLS 2.28: as its programs/x509/cert_req.c does, for several keys and options. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_csr.h>
#include <stdio.h>
#include <string.h>

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;

static void make(const char *out, const char *name, const char *key, const char *subject, mbedtls_md_type_t md, int usage, int type) {
  mbedtls_pk_context pk;
  mbedtls_x509write_csr request;
  unsigned char pem[16384];
  char path[512];
  mbedtls_pk_init(&pk);
  mbedtls_x509write_csr_init(&request);
  mbedtls_x509write_csr_set_md_alg(&request, md);
  if (usage >= 0) mbedtls_x509write_csr_set_key_usage(&request, (unsigned char)usage);
  if (type >= 0) mbedtls_x509write_csr_set_ns_cert_type(&request, (unsigned char)type);
  if (mbedtls_x509write_csr_set_subject_name(&request, subject) || mbedtls_pk_parse_keyfile(&pk, key, NULL)) { printf("failed %s\n", name); return; }
  mbedtls_x509write_csr_set_key(&request, &pk);
  int rc = mbedtls_x509write_csr_pem(&request, pem, sizeof pem, mbedtls_ctr_drbg_random, &drbg);
  if (rc) { printf("failed %s -0x%x\n", name, -rc); return; }
  snprintf(path, sizeof path, "%s/%s.pem", out, name);
  FILE *file = fopen(path, "w");
  fputs((char *)pem, file);
  fclose(file);
}

int main(int argc, char **argv) {
  const char *out = argv[1], *keys = argv[2];
  const char *kinds[] = {"p256", "p384", "p521", "secp256k1", "rsa1024", "rsa2048", "rsa3072", "rsa4096", "rsa8192"};
  char key[512], name[128];
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&drbg);
  mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0);
  for (unsigned n = 0; n < sizeof kinds / sizeof *kinds; n++) {
    snprintf(key, sizeof key, "%s/%s.pem", keys, kinds[n]);
    snprintf(name, sizeof name, "%s-sha256", kinds[n]);
    make(out, name, key, "CN=esp32-1,O=Example", MBEDTLS_MD_SHA256, -1, -1);
    if (strcmp(kinds[n], "p256") && strcmp(kinds[n], "rsa2048")) continue;
    snprintf(name, sizeof name, "%s-sha384", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_SHA384, -1, -1);
    snprintf(name, sizeof name, "%s-sha512", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_SHA512, -1, -1);
    snprintf(name, sizeof name, "%s-sha1", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_SHA1, -1, -1);
    snprintf(name, sizeof name, "%s-sha224", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_SHA224, -1, -1);
    snprintf(name, sizeof name, "%s-md5", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_MD5, -1, -1);
    snprintf(name, sizeof name, "%s-digital-signature", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_SHA256, MBEDTLS_X509_KU_DIGITAL_SIGNATURE, -1);
    snprintf(name, sizeof name, "%s-no-usage", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_SHA256, 0, 0);
    snprintf(name, sizeof name, "%s-ssl-client", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_SHA256, -1, MBEDTLS_X509_NS_CERT_TYPE_SSL_CLIENT);
    snprintf(name, sizeof name, "%s-signature-and-client", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_SHA256, MBEDTLS_X509_KU_DIGITAL_SIGNATURE, MBEDTLS_X509_NS_CERT_TYPE_SSL_CLIENT);
    snprintf(name, sizeof name, "%s-key-encipherment", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_SHA256, MBEDTLS_X509_KU_DIGITAL_SIGNATURE | MBEDTLS_X509_KU_KEY_ENCIPHERMENT, -1);
    snprintf(name, sizeof name, "%s-ssl-server", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_SHA256, -1, MBEDTLS_X509_NS_CERT_TYPE_SSL_SERVER);
    snprintf(name, sizeof name, "%s-cert-sign", kinds[n]); make(out, name, key, "CN=a", MBEDTLS_MD_SHA256, MBEDTLS_X509_KU_KEY_CERT_SIGN, -1);
    snprintf(name, sizeof name, "%s-names", kinds[n]); make(out, name, key, "C=DE,ST=BE,L=Berlin,O=Example,OU=Fleet,OU=Pumps,CN=pump,DC=example,DC=com,serialNumber=17", MBEDTLS_MD_SHA256, -1, -1);
  }
  return 0;
}
