CREATE TABLE "alert_rules" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "built_in" TEXT,
    "metric" TEXT NOT NULL,
    "condition" TEXT NOT NULL,
    "threshold" DOUBLE PRECISION NOT NULL,
    "for_seconds" INTEGER NOT NULL DEFAULT 0,
    "severity" TEXT NOT NULL,
    "channels" UUID[] NOT NULL DEFAULT '{}',
    "cooldown_seconds" INTEGER NOT NULL DEFAULT 300,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "met_since" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" TEXT NOT NULL,
    CONSTRAINT "alert_rules_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "alert_rules_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "alert_rules_condition" CHECK ("condition" IN ('greater_than', 'less_than', 'equals', 'greater_equal', 'less_equal')),
    CONSTRAINT "alert_rules_severity" CHECK ("severity" IN ('info', 'warning', 'critical'))
);
CREATE UNIQUE INDEX "alert_rules_account_name_name_key" ON "alert_rules"("account_name", "name");
CREATE UNIQUE INDEX "alert_rules_account_name_built_in_key" ON "alert_rules"("account_name", "built_in");

CREATE TABLE "alerts" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "rule_id" UUID NOT NULL,
    "rule_name" TEXT NOT NULL,
    "metric" TEXT NOT NULL,
    "condition" TEXT NOT NULL,
    "threshold" DOUBLE PRECISION NOT NULL,
    "severity" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'firing',
    "value" DOUBLE PRECISION NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "notified_at" TIMESTAMPTZ(3) NOT NULL,
    "notified" INTEGER NOT NULL DEFAULT 1,
    "acknowledged_at" TIMESTAMPTZ(3),
    "acknowledged_by" TEXT,
    "resolved_at" TIMESTAMPTZ(3),
    CONSTRAINT "alerts_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "alerts_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "alerts_status" CHECK ("status" IN ('firing', 'acknowledged', 'resolved'))
);
-- A rule has one alert at a time, whoever evaluates it.
CREATE UNIQUE INDEX "alerts_open_key" ON "alerts"("rule_id") WHERE "status" <> 'resolved';
CREATE INDEX "alerts_account_name_started_at_id_idx" ON "alerts"("account_name", "started_at", "id");

-- What every fleet needs. Each account has them from its beginning; they can be changed and switched off.
CREATE FUNCTION "built_in_alert_rules"(of_account TEXT) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO alert_rules (id, account_name, name, built_in, metric, condition, threshold, for_seconds, severity, cooldown_seconds, created_at, created_by)
    SELECT gen_random_uuid(), of_account, r.key, r.key, r.metric, r.condition, r.threshold, r.for_seconds, r.severity, r.cooldown, now(), 'system'
    FROM (VALUES
        ('list-ends-soon', 'lists.ends', 'less_than', 259200, 600, 'critical', 3600),
        ('edge-stale', 'edges.stale', 'greater_than', 0, 60, 'warning', 3600),
        ('denials-surge', 'decisions.deny', 'greater_than', 1000, 300, 'warning', 3600),
        ('credentials-guessed', 'credentials.failed', 'greater_than', 60, 300, 'warning', 3600),
        ('enrollment-nearly-used', 'enrollments.nearlyUsed', 'greater_than', 0, 0, 'info', 86400),
        ('certificates-not-renewed', 'certificates.ending', 'greater_than', 0, 3600, 'warning', 86400),
        ('aws-drift', 'aws.drift', 'greater_than', 0, 300, 'warning', 3600)
    ) AS r(key, metric, condition, threshold, for_seconds, severity, cooldown)
    ON CONFLICT DO NOTHING
$$;
SELECT built_in_alert_rules("name") FROM "accounts";
CREATE FUNCTION "give_built_in_alert_rules"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM built_in_alert_rules(NEW.name);
    RETURN NULL;
END
$$;
CREATE TRIGGER "accounts_alert_rules" AFTER INSERT ON "accounts" FOR EACH ROW EXECUTE FUNCTION "give_built_in_alert_rules"();
