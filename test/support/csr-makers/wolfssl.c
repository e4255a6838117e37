/* wolfSSL. Run in an empty folder: writes NAME.csr, and prints NAME, a tab and what made each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wolfssl/version.h>
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

static WC_RNG rng;

static int must(int result, const char *what) {
  if (result >= 0) return result;
  fprintf(stderr, "%s: %d\n", what, result);
  exit(1);
}

static void request(const char *name, int type, void *key, int signature, const char *cn, const char *usage, const char *extended, const char *password) {
  static byte der[8192], pem[16384];
  char file[128];
  Cert cert;
  must(wc_InitCert(&cert), name);
  if (cn) strncpy(cert.subject.commonName, cn, CTC_NAME_SIZE - 1);
  if (cn) strncpy(cert.subject.org, "Acme", CTC_NAME_SIZE - 1);
  if (password) strncpy(cert.challengePw, password, CTC_NAME_SIZE - 1);
  if (usage) must(wc_SetKeyUsage(&cert, usage), name);
  if (extended) must(wc_SetExtKeyUsage(&cert, extended), name);
  cert.sigType = signature;
  cert.version = 0;
  must(wc_MakeCertReq_ex(&cert, der, sizeof der, type, key), name);
  int length = must(wc_SignCert_ex(cert.bodySz, cert.sigType, der, sizeof der, type, key, &rng), name);
  length = must(wc_DerToPem(der, length, pem, sizeof pem, CERTREQ_TYPE), name);
  snprintf(file, sizeof file, "%s.csr", name);
  FILE *out = fopen(file, "w");
  fwrite(pem, 1, length, out);
  fclose(out);
  printf("%s\twc_MakeCertReq_ex of %s%s%s%s%s\n", name, LIBWOLFSSL_VERSION_STRING, usage ? ", keyUsage " : "", usage ? usage : "", extended ? ", extendedKeyUsage " : "", extended ? extended : "");
}

int main(void) {
  ecc_key p256, p384;
  RsaKey rsa;
  ed25519_key ed;
  must(wc_InitRng(&rng), "random");
  must(wc_ecc_init(&p256), "key");
  must(wc_ecc_make_key_ex(&rng, 32, &p256, ECC_SECP256R1), "key");
  must(wc_ecc_init(&p384), "key");
  must(wc_ecc_make_key_ex(&rng, 48, &p384, ECC_SECP384R1), "key");
  must(wc_InitRsaKey(&rsa, NULL), "key");
  must(wc_MakeRsaKey(&rsa, 2048, 65537, &rng), "key");
  must(wc_ed25519_init(&ed), "key");
  must(wc_ed25519_make_key(&rng, 32, &ed), "key");
  request("p256", ECC_TYPE, &p256, CTC_SHA256wECDSA, "pump-17", NULL, NULL, NULL);
  request("p384", ECC_TYPE, &p384, CTC_SHA384wECDSA, "pump-17", NULL, NULL, NULL);
  request("rsa2048", RSA_TYPE, &rsa, CTC_SHA256wRSA, "pump-17", NULL, NULL, NULL);
  request("rsa-sha1", RSA_TYPE, &rsa, CTC_SHAwRSA, "pump-17", NULL, NULL, NULL);
  request("ed25519", ED25519_TYPE, &ed, CTC_ED25519, "pump-17", NULL, NULL, NULL);
  request("empty", ECC_TYPE, &p256, CTC_SHA256wECDSA, NULL, NULL, NULL, NULL);
  request("password", ECC_TYPE, &p256, CTC_SHA256wECDSA, "pump-17", NULL, NULL, "secret");
  request("usage", ECC_TYPE, &p256, CTC_SHA256wECDSA, "pump-17", "digitalSignature", NULL, NULL);
  request("usage-more", ECC_TYPE, &p256, CTC_SHA256wECDSA, "pump-17", "digitalSignature,keyAgreement", NULL, NULL);
  request("client", ECC_TYPE, &p256, CTC_SHA256wECDSA, "pump-17", NULL, "clientAuth", NULL);
  request("server", ECC_TYPE, &p256, CTC_SHA256wECDSA, "pump-17", NULL, "serverAuth", NULL);
  return 0;
}
