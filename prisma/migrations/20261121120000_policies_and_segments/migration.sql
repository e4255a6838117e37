-- Who serves: an instance whose lease has ended serves nothing that depends on the log.
CREATE TABLE "instances" (
    "id" UUID NOT NULL,
    "applied" BIGINT NOT NULL,
    "lease_until" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "instances_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "segments" (
    "account_name" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "cidr" TEXT NOT NULL,
    "security_level" TEXT NOT NULL,
    "allowed_protocols" TEXT[] NOT NULL,
    "egress_rules" JSONB NOT NULL,
    "ingress_rules" JSONB NOT NULL,
    "device_limit" INTEGER NOT NULL,
    "traffic_policy" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "segments_pkey" PRIMARY KEY ("account_name", "name"),
    CONSTRAINT "segments_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts" ("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "segments_device_limit" CHECK ("device_limit" >= 0)
);

ALTER TABLE "things" ADD COLUMN "segment" TEXT,
    ADD CONSTRAINT "things_segment_fkey" FOREIGN KEY ("account_name", "segment") REFERENCES "segments" ("account_name", "name") ON DELETE RESTRICT ON UPDATE RESTRICT;
CREATE INDEX "things_account_name_segment_idx" ON "things" ("account_name", "segment");
CREATE INDEX "things_policies_idx" ON "things" USING GIN ("policies");

ALTER TABLE "enrollments" ADD COLUMN "segment" TEXT,
    ADD CONSTRAINT "enrollments_segment_fkey" FOREIGN KEY ("account_name", "segment") REFERENCES "segments" ("account_name", "name") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- Written now and then for many things at once, apart from the rows that decide rights.
CREATE TABLE "thing_activity" (
    "thing_id" UUID NOT NULL,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "thing_activity_pkey" PRIMARY KEY ("thing_id"),
    CONSTRAINT "thing_activity_thing_id_fkey" FOREIGN KEY ("thing_id") REFERENCES "things" ("id") ON DELETE RESTRICT ON UPDATE RESTRICT
);

-- A sample of what was decided, bounded in number.
CREATE TABLE "decision_samples" (
    "id" BIGSERIAL NOT NULL,
    "account_name" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "thing_name" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "resource" TEXT NOT NULL,
    "context" JSONB NOT NULL,
    "decision" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "policy" TEXT,
    CONSTRAINT "decision_samples_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "decision_samples_decision" CHECK ("decision" IN ('allow', 'deny'))
);
CREATE INDEX "decision_samples_account_name_id_idx" ON "decision_samples" ("account_name", "id");
CREATE INDEX "log_entries_at_idx" ON "log_entries" ("at");
