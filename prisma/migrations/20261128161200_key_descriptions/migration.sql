-- What a key is for, at more length than its name.
ALTER TABLE "api_keys" ADD COLUMN "description" TEXT;
