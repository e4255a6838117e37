-- Lists by other keys, in the order of bytes where a prefix is asked for. The version before does not need them.
CREATE INDEX "things_account_name_bytes_idx" ON "things" ("account_name", "name" COLLATE "C");
CREATE INDEX "things_account_name_created_at_id_idx" ON "things" ("account_name", "created_at", "id");
CREATE INDEX "certificates_account_name_not_after_serial_idx" ON "certificates" ("account_name", "not_after", "serial_number" COLLATE "C");
CREATE INDEX "certificates_account_name_serial_idx" ON "certificates" ("account_name", "serial_number" COLLATE "C");
CREATE INDEX "audit_entries_account_name_at_id_idx" ON "audit_entries" ("account_name", "at", "id");
CREATE INDEX "certificates_account_name_revoked_idx" ON "certificates" ("account_name", "serial_number" COLLATE "C") WHERE "revoked_at" IS NOT NULL;
