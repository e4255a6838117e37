-- runs with: 20261129140000_sites
-- A promoted standby continues on another timeline, and has another epoch: the number of the timeline is in it. `timeline` is the one that
-- the epoch began on; `settled_timeline` the one that every lease of an earlier one has ended on.
CREATE FUNCTION "current_timeline"() RETURNS INTEGER LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int $$;
ALTER TABLE "log_head" ADD COLUMN "timeline" INTEGER NOT NULL DEFAULT 0, ADD COLUMN "settled_timeline" INTEGER NOT NULL DEFAULT 0;
UPDATE "log_head" SET "timeline" = "current_timeline"(), "settled_timeline" = "current_timeline"();
CREATE FUNCTION "log_epoch"("epoch" TEXT, "timeline" INTEGER) RETURNS TEXT LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT CASE WHEN "timeline" = "current_timeline"() THEN "epoch" ELSE encode(substr(sha256(convert_to("epoch" || '/' || "current_timeline"(), 'UTF8')), 1, 16), 'hex')::uuid::text END $$;
