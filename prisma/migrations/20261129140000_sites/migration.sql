-- runs with: 20261129130000_acme
-- What an edge says of the machine that it runs on, and its last samples, oldest first.
CREATE TABLE "sites" (
    "proxy_id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "reported_at" TIMESTAMPTZ(3) NOT NULL,
    "capacity" JSONB NOT NULL,
    "load" JSONB NOT NULL,
    "samples" JSONB NOT NULL,
    "signal" TEXT NOT NULL,
    "signal_since" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "sites_pkey" PRIMARY KEY ("proxy_id"),
    CONSTRAINT "sites_proxy_id_fkey" FOREIGN KEY ("proxy_id") REFERENCES "proxies"("id") ON DELETE CASCADE ON UPDATE RESTRICT,
    CONSTRAINT "sites_signal" CHECK ("signal" IN ('steady', 'scale-up', 'scale-down'))
);
CREATE INDEX "sites_account_name_proxy_id_idx" ON "sites" ("account_name", "proxy_id");
