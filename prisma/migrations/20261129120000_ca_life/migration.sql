-- runs with: 20261129060200_alerts

-- Authorities have a life: prepared, active, retired; those that wait for a certificate from elsewhere have none, and dates in 1970.
ALTER TABLE "issuers" ADD COLUMN "status" TEXT NOT NULL DEFAULT 'active';
ALTER TABLE "issuers" ADD COLUMN "intermediate" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "issuers" ADD COLUMN "key_place" TEXT NOT NULL DEFAULT 'here';
ALTER TABLE "issuers" ADD COLUMN "activated_at" TIMESTAMPTZ(3);
ALTER TABLE "issuers" ADD COLUMN "retired_at" TIMESTAMPTZ(3);
ALTER TABLE "issuers" ADD CONSTRAINT "issuers_status" CHECK ("status" IN ('waiting', 'prepared', 'active', 'retired'));
-- `elsewhere`: an authority of somebody else, or one that was exported. Its key cannot be here too.
ALTER TABLE "issuers" ADD CONSTRAINT "issuers_key_place" CHECK (
    "key_place" = 'here' OR ("key_place" = 'elsewhere' AND "kind" = 'root' AND octet_length("sealed_key") = 0));
ALTER TABLE "issuers" ADD CONSTRAINT "issuers_waiting" CHECK (
    "kind" = 'external' OR ("status" = 'waiting') = (octet_length("certificate_der") = 0));
ALTER TABLE "issuers" DROP CONSTRAINT "issuers_kind";
-- A CA that signs CAs has one above it only where others run it.
ALTER TABLE "issuers" ADD CONSTRAINT "issuers_kind" CHECK (
    ("kind" = 'root' AND ("parent_id" IS NULL OR "key_place" = 'elsewhere'))
    OR ("kind" = 'issuing' AND ("parent_id" IS NULL) = ("status" = 'waiting'))
    OR ("kind" = 'external' AND "parent_id" IS NULL));

-- Whatever two operators do at once, devices have one issuer.
CREATE UNIQUE INDEX "issuers_one_active" ON "issuers" ("account_name") WHERE "kind" = 'issuing' AND "status" = 'active';
CREATE INDEX "issuers_parent_id_idx" ON "issuers" ("parent_id");

CREATE TABLE "imported_lists" (
    "issuer_id" TEXT NOT NULL,
    "number" DECIMAL(50,0) NOT NULL,
    "der" BYTEA NOT NULL,
    "this_update" TIMESTAMPTZ(3) NOT NULL,
    "next_update" TIMESTAMPTZ(3) NOT NULL,
    "imported_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "imported_lists_pkey" PRIMARY KEY ("issuer_id"),
    CONSTRAINT "imported_lists_issuer_id_fkey" FOREIGN KEY ("issuer_id") REFERENCES "issuers"("id") ON DELETE RESTRICT ON UPDATE RESTRICT
);

-- The version before reads the type as an unknown one, which changes nothing: edges that do not know it read the authorities again.
ALTER TABLE "log_entries" DROP CONSTRAINT "log_entries_type";
ALTER TABLE "log_entries"
    ADD CONSTRAINT "log_entries_type" CHECK ("type" IN ('certificate', 'release', 'thing', 'thing-changed', 'token-family', 'policy', 'segment', 'key', 'issuer', 'token-keys', 'account', 'session', 'person', 'authority')) NOT VALID;

-- Which key an instance seals with: none is changed while another seals with the old one.
ALTER TABLE "instances" ADD COLUMN "key_id" TEXT;

-- Whoever has a list to bring is warned in time. An account without one has no such rule, which the version before could not evaluate.
CREATE FUNCTION "give_imported_list_rule"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO alert_rules (id, account_name, name, built_in, metric, condition, threshold, for_seconds, severity, cooldown_seconds, created_at, created_by)
    SELECT gen_random_uuid(), i.account_name, 'imported-list-old', 'imported-list-old', 'lists.imported', 'greater_than', 0, 0, 'critical', 86400, now(), 'system'
    FROM issuers i WHERE i.id = NEW.issuer_id
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER "imported_lists_alert_rule" AFTER INSERT ON "imported_lists" FOR EACH ROW EXECUTE FUNCTION "give_imported_list_rule"();
