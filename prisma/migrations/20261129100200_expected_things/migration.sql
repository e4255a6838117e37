-- Things that are expected: an enrollment with expected_only gives identities to those alone. The version before would admit any device
-- there: the check refuses a use that no later version vouched for.
CREATE TABLE "expected_things" (
  "id" UUID NOT NULL,
  "account_name" TEXT NOT NULL,
  "name" TEXT COLLATE "C" NOT NULL,
  "thing_type" TEXT,
  "attributes" JSONB NOT NULL,
  "policies" TEXT[] NOT NULL,
  "segment" TEXT,
  "key_sha256" BYTEA,
  "code_hash" BYTEA,
  "wrong_codes" INTEGER NOT NULL DEFAULT 0,
  "revision" INTEGER NOT NULL DEFAULT 1,
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  "created_by" TEXT NOT NULL,
  "used_at" TIMESTAMPTZ(3),
  "thing_id" UUID,
  CONSTRAINT "expected_things_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "expected_things_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
  CONSTRAINT "expected_things_used" CHECK (("used_at" IS NULL) = ("thing_id" IS NULL))
);
CREATE UNIQUE INDEX "expected_things_account_name_name_key" ON "expected_things"("account_name", "name");
ALTER TABLE "enrollments"
  ADD COLUMN "expected_only" BOOLEAN NOT NULL DEFAULT false,
  DROP CONSTRAINT "enrollments_vouched",
  ADD CONSTRAINT "enrollments_vouched" CHECK (("check_url" IS NULL AND NOT "expected_only") OR "uses" <= "vouched");
