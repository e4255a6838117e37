-- ACME (RFC 8555): accounts that enrollments admit, their orders, and the things that they made.
CREATE TABLE "acme_accounts" (
  "id" UUID NOT NULL,
  "account_name" TEXT NOT NULL,
  "enrollment_id" UUID NOT NULL,
  "spki" BYTEA NOT NULL,
  "spki_sha256" BYTEA NOT NULL,
  "status" TEXT NOT NULL DEFAULT 'valid',
  "contact" TEXT[] NOT NULL DEFAULT '{}',
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  "deactivated_at" TIMESTAMPTZ(3),
  CONSTRAINT "acme_accounts_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "acme_accounts_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
  CONSTRAINT "acme_accounts_enrollment_id_fkey" FOREIGN KEY ("enrollment_id") REFERENCES "enrollments"("id") ON DELETE RESTRICT ON UPDATE RESTRICT,
  CONSTRAINT "acme_accounts_status" CHECK (("status" = 'valid') = ("deactivated_at" IS NULL) AND "status" IN ('valid', 'deactivated')),
  CONSTRAINT "acme_accounts_sha256" CHECK (octet_length("spki_sha256") = 32)
);
CREATE UNIQUE INDEX "acme_accounts_spki_sha256_key" ON "acme_accounts"("spki_sha256");
CREATE INDEX "acme_accounts_enrollment_id_idx" ON "acme_accounts"("enrollment_id");
CREATE INDEX "acme_accounts_account_name_idx" ON "acme_accounts"("account_name");

CREATE TABLE "acme_orders" (
  "id" UUID NOT NULL,
  "acme_account_id" UUID NOT NULL,
  "thing_name" TEXT NOT NULL,
  "status" TEXT NOT NULL DEFAULT 'ready',
  "csr" BYTEA,
  "spki_sha256" BYTEA,
  "renews" TEXT,
  "replaces" TEXT,
  "serial_number" TEXT,
  "problem" JSONB,
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  "finalized_at" TIMESTAMPTZ(3),
  "expires_at" TIMESTAMPTZ(3) NOT NULL,
  CONSTRAINT "acme_orders_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "acme_orders_acme_account_id_fkey" FOREIGN KEY ("acme_account_id") REFERENCES "acme_accounts"("id") ON DELETE CASCADE ON UPDATE RESTRICT,
  CONSTRAINT "acme_orders_status" CHECK ("status" IN ('ready', 'processing', 'valid', 'invalid')),
  CONSTRAINT "acme_orders_processing" CHECK ("status" <> 'processing' OR ("csr" IS NOT NULL AND "spki_sha256" IS NOT NULL AND "finalized_at" IS NOT NULL)),
  CONSTRAINT "acme_orders_valid" CHECK (("status" = 'valid') = ("serial_number" IS NOT NULL)),
  CONSTRAINT "acme_orders_csr" CHECK (octet_length("csr") <= 16384)
);
CREATE INDEX "acme_orders_acme_account_id_id_idx" ON "acme_orders"("acme_account_id", "id");
CREATE INDEX "acme_orders_expires_at_idx" ON "acme_orders"("expires_at");

-- The account that made a thing, which alone may order for it again.
CREATE TABLE "acme_things" (
  "thing_id" UUID NOT NULL,
  "acme_account_id" UUID NOT NULL,
  CONSTRAINT "acme_things_pkey" PRIMARY KEY ("thing_id"),
  CONSTRAINT "acme_things_thing_id_fkey" FOREIGN KEY ("thing_id") REFERENCES "things"("id") ON DELETE CASCADE ON UPDATE RESTRICT,
  CONSTRAINT "acme_things_acme_account_id_fkey" FOREIGN KEY ("acme_account_id") REFERENCES "acme_accounts"("id") ON DELETE RESTRICT ON UPDATE RESTRICT
);
CREATE INDEX "acme_things_acme_account_id_idx" ON "acme_things"("acme_account_id");

-- How many accounts an enrollment has admitted, and by which of them a device waits.
ALTER TABLE "enrollments" ADD COLUMN "acme_accounts" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "waiting_devices" ADD COLUMN "acme_account_id" UUID;
