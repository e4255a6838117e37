-- runs with: 20261129130000_acme
-- Commands for things. `claimed` is shown as queued: one edge, and no other, may send it from then on. What the clock makes of a row
-- (expired, unknown) is judged by `expires_at` at each reading, and written down by a chore. No foreign key to things: they are never deleted.
CREATE TABLE "commands" (
    "id" UUID NOT NULL,
    "ordinal" BIGSERIAL NOT NULL,
    "account_name" TEXT NOT NULL,
    "thing_id" UUID NOT NULL,
    "thing_name" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "payload" TEXT NOT NULL,
    "status" TEXT NOT NULL DEFAULT 'queued',
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "claim" UUID,
    "proxy_id" UUID,
    "session_id" TEXT,
    "claimed_at" TIMESTAMPTZ(3),
    "delivered_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "reason" TEXT,
    "result" TEXT,
    CONSTRAINT "commands_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "commands_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT "commands_status" CHECK ("status" IN ('queued', 'claimed', 'delivered', 'acknowledged', 'failed', 'expired', 'unknown')),
    CONSTRAINT "commands_claimed" CHECK (("status" IN ('queued', 'expired')) = ("claim" IS NULL)),
    CONSTRAINT "commands_finished" CHECK (("status" IN ('acknowledged', 'failed', 'expired', 'unknown')) = ("finished_at" IS NOT NULL))
);
CREATE INDEX "commands_thing_idx" ON "commands"("account_name", "thing_name", "ordinal");
CREATE INDEX "commands_queued_idx" ON "commands"("account_name", "thing_name", "ordinal") WHERE "status" = 'queued';
CREATE INDEX "commands_open_idx" ON "commands"("account_name", "thing_name") WHERE "finished_at" IS NULL;
CREATE INDEX "commands_due_idx" ON "commands"("expires_at") WHERE "finished_at" IS NULL;
CREATE INDEX "commands_over_idx" ON "commands"("finished_at") WHERE "finished_at" IS NOT NULL;
CREATE INDEX "commands_claim_idx" ON "commands"("claim") WHERE "claim" IS NOT NULL;

-- HAZARD: a command that was claimed may have been sent. Only the edge that claimed it can say that it was not, and nothing else makes it
-- claimable again: what the database refuses, no bug can send twice.
CREATE FUNCTION "commands_are_claimed_once"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.claim IS NOT NULL AND NEW.claim IS NOT NULL AND NEW.claim <> OLD.claim THEN
        RAISE EXCEPTION 'command % is claimed already', OLD.id;
    END IF;
    IF NEW.status = 'queued' AND OLD.status NOT IN ('queued', 'claimed') THEN
        RAISE EXCEPTION 'command % is %, and cannot be queued again', OLD.id, OLD.status;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER "commands_claimed_once" BEFORE UPDATE ON "commands" FOR EACH ROW EXECUTE FUNCTION "commands_are_claimed_once"();

-- What payloads of commands look like, by their name and the type of the thing; '' stands for every type that has none of its own.
CREATE TABLE "command_schemas" (
    "id" UUID NOT NULL,
    "account_name" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "thing_type" TEXT NOT NULL DEFAULT '',
    "schema" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" TEXT NOT NULL,
    CONSTRAINT "command_schemas_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "command_schemas_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT
);
CREATE UNIQUE INDEX "command_schemas_account_name_name_thing_type_key" ON "command_schemas"("account_name", "name", "thing_type");

ALTER TABLE "log_entries" DROP CONSTRAINT "log_entries_type";
ALTER TABLE "log_entries"
    ADD CONSTRAINT "log_entries_type" CHECK ("type" IN ('certificate', 'release', 'thing', 'thing-changed', 'token-family', 'policy', 'segment', 'key', 'issuer', 'token-keys', 'account', 'session', 'person', 'authority', 'command')) NOT VALID;
