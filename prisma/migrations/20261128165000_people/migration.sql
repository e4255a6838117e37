-- People, their ways in, and their sessions. The version before knows none of these tables and reads nothing from them.
CREATE TABLE "people" (
  "id" UUID NOT NULL,
  "account_name" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  -- The name as it is compared: normalised and in lower case.
  "name_key" TEXT NOT NULL,
  "email" TEXT,
  "role" TEXT,
  "permissions" TEXT[] NOT NULL,
  "status" TEXT NOT NULL,
  "password_hash" TEXT,
  "totp_sealed" BYTEA,
  -- The last time step whose code was taken: a code counts once.
  "totp_step" INTEGER NOT NULL DEFAULT 0,
  -- The provider that made the person, whose mapping says their role from then on.
  "provider_id" UUID,
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  "created_by" TEXT NOT NULL,
  "last_sign_in_at" TIMESTAMPTZ(3),
  "deleted_at" TIMESTAMPTZ(3),
  CONSTRAINT "people_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "people_status" CHECK ("status" IN ('invited', 'active', 'suspended')),
  -- A password alone lets nobody in.
  CONSTRAINT "people_second_factor" CHECK ("password_hash" IS NULL OR "totp_sealed" IS NOT NULL),
  CONSTRAINT "people_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT
);
CREATE UNIQUE INDEX "people_account_name_name_key_key" ON "people"("account_name", "name_key") WHERE "deleted_at" IS NULL;
CREATE INDEX "people_account_name_id_idx" ON "people"("account_name", "id");

CREATE TABLE "passkeys" (
  "id" UUID NOT NULL,
  "credential_id" TEXT NOT NULL,
  "person_id" UUID NOT NULL,
  "name" TEXT NOT NULL,
  "public_key" BYTEA NOT NULL,
  "counter" BIGINT NOT NULL,
  "transports" TEXT[] NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  "last_used_at" TIMESTAMPTZ(3),
  CONSTRAINT "passkeys_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "passkeys_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "people"("id") ON DELETE CASCADE ON UPDATE RESTRICT
);
CREATE UNIQUE INDEX "passkeys_credential_id_key" ON "passkeys"("credential_id");
CREATE INDEX "passkeys_person_id_idx" ON "passkeys"("person_id");

CREATE TABLE "recovery_codes" (
  "hash" BYTEA NOT NULL,
  "person_id" UUID NOT NULL,
  CONSTRAINT "recovery_codes_pkey" PRIMARY KEY ("person_id", "hash"),
  CONSTRAINT "recovery_codes_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "people"("id") ON DELETE CASCADE ON UPDATE RESTRICT
);

-- Links for one use. Without a person, a link makes an owner of the account.
CREATE TABLE "person_links" (
  "hash" BYTEA NOT NULL,
  "account_name" TEXT NOT NULL,
  "person_id" UUID,
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  "created_by" TEXT NOT NULL,
  "expires_at" TIMESTAMPTZ(3) NOT NULL,
  CONSTRAINT "person_links_pkey" PRIMARY KEY ("hash"),
  CONSTRAINT "person_links_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT,
  CONSTRAINT "person_links_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "people"("id") ON DELETE CASCADE ON UPDATE RESTRICT
);
CREATE UNIQUE INDEX "person_links_person_id_key" ON "person_links"("person_id");
CREATE INDEX "person_links_expires_at_idx" ON "person_links"("expires_at");

-- Providers of OpenID Connect, by account.
CREATE TABLE "sign_in_providers" (
  "id" UUID NOT NULL,
  "account_name" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "issuer" TEXT NOT NULL,
  "client_id" TEXT NOT NULL,
  "secret_sealed" BYTEA NOT NULL,
  "settings" JSONB NOT NULL,
  -- The keys that it signed with last, so that a logout is understood while it is away.
  "jwks" JSONB,
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  "created_by" TEXT NOT NULL,
  CONSTRAINT "sign_in_providers_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "sign_in_providers_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT
);
CREATE UNIQUE INDEX "sign_in_providers_account_name_name_key" ON "sign_in_providers"("account_name", "name");

-- Who somebody is at a provider: issuer and subject, never an address.
CREATE TABLE "identities" (
  "id" UUID NOT NULL,
  "account_name" TEXT NOT NULL,
  "issuer" TEXT NOT NULL,
  "subject" TEXT NOT NULL,
  "person_id" UUID NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  CONSTRAINT "identities_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "identities_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "people"("id") ON DELETE CASCADE ON UPDATE RESTRICT
);
CREATE UNIQUE INDEX "identities_account_name_issuer_subject_key" ON "identities"("account_name", "issuer", "subject");
CREATE INDEX "identities_person_id_idx" ON "identities"("person_id");

CREATE TABLE "person_sessions" (
  "id" UUID NOT NULL,
  "hash" BYTEA NOT NULL,
  "person_id" UUID NOT NULL,
  "methods" TEXT[] NOT NULL,
  "created_at" TIMESTAMPTZ(3) NOT NULL,
  "last_seen_at" TIMESTAMPTZ(3) NOT NULL,
  -- When a factor was last shown.
  "authenticated_at" TIMESTAMPTZ(3) NOT NULL,
  "expires_at" TIMESTAMPTZ(3) NOT NULL,
  "source_ip" TEXT,
  "user_agent" TEXT,
  -- Of a session that a provider vouches for: until when, and what asks it again.
  "provider_id" UUID,
  "subject" TEXT,
  "provider_session" TEXT,
  "refresh_sealed" BYTEA,
  "vouched_until" TIMESTAMPTZ(3),
  "recheck_at" TIMESTAMPTZ(3),
  CONSTRAINT "person_sessions_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "person_sessions_person_id_fkey" FOREIGN KEY ("person_id") REFERENCES "people"("id") ON DELETE CASCADE ON UPDATE RESTRICT,
  CONSTRAINT "person_sessions_provider_id_fkey" FOREIGN KEY ("provider_id") REFERENCES "sign_in_providers"("id") ON DELETE CASCADE ON UPDATE RESTRICT
);
CREATE UNIQUE INDEX "person_sessions_hash_key" ON "person_sessions"("hash");
CREATE INDEX "person_sessions_person_id_idx" ON "person_sessions"("person_id");
CREATE INDEX "person_sessions_expires_at_idx" ON "person_sessions"("expires_at");
CREATE INDEX "person_sessions_provider_id_subject_idx" ON "person_sessions"("provider_id", "subject");
CREATE INDEX "person_sessions_recheck_at_idx" ON "person_sessions"("recheck_at") WHERE "recheck_at" IS NOT NULL;

-- What may be used once and was: transactions of signing in, tokens of logouts.
CREATE TABLE "spent_tokens" (
  "hash" BYTEA NOT NULL,
  "expires_at" TIMESTAMPTZ(3) NOT NULL,
  CONSTRAINT "spent_tokens_pkey" PRIMARY KEY ("hash")
);
CREATE INDEX "spent_tokens_expires_at_idx" ON "spent_tokens"("expires_at");

-- Wrong guesses by name, known or not. Names share a fixed number of rows, so that no number of names makes the table grow.
CREATE TABLE "sign_in_delays" (
  "bucket" INTEGER NOT NULL,
  "failures" INTEGER NOT NULL,
  "failed_at" TIMESTAMPTZ(3) NOT NULL,
  CONSTRAINT "sign_in_delays_pkey" PRIMARY KEY ("bucket")
);

-- What an account sets about signing in; without a row, the defaults.
CREATE TABLE "sign_in_settings" (
  "account_name" TEXT NOT NULL,
  "passwords" BOOLEAN NOT NULL,
  CONSTRAINT "sign_in_settings_pkey" PRIMARY KEY ("account_name"),
  CONSTRAINT "sign_in_settings_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT
);

-- The version before reads the type as an unknown one, which changes nothing: it has no people and no sessions of theirs.
ALTER TABLE "log_entries" DROP CONSTRAINT "log_entries_type";
ALTER TABLE "log_entries"
    ADD CONSTRAINT "log_entries_type" CHECK ("type" IN ('certificate', 'release', 'thing', 'thing-changed', 'token-family', 'policy', 'segment', 'key', 'issuer', 'token-keys', 'account', 'session', 'person')) NOT VALID;
