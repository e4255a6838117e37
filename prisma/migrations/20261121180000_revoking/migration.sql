-- Where in the log a certificate was revoked: a repeated request gets the first answer again.
ALTER TABLE "certificates"
    ADD COLUMN "revoked_position" BIGINT,
    ADD COLUMN "held_by_suspension" BOOLEAN NOT NULL DEFAULT false,
    ADD CONSTRAINT "certificates_held_by_suspension" CHECK (NOT "held_by_suspension" OR "reason" = 'certificateHold');

-- A key that was compromised is never certified again in its account.
ALTER TABLE "thing_keys" ADD COLUMN "barred_at" TIMESTAMPTZ(3);

-- What its owner calls a key.
ALTER TABLE "api_keys" ADD COLUMN "name" TEXT;
