-- Edges that hold the sessions of devices say when no live session contradicts an entry, and which sessions there are.
-- The version before knows none of this: it writes proxies without sessions, and reads what it knew.
ALTER TABLE "proxies"
  ADD COLUMN "sessions" BOOLEAN NOT NULL DEFAULT false,
  ADD COLUMN "sessions_closed" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "sessions_reported_at" TIMESTAMPTZ(3),
  ADD COLUMN "sessions_heard_at" TIMESTAMPTZ(3),
  ADD COLUMN "sessions_incarnation" TEXT,
  ADD COLUMN "session_count" INTEGER NOT NULL DEFAULT 0;

-- When a run of an edge first said that no live session contradicts the log up to here, and how many it closed since it said so before.
CREATE TABLE "enforcements" (
  "proxy_id" UUID NOT NULL,
  "incarnation" TEXT NOT NULL,
  "position" BIGINT NOT NULL,
  "at" TIMESTAMPTZ(3) NOT NULL,
  "sessions_closed" INTEGER NOT NULL,
  CONSTRAINT "enforcements_pkey" PRIMARY KEY ("proxy_id", "incarnation", "position"),
  CONSTRAINT "enforcements_proxy_id_fkey" FOREIGN KEY ("proxy_id") REFERENCES "proxies"("id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- Live sessions, of one run of an edge. A row of another run than the edge's present one is of no session.
CREATE TABLE "sessions" (
  "proxy_id" UUID NOT NULL,
  "id" TEXT NOT NULL,
  "incarnation" TEXT NOT NULL,
  "account_name" TEXT NOT NULL,
  "thing_name" TEXT NOT NULL,
  "protocol" TEXT NOT NULL,
  "client_id" TEXT,
  "source_ip" TEXT,
  "fingerprint" TEXT,
  "connected_at" TIMESTAMPTZ(3) NOT NULL,
  CONSTRAINT "sessions_pkey" PRIMARY KEY ("proxy_id", "id"),
  CONSTRAINT "sessions_proxy_id_fkey" FOREIGN KEY ("proxy_id") REFERENCES "proxies"("id") ON DELETE CASCADE ON UPDATE RESTRICT
);
CREATE INDEX "sessions_account_name_thing_name_idx" ON "sessions"("account_name", "thing_name");
CREATE INDEX "sessions_account_name_id_idx" ON "sessions"("account_name", "id");
CREATE INDEX "sessions_account_name_proxy_id_id_idx" ON "sessions"("account_name", "proxy_id", "id");

-- What only edges are shown. The version before reads these types as unknown ones, which change nothing. Rows that there are
-- fit already: reading all of them again would hold the log up.
ALTER TABLE "log_entries" DROP CONSTRAINT "log_entries_type";
ALTER TABLE "log_entries"
    ADD CONSTRAINT "log_entries_type" CHECK ("type" IN ('certificate', 'release', 'thing', 'thing-changed', 'token-family', 'policy', 'segment', 'key', 'issuer', 'token-keys', 'account', 'session')) NOT VALID;
