-- runs with: 20261129060200_alerts
-- An act on many things, in waves. `holder` is whose rights it uses, `next` the ordinal of the member that comes next, and `excused`
-- how many failures of the wave somebody has seen and gone on.
CREATE TABLE "campaigns" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "act" TEXT NOT NULL,
    "with" JSONB NOT NULL DEFAULT '{}',
    "group_name" TEXT,
    "query" JSONB NOT NULL,
    "waves" INTEGER[] NOT NULL,
    "most_failures" DOUBLE PRECISION NOT NULL,
    "wave_seconds" INTEGER NOT NULL,
    "renew_seconds" INTEGER NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'running',
    "reason_code" TEXT,
    "reason" TEXT,
    "holder" TEXT NOT NULL,
    "origin" JSONB NOT NULL,
    "things" INTEGER NOT NULL,
    "wave" INTEGER NOT NULL DEFAULT 1,
    "next" INTEGER NOT NULL DEFAULT 1,
    "excused" INTEGER NOT NULL DEFAULT 0,
    "changes" INTEGER NOT NULL DEFAULT 0,
    "wave_since" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" TEXT NOT NULL,
    "finished_at" TIMESTAMPTZ(3),
    CONSTRAINT "campaigns_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "campaigns_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "campaigns_act" CHECK ("act" IN ('renew', 'attach', 'detach', 'set-attributes')),
    CONSTRAINT "campaigns_status" CHECK ("status" IN ('running', 'paused', 'cancelled', 'done')),
    CONSTRAINT "campaigns_finished" CHECK (("status" IN ('cancelled', 'done')) = ("finished_at" IS NOT NULL))
);
CREATE INDEX "campaigns_account_name_created_at_id_idx" ON "campaigns"("account_name", "created_at", "id");
CREATE INDEX "campaigns_open_idx" ON "campaigns"("account_name", "group_name") WHERE "finished_at" IS NULL;

-- The counts of a wave, kept with every change of a member: reading progress counts nothing.
CREATE TABLE "campaign_waves" (
    "campaign_id" UUID NOT NULL,
    "wave" INTEGER NOT NULL,
    "first" INTEGER NOT NULL,
    "last" INTEGER NOT NULL,
    "waiting" INTEGER NOT NULL,
    "asked" INTEGER NOT NULL DEFAULT 0,
    "done" INTEGER NOT NULL DEFAULT 0,
    "failed" INTEGER NOT NULL DEFAULT 0,
    "skipped" INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT "campaign_waves_pkey" PRIMARY KEY ("campaign_id", "wave"),
    CONSTRAINT "campaign_waves_campaign_id_fkey" FOREIGN KEY ("campaign_id") REFERENCES "campaigns"("id") ON DELETE CASCADE ON UPDATE RESTRICT,
    CONSTRAINT "campaign_waves_counted" CHECK ("waiting" >= 0 AND "asked" >= 0
        AND "waiting" + "asked" + "done" + "failed" + "skipped" = "last" - "first" + 1)
);

-- The things of a campaign, fixed when it begins. No foreign key to things: they are never deleted, and a check for each would be slow.
CREATE TABLE "campaign_members" (
    "campaign_id" UUID NOT NULL,
    "ordinal" INTEGER NOT NULL,
    "thing_id" UUID NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'waiting',
    "asked_at" TIMESTAMPTZ(3),
    "renewed_at" TIMESTAMPTZ(3),
    "reason" TEXT,
    CONSTRAINT "campaign_members_pkey" PRIMARY KEY ("campaign_id", "ordinal"),
    CONSTRAINT "campaign_members_campaign_id_fkey" FOREIGN KEY ("campaign_id") REFERENCES "campaigns"("id") ON DELETE CASCADE ON UPDATE RESTRICT,
    CONSTRAINT "campaign_members_state" CHECK ("state" IN ('waiting', 'asked', 'done', 'failed', 'skipped'))
);
CREATE INDEX "campaign_members_asked_thing_idx" ON "campaign_members"("thing_id") WHERE "state" = 'asked';
CREATE INDEX "campaign_members_answered_idx" ON "campaign_members"("campaign_id")
    WHERE "state" = 'asked' AND ("renewed_at" IS NOT NULL OR "reason" IS NOT NULL);
CREATE INDEX "campaign_members_asked_idx" ON "campaign_members"("campaign_id", "asked_at") WHERE "state" = 'asked';
CREATE INDEX "campaign_members_failed_idx" ON "campaign_members"("campaign_id", "ordinal") WHERE "state" IN ('failed', 'skipped');

-- Whichever version issues it, and by whatever protocol: a new certificate is what a campaign that renews waits for.
CREATE FUNCTION "note_renewed_members"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    UPDATE campaign_members m SET renewed_at = a.created_at FROM added a
    WHERE m.thing_id = a.thing_id AND m.state = 'asked' AND m.renewed_at IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER "certificates_renew_members" AFTER INSERT ON "certificates" REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "note_renewed_members"();

CREATE FUNCTION "publish_campaign"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM publish_event(NEW.account_name, 'campaign-' || NEW.id || '-' || NEW.changes,
        CASE WHEN NEW.finished_at IS NOT NULL THEN 'campaign.finished' WHEN NEW.status = 'paused' THEN 'campaign.paused'
             WHEN NEW.changes = 0 THEN 'campaign.started' ELSE 'campaign.resumed' END,
        'campaign:' || NEW.id, jsonb_strip_nulls(jsonb_build_object('campaign', NEW.id, 'do', NEW.act, 'group', NEW.group_name, 'status', NEW.status,
            'things', NEW.things, 'wave', NEW.wave, 'reason', NEW.reason)), clock_timestamp());
    RETURN NULL;
END
$$;
CREATE TRIGGER "campaigns_begun" AFTER INSERT ON "campaigns" FOR EACH ROW EXECUTE FUNCTION "publish_campaign"();
CREATE TRIGGER "campaigns_changed" AFTER UPDATE OF "status" ON "campaigns" FOR EACH ROW
    WHEN (NEW."status" <> OLD."status") EXECUTE FUNCTION "publish_campaign"();
