-- Answers that are given again to a request that is repeated with its Idempotency-Key. The version before knows no such requests.
CREATE TABLE "idempotency_keys" (
  "id" BYTEA PRIMARY KEY,
  "account_name" TEXT NOT NULL REFERENCES "accounts"("name") ON DELETE CASCADE ON UPDATE RESTRICT,
  "body_mark" BYTEA NOT NULL,
  "claim" UUID NOT NULL,
  "claimed_until" TIMESTAMPTZ(3) NOT NULL,
  "answer" BYTEA,
  "expires_at" TIMESTAMPTZ(3) NOT NULL,
  CONSTRAINT "idempotency_keys_hashes" CHECK (octet_length("id") = 32 AND octet_length("body_mark") = 32)
);
CREATE INDEX "idempotency_keys_account_name_expires_at_idx" ON "idempotency_keys" ("account_name", "expires_at");
CREATE INDEX "idempotency_keys_expires_at_idx" ON "idempotency_keys" ("expires_at");
