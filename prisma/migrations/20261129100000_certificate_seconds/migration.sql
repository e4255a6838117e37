-- How long certificates live, in seconds: of an enrollment, up to the limit of its account. The version before issues for 90 days,
-- as an enrollment that says nothing does.
ALTER TABLE "accounts"
  ADD COLUMN "max_certificate_seconds" INTEGER NOT NULL DEFAULT 31536000,
  ADD CONSTRAINT "accounts_max_certificate" CHECK ("max_certificate_seconds" BETWEEN 60 AND 157680000);
ALTER TABLE "enrollments"
  ADD COLUMN "certificate_seconds" INTEGER,
  ADD CONSTRAINT "enrollments_certificate" CHECK ("certificate_seconds" BETWEEN 60 AND 157680000);
