-- runs with: 20261129130000_acme
-- What edges make of messages. What is built in stands in the program, and has a row once an account activates it or adds a
-- version. Names are in the order of their octets, so that what is built in can be listed among them.
CREATE TABLE "pipelines" (
    "account_name" TEXT NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    -- Null: no version runs.
    "active_version" INTEGER,
    CONSTRAINT "pipelines_pkey" PRIMARY KEY ("account_name", "name"),
    CONSTRAINT "pipelines_account_name_fkey" FOREIGN KEY ("account_name") REFERENCES "accounts"("name") ON DELETE RESTRICT ON UPDATE RESTRICT
);

CREATE TABLE "pipeline_versions" (
    "account_name" TEXT NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "version" INTEGER NOT NULL,
    "document" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "created_by" TEXT NOT NULL,
    CONSTRAINT "pipeline_versions_pkey" PRIMARY KEY ("account_name", "name", "version"),
    CONSTRAINT "pipeline_versions_pipeline_fkey" FOREIGN KEY ("account_name", "name") REFERENCES "pipelines"("account_name", "name") ON DELETE CASCADE ON UPDATE RESTRICT,
    CONSTRAINT "pipeline_versions_version" CHECK ("version" > 0)
);

-- A version never changes.
CREATE FUNCTION "refuse_changed_pipeline_version"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a version of a pipeline never changes';
END $$;
CREATE TRIGGER "pipeline_versions_immutable" BEFORE UPDATE ON "pipeline_versions"
  FOR EACH ROW EXECUTE FUNCTION "refuse_changed_pipeline_version"();
