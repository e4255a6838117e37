-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "accounts" (
    "name" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'active',
    "time_zone" TEXT NOT NULL DEFAULT 'UTC',
    "client_id_form" TEXT NOT NULL DEFAULT 'thing',
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "accounts_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "api_keys" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "role" TEXT,
    "permissions" TEXT[],
    "bearer" BOOLEAN NOT NULL DEFAULT false,
    "enforces_crl" BOOLEAN NOT NULL DEFAULT false,
    "follows_feed" BOOLEAN NOT NULL DEFAULT false,
    "in_url" BOOLEAN NOT NULL DEFAULT false,
    "expires_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" TEXT NOT NULL,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "enrollments" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "token_hash" BYTEA NOT NULL,
    "policies" TEXT[],
    "thing_name_pattern" TEXT NOT NULL,
    "thing_type" TEXT,
    "max_uses" INTEGER NOT NULL,
    "uses" INTEGER NOT NULL DEFAULT 0,
    "expires_at" TIMESTAMPTZ(3),
    "source_cidrs" TEXT[],
    "attributes" JSONB NOT NULL,
    "device_attributes" TEXT[],
    "reenrolls_thing_id" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" TEXT NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "enrollments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "things" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "thing_type" TEXT,
    "attributes" JSONB NOT NULL,
    "policies" TEXT[],
    "status" TEXT NOT NULL DEFAULT 'active',
    "gen" INTEGER NOT NULL DEFAULT 1,
    "min_gen" INTEGER NOT NULL DEFAULT 1,
    "enrollment_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "things_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "thing_keys" (
    "account_name" TEXT NOT NULL,
    "spki_sha256" BYTEA NOT NULL,
    "thing_id" UUID NOT NULL,

    CONSTRAINT "thing_keys_pkey" PRIMARY KEY ("account_name","spki_sha256")
);

-- CreateTable
CREATE TABLE "issuers" (
    "id" TEXT NOT NULL,
    "account_name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "parent_id" TEXT,
    "certificate_der" BYTEA NOT NULL,
    "sealed_key" BYTEA NOT NULL,
    "not_before" TIMESTAMPTZ(3) NOT NULL,
    "not_after" TIMESTAMPTZ(3) NOT NULL,
    "next_index" BIGINT NOT NULL DEFAULT 0,
    "list_superseded" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "issuers_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "certificates" (
    "serial_number" TEXT NOT NULL,
    "account_name" TEXT NOT NULL,
    "thing_id" UUID NOT NULL,
    "issuer_id" TEXT NOT NULL,
    "issuer_index" BIGINT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "spki_sha256" BYTEA NOT NULL,
    "der" BYTEA NOT NULL,
    "not_before" TIMESTAMPTZ(3) NOT NULL,
    "not_after" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "enrollment_id" UUID,
    "renews" TEXT,
    "first_used_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "reason" TEXT,

    CONSTRAINT "certificates_pkey" PRIMARY KEY ("serial_number")
);

-- CreateTable
CREATE TABLE "refresh_families" (
    "id" UUID NOT NULL,
    "thing_id" UUID NOT NULL,
    "serial_number" TEXT NOT NULL,
    "counter" INTEGER NOT NULL DEFAULT 1,
    "advanced_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "refresh_families_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "token_keys" (
    "kid" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "algorithm" TEXT NOT NULL,
    "public_jwk" JSONB,
    "sealed" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "signs_from" TIMESTAMPTZ(3) NOT NULL,
    "retires_at" TIMESTAMPTZ(3),

    CONSTRAINT "token_keys_pkey" PRIMARY KEY ("kid")
);

-- CreateTable
CREATE TABLE "used_assertions" (
    "hash" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "used_assertions_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "policies" (
    "account_name" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "active_version" INTEGER NOT NULL,

    CONSTRAINT "policies_pkey" PRIMARY KEY ("account_name","name")
);

-- CreateTable
CREATE TABLE "policy_versions" (
    "account_name" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "document" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" TEXT NOT NULL,

    CONSTRAINT "policy_versions_pkey" PRIMARY KEY ("account_name","name","version")
);

-- CreateTable
CREATE TABLE "log_head" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "epoch" TEXT NOT NULL,
    "position" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "log_head_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "log_entries" (
    "position" BIGINT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "account_name" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "payload" JSONB NOT NULL,

    CONSTRAINT "log_entries_pkey" PRIMARY KEY ("position")
);

-- CreateTable
CREATE TABLE "crls" (
    "issuer_id" TEXT NOT NULL,
    "number" BIGINT NOT NULL,
    "der" BYTEA NOT NULL,
    "position" BIGINT NOT NULL,
    "this_update" TIMESTAMPTZ(3) NOT NULL,
    "next_update" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "crls_pkey" PRIMARY KEY ("issuer_id")
);

-- CreateTable
CREATE TABLE "audit_entries" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "account_name" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "request_id" TEXT,
    "source_ip" TEXT,
    "detail" JSONB NOT NULL,

    CONSTRAINT "audit_entries_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_hash_key" ON "api_keys"("hash");

-- CreateIndex
CREATE INDEX "api_keys_account_name_created_at_id_idx" ON "api_keys"("account_name", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "enrollments_token_hash_key" ON "enrollments"("token_hash");

-- CreateIndex
CREATE INDEX "enrollments_account_name_created_at_id_idx" ON "enrollments"("account_name", "created_at", "id");

-- CreateIndex
CREATE INDEX "things_enrollment_id_idx" ON "things"("enrollment_id");

-- CreateIndex
CREATE UNIQUE INDEX "things_account_name_name_key" ON "things"("account_name", "name");

-- CreateIndex
CREATE INDEX "thing_keys_thing_id_idx" ON "thing_keys"("thing_id");

-- CreateIndex
CREATE UNIQUE INDEX "thing_keys_account_name_spki_sha256_thing_id_key" ON "thing_keys"("account_name", "spki_sha256", "thing_id");

-- CreateIndex
CREATE INDEX "issuers_account_name_idx" ON "issuers"("account_name");

-- CreateIndex
CREATE UNIQUE INDEX "certificates_fingerprint_key" ON "certificates"("fingerprint");

-- CreateIndex
CREATE INDEX "certificates_thing_id_idx" ON "certificates"("thing_id");

-- CreateIndex
CREATE INDEX "certificates_account_name_not_after_idx" ON "certificates"("account_name", "not_after");

-- CreateIndex
CREATE UNIQUE INDEX "certificates_issuer_id_issuer_index_key" ON "certificates"("issuer_id", "issuer_index");

-- CreateIndex
CREATE INDEX "refresh_families_thing_id_idx" ON "refresh_families"("thing_id");

-- CreateIndex
CREATE INDEX "refresh_families_expires_at_idx" ON "refresh_families"("expires_at");

-- CreateIndex
CREATE INDEX "used_assertions_expires_at_idx" ON "used_assertions"("expires_at");

-- CreateIndex
CREATE INDEX "log_entries_account_name_position_idx" ON "log_entries"("account_name", "position");

-- CreateIndex
CREATE INDEX "audit_entries_account_name_id_idx" ON "audit_entries"("account_name", "id");

-- AddForeignKey
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "enrollments" ADD CONSTRAINT "enrollments_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "things" ADD CONSTRAINT "things_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "thing_keys" ADD CONSTRAINT "thing_keys_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "thing_keys" ADD CONSTRAINT "thing_keys_thing_id_fkey" FOREIGN KEY ("thing_id") REFERENCES "things"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "issuers" ADD CONSTRAINT "issuers_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "issuers" ADD CONSTRAINT "issuers_parent_id_fkey" FOREIGN KEY ("parent_id") REFERENCES "issuers"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_thing_id_fkey" FOREIGN KEY ("thing_id") REFERENCES "things"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_issuer_id_fkey" FOREIGN KEY ("issuer_id") REFERENCES "issuers"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_account_name_spki_sha256_thing_id_fkey" FOREIGN KEY ("account_name", "spki_sha256", "thing_id") REFERENCES "thing_keys"("account_name", "spki_sha256", "thing_id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_enrollment_id_fkey" FOREIGN KEY ("enrollment_id") REFERENCES "enrollments"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_renews_fkey" FOREIGN KEY ("renews") REFERENCES "certificates"("serial_number") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "refresh_families" ADD CONSTRAINT "refresh_families_thing_id_fkey" FOREIGN KEY ("thing_id") REFERENCES "things"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "refresh_families" ADD CONSTRAINT "refresh_families_serial_number_fkey" FOREIGN KEY ("serial_number") REFERENCES "certificates"("serial_number") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "policies" ADD CONSTRAINT "policies_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "policy_versions" ADD CONSTRAINT "policy_versions_account_name_name_fkey" FOREIGN KEY ("account_name", "name") REFERENCES "policies"("account_name", "name") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- AddForeignKey
ALTER TABLE "crls" ADD CONSTRAINT "crls_issuer_id_fkey" FOREIGN KEY ("issuer_id") REFERENCES "issuers"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- What Prisma cannot say: the shapes and the rules that no program may get around.
ALTER TABLE "accounts"
    ADD CONSTRAINT "accounts_name_shape" CHECK ("name" ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    ADD CONSTRAINT "accounts_status" CHECK ("status" IN ('active', 'suspended')),
    ADD CONSTRAINT "accounts_client_id_form" CHECK ("client_id_form" IN ('thing', 'account:thing'));

ALTER TABLE "api_keys"
    ALTER COLUMN "permissions" SET NOT NULL,
    ADD CONSTRAINT "api_keys_hash_sha256" CHECK (octet_length("hash") = 32),
    ADD CONSTRAINT "api_keys_in_url_only_asks" CHECK (NOT "in_url" OR "permissions" = ARRAY['authorize:query']);

ALTER TABLE "enrollments"
    ALTER COLUMN "policies" SET NOT NULL,
    ALTER COLUMN "source_cidrs" SET NOT NULL,
    ALTER COLUMN "device_attributes" SET NOT NULL,
    ADD CONSTRAINT "enrollments_token_sha256" CHECK (octet_length("token_hash") = 32),
    ADD CONSTRAINT "enrollments_quota" CHECK ("max_uses" > 0 AND "uses" >= 0 AND "uses" <= "max_uses"),
    ADD CONSTRAINT "enrollments_one_reenroll" CHECK ("reenrolls_thing_id" IS NULL OR "max_uses" = 1),
    ADD CONSTRAINT "enrollments_reenrolls_thing_id_fkey" FOREIGN KEY ("reenrolls_thing_id") REFERENCES "things" ("id");

ALTER TABLE "things"
    ALTER COLUMN "policies" SET NOT NULL,
    ADD CONSTRAINT "things_name_shape" CHECK ("name" ~ '^[A-Za-z0-9:_-]{1,128}$'),
    ADD CONSTRAINT "things_status" CHECK ("status" IN ('active', 'suspended', 'revoked')),
    ADD CONSTRAINT "things_generations" CHECK ("gen" >= "min_gen" AND "min_gen" >= 1),
    ADD CONSTRAINT "things_enrollment_id_fkey" FOREIGN KEY ("enrollment_id") REFERENCES "enrollments" ("id");

ALTER TABLE "thing_keys"
    ADD CONSTRAINT "thing_keys_sha256" CHECK (octet_length("spki_sha256") = 32);

ALTER TABLE "issuers"
    ADD CONSTRAINT "issuers_kind" CHECK (("kind" = 'root' AND "parent_id" IS NULL) OR ("kind" = 'issuing' AND "parent_id" IS NOT NULL));

ALTER TABLE "certificates"
    ADD CONSTRAINT "certificates_serial_shape" CHECK ("serial_number" ~ '^(0[1-9a-f]|[1-7][0-9a-f])[0-9a-f]{38}$'),
    ADD CONSTRAINT "certificates_fingerprint_is_of_der" CHECK ("fingerprint" = encode(sha256("der"), 'hex')),
    ADD CONSTRAINT "certificates_validity" CHECK ("not_before" < "not_after"),
    ADD CONSTRAINT "certificates_revocation" CHECK (("revoked_at" IS NULL) = ("reason" IS NULL)),
    ADD CONSTRAINT "certificates_reason" CHECK ("reason" IN ('unspecified', 'keyCompromise', 'affiliationChanged', 'superseded',
        'cessationOfOperation', 'certificateHold', 'privilegeWithdrawn'));
CREATE INDEX "certificates_revoked_idx" ON "certificates" ("issuer_id", "not_after") WHERE "revoked_at" IS NOT NULL;
CREATE INDEX "certificates_enrollment_idx" ON "certificates" ("enrollment_id") WHERE "enrollment_id" IS NOT NULL;

ALTER TABLE "refresh_families"
    ADD CONSTRAINT "refresh_families_counter" CHECK ("counter" >= 1);

ALTER TABLE "token_keys"
    ADD CONSTRAINT "token_keys_purpose" CHECK (("purpose" = 'access' AND "public_jwk" IS NOT NULL) OR ("purpose" = 'refresh' AND "public_jwk" IS NULL));

ALTER TABLE "log_head"
    ADD CONSTRAINT "log_head_one_row" CHECK ("id" = 1);

ALTER TABLE "log_entries"
    ADD CONSTRAINT "log_entries_type" CHECK ("type" IN ('certificate', 'release', 'thing', 'thing-changed', 'token-family', 'policy', 'segment', 'key'));

-- History is written once.
CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are written once', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "audit_entries_written_once" BEFORE UPDATE OR DELETE ON "audit_entries" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "log_entries_written_once" BEFORE UPDATE ON "log_entries" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "policy_versions_written_once" BEFORE UPDATE OR DELETE ON "policy_versions" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "certificates_never_deleted" BEFORE DELETE ON "certificates" FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "certificates_bytes_written_once" BEFORE UPDATE ON "certificates" FOR EACH ROW
    WHEN (OLD."der" IS DISTINCT FROM NEW."der" OR OLD."serial_number" IS DISTINCT FROM NEW."serial_number" OR OLD."thing_id" IS DISTINCT FROM NEW."thing_id")
    EXECUTE FUNCTION "refuse_change"();
