-- Who is told what happens: webhooks of an account (`events`), and the channels of its alerts.
CREATE TABLE "receivers" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "url" TEXT,
    "recipients" TEXT[] NOT NULL DEFAULT '{}',
    "types" TEXT[] NOT NULL DEFAULT '{}',
    "secret_sealed" BYTEA,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" TEXT NOT NULL,
    "claimed_by" UUID,
    "claimed_until" TIMESTAMPTZ(3),
    "next_at" TIMESTAMPTZ(3),
    "failures" INTEGER NOT NULL DEFAULT 0,
    "served_at" TIMESTAMPTZ(3) NOT NULL DEFAULT to_timestamp(0),
    "full_since" TIMESTAMPTZ(3),
    CONSTRAINT "receivers_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "receivers_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "receivers_kind" CHECK ("kind" IN ('events', 'webhook', 'slack', 'email')),
    CONSTRAINT "receivers_reachable" CHECK (("kind" = 'email') = ("url" IS NULL) AND ("kind" = 'email') = (cardinality("recipients") > 0)),
    CONSTRAINT "receivers_signed" CHECK (("kind" IN ('events', 'webhook')) = ("secret_sealed" IS NOT NULL)),
    CONSTRAINT "receivers_typed" CHECK (("kind" = 'events') = (cardinality("types") > 0))
);
CREATE UNIQUE INDEX "receivers_account_name_name_key" ON "receivers"("account_name", "name") WHERE "kind" <> 'events';
CREATE INDEX "receivers_account_name_id_idx" ON "receivers"("account_name", "id");

-- What a receiver is told, in the order of the ids. No foreign key: a change must not fail because a webhook is deleted meanwhile.
CREATE TABLE "deliveries" (
    "id" BIGSERIAL NOT NULL,
    "receiver_id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "message_id" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "data" JSONB NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "since" TIMESTAMPTZ(3) NOT NULL,
    "next_at" TIMESTAMPTZ(3) NOT NULL,
    "attempted_at" TIMESTAMPTZ(3),
    "answer_status" INTEGER,
    "answer" TEXT,
    CONSTRAINT "deliveries_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "deliveries_status" CHECK ("status" IN ('pending', 'delivered', 'parked'))
);
CREATE UNIQUE INDEX "deliveries_receiver_id_message_id_key" ON "deliveries"("receiver_id", "message_id");
CREATE INDEX "deliveries_receiver_id_id_idx" ON "deliveries"("receiver_id", "id");
CREATE INDEX "deliveries_due_idx" ON "deliveries"("receiver_id", "next_at") WHERE "status" = 'pending';
CREATE INDEX "deliveries_order_idx" ON "deliveries"("receiver_id", "subject", "id") WHERE "status" = 'pending';

-- Queues an event for every webhook of its account that wants its type, in the transaction of whatever happened.
CREATE FUNCTION "publish_event"(of_account TEXT, message TEXT, of_type TEXT, about TEXT, what JSONB, happened TIMESTAMPTZ) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO deliveries (receiver_id, account_name, message_id, type, subject, data, at, since, next_at)
    SELECT r.id, of_account, message, of_type, about, what, happened, happened, happened FROM receivers r
    WHERE r.account_name = of_account AND r.kind = 'events' AND r.enabled AND r.full_since IS NULL
      AND (of_type = ANY(r.types) OR (of_type LIKE 'audit.%' AND 'audit.*' = ANY(r.types)))
    ON CONFLICT (receiver_id, message_id) DO NOTHING
$$;

-- The audit is written in the transaction of each change, so what stands there happened, and nothing else did. A thing is locked by whatever
-- changes it until its entry is committed: the ids of one thing are in commit order, though those of several are not.
CREATE FUNCTION "publish_audit"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    a RECORD;
    v JSONB;
BEGIN
    FOR a IN
        SELECT e.* FROM added e WHERE EXISTS (
            SELECT 1 FROM receivers r WHERE r.account_name = e.account_name AND r.kind = 'events' AND r.enabled)
        ORDER BY e.id
    LOOP
        PERFORM publish_event(a.account_name, 'audit-' || a.id, 'audit.' || a.action, a.target, jsonb_strip_nulls(jsonb_build_object(
            'id', a.id::text, 'at', to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'actor', a.actor, 'action', a.action,
            'target', a.target, 'requestId', a.request_id, 'sourceIp', a.source_ip))
            || jsonb_build_object('detail', CASE WHEN length(a.detail::text) > 60000 THEN '{"omitted": "too long: read the audit"}'::jsonb ELSE a.detail END), a.at);
        CASE a.action
            WHEN 'thing.provision', 'thing.reenrolled' THEN
                v := jsonb_build_object('thingName', substr(a.target, 7), 'serialNumber', a.detail->>'serialNumber');
                PERFORM publish_event(a.account_name, 'provisioned-' || a.id, 'thing.provisioned', a.target,
                    v || jsonb_build_object('again', a.action = 'thing.reenrolled'), a.at);
                PERFORM publish_event(a.account_name, 'issued-' || a.id, 'certificate.issued', a.target, v, a.at);
            WHEN 'certificate.renew' THEN
                PERFORM publish_event(a.account_name, 'renewed-' || a.id, 'certificate.renewed', a.target, jsonb_build_object(
                    'thingName', substr(a.target, 7), 'serialNumber', a.detail->>'serialNumber', 'renews', a.detail->>'renews'), a.at);
            WHEN 'thing.suspend' THEN
                PERFORM publish_event(a.account_name, 'suspended-' || a.id, 'thing.suspended', a.target, jsonb_build_object('thingName', substr(a.target, 7)), a.at);
            WHEN 'waiting.open' THEN
                PERFORM publish_event(a.account_name, 'waiting-' || a.id, 'device.waiting', a.target, jsonb_build_object(
                    'thingName', substr(a.target, 7), 'enrollment', a.detail->>'enrollment', 'spkiSha256', a.detail->>'spkiSha256'), a.at);
            WHEN 'policy.create' THEN
                PERFORM publish_event(a.account_name, 'activated-' || a.id, 'policy.activated', a.target, jsonb_build_object(
                    'policy', substr(a.target, 8), 'version', a.detail->'version', 'before', NULL), a.at);
            WHEN 'policy.activate' THEN
                PERFORM publish_event(a.account_name, 'activated-' || a.id, 'policy.activated', a.target, jsonb_build_object(
                    'policy', substr(a.target, 8), 'version', a.detail->'after', 'before', a.detail->'before'), a.at);
            ELSE NULL;
        END CASE;
        IF jsonb_typeof(a.detail->'serialNumbers') = 'array' AND a.detail ? 'reason' THEN
            PERFORM publish_event(a.account_name, 'revoked-' || a.id || '-' || c.serial_number, 'certificate.revoked', 'thing:' || coalesce(t.former_name, t.name), jsonb_build_object(
                'thingName', coalesce(t.former_name, t.name), 'serialNumber', c.serial_number, 'reason', a.detail->>'reason'), a.at)
            FROM jsonb_array_elements_text(a.detail->'serialNumbers') s
            JOIN certificates c ON c.serial_number = s.value JOIN things t ON t.id = c.thing_id ORDER BY c.serial_number;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER "audit_entries_published" AFTER INSERT ON "audit_entries" REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "publish_audit"();

CREATE FUNCTION "publish_exhausted"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM publish_event(NEW.account_name, 'exhausted-' || NEW.id || '-' || NEW.max_uses, 'enrollment.exhausted', 'enrollment:' || NEW.id,
        jsonb_build_object('enrollment', NEW.id, 'uses', NEW.uses, 'maxUses', NEW.max_uses), clock_timestamp());
    RETURN NULL;
END
$$;
CREATE TRIGGER "enrollments_exhausted" AFTER UPDATE OF "uses" ON "enrollments" FOR EACH ROW
    WHEN (NEW."uses" >= NEW."max_uses" AND OLD."uses" < OLD."max_uses" AND NEW."reenrolls_thing_id" IS NULL) EXECUTE FUNCTION "publish_exhausted"();
