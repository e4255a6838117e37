-- Lists: what makes one, not its bytes. Every instance writes the same bytes from the log, so the
-- signature of one is the signature of all. `scope` is complete, delta, or the number of a shard.
ALTER TABLE "crls" DROP CONSTRAINT "crls_pkey";
ALTER TABLE "crls" DROP COLUMN "der";
ALTER TABLE "crls"
    ADD COLUMN "scope" TEXT NOT NULL DEFAULT 'complete',
    ADD COLUMN "url" TEXT,
    ADD COLUMN "signature" BYTEA NOT NULL DEFAULT '',
    ADD COLUMN "same_second" BOOLEAN NOT NULL DEFAULT true,
    ADD COLUMN "base_number" BIGINT,
    ADD COLUMN "base_position" BIGINT,
    ADD COLUMN "based_at" TIMESTAMPTZ(3),
    ADD CONSTRAINT "crls_pkey" PRIMARY KEY ("issuer_id", "scope"),
    ADD CONSTRAINT "crls_scope" CHECK ("scope" ~ '^(complete|delta|[1-9][0-9]{0,5})$'),
    ADD CONSTRAINT "crls_number_positive" CHECK ("number" > 0),
    ADD CONSTRAINT "crls_delta_has_base" CHECK (("scope" = 'delta') = ("base_number" IS NOT NULL AND "base_position" IS NOT NULL AND "based_at" IS NOT NULL));
CREATE INDEX "crls_this_update_idx" ON "crls" ("this_update");

ALTER TABLE "issuers"
    ADD COLUMN "shards" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "delta_list" BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN "distribution_point" BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN "list_max_age" INTEGER NOT NULL DEFAULT 0,
    ADD CONSTRAINT "issuers_shards" CHECK ("shards" BETWEEN 0 AND 1024),
    ADD CONSTRAINT "issuers_list_max_age" CHECK ("list_max_age" BETWEEN 0 AND 86400);

-- Lists are in the order of the log: every revoked certificate knows its place.
ALTER TABLE "certificates" ADD COLUMN "crl_scope" TEXT NOT NULL DEFAULT 'complete';
UPDATE "certificates" c SET "revoked_position" = e."position"
    FROM (SELECT payload->>'serialNumber' AS serial, max(position) AS position FROM "log_entries" WHERE type = 'certificate' GROUP BY 1) e
    WHERE c."serial_number" = e.serial AND c."revoked_at" IS NOT NULL AND c."revoked_position" IS NULL;
CREATE INDEX "certificates_listed_idx" ON "certificates" ("issuer_id", "revoked_position") WHERE "revoked_position" IS NOT NULL;
CREATE INDEX "certificates_account_name_spki_sha256_idx" ON "certificates" ("account_name", "spki_sha256");
CREATE INDEX "certificates_renews_idx" ON "certificates" ("renews") WHERE "renews" IS NOT NULL;

-- The log is cut at its beginning once nothing there can matter.
ALTER TABLE "log_entries" ADD COLUMN "keep_until" TIMESTAMPTZ(3);
ALTER TABLE "log_entries" DISABLE TRIGGER "log_entries_written_once";
UPDATE "log_entries" SET "keep_until" = "at" + interval '98 days';
ALTER TABLE "log_entries" ENABLE TRIGGER "log_entries_written_once";
ALTER TABLE "log_entries" ALTER COLUMN "keep_until" SET NOT NULL;
ALTER TABLE "log_head" ADD COLUMN "pruned" BIGINT NOT NULL DEFAULT 0;

-- The name of a deleted thing is free once its last certificate has expired.
ALTER TABLE "things" ADD COLUMN "deleted_at" TIMESTAMPTZ(3), ADD COLUMN "former_name" TEXT;
ALTER TABLE "things" DROP CONSTRAINT "things_name_shape";
ALTER TABLE "things"
    ADD CONSTRAINT "things_name_shape" CHECK ("name" ~ '^[A-Za-z0-9:_-]{1,128}$' OR ("former_name" IS NOT NULL AND "name" = '#' || "id"::text)),
    ADD CONSTRAINT "things_former_name" CHECK ("former_name" IS NULL OR "deleted_at" IS NOT NULL);
CREATE INDEX "things_deleted_idx" ON "things" ("deleted_at") WHERE "deleted_at" IS NOT NULL AND "former_name" IS NULL;

-- Keys whose holder proved that they are compromised: certified nowhere again.
CREATE TABLE "barred_keys" (
    "spki_sha256" BYTEA NOT NULL,
    "barred_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "barred_keys_pkey" PRIMARY KEY ("spki_sha256"),
    CONSTRAINT "barred_keys_sha256" CHECK (octet_length("spki_sha256") = 32)
);

-- Revocations of many certificates, done in chunks and gone on with after a crash.
CREATE TABLE "bulk_revocations" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "filter" JSONB NOT NULL,
    "reason" TEXT NOT NULL,
    "origin" JSONB NOT NULL,
    "expected" INTEGER NOT NULL,
    "revoked" INTEGER NOT NULL DEFAULT 0,
    "position" BIGINT,
    "status" TEXT NOT NULL DEFAULT 'running',
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "bulk_revocations_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "bulk_revocations_status" CHECK ("status" IN ('running', 'done')),
    CONSTRAINT "bulk_revocations_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT
);
CREATE INDEX "bulk_revocations_running_idx" ON "bulk_revocations" ("created_at") WHERE "status" = 'running';

-- Edges that follow the feed, and how far each says it has come.
CREATE TABLE "proxies" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "key_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "incarnation" TEXT,
    "mode" TEXT,
    "applied" BIGINT,
    "confirmed_at" TIMESTAMPTZ(3),

    CONSTRAINT "proxies_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "proxies_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT
);
CREATE UNIQUE INDEX "proxies_account_name_name_key" ON "proxies" ("account_name", "name");

CREATE TABLE "receipts" (
    "proxy_id" UUID NOT NULL,
    "position" BIGINT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "receipts_pkey" PRIMARY KEY ("proxy_id", "position"),
    CONSTRAINT "receipts_proxy_id_fkey" FOREIGN KEY ("proxy_id") REFERENCES "proxies"("id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- Settings of an issuer reach every instance through the log.
ALTER TABLE "log_entries" DROP CONSTRAINT "log_entries_type";
ALTER TABLE "log_entries"
    ADD CONSTRAINT "log_entries_type" CHECK ("type" IN ('certificate', 'release', 'thing', 'thing-changed', 'token-family', 'policy', 'segment', 'key', 'issuer'));
