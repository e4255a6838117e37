-- A re-enrollment knows for what reason its first use ends what came before, whether it may bring back a thing that was
-- revoked or deleted, and whether it may take a key over from such a thing. What was stored before may do neither.
ALTER TABLE "enrollments"
    ADD COLUMN "reenroll_reason" TEXT,
    ADD COLUMN "brings_back" BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN "moves_keys" BOOLEAN NOT NULL DEFAULT false,
    ADD CONSTRAINT "enrollments_reenroll_reason" CHECK ("reenroll_reason" IS NULL OR "reenroll_reason" IN
        ('unspecified', 'keyCompromise', 'affiliationChanged', 'cessationOfOperation', 'privilegeWithdrawn')),
    ADD CONSTRAINT "enrollments_only_reenrollments" CHECK ("reenrolls_thing_id" IS NOT NULL OR
        ("reenroll_reason" IS NULL AND NOT "brings_back" AND NOT "moves_keys"));
CREATE INDEX "enrollments_reenrolls_idx" ON "enrollments" ("reenrolls_thing_id") WHERE "reenrolls_thing_id" IS NOT NULL;

-- Everything that ever was under a name, in use or not.
CREATE INDEX "things_former_name_idx" ON "things" ("account_name", "former_name") WHERE "former_name" IS NOT NULL;

-- A key still has one holder, but the holder may change: certificates of an earlier one keep their thing. The rows that are
-- there obey the stricter constraint that goes, so they are not read again: other instances wait for this transaction.
ALTER TABLE "certificates" DROP CONSTRAINT "certificates_account_name_spki_sha256_thing_id_fkey";
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_account_name_spki_sha256_fkey"
    FOREIGN KEY ("account_name", "spki_sha256") REFERENCES "thing_keys" ("account_name", "spki_sha256") ON DELETE RESTRICT ON UPDATE RESTRICT NOT VALID;

-- A new certificate is for the present holder of its key, whatever program writes it.
CREATE FUNCTION "certificate_key_held"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM "new_rows" n WHERE NOT EXISTS (
        SELECT 1 FROM "thing_keys" k
        WHERE k."account_name" = n."account_name" AND k."spki_sha256" = n."spki_sha256" AND k."thing_id" = n."thing_id"))
    THEN RAISE EXCEPTION 'the key of a new certificate is held by another thing' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER "certificates_key_held" AFTER INSERT ON "certificates" REFERENCING NEW TABLE AS "new_rows"
    FOR EACH STATEMENT EXECUTE FUNCTION "certificate_key_held"();
