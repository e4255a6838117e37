-- The mirror in AWS IoT Core: one AWS account and region for each account, and never the same for two.
CREATE TABLE "aws_mirrors" (
    "account_name" TEXT NOT NULL,
    "mode" TEXT NOT NULL,
    "aws_account" TEXT NOT NULL,
    "region" TEXT NOT NULL,
    "role_arn" TEXT,
    "endpoint" TEXT,
    "sts_endpoint" TEXT,
    "thing_group" TEXT NOT NULL,
    "retention_days" INTEGER NOT NULL,
    "reconcile_hours" INTEGER NOT NULL,
    "rates" JSONB NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "reconciled_at" TIMESTAMPTZ(3),
    "trouble" JSONB,
    "blocked_until" TIMESTAMPTZ(3),

    CONSTRAINT "aws_mirrors_pkey" PRIMARY KEY ("account_name"),
    CONSTRAINT "aws_mirrors_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "aws_mirrors_mode" CHECK ("mode" IN ('off', 'register-without-ca', 'register-with-ca')),
    CONSTRAINT "aws_mirrors_aws_account" CHECK ("aws_account" ~ '^[0-9]{12}$'),
    CONSTRAINT "aws_mirrors_retention" CHECK ("retention_days" BETWEEN 0 AND 3650),
    CONSTRAINT "aws_mirrors_reconcile" CHECK ("reconcile_hours" BETWEEN 0 AND 8760)
);
CREATE UNIQUE INDEX "aws_mirrors_place_key" ON "aws_mirrors" ("aws_account", "region") WHERE "mode" <> 'off';

-- One saga for each thing and each policy. `change` counts what was wanted of it, `mirrored` is the last of these
-- that AWS has; a saga is due when there is something to do for it.
CREATE TABLE "aws_sagas" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "account_name" TEXT NOT NULL,
    "thing_id" UUID,
    "policy" TEXT,
    "change" INTEGER NOT NULL DEFAULT 1,
    "mirrored" INTEGER NOT NULL DEFAULT 0,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "urgent" BOOLEAN NOT NULL DEFAULT false,
    "adopted" BOOLEAN NOT NULL DEFAULT false,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "reason" TEXT,
    "due_at" TIMESTAMPTZ(3),
    "claimed_by" UUID,
    "claimed_until" TIMESTAMPTZ(3),
    "pending_since" TIMESTAMPTZ(3),

    CONSTRAINT "aws_sagas_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "aws_sagas_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "aws_mirrors"("account_name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "aws_sagas_thing_id_fkey" FOREIGN KEY ("thing_id") REFERENCES "things"("id") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "aws_sagas_policy_fkey" FOREIGN KEY ("account_name", "policy") REFERENCES "policies"("account_name", "name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "aws_sagas_of_one" CHECK (("thing_id" IS NULL) <> ("policy" IS NULL)),
    CONSTRAINT "aws_sagas_status" CHECK ("status" IN ('pending', 'active', 'failed', 'drifted', 'gone')),
    CONSTRAINT "aws_sagas_mirrored" CHECK ("mirrored" <= "change")
);
CREATE UNIQUE INDEX "aws_sagas_thing_id_key" ON "aws_sagas" ("thing_id");
CREATE UNIQUE INDEX "aws_sagas_account_name_policy_key" ON "aws_sagas" ("account_name", "policy");
CREATE INDEX "aws_sagas_turn_idx" ON "aws_sagas" ("account_name", "urgent" DESC, "due_at") WHERE "due_at" IS NOT NULL;
CREATE INDEX "aws_sagas_due_idx" ON "aws_sagas" ("account_name", "due_at") WHERE "due_at" IS NOT NULL;
CREATE INDEX "aws_sagas_status_idx" ON "aws_sagas" ("account_name", "status", "id");

-- The steps of a saga: what is wanted, and what AWS was last seen to have. A step is written before its first call.
CREATE TABLE "aws_steps" (
    "saga_id" UUID NOT NULL,
    "step" TEXT NOT NULL,
    "wanted" TEXT NOT NULL,
    "reached" TEXT,
    "result" JSONB,
    "reason" TEXT,
    "reached_at" TIMESTAMPTZ(3),
    "seen_by" UUID,

    CONSTRAINT "aws_steps_pkey" PRIMARY KEY ("saga_id", "step"),
    CONSTRAINT "aws_steps_saga_id_fkey" FOREIGN KEY ("saga_id") REFERENCES "aws_sagas"("id") ON DELETE CASCADE ON UPDATE RESTRICT
);
CREATE INDEX "aws_steps_certificate_idx" ON "aws_steps" (("result"->>'certificateId')) WHERE "result" ? 'certificateId';

-- When the next call of each kind may go out, for all instances together.
CREATE TABLE "aws_rates" (
    "account_name" TEXT NOT NULL,
    "call" TEXT NOT NULL,
    "next_at" TIMESTAMPTZ NOT NULL,

    CONSTRAINT "aws_rates_pkey" PRIMARY KEY ("account_name", "call"),
    CONSTRAINT "aws_rates_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "aws_mirrors"("account_name") ON DELETE RESTRICT ON UPDATE RESTRICT
);

-- Comparisons of AWS with the registry.
CREATE TABLE "aws_reconciliations" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "dry_run" BOOLEAN NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'running',
    "phase" TEXT NOT NULL DEFAULT 'things',
    "progress" JSONB NOT NULL DEFAULT '{}',
    "findings" JSONB NOT NULL DEFAULT '[]',
    "counts" JSONB NOT NULL DEFAULT '{}',
    "reason" TEXT,
    "origin" JSONB NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),
    "claimed_by" UUID,
    "claimed_until" TIMESTAMPTZ(3),

    CONSTRAINT "aws_reconciliations_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "aws_reconciliations_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "aws_mirrors"("account_name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "aws_reconciliations_status" CHECK ("status" IN ('running', 'done', 'failed'))
);
CREATE UNIQUE INDEX "aws_reconciliations_running_key" ON "aws_reconciliations" ("account_name") WHERE "status" = 'running';
CREATE INDEX "aws_reconciliations_account_name_started_at_idx" ON "aws_reconciliations" ("account_name", "started_at");

-- Whatever changes a thing, one of its certificates or an active policy makes its saga due, in the same transaction:
-- no writer can forget it. A failed saga gets another chance with every change. 1970 is "at once".
CREATE FUNCTION "aws_make_due"(account TEXT, thing UUID, is_urgent BOOLEAN) RETURNS void LANGUAGE sql AS $$
    INSERT INTO "aws_sagas" ("account_name", "thing_id", "due_at", "pending_since", "urgent")
    SELECT account, thing, '1970-01-01Z', now(), is_urgent FROM "aws_mirrors" m WHERE m."account_name" = account AND m."mode" <> 'off'
    ON CONFLICT ("thing_id") DO UPDATE SET "change" = "aws_sagas"."change" + 1, "status" = 'pending', "attempts" = 0, "reason" = NULL,
        "due_at" = '1970-01-01Z', "pending_since" = COALESCE("aws_sagas"."pending_since", now()), "urgent" = "aws_sagas"."urgent" OR is_urgent;
$$;

CREATE FUNCTION "aws_follow_new"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO "aws_sagas" ("account_name", "thing_id", "due_at", "pending_since")
    SELECT DISTINCT n."account_name", n."thing_id", '1970-01-01Z'::timestamptz, now()
    FROM "new_rows" n JOIN "aws_mirrors" m ON m."account_name" = n."account_name" AND m."mode" <> 'off'
    ON CONFLICT ("thing_id") DO UPDATE SET "change" = "aws_sagas"."change" + 1, "status" = 'pending', "attempts" = 0, "reason" = NULL,
        "due_at" = '1970-01-01Z', "pending_since" = COALESCE("aws_sagas"."pending_since", now());
    RETURN NULL;
END $$;

CREATE FUNCTION "aws_follow_thing"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM "aws_make_due"(NEW."account_name", NEW."id", NEW."status" <> 'active' AND NEW."status" <> OLD."status");
    RETURN NULL;
END $$;

CREATE FUNCTION "aws_follow_certificate"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM "aws_make_due"(NEW."account_name", NEW."thing_id", NEW."revoked_at" IS NOT NULL AND NEW."reason" <> 'superseded');
    RETURN NULL;
END $$;

CREATE FUNCTION "aws_follow_policy"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO "aws_sagas" ("account_name", "policy", "due_at", "pending_since", "urgent")
    SELECT NEW."account_name", NEW."name", '1970-01-01Z', now(), true FROM "aws_mirrors" m WHERE m."account_name" = NEW."account_name" AND m."mode" <> 'off'
    ON CONFLICT ("account_name", "policy") DO UPDATE SET "change" = "aws_sagas"."change" + 1, "status" = 'pending', "attempts" = 0,
        "reason" = NULL, "due_at" = '1970-01-01Z', "pending_since" = COALESCE("aws_sagas"."pending_since", now()), "urgent" = true;
    RETURN NULL;
END $$;

-- A thing is born with its certificate, in one statement: the certificate's trigger serves both.
CREATE TRIGGER "aws_new_certificates" AFTER INSERT ON "certificates" REFERENCING NEW TABLE AS "new_rows"
    FOR EACH STATEMENT EXECUTE FUNCTION "aws_follow_new"();
CREATE TRIGGER "aws_changed_thing" AFTER UPDATE ON "things" FOR EACH ROW
    WHEN ((OLD."attributes", OLD."policies", OLD."thing_type", OLD."status", OLD."deleted_at") IS DISTINCT FROM (NEW."attributes", NEW."policies", NEW."thing_type", NEW."status", NEW."deleted_at"))
    EXECUTE FUNCTION "aws_follow_thing"();
CREATE TRIGGER "aws_changed_certificate" AFTER UPDATE ON "certificates" FOR EACH ROW
    WHEN (OLD."revoked_at" IS DISTINCT FROM NEW."revoked_at" OR OLD."reason" IS DISTINCT FROM NEW."reason")
    EXECUTE FUNCTION "aws_follow_certificate"();
CREATE TRIGGER "aws_changed_policy" AFTER INSERT OR UPDATE OF "active_version" ON "policies" FOR EACH ROW
    EXECUTE FUNCTION "aws_follow_policy"();
