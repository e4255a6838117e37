-- Revoked certificates that a restored backup does not hold: known from lists and feed snapshots of before.
CREATE TABLE "orphaned_revocations" (
    "issuer_id" TEXT NOT NULL,
    "serial_number" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "revoked_at" TIMESTAMPTZ(3) NOT NULL,
    "not_after" TIMESTAMPTZ(3) NOT NULL,
    "position" BIGINT NOT NULL,
    "issuer_index" BIGINT,
    "fingerprint" TEXT,
    "thing_name" TEXT,

    CONSTRAINT "orphaned_revocations_pkey" PRIMARY KEY ("issuer_id", "serial_number")
);

CREATE INDEX "orphaned_revocations_issuer_id_position_idx" ON "orphaned_revocations"("issuer_id", "position");

ALTER TABLE "orphaned_revocations" ADD CONSTRAINT "orphaned_revocations_issuer_id_fkey" FOREIGN KEY ("issuer_id") REFERENCES "issuers"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;
