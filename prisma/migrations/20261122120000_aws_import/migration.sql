-- Certificates that others issued: in the registry, but on none of our lists.
ALTER TABLE "issuers" DROP CONSTRAINT "issuers_kind";
ALTER TABLE "issuers" ADD CONSTRAINT "issuers_kind" CHECK (
    ("kind" = 'root' AND "parent_id" IS NULL) OR ("kind" = 'issuing' AND "parent_id" IS NOT NULL) OR ("kind" = 'external' AND "parent_id" IS NULL));
CREATE UNIQUE INDEX "issuers_external_key" ON "issuers" ("account_name") WHERE "kind" = 'external';
ALTER TABLE "certificates" DROP CONSTRAINT "certificates_serial_shape";
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_serial_shape" CHECK (
    "serial_number" ~ '^(0[1-9a-f]|[1-7][0-9a-f])[0-9a-f]{38}$' OR ("crl_scope" = 'external' AND "serial_number" ~ '^[0-9a-f]{40}$'));

-- Things that came from AWS keep the policies that they have there, until somebody gives them others here.
ALTER TABLE "aws_sagas" ADD COLUMN "keeps_policies" BOOLEAN NOT NULL DEFAULT false;
CREATE OR REPLACE FUNCTION "aws_follow_thing"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM "aws_make_due"(NEW."account_name", NEW."id", NEW."status" <> 'active' AND NEW."status" <> OLD."status");
    IF NEW."policies" IS DISTINCT FROM OLD."policies" THEN
        UPDATE "aws_sagas" SET "keeps_policies" = false WHERE "thing_id" = NEW."id" AND "keeps_policies";
    END IF;
    RETURN NULL;
END $$;

-- Fleets that are taken over from AWS.
CREATE TABLE "aws_imports" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "dry_run" BOOLEAN NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'running',
    "enrollment_id" UUID,
    "seen" INTEGER NOT NULL DEFAULT 0,
    "counts" JSONB NOT NULL DEFAULT '{}',
    "items" JSONB NOT NULL DEFAULT '[]',
    "policies" JSONB NOT NULL DEFAULT '[]',
    "reason" TEXT,
    "origin" JSONB NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),
    "claimed_by" UUID,
    "claimed_until" TIMESTAMPTZ(3),

    CONSTRAINT "aws_imports_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "aws_imports_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "aws_mirrors"("account_name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "aws_imports_enrollment_id_fkey" FOREIGN KEY ("enrollment_id") REFERENCES "enrollments"("id") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "aws_imports_status" CHECK ("status" IN ('running', 'done', 'failed'))
);
CREATE UNIQUE INDEX "aws_imports_running_key" ON "aws_imports" ("account_name") WHERE "status" = 'running';
