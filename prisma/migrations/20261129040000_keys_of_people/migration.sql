-- Keys of people, for their command line. The version before reads them as any other key: it sees when they end, and that they are deleted.
ALTER TABLE "api_keys" ADD COLUMN "person_id" UUID;
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "people"("id") ON DELETE CASCADE ON UPDATE RESTRICT;
-- The key of a person always ends.
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_of_people_end" CHECK ("person_id" IS NULL OR "expires_at" IS NOT NULL);
CREATE INDEX "api_keys_person_id_idx" ON "api_keys"("person_id") WHERE "person_id" IS NOT NULL;
