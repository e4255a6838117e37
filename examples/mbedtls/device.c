/*
 * A device of Thingward in C, with Mbed TLS (2.28 or 3) and nothing else.
 *
 *   THINGWARD_URL=https://things.example.com NAME=pump-17 ENROLLMENT=twe_... ./device provision
 *   ./device daily    once a day: renews in time
 *   ./device token    prints an access token
 *
 * It keeps device.key, device.crt, token.url, renew.url and trust.pem in the folder where it runs. A power cut at any
 * moment leaves files with which the same command resumes. TRUST names a file with the CA of the server.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <mbedtls/asn1.h>
#include <mbedtls/base64.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#define MOST 65536
#define RENEW_WITHIN (30 * 24 * 3600L)

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;

/* Mbed TLS 3 wants a source of random numbers to read a key, and the size of what it writes a signature to. */
#if MBEDTLS_VERSION_MAJOR >= 3
#define PARSE_KEY(key, pem, size) mbedtls_pk_parse_key(key, pem, size, NULL, 0, mbedtls_ctr_drbg_random, &drbg)
#define SIGN(key, digest, der, length) \
  mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, digest, sizeof digest, der, sizeof der, length, mbedtls_ctr_drbg_random, &drbg)
#define SHA256 mbedtls_sha256
#else
#define PARSE_KEY(key, pem, size) mbedtls_pk_parse_key(key, pem, size, NULL, 0)
#define SIGN(key, digest, der, length) \
  mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, digest, sizeof digest, der, length, mbedtls_ctr_drbg_random, &drbg)
#define SHA256 mbedtls_sha256_ret
#endif

static char answer[MOST];

static void die(const char *text, ...) {
  va_list args;
  va_start(args, text);
  vfprintf(stderr, text, args);
  va_end(args);
  fputc('\n', stderr);
  exit(1);
}

static void must(int result, const char *what) {
  char reason[128];
  if (result >= 0) return;
  mbedtls_strerror(result, reason, sizeof reason);
  die("%s: %s", what, reason);
}

/* Writes a text into a buffer, or ends: nothing is ever cut off. */
static char *format(char *out, size_t size, const char *text, ...) {
  va_list args;
  va_start(args, text);
  int length = vsnprintf(out, size, text, args);
  va_end(args);
  if (length < 0 || (size_t)length >= size) die("a text is longer than %zu octets", size);
  return out;
}

/* Files: each is complete before it gets its name. */

static void keep(const char *path, const void *data, size_t length) {
  char temporary[256];
  format(temporary, sizeof temporary, "%s.new", path);
  int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file < 0 || write(file, data, length) != (ssize_t)length || fsync(file) != 0) die("%s: %s", temporary, strerror(errno));
  close(file);
  if (rename(temporary, path) != 0) die("%s: %s", path, strerror(errno));
}

static int exists(const char *path) { return access(path, F_OK) == 0; }

/* The length of what was read; the buffer ends with a zero beside. */
static size_t read_file(const char *path, char *out, size_t size) {
  FILE *file = fopen(path, "rb");
  if (!file) die("%s: %s", path, strerror(errno));
  size_t length = fread(out, 1, size - 1, file);
  fclose(file);
  out[length] = 0;
  return length;
}

static const char *setting(const char *name) {
  const char *value = getenv(name);
  if (!value || !*value) die("set %s", name);
  return value;
}

/* Keys, requests, and what a key signs. */

static void load_key(const char *path, mbedtls_pk_context *key) {
  static char pem[4096];
  mbedtls_pk_init(key);
  if (!exists(path)) {
    must(mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), "key");
    must(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), mbedtls_ctr_drbg_random, &drbg), "key");
    must(mbedtls_pk_write_key_pem(key, (unsigned char *)pem, sizeof pem), "key");
    keep(path, pem, strlen(pem));
    return;
  }
  size_t length = read_file(path, pem, sizeof pem);
  must(PARSE_KEY(key, (unsigned char *)pem, length + 1), path);
}

/* A request in DER at the start of the buffer. Thingward takes the key alone from it. */
static size_t make_request(mbedtls_pk_context *key, unsigned char *out, size_t size) {
  mbedtls_x509write_csr request;
  mbedtls_x509write_csr_init(&request);
  mbedtls_x509write_csr_set_md_alg(&request, MBEDTLS_MD_SHA256);
  mbedtls_x509write_csr_set_key(&request, key);
  must(mbedtls_x509write_csr_set_subject_name(&request, "CN=device"), "request");
  int length = mbedtls_x509write_csr_der(&request, out, size, mbedtls_ctr_drbg_random, &drbg);
  must(length, "request");
  /* It is written to the end of the buffer. */
  memmove(out, out + size - length, (size_t)length);
  mbedtls_x509write_csr_free(&request);
  return (size_t)length;
}

static char *base64(char *out, size_t size, const void *data, size_t length, int for_urls) {
  size_t written;
  must(mbedtls_base64_encode((unsigned char *)out, size, &written, data, length), "base64");
  for (char *at = out; for_urls && *at; at++) {
    if (*at == '+') *at = '-';
    if (*at == '/') *at = '_';
    if (*at == '=') *at = 0;
  }
  return out;
}

static void load_certificate(mbedtls_x509_crt *certificate) {
  mbedtls_x509_crt_init(certificate);
  must(mbedtls_x509_crt_parse_file(certificate, "device.crt"), "device.crt");
}

static void name_of(const mbedtls_x509_crt *certificate, const char *oid, size_t oid_length, char *out, size_t size) {
  for (const mbedtls_x509_name *part = &certificate->subject; part; part = part->next)
    if (part->oid.len == oid_length && memcmp(part->oid.p, oid, oid_length) == 0) {
      format(out, size, "%.*s", (int)part->val.len, (const char *)part->val.p);
      return;
    }
  die("device.crt: the subject lacks a name");
}

/* Mbed TLS writes an ECDSA signature as DER; a JWT has its two numbers, 32 octets each (RFC 7518 section 3.4). */
static void raw_signature(unsigned char *der, size_t length, unsigned char raw[64]) {
  unsigned char *at = der;
  size_t inside;
  mbedtls_mpi number;
  must(mbedtls_asn1_get_tag(&at, der + length, &inside, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE), "signature");
  for (int n = 0; n < 2; n++) {
    mbedtls_mpi_init(&number);
    must(mbedtls_asn1_get_mpi(&at, der + length, &number), "signature");
    must(mbedtls_mpi_write_binary(&number, raw + 32 * n, 32), "signature");
    mbedtls_mpi_free(&number);
  }
}

static void read_url(const char *file, const char *path, char *out, size_t size) {
  if (exists(file)) read_file(file, out, size);
  else format(out, size, "%s%s", setting("THINGWARD_URL"), path);
}

/* What the key of the certificate signs, for this server and the next two minutes. `more` are further claims. */
static void make_jwt(const char *type, const char *more, char *out, size_t size) {
  static char part[2048], header[512], claims[2048], account[64], name[129], audience[512], thumbprint[48], jti[48], signature[96];
  unsigned char digest[32], random[16], der[MBEDTLS_PK_SIGNATURE_MAX_SIZE], raw[64];
  size_t length;
  mbedtls_x509_crt certificate;
  mbedtls_pk_context key;
  load_certificate(&certificate);
  load_key("device.key", &key);
  name_of(&certificate, MBEDTLS_OID_AT_ORGANIZATION, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_ORGANIZATION), account, sizeof account);
  name_of(&certificate, MBEDTLS_OID_AT_CN, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_CN), name, sizeof name);
  read_url("token.url", "/v1/token", audience, sizeof audience);
  audience[strlen(audience) - strlen("/v1/token")] = 0;
  must(SHA256(certificate.raw.p, certificate.raw.len, digest, 0), "digest");
  base64(thumbprint, sizeof thumbprint, digest, sizeof digest, 1);
  must(mbedtls_ctr_drbg_random(&drbg, random, sizeof random), "random");
  base64(jti, sizeof jti, random, sizeof random, 1);
  format(part, sizeof part, "{\"alg\":\"ES256\",\"typ\":\"%s\",\"x5t#S256\":\"%s\"}", type, thumbprint);
  base64(header, sizeof header, part, strlen(part), 1);
  long now = (long)time(NULL);
  format(part, sizeof part, "{\"iss\":\"%s/%s\",\"sub\":\"%s/%s\",\"aud\":\"%s\",\"jti\":\"%s\",\"iat\":%ld,\"exp\":%ld%s}", account, name,
         account, name, audience, jti, now, now + 120, more);
  base64(claims, sizeof claims, part, strlen(part), 1);
  format(out, size, "%s.%s", header, claims);
  must(SHA256((unsigned char *)out, strlen(out), digest, 0), "digest");
  must(SIGN(&key, digest, der, &length), "signature");
  raw_signature(der, length, raw);
  base64(signature, sizeof signature, raw, sizeof raw, 1);
  format(out, size, "%s.%s.%s", header, claims, signature);
  mbedtls_pk_free(&key);
  mbedtls_x509_crt_free(&certificate);
}

/* HTTP. */

static int connect_tls(mbedtls_ssl_context *ssl, mbedtls_ssl_config *config, mbedtls_x509_crt *trust, mbedtls_net_context *net, const char *host) {
  const char *given = getenv("TRUST");
  if (given) must(mbedtls_x509_crt_parse_file(trust, given), given);
  if (exists("trust.pem")) must(mbedtls_x509_crt_parse_file(trust, "trust.pem"), "trust.pem");
  must(mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT), "TLS");
  mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_ca_chain(config, trust, NULL);
  mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &drbg);
  must(mbedtls_ssl_setup(ssl, config), "TLS");
  must(mbedtls_ssl_set_hostname(ssl, host), "TLS");
  mbedtls_ssl_set_bio(ssl, net, mbedtls_net_send, mbedtls_net_recv, NULL);
  return mbedtls_ssl_handshake(ssl);
}

/* Sends a request and reads everything that comes back. Zero, or why it did not work. */
static int exchange(const char *host, const char *port, int is_tls, const char *request, size_t length) {
  mbedtls_net_context net;
  mbedtls_ssl_context ssl;
  mbedtls_ssl_config config;
  mbedtls_x509_crt trust;
  size_t sent = 0, got = 0;
  mbedtls_net_init(&net);
  mbedtls_ssl_init(&ssl);
  mbedtls_ssl_config_init(&config);
  mbedtls_x509_crt_init(&trust);
  int result = mbedtls_net_connect(&net, host, port, MBEDTLS_NET_PROTO_TCP);
  if (result == 0 && is_tls) result = connect_tls(&ssl, &config, &trust, &net, host);
  while (result >= 0 && sent < length) {
    const unsigned char *from = (const unsigned char *)request + sent;
    result = is_tls ? mbedtls_ssl_write(&ssl, from, length - sent) : mbedtls_net_send(&net, from, length - sent);
    if (result > 0) sent += (size_t)result;
  }
  while (result >= 0 && got < sizeof answer - 1) {
    unsigned char *to = (unsigned char *)answer + got;
    result = is_tls ? mbedtls_ssl_read(&ssl, to, sizeof answer - 1 - got) : mbedtls_net_recv(&net, to, sizeof answer - 1 - got);
    if (result == 0 || result == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
      result = 0;
      break;
    }
    if (result > 0) got += (size_t)result;
  }
  answer[got] = 0;
  mbedtls_net_free(&net);
  mbedtls_ssl_free(&ssl);
  mbedtls_ssl_config_free(&config);
  mbedtls_x509_crt_free(&trust);
  return result;
}

/* Posts JSON, and returns the status; `answer` has the head and the body. A server that is away is asked again. */
static int post(const char *url, const char *authorization, const char *body) {
  static char request[MOST];
  char host[256] = "", port[8] = "", path[512] = "/";
  int is_tls = strncmp(url, "https://", 8) == 0;
  const char *rest = url + (is_tls ? 8 : 7);
  size_t length = strcspn(rest, ":/");
  format(host, sizeof host, "%.*s", (int)length, rest);
  rest += length;
  if (*rest == ':') {
    length = strcspn(++rest, "/");
    format(port, sizeof port, "%.*s", (int)length, rest);
    rest += length;
  } else format(port, sizeof port, "%s", is_tls ? "443" : "80");
  if (*rest) format(path, sizeof path, "%s", rest);
  /* HTTP/1.0: the answer ends with the connection, and never comes in chunks. */
  format(request, sizeof request, "POST %s HTTP/1.0\r\nhost: %s:%s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n%s%s%s\r\n%s", path, host,
         port, strlen(body), authorization ? "authorization: Bearer " : "", authorization ? authorization : "", authorization ? "\r\n" : "", body);
  for (unsigned attempt = 0; attempt < 5; attempt++) {
    int result = exchange(host, port, is_tls, request, strlen(request));
    int status = 0;
    if (result == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) die("%s: the certificate of the server is not trusted", url);
    if (result == 0 && sscanf(answer, "HTTP/1.%*c %d", &status) == 1 && status != 429 && status < 500) return status;
    sleep(1u << attempt);
  }
  die("%s does not answer: run this again later", url);
  return 0;
}

/* The last text of that name in the answer, without escapes; 0 when there is none. */
static int text(const char *name, char *out, size_t size) {
  char pattern[64];
  const char *found = NULL;
  format(pattern, sizeof pattern, "\"%s\":\"", name);
  for (const char *at = answer; (at = strstr(at, pattern)); at++) found = at + strlen(pattern);
  if (!found) return 0;
  size_t length = 0;
  for (; *found && *found != '"' && length < size - 1; found++) {
    if (*found == '\\') found++;
    out[length++] = *found == 'n' && found[-1] == '\\' ? '\n' : *found;
  }
  out[length] = 0;
  return 1;
}

static void refused(void) {
  static char detail[2048];
  if (!text("detail", detail, sizeof detail) && !text("error_description", detail, sizeof detail)) die("refused");
  die("%s", detail);
}

/* Keeps where the server is and by what to believe it, then the certificate. */
static void learn(const char *certificate) {
  static char pem[MOST];
  if (text("token", pem, sizeof pem)) keep("token.url", pem, strlen(pem));
  if (text("renew", pem, sizeof pem)) keep("renew.url", pem, strlen(pem));
  if (text("trust", pem, sizeof pem)) keep("trust.pem", pem, strlen(pem));
  if (!text("pem", pem, sizeof pem)) die("the answer has no certificate");
  keep(certificate, pem, strlen(pem));
}

/* What a device does. */

/* First boot. The same key is the same request, so it can be run again; and again while it waits for approval. */
static void provision(void) {
  static unsigned char request[4096];
  static char csr[8192], body[16384], url[512];
  mbedtls_pk_context key;
  load_key("device.key", &key);
  base64(csr, sizeof csr, request, make_request(&key, request, sizeof request), 0);
  mbedtls_pk_free(&key);
  format(body, sizeof body, "{\"thingName\":\"%s\",\"csr\":\"%s\"}", setting("NAME"), csr);
  format(url, sizeof url, "%s/v1/provision", setting("THINGWARD_URL"));
  for (;;) {
    int status = post(url, setting("ENROLLMENT"), body);
    if (status == 200 || status == 201) break;
    if (status != 202) refused();
    const char *found = strstr(answer, "\"retryAfter\":");
    sleep(found ? (unsigned)atoi(found + strlen("\"retryAfter\":")) : 60);
  }
  learn("device.crt");
}

/* An access token. The first one with a new key ends what the device had before. */
static void token(char *out, size_t size) {
  static char assertion[4096], body[8192], url[512];
  make_jwt("client-authentication+jwt", "", assertion, sizeof assertion);
  format(body, sizeof body,
         "{\"grant_type\":\"client_credentials\",\"client_assertion_type\":\"urn:ietf:params:oauth:client-assertion-type:jwt-bearer\","
         "\"client_assertion\":\"%s\"}",
         assertion);
  read_url("token.url", "/v1/token", url, sizeof url);
  if (post(url, NULL, body) != 200) refused();
  if (!text("access_token", out, size)) die("the answer has no token");
}

/* Puts a renewed certificate in place: its key moves first. Also after a power cut. */
static void finish(void) {
  if (!exists("next.crt")) return;
  if (exists("next.key") && rename("next.key", "device.key") != 0) die("device.key: %s", strerror(errno));
  unlink("next.csr");
  if (rename("next.crt", "device.crt") != 0) die("device.crt: %s", strerror(errno));
}

/* A certificate for a new key. next.csr is kept until both are in place: the same request gets the same certificate. */
static void renew(void) {
  static char request[4096], csr[8192], more[128], proof[4096], body[16384], url[512], ignored[8192];
  unsigned char digest[32];
  char named[48];
  mbedtls_pk_context key;
  load_key("next.key", &key);
  if (!exists("next.csr")) keep("next.csr", request, make_request(&key, (unsigned char *)request, sizeof request));
  mbedtls_pk_free(&key);
  size_t length = read_file("next.csr", request, sizeof request);
  must(SHA256((unsigned char *)request, length, digest, 0), "digest");
  format(more, sizeof more, ",\"csr_sha256\":\"%s\"", base64(named, sizeof named, digest, sizeof digest, 1));
  make_jwt("renew+jwt", more, proof, sizeof proof);
  format(body, sizeof body, "{\"csr\":\"%s\",\"proof\":\"%s\"}", base64(csr, sizeof csr, request, length, 0), proof);
  read_url("renew.url", "/v1/renew", url, sizeof url);
  int status = post(url, NULL, body);
  if (status != 200 && status != 201) refused();
  learn("next.crt");
  finish();
  token(ignored, sizeof ignored);
}

static time_t expiry(void) {
  mbedtls_x509_crt certificate;
  load_certificate(&certificate);
  const mbedtls_x509_time *to = &certificate.valid_to;
  struct tm at = {.tm_year = to->year - 1900, .tm_mon = to->mon - 1, .tm_mday = to->day, .tm_hour = to->hour, .tm_min = to->min, .tm_sec = to->sec};
  mbedtls_x509_crt_free(&certificate);
  return timegm(&at);
}

/* An expired certificate is renewed as well, where the enrollment allows it; otherwise the refusal says what to do. */
static void daily(void) {
  finish();
  if (expiry() - time(NULL) < RENEW_WITHIN) renew();
}

int main(int count, char **words) {
  static char access_token[8192];
  const char *verb = count == 2 ? words[1] : "";
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&drbg);
  must(mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0), "random");
  if (strcmp(verb, "provision") == 0) provision();
  else if (strcmp(verb, "daily") == 0) daily();
  else if (strcmp(verb, "token") == 0) {
    token(access_token, sizeof access_token);
    puts(access_token);
  } else die("device provision | daily | token: see the first lines of device.c");
  return 0;
}
