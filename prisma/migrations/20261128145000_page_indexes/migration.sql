-- Keys and enrollments are listed in the order of their ids. The version before reads them so too.
CREATE INDEX "api_keys_account_name_id_idx" ON "api_keys"("account_name", "id");
CREATE INDEX "enrollments_account_name_id_idx" ON "enrollments"("account_name", "id");
DROP INDEX "api_keys_account_name_created_at_id_idx";
DROP INDEX "enrollments_account_name_created_at_id_idx";
