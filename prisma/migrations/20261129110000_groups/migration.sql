-- runs with: 20261129060200_alerts
-- Names of attributes that the device may have set, where that is not what its enrollment says: an operator has set some since, or
-- the thing came back under another enrollment. NULL: as the enrollment says.
ALTER TABLE "things" ADD COLUMN "device_attributes" TEXT[];

CREATE TABLE "groups" (
    "account_name" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "query" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" TEXT NOT NULL,
    "changed_at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "groups_pkey" PRIMARY KEY ("account_name", "name"),
    CONSTRAINT "groups_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "groups_query" CHECK (jsonb_typeof("query") IN ('string', 'object'))
);

-- The things that a bulk revocation by a group or a query takes: found once, when it begins.
CREATE TABLE "bulk_revocation_things" (
    "bulk_id" UUID NOT NULL,
    "thing_id" UUID NOT NULL,
    CONSTRAINT "bulk_revocation_things_pkey" PRIMARY KEY ("bulk_id", "thing_id")
);
-- The version before knows no groups: it must neither go on with such a revocation nor call it done.
ALTER TABLE "bulk_revocations" DROP CONSTRAINT "bulk_revocations_status";
ALTER TABLE "bulk_revocations" ADD CONSTRAINT "bulk_revocations_status" CHECK ("status" IN ('running', 'fixed', 'done'));
