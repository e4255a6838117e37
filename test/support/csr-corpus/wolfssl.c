/* Writes requests with wolfSSL: wc_MakeCertReq and wc_SignCert, as its examples do. */
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/rsa.h>
#include <stdio.h>
#include <string.h>

static WC_RNG rng;

static void save(const char *out, const char *name, Cert *request, int keyType, void *key, RsaKey *rsa, ecc_key *ecc) {
  static byte der[16384], pem[24576];
  char path[512];
  int size = keyType ? wc_MakeCertReq_ex(request, der, sizeof der, keyType, key) : wc_MakeCertReq(request, der, sizeof der, rsa, ecc);
  if (size < 0) { printf("failed %s %d\n", name, size); return; }
  size = keyType ? wc_SignCert_ex(request->bodySz, request->sigType, der, sizeof der, keyType, key, &rng)
                 : wc_SignCert(request->bodySz, request->sigType, der, sizeof der, rsa, ecc, &rng);
  if (size < 0) { printf("failed %s %d\n", name, size); return; }
  size = wc_DerToPem(der, size, pem, sizeof pem, CERTREQ_TYPE);
  snprintf(path, sizeof path, "%s/%s.pem", out, name);
  FILE *file = fopen(path, "w");
  fwrite(pem, 1, size, file);
  fclose(file);
}

static void plain(Cert *request, int sigType) {
  wc_InitCert(request);
  request->sigType = sigType;
  strcpy(request->subject.commonName, "gw-1");
  strcpy(request->subject.org, "Example");
}

int main(int argc, char **argv) {
  const char *out = argv[1];
  Cert request;
  wc_InitRng(&rng);
  int sizes[] = {32, 48, 66};
  const char *names[] = {"p256", "p384", "p521"};
  for (int n = 0; n < 3; n++) {
    ecc_key key;
    char name[128];
    wc_ecc_init(&key);
    if (wc_ecc_make_key(&rng, sizes[n], &key)) { printf("no key %s\n", names[n]); continue; }
    int hashes[] = {CTC_SHA256wECDSA, CTC_SHA384wECDSA, CTC_SHA512wECDSA, CTC_SHAwECDSA};
    const char *hashNames[] = {"sha256", "sha384", "sha512", "sha1"};
    for (int h = 0; h < 4; h++) {
      snprintf(name, sizeof name, "%s-%s", names[n], hashNames[h]);
      plain(&request, hashes[h]);
      save(out, name, &request, 0, 0, NULL, &key);
    }
    snprintf(name, sizeof name, "%s-challenge-password", names[n]);
    plain(&request, CTC_SHA256wECDSA);
    strcpy(request.challengePw, "secret");
    save(out, name, &request, 0, 0, NULL, &key);
    snprintf(name, sizeof name, "%s-digital-signature", names[n]);
    plain(&request, CTC_SHA256wECDSA);
    wc_SetKeyUsage(&request, "digitalSignature");
    wc_SetExtKeyUsage(&request, "clientAuth");
    save(out, name, &request, 0, 0, NULL, &key);
    snprintf(name, sizeof name, "%s-key-encipherment", names[n]);
    plain(&request, CTC_SHA256wECDSA);
    wc_SetKeyUsage(&request, "digitalSignature,keyEncipherment");
    save(out, name, &request, 0, 0, NULL, &key);
    snprintf(name, sizeof name, "%s-ca", names[n]);
    plain(&request, CTC_SHA256wECDSA);
    request.isCA = 1;
    save(out, name, &request, 0, 0, NULL, &key);
    snprintf(name, sizeof name, "%s-empty-subject", names[n]);
    wc_InitCert(&request);
    request.sigType = CTC_SHA256wECDSA;
    save(out, name, &request, 0, 0, NULL, &key);
    wc_ecc_free(&key);
  }
  int bits[] = {1024, 2048, 3072, 4096};
  for (int n = 0; n < 4; n++) {
    RsaKey key;
    char name[128];
    wc_InitRsaKey(&key, NULL);
    int rc = wc_MakeRsaKey(&key, bits[n], 65537, &rng);
    if (rc) { printf("no rsa %d: %d\n", bits[n], rc); continue; }
    snprintf(name, sizeof name, "rsa%d-sha256", bits[n]);
    plain(&request, CTC_SHA256wRSA);
    save(out, name, &request, 0, 0, &key, NULL);
    if (bits[n] == 2048) {
      plain(&request, CTC_SHA512wRSA); save(out, "rsa2048-sha512", &request, 0, 0, &key, NULL);
      plain(&request, CTC_SHAwRSA); save(out, "rsa2048-sha1", &request, 0, 0, &key, NULL);
    }
    wc_FreeRsaKey(&key);
  }
#ifdef HAVE_ED25519
  ed25519_key ed;
  wc_ed25519_init(&ed);
  wc_ed25519_make_key(&rng, 32, &ed);
  plain(&request, CTC_ED25519);
  save(out, "ed25519", &request, ED25519_TYPE, &ed, NULL, NULL);
#endif
  return 0;
}
