-- Enrollments whose devices wait until an operator approves them. The version before knows nothing of it and would admit such
-- devices at once: the check refuses a use that nobody approved, whoever writes it.
ALTER TABLE "enrollments"
  ADD COLUMN "approval" TEXT,
  ADD COLUMN "approved" INTEGER NOT NULL DEFAULT 0,
  ADD CONSTRAINT "enrollments_approval" CHECK ("approval" IN ('required')),
  ADD CONSTRAINT "enrollments_approved" CHECK ("approval" IS NULL OR "uses" <= "approved");

CREATE TABLE "waiting_devices" (
  "id" UUID NOT NULL,
  "account_name" TEXT NOT NULL,
  "enrollment_id" UUID NOT NULL,
  "spki_sha256" BYTEA NOT NULL,
  "csr" BYTEA NOT NULL,
  "thing_name" TEXT NOT NULL,
  "thing_type" TEXT,
  "attributes" JSONB NOT NULL,
  "source_ip" TEXT,
  "source_block" TEXT NOT NULL,
  "status" TEXT NOT NULL DEFAULT 'waiting',
  "times_seen" INTEGER NOT NULL DEFAULT 1,
  "first_seen_at" TIMESTAMPTZ(3) NOT NULL,
  "last_seen_at" TIMESTAMPTZ(3) NOT NULL,
  "expires_at" TIMESTAMPTZ(3) NOT NULL,
  "decided_at" TIMESTAMPTZ(3),
  "decided_by" TEXT,
  "reason" TEXT,
  "granted_thing" TEXT,
  "serial_number" TEXT,
  "collected_at" TIMESTAMPTZ(3),
  CONSTRAINT "waiting_devices_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "waiting_devices_enrollment_id_fkey" FOREIGN KEY ("enrollment_id") REFERENCES "enrollments"("id") ON DELETE CASCADE ON UPDATE RESTRICT,
  CONSTRAINT "waiting_devices_status" CHECK ("status" IN ('waiting', 'approved', 'denied')),
  CONSTRAINT "waiting_devices_decided" CHECK (("status" = 'waiting') = ("decided_at" IS NULL)),
  CONSTRAINT "waiting_devices_granted" CHECK (("status" = 'approved') = ("granted_thing" IS NOT NULL AND "serial_number" IS NOT NULL))
);
CREATE UNIQUE INDEX "waiting_devices_enrollment_id_spki_sha256_key" ON "waiting_devices"("enrollment_id", "spki_sha256");
CREATE INDEX "waiting_devices_account_name_id_idx" ON "waiting_devices"("account_name", "id");
CREATE INDEX "waiting_devices_account_name_source_block_idx" ON "waiting_devices"("account_name", "source_block");
