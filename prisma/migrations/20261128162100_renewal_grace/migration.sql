-- How long after its expiry a certificate can still be renewed, in seconds: of an enrollment, or else of its account. Off by
-- default. The version before renews nothing that has expired.
ALTER TABLE "accounts"
  ADD COLUMN "renew_grace_seconds" INTEGER NOT NULL DEFAULT 0,
  ADD CONSTRAINT "accounts_renew_grace" CHECK ("renew_grace_seconds" BETWEEN 0 AND 63072000);
ALTER TABLE "enrollments"
  ADD COLUMN "renew_grace_seconds" INTEGER,
  ADD CONSTRAINT "enrollments_renew_grace" CHECK ("renew_grace_seconds" BETWEEN 0 AND 63072000);
