-- Enrollments whose devices prove a certificate of their manufacturer. The version before knows nothing of it and would admit whoever
-- holds the token: the check refuses a use that no later version saw proved, whoever writes it.
ALTER TABLE "enrollments"
  ADD COLUMN "kind" TEXT,
  ADD COLUMN "ca_proved" BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN "proven" INTEGER NOT NULL DEFAULT 0,
  ADD CONSTRAINT "enrollments_kind" CHECK (
    ("kind" IS NULL AND NOT "ca_proved") OR ("kind" = 'ca' AND ("expected_only" OR "ca_proved"))),
  ADD CONSTRAINT "enrollments_proven" CHECK ("kind" IS NULL OR "uses" <= "proven");
-- The authority of such an enrollment, its own certificate first and those above it, and what its last list said.
CREATE TABLE "manufacturers" (
  "enrollment_id" UUID NOT NULL,
  "certificates" BYTEA[] NOT NULL,
  "thing_name" TEXT NOT NULL,
  "crl_number" TEXT,
  "crl_this_update" TIMESTAMPTZ(3),
  "crl_next_update" TIMESTAMPTZ(3),
  "crl_sha256" BYTEA,
  "crl_revoked" INTEGER,
  CONSTRAINT "manufacturers_pkey" PRIMARY KEY ("enrollment_id"),
  CONSTRAINT "manufacturers_enrollment_id_fkey" FOREIGN KEY ("enrollment_id") REFERENCES "enrollments"("id") ON DELETE RESTRICT ON UPDATE RESTRICT,
  CONSTRAINT "manufacturers_certificates" CHECK (cardinality("certificates") BETWEEN 1 AND 10),
  CONSTRAINT "manufacturers_crl" CHECK (
    ("crl_this_update" IS NULL) = ("crl_next_update" IS NULL) AND ("crl_this_update" IS NULL) = ("crl_sha256" IS NULL)
    AND ("crl_this_update" IS NULL) = ("crl_revoked" IS NULL))
);
CREATE TABLE "manufacturer_revocations" (
  "enrollment_id" UUID NOT NULL,
  "serial_number" TEXT COLLATE "C" NOT NULL,
  CONSTRAINT "manufacturer_revocations_pkey" PRIMARY KEY ("enrollment_id", "serial_number"),
  CONSTRAINT "manufacturer_revocations_enrollment_id_fkey" FOREIGN KEY ("enrollment_id") REFERENCES "manufacturers"("enrollment_id") ON DELETE RESTRICT ON UPDATE RESTRICT
);
-- What a waiting device proved of its manufacturer.
ALTER TABLE "waiting_devices" ADD COLUMN "manufactured" JSONB;
