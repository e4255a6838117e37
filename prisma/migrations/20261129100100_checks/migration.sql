-- Enrollments that ask a URL before a device is admitted. The version before knows nothing of it and would admit such devices at
-- once: the check refuses a use that no later version vouched for, whoever writes it.
ALTER TABLE "enrollments"
  ADD COLUMN "check_url" TEXT,
  ADD COLUMN "check_timeout_ms" INTEGER,
  ADD COLUMN "check_secret_sealed" BYTEA,
  ADD COLUMN "vouched" INTEGER NOT NULL DEFAULT 0,
  ADD CONSTRAINT "enrollments_check" CHECK (
    ("check_url" IS NULL AND "check_timeout_ms" IS NULL AND "check_secret_sealed" IS NULL)
    OR ("check_url" IS NOT NULL AND "check_timeout_ms" BETWEEN 100 AND 10000 AND "check_secret_sealed" IS NOT NULL)),
  ADD CONSTRAINT "enrollments_vouched" CHECK ("check_url" IS NULL OR "uses" <= "vouched");
