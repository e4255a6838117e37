-- An AWS account and region is held by the account whose credentials proved to be of it, and by nobody before that.
-- Mirrors that are on made their calls with such credentials.
ALTER TABLE "aws_mirrors" ADD COLUMN "held_at" TIMESTAMPTZ(3);
UPDATE "aws_mirrors" SET "held_at" = "updated_at" WHERE "mode" <> 'off' AND "trouble" IS NULL;
DROP INDEX "aws_mirrors_place_key";
CREATE UNIQUE INDEX "aws_mirrors_place_key" ON "aws_mirrors" ("aws_account", "region") WHERE "mode" <> 'off' AND "held_at" IS NOT NULL;
